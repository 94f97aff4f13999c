"""The commands as a person types them: real processes, their output and their exit codes."""

import re
import signal
import socket
from pathlib import Path

import aiohttp
import pytest

from tests.cli.conftest import Launch, greeting, read_refusal
from tests.support.curl import curl_commands, run_curl

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
API = (ROOT / "docs" / "API.md").read_text("utf-8")


async def test_the_demo_prints_lines_that_work_when_pasted(launch: Launch) -> None:
    process = await launch("demo", "--port", "0")
    told = await greeting(process)
    lines = curl_commands(told)
    init, chat = [await run_curl(line) for line in lines]

    assert "DEMO" in told
    assert '"success":true' in init
    assert '"spotify_calls":5' in init
    assert '"demo":true' in chat
    assert '"spotify_calls":0' in chat
    assert chat.endswith("data: [DONE]\n\n")
    assert [normal(line) for line in curl_commands(API)[:2]] == [normal(line) for line in lines]
    assert [normal(line) for line in curl_commands(README)] == [normal(lines[1])]


def normal(words: list[str]) -> list[str]:
    """The words of a command line without the port."""
    return sorted(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", word) for word in words)


async def test_run_without_keys_is_the_demo_and_says_why(launch: Launch) -> None:
    process = await launch("run", "--port", "0")
    told = await greeting(process)

    assert "DEMO" in told
    assert "no model key (LYRA_LLM_API_KEY) and no Spotify client id" in told


async def test_run_with_everything_set_serves(launch: Launch) -> None:
    process = await launch(
        "run", "--port", "0", LYRA_LLM_API_KEY="sk-test", LYRA_SPOTIFY_CLIENT_ID="0123456789abcdef"
    )
    told = await greeting(process)

    assert "serving real Spotify data" in told
    assert "claude-haiku-5-5" in told


async def test_settings_are_read_from_a_dotenv_file(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LYRA_LLM=offline\nLYRA_PORT=0\n")
    told = await greeting(await launch("serve"))

    assert "lyra-offline (no language model)" in told


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "LYRA_LLM_API_KEY"),
        ({"LYRA_LLM": "anthropic"}, "LYRA_LLM_API_KEY"),
        ({"LYRA_PORT": "eighty"}, "LYRA_PORT"),
        ({"LYRA_CACHE_TTL_S": "nan"}, "LYRA_CACHE_TTL_S"),
        ({"LYRA_SECRET": "short"}, "LYRA_SECRET"),
        ({"LYRA_PROT": "1"}, "LYRA_PROT"),
    ],
)
async def test_an_invalid_setting_stops_the_start_and_is_named(
    launch: Launch, environ: dict[str, str], named: str
) -> None:
    code, said = await read_refusal(await launch("serve", **environ))

    assert code == 2
    assert said.startswith(f"lyra: {named}")
    assert len(said.splitlines()) == 1


async def test_a_port_in_use_is_one_clear_line(launch: Launch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = await read_refusal(await launch("demo", "--port", str(port)))

    assert code == 2
    assert said == (
        f"lyra: LYRA_PORT: cannot listen on 127.0.0.1:{port} (Address already in use). "
        "Stop what uses it, or set another LYRA_PORT.\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_with_exit_code_0_and_no_traceback(
    launch: Launch, number: signal.Signals
) -> None:
    process = await launch("demo", "--port", "0")
    await greeting(process)
    process.send_signal(number)
    _, err = await process.communicate()

    assert (process.returncode, err) == (0, b"")


async def test_a_second_signal_ends_it_at_once_with_exit_code_1(launch: Launch) -> None:
    process = await launch("demo", "--port", "0", LYRA_DRAIN_S="3600", LYRA_FIRST_BYTE_S="0.05")
    told = await greeting(process)
    url = next(word for word in curl_commands(told)[1] if word.startswith("http"))
    headers = {"Authorization": "Bearer sandbox.7.typical.legacy.hang"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, headers=headers, json={"message": "Hello?"}) as live,
    ):
        assert (await live.content.readline()).startswith(b"id: ")
        assert (await live.content.readline()).startswith(b'data: {"type":"start"')
        process.terminate()
        assert process.stdout is not None
        await process.stdout.readuntil(b"live answers may finish\n")
        process.terminate()
        await process.communicate()

    assert process.returncode == 1


