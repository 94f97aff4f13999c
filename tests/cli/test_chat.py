"""`lyra chat`: as a person at a terminal meets it, and as a program at the end of a pipe does."""

import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lyra.chat.ending_notices import EMPTY
from lyra.cli import environment
from lyra.cli.demo_listener import DEMO_TOKEN
from lyra.sandbox import Sandbox, sandbox_token
from lyra.sandbox.catalogue import artist, track
from tests.cli.conftest import QUESTION, start_pipe
from tests.conftest import Service, Start
from tests.support.scripted_model import scripted_model, stopped, streaming, tool_use, words
from tests.support.terminal import Scripted, open_scripted, open_terminal

TOKEN = sandbox_token()


def ended(**more: Any) -> dict[str, Any]:
    """The ending of an answer, and what it has cost."""
    cost = {"cache": {"spotify_calls": 0}, "usage": {"inputTokens": 900, "outputTokens": 24}}
    metadata = {**cost, "first_token_ms": 12.3, "duration_ms": 1_712.0, **more}
    return {"type": "finish", "finishReason": "stop", "messageMetadata": metadata}


SEARCHING = {"phase": "searching", "tool": "find_music", "title": "Looking up 6 songs"}
HARBOUR = {"name": "Glass Harbour", "artists": ["The Ferrymen", "Ostra"], "new": True, "note": "x"}
LOOKED_UP: tuple[dict[str, Any], ...] = (
    {"type": "text-start", "id": "t1"},
    {"type": "text-delta", "id": "t1", "delta": "Let me look."},
    {"type": "data-status", "data": SEARCHING, "transient": True},
    {"type": "text-start", "id": "t2"},
    {"type": "text-delta", "id": "t2", "delta": "Here they are."},
    {"type": "data-track", "data": {**HARBOUR, "kind": "track", "uri": "spotify:track:4uLU6h"}},
    {"type": "data-track", "data": {"name": "Tide", "kind": "artist", "uri": "spotify:artist:0ab"}},
    {"type": "data-track", "data": {"name": "Elsewhere", "new": True, "uri": "https://a.example/"}},
    ended(tools={"calls": 1, "searches": 3, "refused": 2, "refusal": "No search is left."}),
)
NASTY = "\x1b]0;owned\x07\x9b2J\u202eend &#27;[2J &#155;2J [red]kept[/red] \x1b[31m*soft*"


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    async with open_scripted() as server:
        yield server


async def piped(
    folder: Path, *arguments: str, typed: str, **environ: str
) -> tuple[int | None, str, str]:
    """Exit code, answers and complaints for these lines of input."""
    process = await start_pipe(folder, *arguments, **environ)
    out, err = await process.communicate(typed.encode())
    return process.returncode, out.decode(), err.decode()


