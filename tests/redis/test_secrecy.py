"""Who may get in, what is sent, and that nothing tells the password."""

import asyncio
import sys
from pathlib import Path

import pytest
from redis.asyncio import Redis

from lyra.redis.counters import SharedCounters
from lyra.redis.run_store import SharedRuns
from lyra.redis.shared_table import SharedTable
from tests.redis.conftest import KEY, OTHER, Join, Member
from tests.support.certificates import self_signed
from tests.support.redis_servers import RedisServer, set_user
from tests.support.tls_front import tls_front

DOCUMENT = Path(__file__).parents[2] / "docs" / "REDIS.md"
CANARY = "c4n4ry/p@ss"
ENCODED = "c4n4ry%2Fp%40ss"
BLOB = b"a sealed listener"


def documented_user() -> list[str]:
    """What docs/REDIS.md has after ACL SETUSER, with the canary as the password."""
    (line,) = [
        line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("ACL SETUSER")
    ]
    return [f">{CANARY}" if word.startswith(">") else word for word in line.split()[2:]]


async def tour(member: Member) -> None:
    """Everything that can be done, done once."""
    shared, until = member.shared, asyncio.get_running_loop().time() + 600
    lease = await shared.acquire_lease(KEY)
    assert lease is not None
    async with lease:
        assert await member.keep(KEY, BLOB)
    assert await shared.wait(KEY, until) == "arrived"
    assert await member.read(KEY) == BLOB
    await shared.discard(KEY)
    assert await member.keep(OTHER, BLOB)
    assert await shared.forget(OTHER)
    assert await shared.forget_all()
    sessions = SharedTable(member.gateway, "session", max_entries=1, wall_clock=lambda: 1.0)
    await sessions.keep(KEY, BLOB, 60)
    await sessions.keep(OTHER, BLOB, 60)
    assert await sessions.read(KEY) is None
    assert await sessions.swap(OTHER, BLOB, BLOB, 60)
    async with sessions.lock(OTHER):
        assert await sessions.read(OTHER) == BLOB
    assert await sessions.take(OTHER) == BLOB
    runs = SharedRuns(member.gateway)
    assert await runs.announce(KEY, OTHER, OTHER, ttl_s=60)
    assert await runs.append(OTHER, 0, BLOB, last=True, ttl_s=60) == "kept"
    assert await runs.read(OTHER) is not None
    assert await runs.name_of(OTHER) == OTHER
    assert await runs.keep_alive(OTHER, ttl_s=60) == "kept"
    assert await runs.forget(KEY)
    assert await runs.append(OTHER, 0, BLOB, last=True, ttl_s=60) == "gone"
    counters = SharedCounters(member.gateway)
    held = await counters.hold(f"1:{KEY}", OTHER, 5, within=9, owed={KEY: 1}, held_s=60, ttl_s=60)
    assert held == (True, 1, 0)
    assert await counters.settle(f"1:{KEY}", {OTHER: 2}, held_s=60, ttl_s=60) == 3


async def test_the_documented_user_may_do_all_that_lyra_does(
    server: RedisServer, join: Join, admin: Redis
) -> None:
    await set_user(admin, *documented_user())
    one = await join(f"redis://lyra:{ENCODED}@127.0.0.1:{server.port}")
    await tour(one)

    assert one.gateway.calls["refused"] == 0
    assert one.gateway.describe() == {"state": "ok"}


async def test_only_documented_commands_are_sent_no_scan_or_flush(join: Join, admin: Redis) -> None:
    await admin.config_resetstat()  # what the test's own client has sent
    await tour(await join())
    allowed = {word[1:] for word in documented_user() if word.startswith("+")}
    sent = {name.removeprefix("cmdstat_") for name in await admin.info("commandstats")}

    assert "eval" in sent
    assert sent - {"info", "config|resetstat"} <= allowed


async def test_every_name_and_channel_is_within_the_documented_pattern(
    join: Join, admin: Redis
) -> None:
    one = await join()
    assert await one.shared.acquire_lease(KEY) is not None
    await one.keep(KEY, BLOB)

    names = [name async for name in admin.scan_iter("*")] + await admin.pubsub_channels()
    assert len(names) == 5
    assert all(name.startswith(b"lyra:v2:") for name in names)


async def test_all_but_the_epoch_expire_by_themselves(join: Join, admin: Redis) -> None:
    one = await join()
    assert await one.shared.acquire_lease(KEY) is not None
    await one.keep(KEY, BLOB)

    lasting = [name async for name in admin.scan_iter("*") if await admin.pttl(name) < 0]
    assert lasting == [b"lyra:v2:epoch"]


@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_the_password_is_nowhere_to_be_seen(
    server: RedisServer,
    join: Join,
    admin: Redis,
    everything_logged: pytest.LogCaptureFixture,
    password: str,
) -> None:
    await set_user(admin, *documented_user())
    extra = "" if password == "right" else "x"
    url = f"redis://lyra:{ENCODED}{extra}@127.0.0.1:{server.port}"
    one = await join(url, subscribed=password == "right")
    for _ in range(5):
        held = await one.read(KEY)
        assert held is None
    if password == "right":
        assert one.shared.reachable
        await admin.client_kill_filter(_type="pubsub")
        await one.flushed(times=3)
    else:
        assert not one.shared.reachable
        assert "AuthenticationError" in everything_logged.text

    shown = (repr(one.gateway), str(one.gateway.describe()), one.metrics.render().decode())
    for text in (everything_logged.text, *shown):
        assert "c4n4ry" not in text


async def test_a_unix_socket_will_do(server: RedisServer, join: Join) -> None:
    await tour(await join(f"unix://{server.socket}"))


async def test_importing_the_gateway_imports_no_redis_or_cryptography() -> None:
    code = (
        "import sys, lyra.redis.gateway, lyra.redis.listener_store, lyra.redis.sealing\n"
        "print({'redis', 'cryptography'} & set(sys.modules))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()

    assert output == b"set()\n"


async def test_tls_is_spoken_with_whom_the_certificate_names(
    server: RedisServer, join: Join, folder: Path
) -> None:
    pem = self_signed(folder)
    async with tls_front(server.port, pem) as port:
        one = await join(f"rediss://127.0.0.1:{port}?ssl_ca_certs={pem}")
        await tour(one)
        for url in (f"rediss://127.0.0.1:{port}", f"rediss://localhost:{port}?ssl_ca_certs={pem}"):
            stranger = await join(url, subscribed=False)

            assert await stranger.read(KEY) is None
            assert not stranger.shared.reachable
