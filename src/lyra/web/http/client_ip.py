"""The address of the client behind a request or a connection, as far as proxies can be believed."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

from lyra.settings import SettingError

Network = IPv4Network | IPv6Network
_IPV6_PREFIX = 64  # bits: one subscriber has all IPv6 addresses behind them
# Some proxies send the client's port too; then an IPv6 address is in brackets.
_WITH_PORT = re.compile(r"(?:([0-9.]+)|\[([^\]]+)\])(?::[0-9]+)?", re.ASCII)


def trusted_networks(names: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks of LYRA_TRUSTED_PROXIES.

    Raises:
        SettingError: one of them is none.
    """
    try:
        return tuple(ip_network(name) for name in names)
    except ValueError as wrong:
        raise SettingError(f"LYRA_TRUSTED_PROXIES: {wrong}.") from None


def client_ip(request: web.Request, trusted: tuple[Network, ...]) -> str:
    """Return the client's address: the peer's, or the one that trusted proxies have written.

    Of X-Forwarded-For only the right end counts, which the service's own proxies have written.
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
    """Return all hops: some proxies extend the client's line, others add a line behind it."""
    return ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")


def identify_peer(peer: str, trusted: tuple[Network, ...]) -> tuple[str, bool]:
    """Return the client that a connection from this address counts for, and whether it is a proxy."""
    return _group_address(peer), bool(trusted) and _is_within(peer, trusted)


def _strip_port(hop: str) -> str | None:
    """Return the address of a hop; None if it has none: then nothing vouches for the hops before it."""
    match = _WITH_PORT.fullmatch(hop)
    address = (match[1] or match[2]) if match else hop
    return address if _parse_ip(address) else None


def _parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address; as IPv4 also where a socket for both protocols has written it as IPv6."""
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
