"""Tries the lines of docs/OPERATIONS.md with the nginx, Caddy and HAProxy of this machine.

    .venv/bin/python scripts/try_proxies.py              all that are installed; it installs nothing
    .venv/bin/python scripts/try_proxies.py nginx        this one; --show writes its lines only
    .venv/bin/python scripts/try_proxies.py --port 23000 with ports from there on

Each runs in a folder of its own, on ports of 127.0.0.1, before a Lyra with invented listeners; once
for a whole host and once under a path. Exits 1 when a promise is broken, 2 when one is missing.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import orjson

from lyra.sandbox import sandbox_token
from proxying.fronts import (
    HOST,
    PATH,
    PROXIES,
    Place,
    Proxy,
    TroubleError,
    configured,
    documented,
    running,
)
from proxying.lyra_behind import WORDS, SlowModel, lyra_behind
from proxying.wire import Wire

BOUND_S = 120
RATE = 20  # a minute and token; of an address five times that
TOO_LARGE = 3 * 2**19
QUESTION = orjson.dumps({"message": "Which artists do I listen to most?"})
EVENTS = "Accept: text/event-stream"

Check = Callable[[Wire, SlowModel], Awaitable[None]]


def require(holds: object, told: str) -> None:
    """Raise with these words unless it holds."""
    if not holds:
        raise TroubleError(told)


async def page(wire: Wire, _: SlowModel) -> None:
    """The page and its documents are there, with all that they load."""
    for path in ("/", "/docs"):
        got = await wire.ask("GET", path)
        require(got.status == HTTPStatus.OK, f"{path}: {got.status}")
        for address in re.findall(rb'(?:href|src)="(/[^"#]*)"', got.body):
            loaded = await wire.loaded(address.decode())
            require(
                loaded.status == HTTPStatus.OK, f"{path} loads {address.decode()}: {loaded.status}"
            )


async def listener(wire: Wire, _: SlowModel) -> None:
    """A listener is read, whole and as events."""
    whole = await wire.ask("POST", "/lyra/init")
    require(orjson.loads(whole.body).get("success"), f"init: {whole.status}")
    events = await wire.ask("POST", "/lyra/init", EVENTS)
    require(events.body.endswith(b"data: [DONE]\n\n"), "init's events have no end")


async def word_by_word(wire: Wire, model: SlowModel) -> None:
    """Each word is there before the next is said; so nothing holds it back."""
    async with wire.sent("POST", f"{wire.base}/lyra/chat", body=QUESTION) as reader:
        for word in WORDS:
            model.next.release()
            await reader.readuntil(word.encode())
        model.next.release()
        await reader.readuntil(b"data: [DONE]\n\n")


async def stop(wire: Wire, model: SlowModel) -> None:
    """Stop ends the answer and the model's call."""
    model.left.clear()
    async with wire.sent("POST", f"{wire.base}/lyra/chat", body=QUESTION) as reader:
        model.next.release()
        seen = await reader.readuntil(WORDS[0].encode())
        found = re.search(rb"id: (run_[0-9a-f]+)\.", seen)
        require(found, "the stream has no event id")
        run = found[1].decode() if found else ""
        stopped = await wire.ask("POST", f"/lyra/chat/{run}/stop")
        require(stopped.status == HTTPStatus.NO_CONTENT, f"stop: {stopped.status}")
        await reader.readuntil(b"data: [DONE]\n\n")
    await model.left.wait()


async def too_large(wire: Wire, _: SlowModel) -> None:
    """A body of 1.5 MiB is refused by Lyra, as JSON."""
    got = await wire.ask("POST", "/lyra/chat", body=b" " * TOO_LARGE)
    require((got.status, got.code) == (413, "body_too_large"), f"{got.status} {got.body[:60]!r}")


async def whose_address(wire: Wire, _: SlowModel) -> None:
    """The client is counted by its own address, whatever it writes of others; and alone."""
    reason = ""
    for number in range(10 * RATE):
        lines = (f"X-Forwarded-For: 198.51.100.{number}", f"X-Forwarded-For: 203.0.113.{number}")
        token = f"a-token-of-its-own-{number:04}"  # each has a rate too
        got = await wire.ask(
            "POST", "/lyra/chat", *lines, body=b"{", client="127.0.0.2", token=token
        )
        if got.status != HTTPStatus.BAD_REQUEST:
            reason = got.reason
            break
    require(reason == "address", f"it is not refused by its address, but {reason or 'never'}")
    other = await wire.ask("POST", "/lyra/chat", body=b"{", client="127.0.0.3")
    require(
        other.status == HTTPStatus.BAD_REQUEST,
        f"another client has to suffer for it: {other.status}",
    )


CHECKS: tuple[Check, ...] = (page, listener, word_by_word, stop, too_large, whose_address)


async def try_one(proxy: Proxy, base: str, port: int, folder: Path) -> None:
    """All checks behind this proxy, for a whole host or under a path."""
    lines = await asyncio.to_thread(documented, proxy.name, base)
    place = Place(folder, port, folder / "lyra.pem", port + 1)
    await asyncio.to_thread(_certify, place.certificate)
    model = SlowModel()
    token = sandbox_token(35, "typical", "legacy")
    async with (
        asyncio.timeout(BOUND_S),
        lyra_behind(
            model,
            port=place.lyra,
            rate_per_minute=RATE,
            allowed_hosts=(HOST,),
            public_url=f"https://{HOST}{base}",
            trusted_proxies=("127.0.0.1",),
        ),
        running(proxy, configured(proxy.name, lines, place), place),
    ):
        for check in CHECKS:
            await _told(proxy, base, check, Wire(port, base, token), model)


async def _told(proxy: Proxy, base: str, check: Check, wire: Wire, model: SlowModel) -> None:
    where = f"{proxy.name:<8}{base or '/':<8}"
    try:
        async with asyncio.timeout(BOUND_S / 4):
            await check(wire, model)
    except (TroubleError, TimeoutError, OSError, EOFError) as wrong:
        raise TroubleError(f"{where}{check.__name__}: {wrong!r}") from None
    print(f"ok      {where}{check.__doc__}")


def _certify(file: Path) -> None:
    """Have OpenSSL sign a certificate by itself; certificate and key in one file."""
    key = file.with_suffix(".key")
    made = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1")
    named = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}")
    command = ["openssl", "req", *made, *named, "-keyout", str(key), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - no word of it is a stranger's
    file.write_text(file.read_text("ascii") + key.read_text("ascii"), "ascii")


def main() -> int:
    """Try what was asked for; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="PROXY", help="nginx, caddy or haproxy")
    parser.add_argument("--port", type=int, default=23_000, help="the first of six ports")
    parser.add_argument("--show", action="store_true", help="write the lines and run nothing")
    given = parser.parse_args()
    wanted = [each for each in PROXIES if not given.names or each.program in given.names]
    if given.show:
        print("\n".join(documented(each.name, base) for each in wanted for base in ("", PATH)))
        return 0
    missing = [each.program for each in wanted if not each.installed]
    if missing or not wanted:
        print(f"not installed: {', '.join(missing)} (apt-get install {' '.join(missing)})")
    failed = False
    for proxy in wanted:
        if not proxy.installed:
            continue
        for base in ("", PATH):
            try:
                with tempfile.TemporaryDirectory(prefix="lyra-proxy-") as folder:
                    asyncio.run(try_one(proxy, base, given.port, Path(folder)))
            except TroubleError as wrong:
                failed = True
                print(f"FAILED  {wrong}")
    return 1 if failed else 2 if missing or not wanted else 0


if __name__ == "__main__":
    sys.exit(main())