async def test_the_sandbox_replays_recorded_answers(launch: Launch, tmp_path: Path) -> None:
    folder = tmp_path / "recorded"
    folder.mkdir()
    (folder / "me.json").write_text('{"id": "vesna"}')
    told = await greeting(await launch("sandbox", "--port", "0", "--replay", str(folder)))
    url = re.search(r"LYRA_SPOTIFY_API_URL=(\S+)", told)
    assert url is not None
    headers = {"Authorization": "Bearer any-recorded-token"}
    async with aiohttp.ClientSession() as http, http.get(f"{url[1]}/me", headers=headers) as answer:
        assert await answer.text() == '{"id": "vesna"}'


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("http://127.0.0.1:8080/auth/callback", 200),  # Lyra's own
        ("https://app.example/back", 200),
        ("https://other.example/back", 400),
    ],
)
async def test_the_sandbox_has_log_ins_for_a_lyra_and_for_what_is_named(
    launch: Launch, uri: str, status: int
) -> None:
    named = ("--redirect-uri", "https://app.example/back")
    told = await greeting(await launch("sandbox", "--port", "0", *named))
    shown = dict(re.findall(r"(LYRA_SPOTIFY_\w+)=(\S+)", told))
    query = {
        "client_id": shown["LYRA_SPOTIFY_CLIENT_ID"],
        "redirect_uri": uri,
        "response_type": "code",
        "state": "x",
        "code_challenge_method": "S256",
        "code_challenge": "c" * 43,
    }
    address = f"{shown['LYRA_SPOTIFY_ACCOUNTS_URL']}/authorize"
    async with aiohttp.ClientSession() as http, http.get(address, params=query) as answer:
        assert answer.status == status


async def test_a_redirect_address_that_spotify_would_not_register_is_one_clear_line(
    launch: Launch,
) -> None:
    code, said = await read_refusal(
        await launch("sandbox", "--redirect-uri", "http://localhost/back")
    )

    assert code == 2
    assert said.startswith("lyra: redirect address 'http://localhost/back' is neither https")


async def test_a_replay_folder_that_is_not_there_is_one_clear_line(launch: Launch) -> None:
    code, said = await read_refusal(await launch("sandbox", "--replay", "nowhere"))

    assert (code, said) == (2, "lyra: the replay folder nowhere does not exist\n")


async def test_help_imports_neither_the_server_nor_the_models_sdk(launch: Launch) -> None:
    process = await launch("--help", PYTHONPROFILEIMPORTTIME="1")
    out, err = await process.communicate()

    assert process.returncode == 0
    assert b"serve" in out
    assert not {b"aiohttp", b"anthropic", b"rich"} & {
        line.split(b"|")[-1].strip() for line in err.splitlines()
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "--fd", "-1"),
        ("serve", "--fd", "9" * 5000),
        ("sandbox", "--port", "99999"),
        ("sandbox", "--port", "-5"),
        ("sandbox", "--port", "9" * 5000),
        ("reload", "9" * 5000),
        ("doctor", "--within", "soon"),
        ("doctor", "--within", "nan"),
    ],
)
async def test_a_number_that_cannot_be_one_is_refused_in_plain_words(
    launch: Launch, arguments: tuple[str, ...]
) -> None:
    process = await launch(*arguments)
    _, err = await process.communicate()
    last = err.decode().splitlines()[-1]

    assert process.returncode == 2
    assert last.startswith(f"lyra {arguments[0]}: error: argument ")
    assert ": expected " in last


@pytest.mark.parametrize(
    ("admin", "port"), [("65535", "0"), ("21899", "21900"), ("21900", "21900")]
)
async def test_workers_whose_admin_ports_cannot_be_are_not_started(
    launch: Launch, admin: str, port: str
) -> None:
    given = {"LYRA_LLM": "offline", "LYRA_ADMIN_PORT": admin}
    code, told = await read_refusal(
        await launch("serve", "--workers", "2", "--port", port, **given)
    )

    assert code == 2
    assert told.startswith("lyra: LYRA_ADMIN_PORT: ")
    assert len(told.splitlines()) == 1
