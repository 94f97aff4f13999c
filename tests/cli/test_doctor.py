"""`lyra doctor`: what it finds, what it says to do, and what it never shows."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import orjson
import pytest
from aiohttp import web

from lyra.cli.doctor import doctor
from lyra.sandbox import Sandbox
from tests.cli.conftest import Launch
from tests.conftest import CANARY_KEY, Service
from tests.support.fake_redis import fake_redis

CLOSED = "http://127.0.0.1:9"
Found = dict[str, dict[str, str]]


def found_in(output: bytes | str) -> Found:
    """The findings of a JSON report by the name of the check."""
    return {each["check"]: each for each in orjson.loads(output)["checks"]}


async def report(launch: Launch, *arguments: str, **environ: str) -> tuple[int | None, Found]:
    """The exit code and the findings of a doctor in a process of its own."""
    process = await launch("doctor", "--json", *arguments, **environ)
    out, err = await process.communicate()
    assert err == b""
    return process.returncode, found_in(out)


@pytest.fixture
def idle() -> Iterator[int]:
    """The port of a program that accepts connections and never answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.fixture
async def dated(unused_tcp_port: int) -> AsyncIterator[tuple[str, list[str]]]:
    """A Spotify that answers with the Date that a test puts into the list."""
    dates: list[str] = []

    async def me(_: web.Request) -> web.Response:
        return web.Response(status=401, headers={"Date": dates[-1]})

    app = web.Application()
    app.router.add_get("/me", me)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    yield f"http://127.0.0.1:{unused_tcp_port}", dates
    await runner.cleanup()


@pytest.fixture
def judge(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Found]:
    """The findings about these variables, on a machine that reaches nobody."""
    monkeypatch.setattr("lyra.cli.checks.ANTHROPIC_URL", CLOSED)

    def findings(**given: str) -> Found:
        doctor({"LYRA_SPOTIFY_API_URL": CLOSED, **given}, as_json=True, within_s=2)
        return found_in(capsys.readouterr().out)

    return findings


async def test_a_sound_installation_is_a_line_a_check_and_exit_code_0(
    launch: Launch, sandbox: Sandbox
) -> None:
    process = await launch(
        "doctor",
        "--port",
        "0",
        LYRA_SPOTIFY_API_URL=sandbox.api_url,
        LYRA_LLM_BASE_URL=sandbox.llm_url,
        LYRA_LLM_API_KEY=CANARY_KEY,
        LYRA_MODEL="sandbox-model",
    )
    out, err = await process.communicate()
    lines = out.decode().splitlines()

    assert (process.returncode, err) == (0, b"")
    uvloop = "ok" if find_spec("uvloop") else "note"  # a platform may have no wheel of it
    assert [line.split()[0] for line in lines[:9]] == ["ok"] * 7 + [uvloop, "ok"]
    assert len(lines) == 10  # the last is about open files, of which a machine may allow few
    assert "sandbox-model (LYRA_MODEL)" in out.decode()


async def test_the_key_is_neither_shown_nor_sent(launch: Launch, sandbox: Sandbox) -> None:
    for style in ([], ["--json"]):
        process = await launch(
            "doctor",
            *style,
            LYRA_SPOTIFY_API_URL=sandbox.api_url,
            LYRA_LLM_BASE_URL=sandbox.llm_url,
            LYRA_LLM_API_KEY=CANARY_KEY,
        )
        out, _ = await process.communicate()

        assert b"of a plausible shape" in out
        assert CANARY_KEY.encode() not in out
    assert sandbox.stats.model_calls == 0


async def test_closed_addresses_are_faults_that_name_their_variables(launch: Launch) -> None:
    code, found = await report(
        launch,
        LYRA_SPOTIFY_API_URL=CLOSED,
        LYRA_LLM_BASE_URL=f"{CLOSED}/",
        LYRA_LLM_API_KEY=CANARY_KEY,
    )

    assert code == 1
    for check, variable in (
        ("spotify", "LYRA_SPOTIFY_API_URL"),
        ("model server", "LYRA_LLM_BASE_URL"),
    ):
        assert found[check]["mark"] == "fault"
        assert found[check]["found"] == f"{CLOSED}: Connection refused"
        assert variable in found[check]["do"]
    assert found["clock"]["mark"] == "note"


