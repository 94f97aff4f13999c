"""Playlists that a program saves: with the same promises as those that a listener confirms."""

import asyncio
from typing import Any

import pytest

from lyra.agent import clear_user_cache, save_playlist
from lyra.sandbox import Sandbox, sandbox_token
from tests.agent.conftest import Configure
from tests.support.proposals import URIS

pytestmark = pytest.mark.usefixtures("configured")

ANNA = sandbox_token(7, "typical", "restricted")


@pytest.fixture
def configured(use: Configure) -> None:
    use()


async def test_a_program_saves_what_it_names(sandbox: Sandbox) -> None:
    answer = await save_playlist(ANNA, "Slow\nTides", URIS[:3])

    [made] = sandbox.made_playlists(ANNA)
    assert answer == {
        "success": True,
        "playlist": {
            "uri": f"spotify:playlist:{made.id}",
            "url": f"https://open.spotify.com/playlist/{made.id}",
            "name": "Slow Tides",
            "count": 3,
        },
    }
    assert (made.uris, made.on_profile) == (URIS[:3], False)


async def test_the_same_call_makes_one_playlist_and_another_makes_another(sandbox: Sandbox) -> None:
    same = [save_playlist(ANNA, "Slow Tides", URIS[:3]) for _ in range(4)]
    answers = await asyncio.gather(*same)
    answers.append(await save_playlist(ANNA, "Slow Tides", URIS[:3]))

    assert all(answer == answers[0] for answer in answers)
    assert len(sandbox.made_playlists(ANNA)) == 1
    await save_playlist(ANNA, "Slow Tides", URIS[2::-1])
    await save_playlist(ANNA, "Low Tides", URIS[:3])
    assert len(sandbox.made_playlists(ANNA)) == 3


async def test_a_call_after_a_failure_goes_on_with_the_playlist(sandbox: Sandbox) -> None:
    token = sandbox_token(7, "typical", "restricted", "500-replace~1+3")
    failed = await save_playlist(token, "Slow Tides", URIS[:3])
    assert (failed["success"], failed["error"]["retryable"]) == (False, True)

    assert (await save_playlist(token, "Slow Tides", URIS[:3]))["success"]
    [made] = sandbox.made_playlists(token)
    assert made.uris == URIS[:3]


async def test_without_the_scope_it_is_said() -> None:
    token = sandbox_token(7, "typical", "restricted", "ungranted-writes")
    answer = await save_playlist(token, "Slow Tides", URIS[:3])

    assert answer["error"]["reason"] == "missing_scope"


@pytest.mark.parametrize(
    ("name", "uris"),
    [
        ("", URIS[:1]),
        (" \n", URIS[:1]),
        (None, URIS[:1]),
        ("x", []),
        ("x", None),
        ("x", URIS[0]),
        ("x", {URIS[0]: 1}),
        ("x", ["spotify:album:1"]),
        ("x", [URIS[0], URIS[0]]),
        ("x", URIS * 11),
        ("x", [None]),
    ],
)
async def test_what_is_no_playlist_is_refused_and_writes_nothing(
    sandbox: Sandbox, name: Any, uris: Any
) -> None:
    answer = await save_playlist(ANNA, name, uris)

    assert answer["error"]["code"] == "invalid_request"
    assert sandbox.made_playlists(ANNA) == []


async def test_forgetting_the_listener_forgets_what_was_saved_here(sandbox: Sandbox) -> None:
    await save_playlist(ANNA, "Slow Tides", URIS[:3])
    await clear_user_cache(ANNA)
    await save_playlist(ANNA, "Slow Tides", URIS[:3])

    assert len(sandbox.made_playlists(ANNA)) == 2
