"""Time zones by their IANA names ("Europe/Berlin"), read in a thread.

They come from the system's database, and from that of the package `tzdata` where the system's lacks
one: a slim image has none, and some systems lack the old names that browsers still send.
"""

import asyncio
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

log = logging.getLogger(__name__)

MAX_NAME = 64
# Files of the database that name no place: copies, and what stands for the server's own zone.
_NAME = re.compile(
    r"(?!posix/|right/|(?:localtime|posixrules|Factory)\Z)"
    r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}",
    re.ASCII,
)


class UnknownZoneError(ValueError):
    """There is no time zone of this name."""


@dataclass(frozen=True, slots=True)
class Zone:
    """The zone in which somebody is told the time. Only UTC is named: one's own is not."""

    name: str
    tz: tzinfo

    @property
    def suffix(self) -> str:
        """What stands behind a time of day."""
        return " UTC" if self.tz is UTC else ""

    def local(self, moment: datetime) -> datetime:
        """Return the moment by this zone's clock, summer time included."""
        return moment.astimezone(self.tz)


UTC_ZONE = Zone("UTC", UTC)
# The zones that have been asked for: at most as many as the database has, some six hundred.
_zones: dict[str, Zone] = {"UTC": UTC_ZONE}


async def load_zone(name: str | None) -> Zone:
    """Return the zone of this name; UTC for none, and where there is no database of zones.

    Raises:
        UnknownZoneError: there is none of this name.
    """
    if name is None:
        return UTC_ZONE
    if (zone := _zones.get(name)) is None:
        zone = await asyncio.to_thread(read_zone, name)
    return zone


def read_zone(name: str) -> Zone:
    """Return the zone as `load_zone` does, but read the file here: no event loop may wait for it."""
    if name in _zones:
        return _zones[name]
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise UnknownZoneError(name)
    if not _has_database():
        return UTC_ZONE
    try:
        zone = Zone(name, ZoneInfo(name))
    except (OSError, ValueError, KeyError):  # a folder, a file that is no zone, or nothing
        raise UnknownZoneError(name) from None
    _zones[name] = zone
    return zone


@cache
def _has_database() -> bool:
    try:
        ZoneInfo("Europe/London")
    except KeyError:
        log.warning("there is no database of time zones: all times are told in UTC")
        return False
    return True
