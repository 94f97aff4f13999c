"""What a listener agrees to: which model gets how much of their data, and at whose host."""

import pytest

from lyra.sandbox import Sandbox
from tests.conftest import APP, Service, Start
from tests.redis.conftest import down, folder, server  # noqa: F401 - fixtures
from tests.support.redis_servers import RedisServer
from tests.support.visitors import ANNA, Visitor

SECRET = "canary-secret-of-all-processes"


async def again(start: Start, server: RedisServer, **changes: object) -> Service:  # noqa: F811
    """The service started anew, with the sessions that it had."""
    settings = {"redis_url": server.url, "secret": SECRET, "spotify_client_id": APP}
    return await start(**{**settings, **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"llm_base_url": "http://127.0.0.1:9"},
        {"llm_base_url": "https://models.invalid"},
        {"model": "another"},
        {"llm_context": "minimal"},
        {"llm": "offline"},
    ],
)
async def test_another_host_model_or_level_asks_again(
    start: Start,
    server: RedisServer,  # noqa: F811
    change: dict[str, object],
) -> None:
    async with Visitor(await again(start, server)) as anna:
        await anna.ready()
        sid = anna.session_id
        cookie = {"Cookie": f"lyra_sid={sid}", "Sec-Fetch-Site": "same-origin"}
        same, other = await again(start, server), await again(start, server, **change)
        answers = [
            await anna.post(f"{each.url}/lyra/init", headers=cookie) for each in (same, other)
        ]

    assert answers[0].status == 200
    assert (answers[1].status, answers[1].code) == (403, "consent_required")


async def test_the_host_is_named_with_what_goes_there(start: Start, sandbox: Sandbox) -> None:
    service = await start(spotify_client_id=APP)
    async with Visitor(service) as anna:
        await anna.log_in()
        session = await anna.session()
        page = await anna.go("GET", "/")

    assert session["provider"] == sandbox.llm_url.removeprefix("http://")
    assert f'data-provider="{session["provider"]}"'.encode() in page.body


@pytest.mark.parametrize(
    ("settings", "provider"),
    [
        ({"llm_base_url": None}, "api.anthropic.com"),
        ({"llm_base_url": "https://Models.invalid:8443/v9"}, "models.invalid:8443"),
        ({"llm": "offline"}, None),
    ],
)
async def test_the_provider_is_the_host_that_is_asked(
    start: Start, settings: dict[str, object], provider: str | None
) -> None:
    async with Visitor(await start(spotify_client_id=APP, **settings)) as anna:
        assert (await anna.session()).get("provider") == provider


async def test_who_was_shown_another_host_has_not_agreed(start: Start) -> None:
    async with Visitor(await start(spotify_client_id=APP)) as anna:
        await anna.log_in()
        refused = await anna.post("/auth/consent", json={"provider": "api.anthropic.com"})

        assert (refused.status, refused.code) == (400, "invalid_request")
        assert not (await anna.session())["consented"]


async def test_of_who_has_not_agreed_the_id_alone_is_kept(start: Start) -> None:
    service = await start(spotify_client_id=APP)
    async with Visitor(service) as anna:
        await anna.log_in(ANNA)
        logins = service.services.logins
        assert logins is not None
        kept = await logins.find_session(anna.session_id or "")
        assert kept is not None
        assert kept.name is None
        before = await anna.session()
        await anna.post("/auth/consent")
        name = (await anna.go("GET", "/lyra/profile")).json["profile"]["display_name"]

        assert "name" not in before
        assert (await anna.session())["name"] == name
