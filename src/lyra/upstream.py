"""What a server that Lyra asks says besides the status of a refusal: for how long, and why.

The status is known by then and says enough: nothing that comes here, or does not come, changes what
the refusal is.
"""

import asyncio
import re
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

_LONGEST_PAUSE_S = 86_400.0
ERROR_BODY_S = 1.0
_SECONDS = re.compile(r"-?[0-9]+(\.[0-9]*)?")
_WHITE = " \t"


def pause(said: str, now: float | None) -> float | None:
    """Return the seconds that a Retry-After asks for, from 0 to a day; None when it is rubbish.

    `now` is seconds since the epoch: a date is measured against it, and says nothing without it.
    """
    text = said.strip(_WHITE)
    if _SECONDS.fullmatch(text):
        return _clamp(float(text))
    moment = epoch(text)
    return None if moment is None or now is None else _clamp(moment - now)


def epoch(said: str) -> float | None:
    """Return the seconds since the epoch that a date means; None when it is rubbish."""
    try:
        moment = parsedate_to_datetime(said)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _clamp(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST_PAUSE_S)


async def error_body(response: aiohttp.ClientResponse, *, most: int, within_s: float) -> bytes:
    """Return the beginning of a refusal's body, up to a piece over `most`.

    Only what has come in time: a server that hangs after its status is waited for this long.
    """
    body = bytearray()
    with suppress(OSError, aiohttp.ClientError, HttpProcessingError):
        async with asyncio.timeout(within_s):
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > most:
                    break
    if not response.content.at_eof():
        response.close()
    return bytes(body)
