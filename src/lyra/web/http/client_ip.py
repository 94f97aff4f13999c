"""Whose address a request comes from, as far as it can be believed."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

from lyra.settings import SettingError

Network = IPv4Network | IPv6Network
_IPV6_PREFIX = 64  # bits of an IPv6 address: one subscriber has all addresses behind them
# Some proxies tell the client's port too, and then an IPv6 address is in brackets.
_WITH_PORT = re.compile(r"(?:([0-9.]+)|\[([^\]]+)\])(?::[0-9]+)?", re.ASCII)


def trusted_networks(names: Sequence[str]) -> tuple[Network, ...]:
    """The networks of LYRA_TRUSTED_PROXIES.

    Raises:
        SettingError: one of them is none.
    """
    try:
        return tuple(ip_network(name) for name in names)
    except ValueError as wrong:
        raise SettingError(f"LYRA_TRUSTED_PROXIES: {wrong}.") from None


def client_ip(request: web.Request, trusted: tuple[Network, ...]) -> str:
    """The client's address: the peer's, or what trusted proxies say of who came to them.

    Of X-Forwarded-For only the right end counts, which one's own proxies have written.
    """
    address = request.remote or ""
    if trusted and _is_within(address, trusted):
        for hop in reversed(_read_hops(request)):
            if (hop_address := _strip_port(hop.strip())) is None:
                break
            address = hop_address
            if not _is_within(address, trusted):
                break
    return _group_address(address)


def _read_hops(request: web.Request) -> list[str]:
    """All hops: some proxies add to the client's line, others add a line behind it."""
    return ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")


def identify_peer(peer: str, trusted: tuple[Network, ...]) -> tuple[str, bool]:
    """Whom a connection from this address counts for, and whether that is one of the own proxies."""
    return _group_address(peer), bool(trusted) and _is_within(peer, trusted)


def _strip_port(hop: str) -> str | None:
    """The address of a hop; None where it has none: what is left of it nobody vouches for."""
    match = _WITH_PORT.fullmatch(hop)
    address = (match[1] or match[2]) if match else hop
    return address if _parse_ip(address) else None


def _parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """The address; one of IPv4 too where a socket for both protocols has written it as IPv6."""
    try:
        ip = ip_address(text)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return mapped or ip


def _is_within(address: str, networks: tuple[Network, ...]) -> bool:
    ip = _parse_ip(address)
    if ip is None:
        return False
    spellings = {ip, ip_address(address)}  # a network may be written either way too
    return any(each in network for network in networks for each in spellings)


def _group_address(address: str) -> str:
    ip = _parse_ip(address)
    if isinstance(ip, IPv6Address):
        return str(ip_network((ip, _IPV6_PREFIX), strict=False))
    return address if ip is None else str(ip)