async def test_every_invalid_setting_is_named_and_the_others_checked(
    launch: Launch, sandbox: Sandbox
) -> None:
    process = await launch(
        "doctor",
        "--json",
        "--port",
        "70000",
        LYRA_PROT="1",
        LYRA_SECRET="short",
        ANTHROPIC_BASE_URL="ftp://nowhere",
        LYRA_SPOTIFY_API_URL=sandbox.api_url,
    )
    out, _ = await process.communicate()
    faults = [each for each in orjson.loads(out)["checks"] if each["check"] == "settings"]
    named = {each["found"].split(" ")[0].rstrip(":") for each in faults}

    assert process.returncode == 1
    assert named == {"LYRA_PROT", "LYRA_PORT", "LYRA_SECRET", "LYRA_LLM_BASE_URL"}
    assert {each["mark"] for each in faults} == {"fault"}
    assert found_in(out)["spotify"]["mark"] == "ok"


async def test_the_json_report_has_four_texts_a_check(launch: Launch, sandbox: Sandbox) -> None:
    process = await launch("doctor", "--json", LYRA_SPOTIFY_API_URL=sandbox.api_url)
    out, _ = await process.communicate()
    told: dict[str, Any] = orjson.loads(out)

    assert set(told) == {"lyra", "ok", "checks"}
    assert told["ok"] is (process.returncode == 0)
    for each in told["checks"]:
        assert set(each) == {"check", "mark", "found", "do"}
        assert each["mark"] in {"ok", "note", "fault"}
        assert all(isinstance(text, str) for text in each.values())


async def test_a_port_on_which_lyra_itself_answers_is_no_fault(
    launch: Launch, service: Service, sandbox: Sandbox
) -> None:
    port = service.url.rpartition(":")[2]
    code, found = await report(launch, "--port", port, LYRA_SPOTIFY_API_URL=sandbox.api_url)

    assert code == 0
    assert found["port"]["mark"] == "note"
    assert found["port"]["found"] == f"Lyra itself answers on 127.0.0.1:{port}"


async def test_what_never_answers_is_given_up_in_time(launch: Launch, idle: int) -> None:
    address = f"http://127.0.0.1:{idle}"
    code, found = await report(
        launch, "--within", "0.2", "--port", str(idle), LYRA_SPOTIFY_API_URL=address
    )

    assert code == 1
    assert found["port"]["found"] == f"another program uses 127.0.0.1:{idle}"
    assert found["spotify"]["found"] == f"{address}: no answer in time"


async def test_a_name_server_that_hangs_does_not_keep_the_process(
    launch: Launch, tmp_path: Path
) -> None:
    hangs = (
        "import socket, threading\nsocket.getaddrinfo = lambda *a, **k: threading.Event().wait()"
    )
    (tmp_path / "sitecustomize.py").write_text(hangs)
    code, found = await report(
        launch, "--within", "0.2", "--host", "lyra.example", PYTHONPATH=str(tmp_path)
    )

    assert code == 1
    assert found["spotify"]["found"].endswith("no answer in time")
    assert found["port"]["found"] == "lyra.example is not found in time"


@pytest.mark.parametrize(
    ("hours", "mark", "told"),
    [(0, "ok", "within 60 s"), (2, "note", "s behind Spotify's"), (-2, "note", "s ahead of")],
)
async def test_the_clock_is_compared_with_spotifys(
    launch: Launch, dated: tuple[str, list[str]], hours: int, mark: str, told: str
) -> None:
    url, dates = dated
    dates.append(format_datetime(datetime.now(UTC) + timedelta(hours=hours)))
    _, found = await report(launch, LYRA_SPOTIFY_API_URL=url)

    assert found["clock"]["mark"] == mark
    assert told in found["clock"]["found"]


async def test_a_date_that_is_none_is_not_compared(
    launch: Launch, dated: tuple[str, list[str]]
) -> None:
    url, dates = dated
    dates.append("soon")
    code, found = await report(launch, LYRA_SPOTIFY_API_URL=url)

    assert code == 0
    assert found["clock"]["mark"] == "note"


