"""The file `.env`: what it may look like, and one line about what is wrong with it."""

import os
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.cli.conftest import Launch, greeting, read_refusal

GOOD = "LYRA_LLM=offline\nLYRA_PORT=0\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD.encode("utf-16"), "1: it is not UTF-8"),
        (GOOD.encode("utf-16-le"), "1: it is not UTF-8"),
        (GOOD.encode() + "LYRA_MODEL=Café".encode("latin-1"), "3: it is not UTF-8"),
        (GOOD.encode() + b"\x00\n", "3: it is not UTF-8"),
        (GOOD.encode() + b"LYRA_HOST 127.0.0.1\n", "3: it cannot be read"),
        (GOOD.encode() + b"LYRA_HOST\n", "3: it cannot be read"),
        (GOOD.encode() + b"\n# here\nLYRA_HOST='127.0.0.1\n", "5: it cannot be read"),
        (GOOD.encode() + b"\n\r\n  LYRA_HOST 127.0.0.1\n", "5: it cannot be read"),
        (b"\r\n\r\n" + GOOD.encode() + b'LYRA_HOST="127.0.0.1', "5: it cannot be read"),
        (b"\xef\xbb\xbf\n" + GOOD.encode() + b"LYRA HOST=::1\n", "4: it cannot be read"),
        (b"x" * 2_000_000, " it is longer than"),
    ],
)
@pytest.mark.parametrize("arguments", [("serve",), ("serve", "--workers", "2"), ("demo",)])
async def test_a_file_that_cannot_be_read_is_one_line(
    launch: Launch, tmp_path: Path, content: bytes, said: str, arguments: tuple[str, ...]
) -> None:
    (tmp_path / ".env").write_bytes(content)
    code, told = await read_refusal(await launch(*arguments))

    assert code == 2
    assert told.startswith(f"lyra: .env:{said}")
    assert len(told.splitlines()) == 1


async def test_a_folder_in_the_place_of_the_file_is_one_line(
    launch: Launch, tmp_path: Path
) -> None:
    (tmp_path / ".env").mkdir()
    code, told = await read_refusal(await launch("serve"))

    assert (code, told.splitlines()) == (
        2,
        ["lyra: .env: it is no file. Lyra reads its settings from it."],
    )


async def test_a_pipe_in_the_place_of_the_file_keeps_nobody_waiting(
    launch: Launch, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / ".env")
    code, _ = await read_refusal(await launch("serve"))

    assert code == 2


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        b"LYRA_LLM=anthropic\n" + GOOD.encode(),
        GOOD.encode() + b"export LYRA_LOG=text # as usual\n\n",
        GOOD.encode() + b"SOMEBODY_ELSES='\xc3\xa4'\n",
    ],
    ids=["byte order mark", "CRLF", "a name twice", "export and comment", "others' variables"],
)
async def test_files_of_many_programs_are_read(
    launch: Launch, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / ".env").write_bytes(content)
    told = await greeting(await launch("serve"))

    assert "lyra-offline" in told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"LYRA_HOST=::1\n\n# the port\nLYRA_PORT=http\n", "4: LYRA_PORT: "),
        (b"\xef\xbb\xbfLYRA_PORT=http\n", "1: LYRA_PORT: "),
        (b"LYRA_HOST=::1\r\n\r\n\r\nLYRA_PORT=http\r\n", "4: LYRA_PORT: "),
        (b"LYRA_PORT=http\nLYRA_PORT=1\nexport LYRA_PORT = '-1' # last\n", "3: LYRA_PORT: "),
        (b"LYRA_MODEL='one\ntwo'\n", "1: LYRA_MODEL: it holds a line break"),
        (b"OTHERS='one\ntwo'\nLYRA_MODLE=one\n", "3: LYRA_MODLE is not a setting of Lyra"),
        (b"\nANTHROPIC_BASE_URL=no address\n", "2: LYRA_LLM_BASE_URL: "),
        (b"LYRA_SECRET=aaaaaaaaaaaaaaaaaaaa\n", "1: LYRA_SECRET: it is too easy to guess"),
        (b"LYRA_LLM=offline\nLYRA_PORT=0\nLYRA_HOST=192.0.2.1\n", "3: LYRA_HOST: "),
    ],
)
@pytest.mark.parametrize("arguments", [("serve",), ("serve", "--workers", "2"), ("run",)])
async def test_a_value_that_cannot_be_used_is_told_with_its_line(
    launch: Launch, tmp_path: Path, content: bytes, said: str, arguments: tuple[str, ...]
) -> None:
    (tmp_path / ".env").write_bytes(content)
    code, told = await read_refusal(await launch(*arguments))
    complaints = [each for each in told.splitlines() if each.startswith("lyra: ")]

    assert code == 2
    assert len(complaints) == 1
    assert complaints[0].startswith(f"lyra: .env:{said}")


@pytest.mark.parametrize(
    ("arguments", "environ"), [((), {"LYRA_PORT": "http"}), (("--port", "-1"), {})]
)
async def test_no_line_is_blamed_for_what_has_been_set_over_it(
    launch: Launch, tmp_path: Path, arguments: tuple[str, ...], environ: dict[str, str]
) -> None:
    (tmp_path / ".env").write_text("LYRA_PORT=1\nLYRA_LLM=offline\n")
    code, told = await read_refusal(await launch("serve", *arguments, **environ))

    assert (code, told.splitlines()[0][:17]) == (2, "lyra: LYRA_PORT: ")


