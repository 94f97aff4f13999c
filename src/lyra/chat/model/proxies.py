"""Find the proxy to the model in the environment, for the service and for `lyra doctor`."""

from ipaddress import ip_address
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from lyra.settings import SettingError

_SCHEMES = ("http", "https")


def find_proxy(url: URL) -> str | None:
    """Return the proxy that the environment names for this address, by the usual variables.

    An address of this machine has none: a proxy on another machine could not reach it.

    Raises:
        SettingError: the environment names one that cannot be used.
    """
    host = url.host or ""
    if _is_local(host) or proxy_bypass(host) or proxy_bypass(f"{host}:{url.port}"):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    variable = f"{url.scheme.upper()}_PROXY" if proxies.get(url.scheme) else "ALL_PROXY"
    if not _is_usable(proxy):
        # The proxy's address may hold a password, so the message does not repeat it.
        raise SettingError(
            f"{variable}: the model is reached through a proxy with http:// or https:// only. Set "
            f"such a one, or NO_PROXY={host} to do without."
        )
    return proxy


def _is_local(host: str) -> bool:
    name = host.lower().rstrip(".")
    try:
        address = ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_usable(address: str) -> bool:
    try:
        proxy = URL(address)
        return proxy.scheme in _SCHEMES and bool(proxy.host) and bool(proxy.port)
    except ValueError:
        return False