async def test_an_address_that_answers_something_else_is_a_note(
    launch: Launch, sandbox: Sandbox
) -> None:
    code, found = await report(launch, LYRA_SPOTIFY_API_URL=f"{sandbox.url}/elsewhere")

    assert code == 0
    assert found["spotify"]["mark"] == "note"
    assert "answers 404 where 401 is expected" in found["spotify"]["found"]


async def test_aiohttps_python_parser_is_noticed(launch: Launch, sandbox: Sandbox) -> None:
    _, found = await report(launch, LYRA_SPOTIFY_API_URL=sandbox.api_url, AIOHTTP_NO_EXTENSIONS="1")

    assert found["http parser"]["mark"] == "note"
    assert "AIOHTTP_NO_EXTENSIONS" in found["http parser"]["do"]


def test_a_loop_that_could_be_faster_is_noticed(
    judge: Callable[..., Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lyra.cli.checks.version", Mock(side_effect=PackageNotFoundError))
    monkeypatch.setattr("platform.system", lambda: "Linux")

    assert judge()["uvloop"]["mark"] == "note"
    assert "install it" in judge()["uvloop"]["do"]


async def test_redis_is_checked_without_showing_its_password(
    launch: Launch, sandbox: Sandbox, idle: int
) -> None:
    for address, mark in ((f"127.0.0.1:{idle}", "ok"), ("127.0.0.1:9", "fault")):
        code, found = await report(
            launch,
            LYRA_SPOTIFY_API_URL=sandbox.api_url,
            LYRA_SECRET="a-secret-of-sixteen",
            LYRA_REDIS_URL=f"redis://:hush-canary@{address}/0",
        )

        assert code == (mark == "fault")
        assert found["redis"]["mark"] == mark
        assert found["redis"]["found"].startswith(address)
        assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("mode", "role", "told"),
    [(b"cluster", b"master", "cluster"), (b"standalone", b"replica", "replica"), (b"", b"", "")],
)
async def test_a_redis_that_cannot_be_shared_through_is_a_fault(
    launch: Launch, sandbox: Sandbox, mode: bytes, role: bytes, told: str
) -> None:
    fields = [b"mode", mode, b"role", role, b"modules"]
    bulk = b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in fields)
    greeting = b"*6\r\n" + bulk + b"*0\r\n" if mode else b"-NOAUTH Authentication required.\r\n"
    async with fake_redis(lambda _: greeting) as fake:
        code, found = await report(
            launch,
            LYRA_SPOTIFY_API_URL=sandbox.api_url,
            LYRA_SECRET="a-secret-of-sixteen",
            LYRA_REDIS_URL=fake.url,
        )

    assert (code, found["redis"]["mark"]) == ((1, "fault") if told else (0, "ok"))
    assert told in found["redis"]["found"]


async def test_an_invalid_redis_url_is_a_fault_that_does_not_repeat_it(
    launch: Launch, sandbox: Sandbox
) -> None:
    code, found = await report(
        launch,
        LYRA_SPOTIFY_API_URL=sandbox.api_url,
        LYRA_SECRET="a-secret-of-sixteen",
        LYRA_REDIS_URL="http://:hush-canary@127.0.0.1",
    )
    faults = {name for name, each in found.items() if each["mark"] == "fault"}

    assert code == 1
    assert faults <= {"redis", "settings"}
    assert faults
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("given", "check", "mark", "told"),
    [
        ({}, "model key", "note", "LYRA_LLM=offline"),
        ({"LYRA_LLM": "offline"}, "model", "ok", "fixed rules"),
        ({"LYRA_LLM": "anthropic"}, "model key", "fault", "none is set"),
        ({"LYRA_LLM_BASE_URL": CLOSED}, "model key", "ok", "your own server"),
        ({"LYRA_LLM_API_KEY": "'sk-ant-0123456789abcdef'"}, "model key", "fault", "quote"),
        ({"LYRA_LLM_API_KEY": "sk-ant-0123456789 abcdef"}, "model key", "fault", "space"),
        ({"LYRA_LLM_API_KEY": "0123456789abcdef"}, "model key", "note", "does not look like"),
        ({"LYRA_LLM_API_KEY": "sk-ant-0123456789abcdef"}, "model key", "ok", "plausible"),
        (
            {"LYRA_LLM_API_KEY": "any", "LYRA_LLM_BASE_URL": CLOSED},
            "model key",
            "ok",
            "plausible",
        ),
        ({"LYRA_LLM_BASE_URL": f"{CLOSED}/v1"}, "model server", "fault", "leave /v1 out"),
    ],
)
def test_the_models_settings_are_judged(
    judge: Callable[..., Found], given: dict[str, str], check: str, mark: str, told: str
) -> None:
    found = judge(**given)[check]

    assert found["mark"] == mark
    assert told in found["found"] + found["do"]