def printed(drawn: bytes) -> str:
    """What a person reads of it, without colours and the spaces at the ends of lines."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.decode())
    return re.sub(r"[ \r]+\n", "\n", text)


async def test_a_question_in_a_pipe_is_answered_in_plain_words(
    tmp_path: Path, service: Service
) -> None:
    code, out, err = await piped(
        tmp_path, "--url", service.url, typed=f"{QUESTION}\n", SPOTIFY_TOKEN=TOKEN
    )

    assert (code, err) == (0, "")
    assert out.startswith("Your top ")
    assert out.endswith("\n")


async def test_words_are_shown_before_the_answer_has_ended(tmp_path: Path, start: Start) -> None:
    service = await start(model="fault:hang")
    process = await start_pipe(tmp_path, "--url", service.url, SPOTIFY_TOKEN=TOKEN)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{QUESTION}\n".encode())
    word = await process.stdout.read(1)

    assert word
    assert len(service.services.runs) == 1
    process.kill()
    await process.communicate()


async def test_ctrl_c_stops_the_answer_and_its_model_call_alone(
    tmp_path: Path, start: Start, sandbox: Sandbox
) -> None:
    service = await start(model="fault:hang")
    arguments = ("chat", "--url", service.url)
    async with open_terminal(tmp_path, *arguments, SPOTIFY_TOKEN=TOKEN) as terminal:
        await terminal.until("> ")
        terminal.type(f"{QUESTION}\n")
        await sandbox.stats.until(lambda stats: stats.model_calls == 1)
        await terminal.until("One")
        terminal.type("\x03")
        # Nothing else is typed before the model's call has ended.
        await sandbox.model_closed(1)
        await terminal.until("lyra: stopped.")
        await terminal.until("> ")
        terminal.type("/quit\n")

        assert await terminal.end() == 0
        assert TOKEN.encode() not in terminal.seen
        assert b"Traceback" not in terminal.seen


async def test_ctrl_c_at_the_prompt_tells_how_to_end_and_goes_on(
    tmp_path: Path, scripted: Scripted
) -> None:
    async with open_terminal(tmp_path, "chat", "--url", scripted.url) as terminal:
        await terminal.until("> ")
        # Python sees a signal that comes just before it waits for a key only after the next line.
        terminal.type("\x03\n")
        await terminal.until("/quit or Ctrl-D ends the conversation.")
        await terminal.until("> ")
        terminal.type("/quit\n")

        assert await terminal.end() == 0


async def test_ctrl_d_ends_the_program(tmp_path: Path, scripted: Scripted) -> None:
    async with open_terminal(tmp_path, "chat", "--url", scripted.url) as terminal:
        await terminal.until("> ")
        terminal.type("\x04")

        assert await terminal.end() == 0
        assert b"an invented listener" in terminal.seen


async def test_on_a_terminal_an_answer_is_drawn_as_markdown(
    tmp_path: Path, scripted: Scripted
) -> None:
    scripted.say("Mostly **Glass", " Harbour**, see [here](https://elsewhere.example/x).")
    async with open_terminal(tmp_path, "chat", "--url", scripted.url) as terminal:
        await terminal.until("> ")
        terminal.type(f"{QUESTION}\n")
        drawn = await terminal.until("\n> ")

    assert b"\x1b[1mGlass Harbour\x1b[0m" in drawn
    assert b"https://elsewhere.example/x" in drawn  # a link does not hide where it leads to
    assert b"\x1b]8;" not in drawn


async def test_a_label_that_looks_like_an_address_shows_the_one_behind_it(
    tmp_path: Path, scripted: Scripted
) -> None:
    scripted.say("See [open.spotify.com](https://evil.example/y) or e\u200bv\u2060i\ufeffl.")
    async with open_terminal(tmp_path, "chat", "--url", scripted.url) as terminal:
        await terminal.until("> ")
        terminal.type(f"{QUESTION}\n")
        drawn = await terminal.until("\n> ")

    words = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.decode())
    assert "open.spotify.com (https://evil.example/y) or evil." in words
    assert "\x1b]8;" not in words


async def test_an_answer_longer_than_the_terminal_is_shown_whole(
    tmp_path: Path, scripted: Scripted
) -> None:
    scripted.say(*(f"- row {number} of many\n" for number in range(40)))
    async with open_terminal(tmp_path, "chat", "--url", scripted.url, lines=10) as terminal:
        await terminal.until("> ")
        terminal.type(f"{QUESTION}\n")
        await terminal.until("\n> ")
        terminal.type("/quit\n")

        assert await terminal.end() == 0
    assert all(b"row %d of many" % number in terminal.seen for number in range(40))


async def test_what_a_terminal_would_obey_never_reaches_it(
    tmp_path: Path, scripted: Scripted
) -> None:
    scripted.say(NASTY)
    async with open_terminal(tmp_path, "chat", "--url", scripted.url) as terminal:
        await terminal.until("> ")
        terminal.type(f"{QUESTION}\n")
        drawn = await terminal.until("\n> ")

    shown = drawn.decode()
    for obeyed in ("\x1b]0;", "\x07", "\x9b", "\u202e", "\x1b[2J", "\x1b[31m"):
        assert obeyed not in shown
    assert "[red]kept[/red]" in shown


async def test_what_a_terminal_would_obey_never_reaches_a_pipe(
    tmp_path: Path, scripted: Scripted
) -> None:
    scripted.say("one\x1b]0;owned\x07 two\x9b2J\r\n", "\ttabs stay\u202e\u2028")
    _, out, _ = await piped(tmp_path, "--url", scripted.url, typed=f"{QUESTION}\n")

    assert out == "one]0;owned two2J\n\ttabs stay\n"


async def test_on_a_terminal_cards_and_receipt_stand_below_the_answer(
    tmp_path: Path, scripted: Scripted
) -> None:
    scripted.send(*LOOKED_UP)
    async with open_terminal(tmp_path, "chat", "--url", scripted.url) as terminal:
        await terminal.until("> ")
        terminal.type(f"{QUESTION}\n")
        drawn = await terminal.until("\n> ")

    assert printed(drawn).endswith(
        "Let me look.\n"
        "\n"
        "Here they are.\n"
        "\n"
        "Glass Harbour \u2013 The Ferrymen, Ostra (new): https://open.spotify.com/track/4uLU6h\n"
        "Tide: https://open.spotify.com/artist/0ab\n"
        "Elsewhere (new)\n"
        "Not looked up: 2 items. No search is left.\n"
        "3 Spotify searches, first word 12 ms, 1.7 s, 24 tokens\n"
        "> "
    )


async def test_new_music_that_was_looked_up_is_listed_with_its_address(
    tmp_path: Path, start: Start
) -> None:
    by, name = artist(1500).name, track((1500, 0)).name
    find = tool_use("find_music", {"items": [{"artist": by, "title": name}]})
    first = streaming(words("Let me look."), find, stopped("tool_use"))
    async with scripted_model(first, streaming(words(f"Try **{name}**."), stopped())) as model:
        service = await start(llm_base_url=model.url)
        arguments = ("chat", "--url", service.url)
        async with open_terminal(tmp_path, *arguments, SPOTIFY_TOKEN=TOKEN) as terminal:
            await terminal.until("> ")
            terminal.type("Recommend some music I do not know yet\n")
            shown = printed(await terminal.until("\n> "))

    assert (
        f"Let me look.\n\nTry {name}.\n\n{name} \u2013 {by} (new): https://open.spotify.com/"
        in shown
    )
    assert "\n5 Spotify calls, 1 Spotify search, first word " in shown


async def test_on_a_terminal_what_is_looked_up_is_told_until_words_come(
    tmp_path: Path, scripted: Scripted
) -> None:
    scripted.send(*LOOKED_UP)
    scripted.hold = 3
    async with open_terminal(tmp_path, "chat", "--url", scripted.url) as terminal:
        await terminal.until("> ")
        terminal.type(f"{QUESTION}\n")
        drawn = await terminal.until("Looking up 6 songs …")
        assert b"Let me look." in drawn
        scripted.go_on.set()
        drawn = await terminal.until("\n> ")

    assert b"Looking up" not in drawn.rpartition(b"Let me look.")[2]


async def test_hostile_cards_titles_and_receipts_do_not_steer_a_terminal(
    tmp_path: Path, scripted: Scripted
) -> None:
    nasty = f"{NASTY}\n\ttwo\u2028"
    item = {"name": nasty, "artists": [nasty], "uri": f"spotify:track:x\n{nasty}", "url": nasty}
    odd: list[Any] = [None, [], {"name": 7}, {"name": "x", "artists": "y"}, {"uri": nasty}]
    scripted.send(
        *(
            {"type": "data-status", "data": {"phase": "searching", "title": each}}
            for each in (nasty, 7)
        ),
        *({"type": "data-track", "data": each} for each in (item, *odd)),
        ended(tools={"searches": 1, "refused": 1, "refusal": nasty}),
    )
    async with open_terminal(tmp_path, "chat", "--url", scripted.url) as terminal:
        await terminal.until("> ")
        terminal.type(f"{QUESTION}\n")
        drawn = await terminal.until("\n> ")

    shown = drawn.decode()
    for obeyed in ("\x1b]0;", "\x07", "\x9b", "\u202e", "\u2028", "\x1b[2J", "\x1b[31m"):
        assert obeyed not in shown
    [card] = [line for line in shown.splitlines() if "\u2013" in line]
    assert "https:" not in card
    assert card.count(" two") == 2  # one line, whatever stands in the name


@pytest.mark.parametrize("metadata", [None, 7, {}, {"usage": None}, {"duration_ms": "x"}])
async def test_an_ending_of_another_version_has_no_receipt(
    tmp_path: Path, scripted: Scripted, metadata: Any
) -> None:
    scripted.send({"type": "text-delta", "delta": "Yes."}, {**ended(), "messageMetadata": metadata})
    async with open_terminal(tmp_path, "chat", "--url", scripted.url) as terminal:
        await terminal.until("> ")
        terminal.type(f"{QUESTION}\n")
        drawn = await terminal.until("\n> ")
        terminal.type("/quit\n")

        assert b"Yes." in drawn
        assert await terminal.end() == 0


async def test_a_pipe_gets_the_words_alone_a_blank_line_between_two_texts(
    tmp_path: Path, scripted: Scripted
) -> None:
    scripted.send(*LOOKED_UP)
    code, out, err = await piped(tmp_path, "--url", scripted.url, typed="New?\nMore?\n")

    assert (code, err) == (0, "")
    assert out == "Let me look.\n\nHere they are.\n" * 2
    assert scripted.asked[1]["history"][1]["content"] == "Let me look.\n\nHere they are."


async def test_the_zone_of_the_terminal_goes_with_the_question(
    tmp_path: Path, scripted: Scripted
) -> None:
    scripted.say("Yes.")
    code, _, complaints = await piped(
        tmp_path, "--url", scripted.url, typed="Who?\n", TZ="Asia/Kolkata"
    )

    assert (code, complaints) == (0, "")
    assert scripted.zones == ["Asia/Kolkata"]


@pytest.mark.parametrize(
    ("named", "link", "zone"),
    [
        (":Europe/Berlin", None, "Europe/Berlin"),
        ("/usr/share/zoneinfo/Asia/Kathmandu", None, "Asia/Kathmandu"),
        ("", "zoneinfo/Australia/Lord_Howe", "Australia/Lord_Howe"),
        ("", "copied", None),  # a file of its own has no name
        ("", None, None),
    ],
)
def test_the_zone_of_the_system_is_known_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, link: str | None, zone: str | None
) -> None:
    local = tmp_path / "localtime"
    if link:
        local.symlink_to(tmp_path / link)
    monkeypatch.setenv("TZ", named)
    monkeypatch.setattr(environment, "_LOCALTIME", local)

    assert environment.time_zone() == zone


async def test_later_questions_carry_the_conversation(tmp_path: Path, scripted: Scripted) -> None:
    scripted.say("Glass ", "Harbour.")
    code, out, _ = await piped(tmp_path, "--url", scripted.url, typed="Who?\n\n/what\nAnd why?\n")

    assert code == 0
    assert out.count("Glass Harbour.\n") == 2
    assert [body["message"] for body in scripted.asked] == ["Who?", "And why?"]
    assert scripted.asked[0]["history"] == []
    assert scripted.asked[1]["history"] == [
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "Glass Harbour."},
    ]


async def test_a_long_conversation_is_sent_within_the_servers_bounds(
    tmp_path: Path, scripted: Scripted
) -> None:
    scripted.say("x" * 10_000)
    await piped(tmp_path, "--url", scripted.url, typed="Who?\n" * 8)
    sent = [sum(len(turn["content"]) for turn in body["history"]) for body in scripted.asked]

    assert max(sent) <= 32_768
    assert sent[-1] == sent[-2] > 30_000


async def test_clear_makes_the_server_and_the_conversation_forget(
    tmp_path: Path, service: Service
) -> None:
    _, out, _ = await piped(
        tmp_path, "--url", service.url, typed=f"{QUESTION}\n/clear\n", SPOTIFY_TOKEN=TOKEN
    )
    async with service.http.get("/lyra/status", headers=service.headers(TOKEN)) as answer:
        held = await answer.json()

    assert out.endswith("Forgotten, here and on the server.\n")
    assert held["cache_status"] == "empty"


async def test_a_question_after_clear_begins_anew(tmp_path: Path, scripted: Scripted) -> None:
    scripted.say("Glass Harbour.")
    await piped(tmp_path, "--url", scripted.url, typed="Who?\n/clear\nAnd why?\n")

    assert [body["history"] for body in scripted.asked] == [[], []]


@pytest.mark.parametrize(
    ("arguments", "environ", "bearer"),
    [
        ((), {}, DEMO_TOKEN),
        ((), {"SPOTIFY_TOKEN": TOKEN}, TOKEN),
        (
            ("--token", "a-token-of-one-argument"),
            {"SPOTIFY_TOKEN": TOKEN},
            "a-token-of-one-argument",
        ),
    ],
)
async def test_the_token_comes_from_argument_environment_or_demo(
    tmp_path: Path,
    scripted: Scripted,
    arguments: tuple[str, ...],
    environ: dict[str, str],
    bearer: str,
) -> None:
    scripted.say("Yes.")
    _, out, err = await piped(
        tmp_path, "--url", scripted.url, *arguments, typed="Who?\n", **environ
    )

    assert scripted.bearers == [f"Bearer {bearer}"]
    assert (out, err) == ("Yes.\n", "")


async def test_without_a_token_a_real_server_is_not_asked(tmp_path: Path) -> None:
    async with open_scripted(demo=False) as real:
        code, out, err = await piped(tmp_path, "--url", real.url, typed="Who?\n")

    assert (code, out) == (2, "")
    assert "set SPOTIFY_TOKEN" in err
    assert real.bearers == []


async def test_a_refusal_is_told_in_the_servers_sentence(tmp_path: Path, service: Service) -> None:
    token = sandbox_token(7, "expired")
    code, out, err = await piped(
        tmp_path, "--url", service.url, typed=f"{QUESTION}\n", SPOTIFY_TOKEN=token
    )

    assert code == 1
    assert out.strip() == ""
    assert err == (
        "lyra: Spotify does not accept this token: it has expired or was revoked. Log in again.\n"
    )


async def test_an_error_in_the_middle_is_told_after_the_words(tmp_path: Path, start: Start) -> None:
    service = await start(model="fault:drop")
    code, out, err = await piped(
        tmp_path, "--url", service.url, typed=f"{QUESTION}\n", SPOTIFY_TOKEN=TOKEN
    )

    assert code == 1
    assert out.startswith("One")
    assert err == (
        "lyra: The connection to the language model was lost. What you see may be incomplete.\n"
    )


async def test_a_model_that_says_nothing_is_told_of(tmp_path: Path, start: Start) -> None:
    async with scripted_model(streaming(stopped())) as model:
        service = await start(llm_base_url=model.url)
        code, out, err = await piped(
            tmp_path, "--url", service.url, typed=f"{QUESTION}\n", SPOTIFY_TOKEN=TOKEN
        )

    assert (code, out.strip(), err) == (1, "", f"lyra: {EMPTY}\n")


async def test_an_answer_that_breaks_off_does_not_look_complete(
    tmp_path: Path, scripted: Scripted
) -> None:
    scripted.say("Glass Harbour and")
    del scripted.frames[1:]
    code, out, err = await piped(tmp_path, "--url", scripted.url, typed="Who?\n")

    assert (code, out) == (1, "Glass Harbour and\n")
    assert "The connection was lost" in err


async def test_what_is_no_json_is_told_in_a_sentence(tmp_path: Path, scripted: Scripted) -> None:
    scripted.frames = [b"data: {\n\n"]
    code, _, err = await piped(tmp_path, "--url", scripted.url, typed="Who?\n")

    assert code == 1
    assert err.startswith("lyra: The connection was lost, or what came is no answer of Lyra's.")


async def test_when_nobody_answers_it_says_make_run(tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound, so that nobody else can listen there
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        code, out, err = await piped(tmp_path, "--url", url, typed="Who?\n")

    assert (code, out) == (1, "")
    assert err.startswith(f"lyra: Nobody answers at {url}. `make run` starts")


async def test_a_url_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    code, out, err = await piped(tmp_path, "--url", "127.0.0.1:8080", typed="")

    assert (code, out) == (2, "")
    assert err == "lyra: --url: expected http://<host>:<port> or https://<host>.\n"


WISH = "make me a 30-minute playlist of new songs"


async def test_a_playlist_is_listed_and_saved_as_the_person_says(
    tmp_path: Path, service: Service, sandbox: Sandbox
) -> None:
    arguments = ("chat", "--url", service.url)
    async with open_terminal(tmp_path, *arguments, SPOTIFY_TOKEN=TOKEN) as terminal:
        await terminal.until("> ")
        terminal.type(f"{WISH}\n")
        drawn = printed(await terminal.until("/dismiss drops it."))
        await terminal.until("> ")
        terminal.type("/save 2 1 as Slow Tides\n")
        saved = printed(await terminal.until("> "))
        terminal.type("/quit\n")

    rows = re.findall(r"^ +(\d+)\. (.+?) \u2013 .+ \d:\d\d \(new\)$", drawn, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    [made] = sandbox.made_playlists(TOKEN)
    assert (made.name, len(made.uris)) == ("Slow Tides", 2)
    assert (
        f"Saved: 2 songs, not shown on your profile: https://open.spotify.com/playlist/{made.id}"
        in saved
    )


async def test_in_a_pipe_a_playlist_is_saved_and_dismissed_too(
    tmp_path: Path, service: Service, sandbox: Sandbox
) -> None:
    typed = f"/save\n{WISH}\n/save 1,99\n/save 1 1\n/save\n/dismiss\n/save\n"
    code, out, err = await piped(tmp_path, "--url", service.url, typed=typed, SPOTIFY_TOKEN=TOKEN)

    assert code == 1
    assert "\nSaved: " in out
    assert "\nDismissed.\n" in out
    assert err.count("No playlist has been proposed. Ask for one.") == 2
    assert "There is no song number 99 in the list." in err
    assert "Song number 1 stands there twice." in err
    assert len(sandbox.made_playlists(TOKEN)) == 1


async def test_a_save_that_may_succeed_later_is_tried_again_in_sight(
    tmp_path: Path, service: Service, sandbox: Sandbox
) -> None:
    busy = sandbox_token(7, "typical", "legacy", "429-1-create~1+1")
    _, out, _ = await piped(
        tmp_path, "--url", service.url, typed=f"{WISH}\n/save\n", SPOTIFY_TOKEN=busy
    )

    assert "Trying again in 1 s.\nSaved: " in out
    assert len(sandbox.made_playlists(busy)) == 1


async def test_without_the_scope_it_is_said_which_one_the_token_needs(
    tmp_path: Path, service: Service
) -> None:
    token = sandbox_token(7, "typical", "legacy", "ungranted-writes")
    _, _, err = await piped(
        tmp_path, "--url", service.url, typed=f"{WISH}\n/save\n", SPOTIFY_TOKEN=token
    )

    assert "The token needs the scope playlist-modify-private." in err


PROPOSED: dict[str, Any] = {
    "id": "gB0-_1",
    "name": "Slow Tides",
    "count": 2,
    "minutes": 7,
    "notes": ["These are 2 of the 10 songs that were asked for."],
    "tracks": [
        {"uri": "spotify:track:1", "name": "One", "artists": ["Ostra"], "duration_ms": 185_000},
        {"uri": "spotify:track:2", "name": "Two", "new": True},
    ],
}


def proposed(**changed: Any) -> dict[str, Any]:
    return {"type": "data-playlist", "id": "p", "data": {**PROPOSED, **changed}}


async def drawn_for(folder: Path, scripted: Scripted, *parts: dict[str, Any]) -> bytes:
    """What is written to a terminal for an answer of these parts."""
    scripted.send({"type": "text-delta", "delta": "Here it is."}, *parts, ended())
    async with open_terminal(folder, "chat", "--url", scripted.url) as terminal:
        await terminal.until("> ")
        terminal.type(f"{QUESTION}\n")
        return await terminal.until("\n> ")


async def test_of_two_proposals_of_an_answer_the_later_one_is_listed_with_its_notes(
    tmp_path: Path, scripted: Scripted
) -> None:
    shown = printed(await drawn_for(tmp_path, scripted, proposed(name="Earlier"), proposed()))

    assert "Earlier" not in shown
    assert (
        "Proposed: Slow Tides (2 songs, 7 min)\n"
        "  1. One \u2013 Ostra 3:05\n"
        "  2. Two (new)\n"
        "These are 2 of the 10 songs that were asked for.\n"
    ) in shown


async def test_a_hostile_proposal_does_not_steer_a_terminal(
    tmp_path: Path, scripted: Scripted
) -> None:
    nasty = f"{NASTY}\n\ttwo\u2028"
    track = {"uri": nasty, "name": nasty, "artists": [nasty]}
    whole = proposed(name=nasty, notes=[nasty], tracks=[track], extends={"name": nasty})
    odd = [proposed(id="../session"), proposed(tracks=None), {"type": "data-playlist", "data": 7}]
    for parts in ([whole], odd):
        shown = (await drawn_for(tmp_path, scripted, *parts)).decode()

        for obeyed in ("\x1b]0;", "\x07", "\x9b", "\u202e", "\u2028", "\x1b[2J", "\x1b[31m"):
            assert obeyed not in shown
        assert ("Proposed: " in shown) == (parts == [whole])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("0", "There is no song number 0 in the list."),
        ("9" * 5_000, f"There is no song number {'9' * 200} in the list."),
        ("the first", "Type /save"),
        ("1 as", "Type /save"),
        ("as  ", "Type /save"),
    ],
    ids=["0", "a huge number", "no number", "no name", "no name, no number"],
)
async def test_what_save_does_not_understand_is_told_and_sends_nothing(
    tmp_path: Path, scripted: Scripted, words: str, says: str
) -> None:
    scripted.send(proposed(), ended())
    typed = f"{QUESTION}\n/save {words}\n{QUESTION}\n"
    code, _, err = await piped(tmp_path, "--url", scripted.url, typed=typed)

    assert (code, err.count("\n")) == (1, 1)
    assert says in err
    assert len(scripted.asked) == 2  # it goes on
