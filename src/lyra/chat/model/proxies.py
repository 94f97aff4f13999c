"""Which proxy of the environment stands before the model, for the service and for its doctor."""

from ipaddress import ip_address
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from lyra.settings import SettingError

_SPOKEN = ("http", "https")


def proxy_to(url: URL) -> str | None:
    """The proxy that the environment names for this address, as every program there obeys it.

    What is on this machine is reached without one: no proxy elsewhere could reach it.

    Raises:
        SettingError: the environment names one that cannot be used.
    """
    host = url.host or ""
    if _on_this_machine(host) or proxy_bypass(host) or proxy_bypass(f"{host}:{url.port}"):
        return None
    proxies = getproxies()
    named = proxies.get(url.scheme) or proxies.get("all")
    if not named:
        return None
    named = named if "://" in named else f"http://{named}"
    variable = f"{url.scheme.upper()}_PROXY" if proxies.get(url.scheme) else "ALL_PROXY"
    if not _usable(named):
        # Its address may hold a password, so it is not repeated.
        raise SettingError(
            f"{variable}: the model is reached through a proxy with http:// or https:// only. Set "
            f"such a one, or NO_PROXY={host} to do without."
        )
    return named


def _on_this_machine(host: str) -> bool:
    name = host.lower().rstrip(".")
    try:
        address = ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _usable(named: str) -> bool:
    try:
        proxy = URL(named)
        return proxy.scheme in _SPOKEN and bool(proxy.host) and bool(proxy.port)
    except ValueError:
        return False