def test_too_few_open_files_are_a_note_with_the_number_needed(
    judge: Callable[..., Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    more = {"LYRA_MAX_STREAMS": "10", "LYRA_MAX_IN_FLIGHT": "20", "LYRA_SPOTIFY_MAX_FETCHES": "256"}
    found = judge(**more)["open files"]

    assert found["mark"] == "note"
    assert "ulimit -n 1310" in found["do"]


CLIENT_ID = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("given", "mark", "told"),
    [
        ({}, "ok", "http://127.0.0.1/auth/callback"),
        (
            {"LYRA_PUBLIC_URL": "https://lyra.invalid/", "LYRA_ALLOWED_HOSTS": "lyra.invalid"},
            "ok",
            "https://lyra.invalid/auth/callback",
        ),
        ({"LYRA_PUBLIC_URL": "https://lyra.invalid"}, "fault", "lyra.invalid is not served"),
        ({"LYRA_PUBLIC_URL": "http://lyra.invalid"}, "fault", "http is for 127.0.0.1 alone"),
        ({"LYRA_PUBLIC_URL": "http://localhost:8080"}, "fault", "http is for 127.0.0.1 alone"),
    ],
)
def test_it_prints_the_redirect_uri_or_why_there_is_no_way_back(
    judge: Callable[..., Found], given: dict[str, str], mark: str, told: str
) -> None:
    found = judge(LYRA_SPOTIFY_CLIENT_ID=CLIENT_ID, **given)

    assert found["client id"]["mark"] == "ok"
    assert found["log-in"]["mark"] == mark
    assert told in found["log-in"]["found"]


def test_a_public_url_with_a_path_says_what_the_proxy_has_to_do(
    judge: Callable[..., Found],
) -> None:
    found = judge(LYRA_PUBLIC_URL="https://lyra.invalid/music/")["public path"]

    assert found["mark"] == "note"
    assert "take /music off" in found["do"]
    assert "public path" not in judge(LYRA_PUBLIC_URL="https://lyra.invalid/")


def test_a_path_that_cannot_be_used_is_a_fault(judge: Callable[..., Found]) -> None:
    found = judge(LYRA_PUBLIC_URL="https://lyra.invalid/a/../b")["settings"]

    assert found["mark"] == "fault"
    assert found["found"].startswith("LYRA_PUBLIC_URL: ")


def test_a_client_id_of_an_odd_shape_is_noted_and_not_shown(judge: Callable[..., Found]) -> None:
    found = judge(LYRA_SPOTIFY_CLIENT_ID="canary-client-id")

    assert found["client id"]["mark"] == "note"
    assert "canary" not in str(found)


def test_without_a_client_id_nothing_is_said_of_the_log_in(
    judge: Callable[..., Found],
) -> None:
    assert {"client id", "log-in"}.isdisjoint(judge())


async def test_the_model_is_asked_through_the_services_own_proxy(
    launch: Launch, sandbox: Sandbox, unused_tcp_port: int
) -> None:
    given = {"LYRA_SPOTIFY_API_URL": sandbox.api_url, "HTTP_PROXY": CLOSED}
    local = {"LYRA_LLM_BASE_URL": sandbox.llm_url, "LYRA_PORT": str(unused_tcp_port)}
    _, direct = await report(launch, **given, **local)
    _, proxied = await report(launch, **given, LYRA_LLM_BASE_URL="http://model.invalid")
    socks = {"ALL_PROXY": "socks5h://127.0.0.1:1", "LYRA_LLM_BASE_URL": "https://model.invalid"}
    _, refused = await report(launch, **given, **socks)

    assert direct["model server"]["mark"] == "ok"
    assert "through the environment's proxy" in proxied["model server"]["found"]
    assert proxied["model server"]["mark"] == "fault"
    assert refused["model server"]["found"].startswith("ALL_PROXY: ")
