"""The checks of `lyra doctor`: what a start needs, looked at without starting anything."""

import asyncio
import errno
import os
import platform
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import http_parser
from yarl import URL

from lyra.chat.model.proxies import find_proxy
from lyra.cli.address import reachable_address
from lyra.cli.environment import startup_warnings, with_line, without
from lyra.cli.redis_greeting import why_unfit
from lyra.extras import how_to_install
from lyra.redis.url import Address, parse_address
from lyra.settings import ANTHROPIC_URL, SettingError, Settings, format_address
from lyra.spotify.endpoints import CALLS_PER_FETCH

CLOCK_TOLERANCE_S = 60
_NETWORK = "check the network and the address"
_OTHER_PORT = "set another LYRA_HOST or LYRA_PORT"
_NEEDS_TOKEN = 401
_SPOTIFY_CLIENT_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Finding(msgspec.Struct, frozen=True):
    """The result of one check; `do` is empty where there is nothing to do."""

    check: str
    mark: Literal["ok", "note", "fault"]
    found: str
    do: str = ""


class HttpReply(msgspec.Struct, frozen=True):
    """The reply of a server; `seconds_off` is its clock's lead over ours, if it sent its time."""

    status: int
    seconds_off: float | None


def read_settings(environ: Mapping[str, str]) -> tuple[Settings, list[Finding]]:
    """Return the settings, with the default for each one that cannot be read, and a fault for it."""
    remaining, faults = dict(environ), []
    while True:
        try:
            settings = Settings.from_environ(remaining)
        except SettingError as wrong:
            found = with_line(str(wrong), environ)
            faults.append(Finding("settings", "fault", found, "correct it; see docs/SETTINGS.md"))
            kept = without(remaining, str(wrong))
            if kept == remaining:
                return Settings(), faults
            remaining = kept
        else:
            return settings, faults or [_report_readable(remaining)]


def check_surroundings(environ: Mapping[str, str]) -> list[Finding]:
    """Return notes about the environment that an operator should know of."""
    return [Finding("settings", "note", warning) for warning in startup_warnings(environ)]


def _report_readable(environ: Mapping[str, str]) -> Finding:
    count = sum(name.startswith("LYRA_") and bool(value) for name, value in environ.items())
    return Finding("settings", "ok", f"readable: {count} set, the others have their defaults")


async def check_port(http: aiohttp.ClientSession, settings: Settings) -> Finding:
    """Check that the service can listen, or does already."""
    where = format_address(settings.host, settings.port)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(http.timeout.total):
            server = await loop.create_server(
                asyncio.Protocol, settings.host, settings.port, start_serving=False
            )
    except UnicodeError:
        return Finding("port", "fault", f"{settings.host!a} is no host name", _OTHER_PORT)
    except TimeoutError:
        return Finding("port", "fault", f"{settings.host} is not found in time", _OTHER_PORT)
    except OSError as failure:
        if failure.errno == errno.EADDRINUSE:
            return await _identify_port_user(http, settings, where)
        return Finding(
            "port", "fault", f"cannot listen on {where} ({_error_text(failure)})", _OTHER_PORT
        )
    server.close()
    await server.wait_closed()
    result = f"{where} is free" if settings.port else "any free one will be taken"
    return Finding("port", "ok", result)


async def _identify_port_user(
    http: aiohttp.ClientSession, settings: Settings, where: str
) -> Finding:
    try:
        url = f"http://{reachable_address(settings.host, settings.port)}/healthz"
        async with http.get(url) as answer:
            lyra = answer.status == 200 and answer.headers.get("Server") == "lyra"  # noqa: PLR2004
    except (aiohttp.ClientError, TimeoutError, ValueError):
        lyra = False
    if lyra:
        return Finding("port", "note", f"Lyra itself answers on {where}", "stop it before a start")
    return Finding("port", "fault", f"another program uses {where}", f"stop it, or {_OTHER_PORT}")


async def check_spotify(
    http: aiohttp.ClientSession, settings: Settings, now: Callable[[], datetime]
) -> list[Finding]:
    """Check that Spotify's address answers, and that its clock and ours agree."""
    url = settings.spotify_api_url
    reply = await _get(http, f"{url}/me", now)
    if isinstance(reply, str):
        return [
            Finding("spotify", "fault", f"{url}: {reply}", f"{_NETWORK} (LYRA_SPOTIFY_API_URL)"),
            Finding("clock", "note", "not compared, since Spotify does not answer"),
        ]
    return [_judge_spotify(url, reply.status), _judge_clock(reply.seconds_off)]


def _judge_spotify(url: str, status: int) -> Finding:
    if status == _NEEDS_TOKEN:
        return Finding("spotify", "ok", f"{url} answers, and asks for a token as it should")
    return Finding(
        "spotify",
        "note",
        f"{url} answers {status} where 401 is expected",
        "check LYRA_SPOTIFY_API_URL; if it is right, try again later",
    )


