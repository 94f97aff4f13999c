"""The proxies, run with the lines of docs/OPERATIONS.md and with addresses of this machine."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

OPERATIONS = Path(__file__).parents[2] / "docs" / "OPERATIONS.md"
HOST = "lyra.example"
PATH = "/music"
_PATHS = f"{os.environ.get('PATH', '')}:/usr/sbin"  # noqa: TID251 - where the programs are
_START_S, _END_S, _LOOK_S = 15, 10, 0.05


class TroubleError(AssertionError):
    """A line of the document, or what a proxy makes of it, is not as it should be."""


@dataclass(frozen=True)
class Place:
    """Where one proxy runs: its folder, its port, its certificate, and Lyra's port."""

    folder: Path
    port: int
    certificate: Path
    lyra: int


@dataclass(frozen=True)
class Proxy:
    """One program: how its lines are tested, and how it is run in the foreground."""

    name: str
    program: str
    test: tuple[str, ...]
    run: tuple[str, ...]

    @property
    def installed(self) -> bool:
        return shutil.which(self.program, path=_PATHS) is not None


PROXIES = (
    Proxy("nginx", "nginx", ("-t", "-c", "{file}"), ("-c", "{file}", "-g", "daemon off;")),
    Proxy(
        "Caddy",
        "caddy",
        ("validate", "--adapter", "caddyfile", "--config", "{file}"),
        ("run", "--adapter", "caddyfile", "--config", "{file}"),
    ),
    Proxy("HAProxy", "haproxy", ("-c", "-f", "{file}"), ("-db", "-f", "{file}")),
)

_NGINX = """
error_log {folder}/error.log;
pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{lines}
}}
"""
_CADDY = """
{{
    admin off
    auto_https disable_redirects
    skip_install_trust
    storage file_system {folder}
}}
{lines}
"""


def lines_of(name: str, document: str) -> str:
    """The indented lines below this proxy's name."""
    found = re.search(rf"^{name}:\n\n((?: {{4}}.*\n|\n)+)", document, re.MULTILINE)
    if found is None:
        raise TroubleError(f"{OPERATIONS.name} has no lines for {name}")
    return re.sub(r"^ {4}", "", found[1], flags=re.MULTILINE)


def below_path(name: str, lines: str, document: str) -> str:
    """The lines for a path, as the document's table changes them."""
    rows = re.findall(rf"^\| {name} \| `([^`]+)` \| (.+) \|$", document, re.MULTILINE)
    if not rows:
        raise TroubleError(f"{OPERATIONS.name} has no line for {name} under a path")
    for old, told in rows:
        new = re.findall(r"`([^`]+)`", told)
        keeps, closes = "that line" in told, "one more `}`" in told
        new = [*(new[:1] if closes else new), *([old] if keeps else [])]
        lines = _replaced(lines, old, "\n".join(new))
        lines += "}\n" if closes else ""
    return lines


def documented(name: str, base: str) -> str:
    """The document's lines for this proxy: for a whole host, or for a path of one."""
    document = OPERATIONS.read_text("utf-8")
    lines = lines_of(name, document)
    return below_path(name, lines, document) if base else lines


def configured(name: str, lines: str, place: Place) -> str:
    """The lines with this place's addresses, and what has to stand around them."""
    lines = _replaced(lines, "127.0.0.1:8080", f"127.0.0.1:{place.lyra}")
    here, pem = f"127.0.0.1:{place.port}", str(place.certificate)
    if name == "nginx":
        lines = _replaced(lines, "listen 443", f"listen {here}")
        lines = re.sub(r"/etc/letsencrypt/\S+\.pem", pem, lines)
        user = "user root;" if os.geteuid() == 0 else ""
        return user + _NGINX.format(folder=place.folder, lines=lines)
    if name == "Caddy":
        site = f"https://{HOST}:{place.port} {{\n    bind 127.0.0.1\n    tls {pem} {pem}"
        return _CADDY.format(folder=place.folder, lines=_replaced(lines, f"{HOST} {{", site))
    lines = _replaced(lines, "bind :443", f"bind {here}")
    return _replaced(lines, "/etc/haproxy/lyra.example.pem", pem)


def _replaced(lines: str, old: str, new: str) -> str:
    if lines.count(old) != 1:
        raise TroubleError(f"{old!r} stands {lines.count(old)} times in the lines, not once")
    return lines.replace(old, new)


@asynccontextmanager
async def running(proxy: Proxy, text: str, place: Place) -> AsyncIterator[None]:
    """The proxy with these lines, tested by itself first; ended at the end of the block."""
    file = place.folder / "proxy.conf"
    await asyncio.to_thread(file.write_text, text, "utf-8")
    said = place.folder / "said"
    with said.open("wb") as log:
        test = await _started(proxy, proxy.test, file, log)
        if await test.wait():
            raise TroubleError(f"{proxy.name} refuses the lines:\n{await _said(said)}")
        process = await _started(proxy, proxy.run, file, log)
    try:
        await _listens(process, place.port, said)
        yield
    finally:
        await _ended(process)


async def _started(
    proxy: Proxy, arguments: tuple[str, ...], file: Path, log: object
) -> asyncio.subprocess.Process:
    folder = str(file.parent)
    return await asyncio.create_subprocess_exec(
        shutil.which(proxy.program, path=_PATHS) or proxy.program,
        *(each.format(file=file) for each in arguments),
        stdout=log,  # type: ignore[arg-type] # an open file
        stderr=log,  # type: ignore[arg-type]
        env={"PATH": _PATHS, "HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder},
        cwd=folder,
    )


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _listens(process: asyncio.subprocess.Process, port: int, said: Path) -> None:
    for _ in range(int(_START_S / _LOOK_S)):
        if process.returncode is not None:
            break
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(_LOOK_S)
            continue
        writer.close()
        return
    raise TroubleError(f"it does not listen:\n{await _said(said)}")


async def _said(file: Path) -> str:
    return (await asyncio.to_thread(file.read_text, "utf-8"))[-2000:]
