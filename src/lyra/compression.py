"""Spotify's bodies as they were before they were compressed."""

try:
    from isal import isal_zlib as zlib  # the same format, in little more than half the time
except ImportError:  # there are no wheels of it for this platform
    import zlib  # type: ignore[no-redef]

_DAMAGED: type[Exception] = zlib.error  # type: ignore[assignment]  # isal's stub
_GZIP = 31  # zlib's word for a header of gzip around the largest window


def inflate(packed: bytes, limit: int) -> bytes:
    """Return what is packed, or so many bytes of it if it is longer.

    Only the first member counts: a thousand empty ones would cost more than they weigh.

    Raises:
        ValueError: it is not gzip, is damaged or breaks off before the limit.
    """
    member = zlib.decompressobj(wbits=_GZIP)
    try:
        body: bytes = member.decompress(packed, limit)
    except _DAMAGED as wrong:
        raise ValueError("not gzip") from wrong
    if not member.eof and len(body) < limit:
        raise ValueError("breaks off")
    return body