def _judge_clock(seconds_off: float | None) -> Finding:
    if seconds_off is None:
        return Finding("clock", "note", "not compared, since Spotify's answer has no Date")
    if abs(seconds_off) > CLOCK_TOLERANCE_S:
        way = "behind" if seconds_off > 0 else "ahead of"
        result = f"{abs(seconds_off):.0f} s {way} Spotify's"
        return Finding("clock", "note", result, "set it, and let it be kept by NTP")
    return Finding("clock", "ok", f"within {CLOCK_TOLERANCE_S} s of Spotify's")


async def check_model(
    http: aiohttp.ClientSession, settings: Settings, now: Callable[[], datetime]
) -> list[Finding]:
    """Check the model's name, the shape of its key, its address. The key is not sent or shown."""
    if settings.llm == "offline":
        return [Finding("model", "ok", "none: LYRA_LLM=offline answers by fixed rules")]
    if not settings.uses_model:
        do = "set LYRA_LLM_API_KEY, or LYRA_LLM=offline; `lyra serve` wants one of them"
        return [Finding("model key", "note", "none is set, so `lyra run` serves the demo", do)]
    name = Finding("model", "ok", f"{settings.model} (LYRA_MODEL)")
    return [name, _check_model_key(settings), await _check_model_url(http, settings, now)]


def _check_model_key(settings: Settings) -> Finding:
    key = settings.llm_api_key
    if not key:
        if settings.llm_base_url:
            return Finding("model key", "ok", "none is set; your own server may not want one")
        return Finding("model key", "fault", "none is set", "set LYRA_LLM_API_KEY")
    if not (key.isascii() and key.isprintable()) or set(key) & set(" \"'"):
        wrong = "it holds a space, a quote or a character that no key has"
        return Finding("model key", "fault", wrong, "copy LYRA_LLM_API_KEY again, without quotes")
    if not settings.llm_base_url and not re.fullmatch(r"sk-ant-\S{16,}", key):
        result = "set, but it does not look like a key of Anthropic's (sk-ant-…)"
        return Finding(
            "model key", "note", result, "check LYRA_LLM_API_KEY, or set LYRA_LLM_BASE_URL"
        )
    return Finding("model key", "ok", "set, and of a plausible shape; not tried")


async def _check_model_url(
    http: aiohttp.ClientSession, settings: Settings, now: Callable[[], datetime]
) -> Finding:
    url = (settings.llm_base_url or ANTHROPIC_URL).rstrip("/")
    if url.endswith("/v1"):
        result = f"{url} ends in /v1, which is added once more"
        return Finding("model server", "fault", result, "leave /v1 out of LYRA_LLM_BASE_URL")
    try:
        proxy = find_proxy(URL(url))
    except SettingError as wrong:
        return Finding("model server", "fault", str(wrong), "mend the environment")
    reply = await _get(http, f"{url}/v1/models", now, proxy)
    where = f"{url}, through the environment's proxy," if proxy else url
    if isinstance(reply, str):
        do = f"{_NETWORK} (LYRA_LLM_BASE_URL)"
        return Finding("model server", "fault", f"{where.rstrip(',')}: {reply}", do)
    return Finding("model server", "ok", f"{where} answers")


def check_public_path(settings: Settings) -> list[Finding]:
    """Say what the proxy has to do if the service's public URL has a path."""
    path = settings.public_path
    if not path:
        return []
    result = f"browsers ask for {path}/…, which Lyra itself does not know"
    do = f"have the proxy take {path} off, as docs/OPERATIONS.md shows"
    return [Finding("public path", "note", result, do)]


def check_login(settings: Settings) -> list[Finding]:
    """Check the shape of the client id, and name the redirect URI that Spotify has to know."""
    client_id = settings.spotify_client_id
    if client_id is None:
        return []
    findings = [Finding("client id", "ok", "set, and of a plausible shape; not tried")]
    if not _SPOTIFY_CLIENT_ID.fullmatch(client_id):
        result = "set, but Spotify's are 32 digits and letters from a to f"
        findings = [Finding("client id", "note", result, "copy LYRA_SPOTIFY_CLIENT_ID again")]
    return [*findings, _check_redirect(settings)]


