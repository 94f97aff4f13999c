"""The listener's time zone: a member of the body, or the header `X-Timezone` on every other face."""

from aiohttp import web

from lyra.errors import RequestError
from lyra.timezones import MAX_NAME, UnknownZoneError, Zone, load_zone

HEADER = "X-Timezone"


async def read_zone(request: web.Request, in_body: str | None = None) -> Zone:
    """Return the zone that the request names, in its body before its header; UTC for none.

    Raises:
        RequestError: there is no such zone. To go on in UTC would tell hours that look right.
    """
    where, name = "$.timezone", in_body
    if name is None:
        where, name = HEADER, request.headers.get(HEADER) or None
    try:
        return await load_zone(name)
    except UnknownZoneError:
        shown = ascii(name)[1 : MAX_NAME + 1].rstrip("'\"")
    message = f"{where}: there is no time zone {shown}. Send an IANA name, such as Europe/Berlin."
    raise RequestError(message)
