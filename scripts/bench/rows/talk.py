"""Ten messages with the listener kept, against a fetch for each; and the first word of each kind."""

from dataclasses import dataclass
from time import monotonic

from bench.client import OK, Client, Reply, question, request
from bench.harness import Harness
from bench.report import Figure, Finding, Table, at_least, ms, ratio, times
from lyra.sandbox import sandbox_token

PACE = "20x0"
MESSAGES = 10
ONE_FETCH = 5
SAVED = 0.9
SOONER = 100
PATHS = "", "/top/artists", "/top/tracks", "/playlists", "/player/recently-played"
LYRA, FORGETFUL, IN_A_ROW = (
    "Lyra",
    "Lyra, made to forget before each message",
    "five calls in a row before each message",
)


@dataclass(frozen=True)
class Talk:
    """Connections to a Lyra and to the sandbox, whose counters and faults this subject needs."""

    harness: Harness
    lyra: Client
    sandbox: Client

    async def listener(self, low_ms: int, high_ms: int) -> str:
        """A token never used before, whose five answers take `low_ms` to `high_ms`."""
        fault = self.harness.fault
        faults = [f"lat-{low_ms}-{high_ms}", *([fault] if fault else [])]
        token = self.harness.token(*faults)
        seed = int(token.split(".")[1])
        # The sandbox invents a listener on the first call; that must not count as Spotify's time.
        await self.read(sandbox_token(seed, "typical", "legacy"), "")
        return token

    async def read(self, token: str, path: str) -> None:
        """Read one endpoint of Spotify, without Lyra."""
        await self.sandbox.ask(request("GET", f"/v1/me{path}?limit=50", token))

    async def ask(self, token: str, history: list[dict[str, str]] | None = None) -> Reply:
        """Ask, and read the whole answer."""
        reply = await self.lyra.ask(question(token, 0, PACE, history=history or []))
        if reply.status != OK or reply.ending != "finish":
            raise RuntimeError(f"an answer ended with {reply.status} {reply.ending}")
        return reply


async def talk(harness: Harness) -> list[Finding]:
    """The first word, then whole conversations."""
    async with harness.service("talk") as lyra:
        lyra_client = await lyra.connect()
        sandbox = await Client.connect(harness.sandbox.port)
        talking = Talk(harness, lyra_client, sandbox)
        findings = [await _first_words(talking), await _conversations(talking)]
        lyra_client.close()
        sandbox.close()
    return findings


async def _first_words(talking: Talk) -> Finding:
    low, high = talking.harness.pick((40, 250), (400, 2500))
    runs, follow_ups = talking.harness.pick((1, 1), (3, 5))
    cold, warm = [], []
    for _ in range(runs):
        token = await talking.listener(low, high)
        cold.append((await talking.ask(token)).first_s)
        warm += [(await talking.ask(token)).first_s for _ in range(follow_ups)]
    return Finding(
        f"The first word, Spotify at {low} to {high} ms, a model that never waits",
        [at_least("first word of a follow-up, sooner", ratio(cold, warm), SOONER, "x")],
        ["The model's own time is not in it."],
        Table(
            ("median", "ms", "of a follow-up"),
            [
                (f"cold, first message ({len(cold)})", ms(cold), times(cold, warm)),
                (f"warm, follow-up ({len(warm)})", ms(warm), times(warm, warm)),
            ],
        ),
    )


async def _conversations(talking: Talk) -> Finding:
    """A conversation in three ways; the calls are those that the invented Spotify counted."""
    low, high = talking.harness.pick((4, 20), (40, 200))
    runs = talking.harness.pick(1, 2)
    seconds: dict[str, list[float]] = {LYRA: [], FORGETFUL: [], IN_A_ROW: []}
    calls: dict[str, set[int]] = {LYRA: set(), FORGETFUL: set(), IN_A_ROW: set()}
    for _ in range(runs):
        for way, spent in seconds.items():
            token = await talking.listener(low, high)
            if way == IN_A_ROW:  # Lyra's own five calls are no part of this way
                await talking.lyra.ask(request("POST", "/lyra/init", token))
            counted, began = await talking.harness.sandbox_calls(), monotonic()
            await _converse(talking, token, way)
            spent.append(monotonic() - began)
            calls[way].add(await talking.harness.sandbox_calls() - counted)
    return Finding(
        f"A conversation of {MESSAGES} messages, Spotify at {low} to {high} ms",
        _promises(calls[LYRA], calls[FORGETFUL]),
        [
            f"{MESSAGES} gathered fetches cannot cost more than {MESSAGES} x; the third way is without them.",
            "The third way asks a Lyra that is warm already, after calls of its own to Spotify.",
        ],
        Table(
            (f"median of {runs}", "ms", "of Lyra", "Spotify calls"),
            [
                (way, ms(spent), times(spent, seconds[LYRA]), _listed(calls[way]))
                for way, spent in seconds.items()
            ],
        ),
    )


async def _converse(talking: Talk, token: str, way: str) -> None:
    """Ten messages, each with all those before it, as chat kits send them."""
    history: list[dict[str, str]] = []
    for number in range(MESSAGES):
        if way == FORGETFUL:
            await talking.lyra.ask(request("DELETE", "/lyra/session", token))
        elif way == IN_A_ROW:
            for path in PATHS:
                await talking.read(token, path)
        await talking.ask(token, history)
        history += [
            {"role": "user", "content": f"Question {number}: what do I play?"},
            {"role": "assistant", "content": "Quiet songs of the evening, mostly. " * 3},
        ]


def _promises(kept: set[int], fetched: set[int]) -> list[Figure]:
    saved = 1 - max(kept) / min(fetched)
    return [
        Figure(
            "Spotify calls of a conversation",
            _listed(kept),
            f"{ONE_FETCH}",
            kept == {ONE_FETCH},
            promise=True,
        ),
        Figure("calls saved", f"{saved:.0%}", f">= {SAVED:.0%}", saved >= SAVED, promise=True),
    ]


def _listed(counts: set[int]) -> str:
    return ", ".join(map(str, sorted(counts)))
