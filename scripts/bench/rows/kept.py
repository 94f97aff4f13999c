"""What many kept listeners do to a process: memory, pauses of the collector, the price of a read."""

import asyncio
from contextlib import AsyncExitStack
from sys import executable

import orjson

from bench.harness import PYTHON_PATH, Harness, module
from bench.processes import open_process, output_of
from bench.report import Finding, Table, at_most, format_number

OF_COLLECTION, OF_PLAIN, LISTENER_KIB = 0.2, 2.0, 32
LONGEST_S = 900


async def kept(harness: Harness) -> list[Finding]:
    """Loaded through the real client, in a process of its own; recorded answers where they are given."""
    async with AsyncExitStack() as stack:
        sandbox = harness.sandbox
        if harness.samples:
            replay = ("--port", "0", "--replay", str(harness.samples))
            lyra = (executable, "-m", "lyra", "sandbox", *replay)
            sandbox = await stack.enter_async_context(
                open_process(harness.folder, "replay", lyra, {}, harness.cores.load)
            )
        command = module("servers.kept", sandbox.url, str(harness.count(50, 2_000, 10_000)))
        async with asyncio.timeout(LONGEST_S):
            output = await output_of(*command, cwd=harness.folder, environment=PYTHON_PATH)
    found: dict[str, float] = orjson.loads(output)
    return [
        Finding(
            f"{found['kept']:,.0f} listeners loaded and kept",
            [
                at_most(
                    "worst pause of the collector, of a whole collection before there were listeners",
                    found["worst_pause_s"] / found["collection_s"],
                    OF_COLLECTION,
                    "x",
                ),
                at_most(
                    "get_cached_user_data, of inflating and decoding the same by zlib and orjson",
                    found["read_s"] / found["plain_read_s"],
                    OF_PLAIN,
                    "x",
                ),
                at_most(
                    "resident memory of each", found["resident_bytes"] / 1024, LISTENER_KIB, "KiB"
                ),
            ],
            ["FULL=1 keeps 10,000. Times are of the processor."],
            Table(
                ("", "found"),
                [
                    (
                        "resident, MiB, the process itself apart",
                        f"{found['resident_bytes'] * found['kept'] / 2**20:.1f}",
                    ),
                    ("weight of each, as the bound counts it", f"{found['entry_bytes']:,.0f}"),
                    (
                        "worst pause of the collector, ms",
                        format_number(found["worst_pause_s"] * 1000),
                    ),
                    ("get_cached_user_data, us", format_number(found["read_s"] * 1e6)),
                ],
            ),
            measured={"entry_kib": found["entry_bytes"] / 1024},
        )
    ]