async def test_a_repeated_name_is_a_warning_and_the_last_line_counts(
    launch: Launch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(
        "LYRA_LLM=auto\nOTHERS=1\nLYRA_SECRET=\n\nLYRA_LLM=offline\nOTHERS=2\n"
        "LYRA_SECRET=of-no-use-but-here-0123\n"
    )
    (tmp_path / ".env").chmod(0o600)
    process = await launch("serve", "--port", "0")
    told = await greeting(process)
    process.terminate()
    out, err = await process.communicate()

    assert "lyra-offline" in told
    assert b".env:5: LYRA_LLM is on line 1 too" in out + err
    assert (out + err).count(b".env:") == 1


async def test_the_doctor_names_the_line_of_every_invalid_value(
    launch: Launch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("LYRA_PORT=http\n\nLYRA_STALL_S=soon\n")
    process = await launch("doctor", "--json", LYRA_SPOTIFY_API_URL="http://127.0.0.1:9/v1")
    out, _ = await process.communicate()
    found = [each["found"][:8] for each in orjson.loads(out)["checks"] if each["mark"] == "fault"]

    assert {".env:1: ", ".env:3: "} <= set(found)


async def said_at_the_start(launch: Launch, *arguments: str, **environ: str) -> str:
    """Everything a process says until it serves, and what it logs until it has ended."""
    process = await launch(*arguments, LYRA_LLM="offline", **environ)
    told = await greeting(process)
    process.terminate()
    out, err = await process.communicate()
    return told + (out + err).decode()


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")])
async def test_a_file_that_others_may_read_is_told_of_once(
    launch: Launch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / ".env").write_text("LYRA_DRAIN_S=0\n")
    (tmp_path / ".env").chmod(0o644)
    open_file = await said_at_the_start(launch, "serve", "--port", "0", *arguments)
    (tmp_path / ".env").chmod(0o600)
    closed = await said_at_the_start(launch, "serve", "--port", "0", *arguments)

    assert open_file.count("chmod 600 .env") == 1
    assert "chmod" not in closed


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")])
async def test_the_variables_of_a_service_are_told_of_once(
    launch: Launch, arguments: tuple[str, ...]
) -> None:
    made = {"LYRA_SERVICE_HOST": "10.43.12.7", "LYRA_PORT_8080_TCP": "tcp://10.43.12.7:8080"}
    told = await said_at_the_start(launch, "serve", "--port", "0", *arguments, **made)

    assert told.count("enableServiceLinks: false") == 1


async def test_the_doctor_goes_on_where_the_file_cannot_be_read(
    launch: Launch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_bytes(GOOD.encode("utf-16"))
    (tmp_path / ".env").chmod(0o640)
    given = {"LYRA_SERVICE_HOST": "10.43.12.7", "LYRA_SPOTIFY_API_URL": "http://127.0.0.1:9/v1"}
    process = await launch("doctor", "--json", **given)
    out, err = await process.communicate()
    found = [(each["mark"], each["found"]) for each in orjson.loads(out)["checks"]]

    assert (process.returncode, err) == (1, b"")
    assert any(mark == "fault" and ".env:1: it is not UTF-8" in told for mark, told in found)
    assert any(mark == "note" and "chmod 600 .env" in told for mark, told in found)
    assert any(mark == "note" and "enableServiceLinks" in told for mark, told in found)
    assert any("open files" in each["check"] for each in orjson.loads(out)["checks"])


async def test_an_ipv6_address_is_printed_in_brackets(launch: Launch) -> None:
    told = await said_at_the_start(launch, "serve", "--host", "[::1]", "--port", "0")

    assert "http://[::1]:" in told


@pytest.mark.parametrize("host", ["a..b", "no such host", "[::1", "192.0.2.1", "x" * 70])
@pytest.mark.parametrize("arguments", [(), ("--workers", "2")])
async def test_a_host_that_is_none_is_not_the_ports_fault(
    launch: Launch, host: str, arguments: tuple[str, ...]
) -> None:
    given = {"LYRA_LLM": "offline", "LYRA_HOST": host}
    code, told = await read_refusal(await launch("serve", "--port", "0", *arguments, **given))

    assert code == 2
    assert told.startswith("lyra: LYRA_HOST: ")
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(("level", "lines"), [("info", 0), ("debug", 2)])
async def test_probes_are_in_the_log_only_where_it_is_asked_for(
    launch: Launch, level: str, lines: int
) -> None:
    process = await launch("demo", "--port", "0", LYRA_LOG_LEVEL=level)
    url = next(word for word in (await greeting(process)).split() if word.startswith("http"))
    await probe(url)
    process.terminate()
    _, err = await process.communicate()

    assert sum(route in err.decode() for route in ("GET /healthz 200", "GET /readyz 200")) == lines
    assert "GET /lyra/status" in err.decode()


async def test_the_log_says_no_less_than_it_is_asked_for(launch: Launch) -> None:
    process = await launch("demo", "--port", "0", LYRA_LOG_LEVEL="warning")
    url = next(word for word in (await greeting(process)).split() if word.startswith("http"))
    await probe(url)
    process.terminate()
    _, err = await process.communicate()

    assert err == b""


async def probe(url: str) -> None:
    """Ask what is asked every few seconds, and one thing more."""
    async with aiohttp.ClientSession() as http:
        for path in ("/healthz", "/readyz", "/lyra/status"):
            async with http.get(f"{url}{path}") as answer:
                await answer.read()


async def test_a_proxy_that_cannot_be_used_stops_the_start_in_one_line(launch: Launch) -> None:
    given = {"LYRA_LLM_BASE_URL": "https://model.invalid", "ALL_PROXY": "socks5h://127.0.0.1:1"}
    code, told = await read_refusal(await launch("serve", "--port", "0", **given))

    assert code == 2
    assert [each for each in told.splitlines() if each.startswith("lyra: ALL_PROXY: ")]
    assert "Traceback" not in told