def _check_redirect(settings: Settings) -> Finding:
    # Registered without a port, a loopback address may have any.
    base = (settings.public_url or "http://127.0.0.1").rstrip("/")
    uri, parts = f"{base}/auth/callback", urlsplit(base)
    host = parts.hostname or ""
    if parts.scheme != "https" and host not in ("127.0.0.1", "::1"):
        result = f"Spotify refuses {uri}: http is for 127.0.0.1 alone"
        return Finding("log-in", "fault", result, "give LYRA_PUBLIC_URL an address with https")
    host_label = f"[{host}]" if ":" in host else host
    if host_label not in {each.lower() for each in (*settings.allowed_hosts, settings.host)}:
        result = f"{host_label} is not served, so nobody comes back from Spotify"
        return Finding("log-in", "fault", result, f"add {host_label} to LYRA_ALLOWED_HOSTS")
    do = "it has to stand so in the app's settings at developer.spotify.com"
    return Finding("log-in", "ok", f"redirect URI {uri}", do)


async def check_redis(settings: Settings, within_s: float) -> list[Finding]:
    """Check that Redis answers and can hold the shared cache, if one is set."""
    if settings.redis_url is None:
        return []
    try:
        address = parse_address(settings.redis_url)
    except ValueError as wrong:
        return [Finding("redis", "fault", str(wrong), "correct LYRA_REDIS_URL")]
    missing = [name for name in ("redis", "cryptography") if find_spec(name) is None]
    if missing:
        result = f"{' and '.join(missing)} not installed"
        return [Finding("redis", "fault", result, await asyncio.to_thread(how_to_install, "redis"))]
    where = address.path or f"{address.host}:{address.port}"
    why = await _connect_error(address, within_s)
    if why:
        return [Finding("redis", "fault", f"{where}: {why}", f"{_NETWORK} (LYRA_REDIS_URL)")]
    if reason := await why_unfit(address, within_s):
        result = f"{where} {reason}"
        return [Finding("redis", "fault", result, "set LYRA_REDIS_URL to a primary of its own")]
    return [Finding("redis", "ok", f"{where} accepts connections; no password was tried")]


async def _connect_error(address: Address, within_s: float) -> str:
    """Return why no connection to this address can be made; empty if one can."""
    try:
        async with asyncio.timeout(within_s):
            if address.path:
                _, writer = await asyncio.open_unix_connection(address.path)
            else:
                _, writer = await asyncio.open_connection(address.host, address.port)
    except TimeoutError:
        return "no answer in time"
    except OSError as failure:
        return _error_text(failure)
    writer.transport.abort()
    return ""


async def _get(
    http: aiohttp.ClientSession, url: str, now: Callable[[], datetime], proxy: str | None = None
) -> HttpReply | str:
    """Return the reply to a GET without any credential, or why there is none."""
    try:
        async with http.get(url, allow_redirects=False, proxy=proxy) as answer:
            return HttpReply(answer.status, _seconds_off(answer.headers.get("Date"), now()))
    except TimeoutError:
        return "no answer in time"
    except aiohttp.ClientConnectorDNSError:
        return "no such host name is known"
    except aiohttp.ClientSSLError:
        return "its certificate is not accepted"
    except aiohttp.ClientConnectorError as failure:
        return _error_text(failure.os_error)
    except (aiohttp.ClientError, ValueError) as failure:
        return f"no HTTP answer ({type(failure).__name__})"


def _error_text(failure: OSError) -> str:
    known = errno.errorcode.get(failure.errno or 0)
    return os.strerror(failure.errno or 0) if known else failure.strerror or "no connection"


def _seconds_off(date: str | None, now: datetime) -> float | None:
    try:
        their_time = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return (their_time.replace(tzinfo=their_time.tzinfo or UTC) - now).total_seconds()


def check_uvloop() -> Finding:
    """Check that the faster event loop is installed."""
    try:
        return Finding("uvloop", "ok", f"{version('uvloop')} is installed")
    except PackageNotFoundError:
        if platform.system() == "Windows":
            return Finding("uvloop", "ok", "there is none for Windows")
        return Finding("uvloop", "note", "not installed", "install it: a fifth less CPU a request")


def check_parser() -> Finding:
    """Check that aiohttp parses HTTP in C."""
    if http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy:
        return Finding("http parser", "ok", "aiohttp's C parser is in use")
    do = "unset AIOHTTP_NO_EXTENSIONS, or install aiohttp from a wheel: it is several times faster"
    return Finding("http parser", "note", "aiohttp's Python parser is in use", do)


def check_files(settings: Settings) -> Finding:
    """Check that the process may open as many files as the settings allow connections."""
    try:
        import resource  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return Finding("open files", "ok", "this system has no such limit")
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    calls = CALLS_PER_FETCH * settings.spotify_max_fetches
    needed = settings.max_streams + settings.max_in_flight + calls
    if limit == resource.RLIM_INFINITY or limit >= needed:
        return Finding("open files", "ok", f"the settings may need {needed}; the limit allows them")
    do = f"`ulimit -n {needed}`, or lower LYRA_MAX_STREAMS and LYRA_MAX_IN_FLIGHT"
    return Finding("open files", "note", f"{limit} allowed, the settings may need {needed}", do)
