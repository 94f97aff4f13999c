"""The operator's routes: metrics and the cache. Without the admin token they answer 404."""

from ipaddress import ip_address

from aiohttp import web

from lyra.errors import (
    CrossSiteError,
    MisdirectedRequestError,
    NotForgottenError,
    NotFoundError,
)
from lyra.metrics import CONTENT_TYPE
from lyra.web.context import SERVICES, Services
from lyra.web.gateway.middleware import Middleware, host_name
from lyra.web.gateway.requests import equal_in_constant_time, handle_expect
from lyra.web.http.access_log import RequestLog
from lyra.web.http.responses import add_security_headers, json_response, request_id

_OF_NO_OTHER_SITE = frozenset({"same-origin", "none"})


async def metrics(request: web.Request) -> web.StreamResponse:
    """Respond with everything counted and timed, as Prometheus text."""
    body = _authorize_operator(request).metrics.render()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


async def cache_stats(request: web.Request) -> web.StreamResponse:
    """Respond with the cache's counters and sizes."""
    return json_response(
        {"success": True, "cache": _authorize_operator(request).lyra.listeners.stats()}
    )


async def clear_cache(request: web.Request) -> web.StreamResponse:
    """Forget every listener, also those that are being fetched now.

    Raises:
        NotForgottenError: Redis does not take it; it is tried again as soon as it answers.
    """
    if not await _authorize_operator(request).lyra.listeners.clear():
        raise NotForgottenError(retry_after_s=1)
    return web.Response(status=204)


OPEN: web.AppKey[bool] = web.AppKey("open", bool)


class OwnPort(Middleware):
    """The middleware of the operator's own port, which asks for no token.

    Any page may send the operator's browser here: by a link or a form, or by a host name that
    resolves to 127.0.0.1 once the page is loaded (DNS rebinding). So the Host has to be a loopback
    name, and no other site may have sent the request. Load is no reason for a refusal here.
    """

    def admit(self, request: web.Request) -> None:
        """Refuse a request that a page of another site may have sent.

        Raises:
            MisdirectedRequestError: it names a host that is not this machine.
            CrossSiteError: it comes from another site, or from another port of this machine.
        """
        if not (_is_loopback(request.headers.get("Host", "")) and _is_loopback(request.host)):
            raise MisdirectedRequestError("The operator's port is served as 127.0.0.1 alone.")
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if (site is not None and site not in _OF_NO_OTHER_SITE) or (
            origin is not None and origin != f"http://{request.host}"
        ):
            raise CrossSiteError("No page of another site may come to the operator's port.")


def admin_app(services: Services, log_request: RequestLog) -> web.Application:
    """Return an application of the operator's routes, for a port on this machine without a token."""
    own_port = OwnPort(services.settings, services.metrics.requests, log_request)
    app = web.Application(middlewares=[own_port.middleware])
    app[SERVICES], app[OPEN] = services, True
    app.on_response_prepare.append(_add_headers)
    for method, path, handler in (
        ("GET", "/metrics", metrics),
        ("GET", "/admin/cache", cache_stats),
        ("DELETE", "/admin/cache", clear_cache),
    ):
        app.router.add_route(method, path, handler, expect_handler=handle_expect)
    return app


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add the default headers (a handler of on_response_prepare), and CORS headers for no origin."""
    add_security_headers(response, request_id.get())


def _is_loopback(host: str) -> bool:
    name = host_name(host)
    try:
        return name == "localhost" or ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _authorize_operator(request: web.Request) -> Services:
    """Return the services, if the request has the admin token or came by the operator's own port.

    Raises:
        NotFoundError: it has not.
    """
    services = request.app[SERVICES]
    if request.app.get(OPEN):
        return services
    expected = services.settings.admin_token
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if (
        expected is None
        or scheme.lower() != "bearer"
        or not equal_in_constant_time(secret, expected)
    ):
        raise NotFoundError
    return services
