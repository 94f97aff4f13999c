"""Whose address a request comes from, as far as it can be believed."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

from lyra.settings import SettingError

Network = IPv4Network | IPv6Network
_A_HOUSEHOLD = 64  # bits of an IPv6 address: one subscriber has all addresses behind them
# Some proxies tell the client's port too, and then an IPv6 address is in brackets.
_WITH_PORT = re.compile(r"(?:([0-9.]+)|\[([^\]]+)\])(?::[0-9]+)?", re.ASCII)


def trusted_networks(named: Sequence[str]) -> tuple[Network, ...]:
    """The networks of LYRA_TRUSTED_PROXIES.

    Raises:
        SettingError: one of them is none.
    """
    try:
        return tuple(ip_network(each) for each in named)
    except ValueError as wrong:
        raise SettingError(f"LYRA_TRUSTED_PROXIES: {wrong}.") from None


def client_ip(request: web.Request, trusted: tuple[Network, ...]) -> str:
    """The client's address: the peer's, or what trusted proxies say of who came to them.

    Of X-Forwarded-For only the right end counts, which one's own proxies have written.
    """
    address = request.remote or ""
    if trusted and _within(address, trusted):
        for hop in reversed(_forwarded(request)):
            if (told := _without_port(hop.strip())) is None:
                break
            address = told
            if not _within(address, trusted):
                break
    return _grouped(address)


def _forwarded(request: web.Request) -> list[str]:
    """All hops: some proxies add to the client's line, others add a line behind it."""
    return ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")


def client_of(peer: str, trusted: tuple[Network, ...]) -> tuple[str, bool]:
    """Whom a connection from this address counts for, and whether that is one of the own proxies."""
    return _grouped(peer), bool(trusted) and _within(peer, trusted)


def _without_port(hop: str) -> str | None:
    """The address of a hop; None where it has none: what is left of it nobody vouches for."""
    match = _WITH_PORT.fullmatch(hop)
    address = (match[1] or match[2]) if match else hop
    return address if _read(address) else None


def _read(text: str) -> IPv4Address | IPv6Address | None:
    """The address; one of IPv4 too where a socket for both protocols has written it as IPv6."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _within(address: str, networks: tuple[Network, ...]) -> bool:
    found = _read(address)
    if found is None:
        return False
    told = {found, ip_address(address)}  # a network may be written either way too
    return any(each in network for network in networks for each in told)


def _grouped(address: str) -> str:
    found = _read(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _A_HOUSEHOLD), strict=False))
    return address if found is None else str(found)
