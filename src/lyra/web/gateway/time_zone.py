"""The listener's time zone: a member of the body, or the header `X-Timezone` on every other face."""

from aiohttp import web

from lyra.errors import RequestError
from lyra.timezones import UTC_ZONE, UnknownZoneError, Zone, load_zone

HEADER = "X-Timezone"


async def read_request_zone(request: web.Request, in_body: str | None = None) -> Zone:
    """Return the zone that the request names, in its body before its header; UTC for none.

    A header that names none is passed over: a browser sends it by itself, and may know a zone that
    this system's database does not have yet. UTC is then said with each time.

    Raises:
        RequestError: there is no zone of the name in the body.
    """
    if in_body is None:
        try:
            return await load_zone(request.headers.get(HEADER) or None)
        except UnknownZoneError:
            return UTC_ZONE
    try:
        return await load_zone(in_body)
    except UnknownZoneError:
        shown = ascii(in_body)
    message = f"$.timezone: there is no zone {shown}. Send an IANA name, such as Europe/Berlin."
    raise RequestError(message)
