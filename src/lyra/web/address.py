"""Whose address a request comes from, as far as it can be believed."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

from lyra.settings import SettingError

Network = IPv4Network | IPv6Network
_A_HOUSEHOLD = 64  # bits of an IPv6 address: one subscriber has all addresses behind them


def trusted_networks(named: Sequence[str]) -> tuple[Network, ...]:
    """The networks of LYRA_TRUSTED_PROXIES.

    Raises:
        SettingError: one of them is none.
    """
    try:
        return tuple(ip_network(each) for each in named)
    except ValueError as wrong:
        raise SettingError(f"LYRA_TRUSTED_PROXIES: {wrong}.") from None


def address_of(request: web.Request, trusted: tuple[Network, ...]) -> str:
    """The client's address: the peer's, or what trusted proxies say of who came to them.

    Of X-Forwarded-For only the right end counts, which one's own proxies have written.
    """
    address = request.remote or ""
    if trusted and _within(address, trusted):
        for hop in reversed(_forwarded(request)):
            if not _known(hop.strip()):
                break
            address = hop.strip()
            if not _within(address, trusted):
                break
    return _grouped(address)


def _forwarded(request: web.Request) -> list[str]:
    """All hops: some proxies add to the client's line, others add a line behind it."""
    return ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")


def client_of(peer: str, trusted: tuple[Network, ...]) -> tuple[str, bool]:
    """Whom a connection from this address counts for, and whether that is one of the own proxies."""
    return _grouped(peer), bool(trusted) and _within(peer, trusted)


def _known(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _within(address: str, networks: tuple[Network, ...]) -> bool:
    return _known(address) and any(ip_address(address) in network for network in networks)


def _grouped(address: str) -> str:
    if ":" not in address or not _known(address):
        return address
    found = ip_address(address)
    assert isinstance(found, IPv6Address)  # noqa: S101 - only these have colons
    mapped = found.ipv4_mapped
    return str(mapped) if mapped else str(ip_network((found, _A_HOUSEHOLD), strict=False))
