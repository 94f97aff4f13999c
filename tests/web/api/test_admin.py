import pytest

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import call, init, raw, request_bytes
from tests.support.error_shape import check_error

ADMIN = "an-admin-token-0001"
OPERATOR = {"Authorization": f"Bearer {ADMIN}"}
ROUTES = [("GET", "/metrics"), ("GET", "/admin/cache"), ("DELETE", "/admin/cache")]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ADMIN},
        {"Authorization": f"Basic {ADMIN}"},
        {"Authorization": f"Bearer {ADMIN}0"},
        {"Authorization": f"Bearer {sandbox_token()}"},
    ],
)
async def test_without_the_admin_token_the_route_does_not_exist(
    start: Start, method: str, path: str, headers: dict[str, str]
) -> None:
    service = await start(admin_token=ADMIN)

    check_error(await call(service, method, path, headers=headers), "not_found")


ODD = [
    *("/metrics", "/admin/cache", "/metrics?token=x", "/metrics/", "/METRICS", "/admin", "/admin/"),
    *("/%6detrics", "/%2fmetrics", "//metrics", "/./metrics", "/lyra/../metrics", "/metrics;x"),
    *("/admin%2fcache", "/admin%252fcache", "/metrics%00", "/debug", "http://localhost/metrics"),
]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
async def test_no_odd_form_of_the_routes_tells_that_they_exist(start: Start, method: str) -> None:
    service = await start(admin_token=ADMIN)
    same = "X-Request-Id: same"
    nowhere = await raw(service, request_bytes(service, method, "/nowhere", same))
    assert nowhere.status == 404
    for target in ODD:
        odd = await raw(service, request_bytes(service, method, target, same))

        assert (odd.status, odd.body) == (404, nowhere.body), target
        assert "Allow" not in odd.headers


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_without_a_configured_token_nothing_opens_it(
    service: Service, method: str, path: str
) -> None:
    check_error(await call(service, method, path, headers=OPERATOR), "not_found")


async def test_the_operator_sees_hits_apart_from_misses_and_joiners(start: Start) -> None:
    service = await start(admin_token=ADMIN)
    await init(service)
    await init(service)
    cache = (await call(service, "GET", "/admin/cache", headers=OPERATOR)).json["cache"]

    assert (cache["misses_total"], cache["hits_total"], cache["joined_total"]) == (1, 1, 0)
    assert (cache["entries"], cache["flights"]) == (1, 0)
    assert cache["bytes"] > 1000


async def test_the_operator_can_forget_everybody(start: Start, sandbox: Sandbox) -> None:
    service = await start(admin_token=ADMIN)
    await init(service)
    answer = await call(service, "DELETE", "/admin/cache", headers=OPERATOR)
    await init(service)

    assert answer.status == 204
    assert sandbox.stats.total == 10
