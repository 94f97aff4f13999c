"""What a warm `POST /lyra/init` costs, against the same bytes from servers with nothing around."""

from contextlib import AsyncExitStack
from statistics import median

from bench.client import request
from bench.closed_loop import CONNECTIONS, ClosedLoop
from bench.harness import Harness
from bench.report import Figure, Finding, Table, at_least, times
from bench.slices import Slices, disturbance, gain, take_turns

OF_BARE, OF_PEER = 0.65, 2.0
LYRA, BARE, RAW = "Lyra, as it is served", "bare aiohttp, the same bytes", "raw protocol, the same"
PEER = "peer, an answer of its own"


async def warm(harness: Harness) -> list[Finding]:
    """Requests a second and processor for each, slice about."""
    wanted, seconds = harness.pick((1, 0.2), (5, 1.0))
    async with AsyncExitStack() as stack:
        loops, length = await _subjects(harness, stack)
        takes = {name: each.take(seconds) for name, each in loops.items()}
        slices = await take_turns(harness.watch, takes, wanted)
    bare = slices[BARE]
    return [
        Finding(
            f"A warm POST /lyra/init, {length:,} bytes, {CONNECTIONS} connections",
            _figures(slices),
            [disturbance(slices)],
            Table(
                (
                    f"median of {wanted} slices",
                    "requests/s",
                    "of bare",
                    "CPU us",
                    "of bare",
                    "busy",
                ),
                [
                    (
                        name,
                        f"{median(each.rates):,.0f}",
                        times(each.rates, bare.rates),
                        f"{median(each.cpu_us):.1f}",
                        times(each.cpu_us, bare.cpu_us),
                        f"{each.busy:.0%}",
                    )
                    for name, each in slices.items()
                ],
            ),
            measured={"warm_us": median(slices[LYRA].cpu_us)},
        )
    ]


async def _subjects(harness: Harness, stack: AsyncExitStack) -> tuple[dict[str, ClosedLoop], int]:
    sent = request("POST", "/lyra/init", harness.listener())
    lyra = ClosedLoop.of(await stack.enter_async_context(harness.lyra()), sent)
    await lyra.one()
    answer = (await lyra.one()).answer
    body = answer.partition(b"\r\n\r\n")[2]
    whole = harness.folder / "answer"
    whole.write_bytes(answer)
    raw = await stack.enter_async_context(harness.server("raw", str(whole)))
    bare = await stack.enter_async_context(harness.server("bare"))
    async with harness.http.put(f"{bare.url}/body", data=body):
        subjects = {BARE: ClosedLoop.of(bare, sent.replace(b"/lyra/init", b"/body"))}
    subjects |= {LYRA: lyra, RAW: ClosedLoop.of(raw, sent)}
    if harness.has_peers:
        peer = await stack.enter_async_context(harness.peer())
        subjects[PEER] = ClosedLoop.of(peer, sent)
        await subjects[PEER].one()
    return subjects, len(body)


def _figures(slices: dict[str, Slices]) -> list[Figure]:
    aims = [(BARE, "bare aiohttp", OF_BARE), (PEER, "the peer", OF_PEER)]
    return [
        at_least(
            f"warm init, requests/s against {name}", gain(slices[LYRA], slices[key]), least, "x"
        )
        for key, name, least in aims
        if key in slices
    ]
