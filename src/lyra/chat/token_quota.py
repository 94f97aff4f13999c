"""The daily token quota: how many of the model's tokens one Spotify account may use in a day (UTC).

Before the model is called, a question reserves what its answer may cost; when the answer has ended,
in whatever way, the reservation is settled. Invariants, hunted by tests/chat/test_token_quota.py:
- while an account has a reservation, another question passes only if used, reserved and requested
  tokens stay within the quota; so concurrent questions overdraw it by at most one answer;
- with tokens left and nothing reserved, a question passes, whatever it may cost;
- check and reservation are one step: nothing here awaits between them, and Redis runs one script;
- all listeners whose account is unknown share the tokens of one account;
- an ended answer leaves no reservation, and that of a process that died expires.

Tokens that the model read from its own prompt cache count a tenth, as they cost. An answer counts
for the day on which it was asked for. Without Redis, or while it is away, each process counts for
itself, and reports what it has counted when Redis is back.
"""

import asyncio
import logging
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain

import msgspec
import orjson

from lyra.cache.keys import Key
from lyra.chat.model.port import Prompt, Usage
from lyra.errors import (
    LlmInterruptedError,
    LlmTimeoutError,
    LlmTruncatedError,
    LyraError,
    TooManyRequestsError,
)
from lyra.redis.counters import SharedCounters

log = logging.getLogger(__name__)

_DAY_S = 86_400
_CACHED_PER_TOKEN = 10  # so many cached tokens count as one
_MAX_OWED_NAMES = 32  # of one account; more are reported as one
_RETRY_HELD_S = 1.0  # a reservation may be settled at any moment
_USUAL_BYTES_PER_TOKEN = 4  # to charge for a prompt that the model did not count
_MIN_BYTES_PER_TOKEN = 2  # on average, in text of any language: to reserve

_UNKNOWN = Key("unknown")  # all listeners whose account Spotify has not named
_RETRY_UNKNOWN_S = 60.0  # then listening data without an account is fetched again

_NO_COST = Usage()
# After these the model has had the prompt.
_COSTLY_FAILURES = (LlmTimeoutError, LlmInterruptedError, LlmTruncatedError)


class Cost(msgspec.Struct, frozen=True):
    """What an answer may cost at most, and what its prompt usually costs, in tokens."""

    limit: int = 0
    prompt: int = 0


def estimate_cost(prompt: Prompt, max_tokens: int) -> Cost:
    """Estimate what an answer to this prompt may cost. Takes about 50 microseconds."""
    size = len(prompt.rules) + len(prompt.context().encode("utf-8", "replace"))
    size += sum(len(turn.text.encode("utf-8", "replace")) for turn in prompt.turns)
    size += len(prompt.tools) + sum(len(orjson.dumps(each.messages())) for each in prompt.rounds)
    return Cost(-(-size // _MIN_BYTES_PER_TOKEN) + max_tokens, -(-size // _USUAL_BYTES_PER_TOKEN))


class Reservation:
    """The tokens of an account that one answer holds until it is settled."""

    def __init__(self, settle: Callable[[int], None] | None = None, prompt: int = 0) -> None:
        self._settle = settle
        self._prompt = prompt
        self._sent = 0

    @contextmanager
    def send_prompt(self) -> Iterator[None]:
        """Charge for the prompt that the block sends, unless the model refuses it."""
        self._sent += 1
        try:
            yield
        except LyraError as failure:
            if not isinstance(failure, _COSTLY_FAILURES):
                self._sent -= 1
            raise

    def settle(self, usage: Usage = _NO_COST) -> None:
        """Charge what the answer has used in place of what it holds. Counts once, never raises.

        A prompt that was sent is charged by its length if the model had no time to count it.
        """
        if self._settle is None:
            return
        settle, self._settle = self._settle, None
        counted = usage.input_tokens or usage.cached_input_tokens or usage.cache_write_tokens
        settle(_count_tokens(usage) + self._prompt * max(0, self._sent - bool(counted)))


class TokenQuota:
    """Counts today's tokens by account, and remembers at most `entries` accounts.

    `longest_s` is how long an answer may run: the reservations of a dead process expire after it.
    """

    def __init__(
        self,
        daily: int,
        *,
        entries: int,
        wall_clock: Callable[[], float],
        longest_s: float = 300.0,
        shared: SharedCounters | None = None,
    ) -> None:
        self._daily = daily
        self._entries = entries
        self._wall_clock = wall_clock
        self._longest_s = longest_s
        self._shared = shared
        self._day = 0
        self._used: OrderedDict[Key, int] = OrderedDict()
        # By day and account; as many as there are live answers, which `max_streams` bounds.
        self._held: Counter[tuple[int, Key]] = Counter()
        # What Redis may not have counted yet, oldest first, by the name of each reservation, so
        # that none is counted twice. Bounded by `entries` accounts and `_MAX_OWED_NAMES` names of each.
        self._owed: OrderedDict[tuple[int, Key], dict[str, int]] = OrderedDict()
        # At most one task for each reservation; by account, so that a question waits for its own.
        self._reports: dict[Key, set[asyncio.Task[None]]] = {}

    def stats(self) -> dict[str, int]:
        """Return the sizes at this moment."""
        return {"accounts": len(self._used), "held": self._held.total(), "owed": len(self._owed)}

    async def reserve(self, account: Key | None, cost: Cost) -> Reservation:
        """Reserve what an answer may cost, to be settled when it has ended.

        `account` is None if Spotify has not said whose token it is. All such listeners share the
        tokens of one account, since one of them may have any number of access tokens.

        Raises:
            TooManyRequestsError: the day's tokens are used up, or held by live answers; says when
                to ask again.
        """
        if not self._daily:
            return Reservation()
        account = account or _UNKNOWN
        if reports := self._reports.get(account):
            await asyncio.wait(tuple(reports))  # else Redis still holds tokens of ended answers
        day, name = self._current_day(), secrets.token_hex(8)
        self._check(account, self._used.get(account, 0), self._held[day, account], cost.limit)
        self._held[day, account] += cost.limit
        settle = partial(self._settle, day, account, name, cost.limit)
        reservation = Reservation(settle, cost.prompt)
        if self._shared is not None:
            try:
                await self._reserve_shared(self._shared, day, account, name, cost.limit)
            except BaseException:  # refused, or cancelled: Redis may hold it by now
                reservation.settle()
                raise
        return reservation

    async def _reserve_shared(
        self, shared: SharedCounters, day: int, account: Key, name: str, limit: int
    ) -> None:
        owed = self._owed.pop((day, account), {})
        try:
            balance = await shared.hold(
                f"{day}:{account}",
                name,
                limit,
                within=self._daily,
                owed=owed,
                held_s=self._longest_s,
                ttl_s=2 * _DAY_S,
            )
        except BaseException:
            self._owe(day, account, owed)
            raise
        if balance is None:
            self._owe(day, account, owed)
            return
        self._set_used(day, account, max(balance.used, self._used.get(account, 0)))
        if not balance.passes:
            self._check(account, balance.used, balance.held, limit)

    def _check(self, account: Key, used: int, held: int, limit: int) -> None:
        """Check that the quota allows one more question.

        Raises:
            TooManyRequestsError: it does not.
        """
        if used >= self._daily and account == _UNKNOWN:
            raise TooManyRequestsError(
                "Spotify does not say at the moment whose account this is, and the tokens of the "
                "day for such listeners are used up. Ask again in a minute.",
                retry_after_s=_RETRY_UNKNOWN_S,
                reason="daily_budget",
            )
        if used >= self._daily:
            raise TooManyRequestsError(
                "This account has used up its tokens of the day. Ask again tomorrow (UTC).",
                retry_after_s=_DAY_S - self._wall_clock() % _DAY_S,
                reason="daily_budget",
            )
        if held and used + held + limit > self._daily:
            raise TooManyRequestsError(
                "What is left of the tokens of the day is held by answers under way. "
                "Ask again when they have ended.",
                retry_after_s=_RETRY_HELD_S,
                reason="daily_budget",
            )

    def _settle(self, day: int, account: Key, name: str, held: int, used: int) -> None:
        """Count what an answer has used in place of what it held."""
        self._held[day, account] -= held
        if self._held[day, account] <= 0:
            del self._held[day, account]
        if day == self._current_day():
            self._set_used(day, account, self._used.get(account, 0) + used)
        if self._shared is not None:
            report = self._settle_shared(self._shared, day, account, name, used)
            task = asyncio.get_running_loop().create_task(report)
            self._reports.setdefault(account, set()).add(task)
            task.add_done_callback(partial(self._on_reported, account))

    def _on_reported(self, account: Key, task: asyncio.Task[None]) -> None:
        self._reports[account].discard(task)
        if not self._reports[account]:
            del self._reports[account]
        if not task.cancelled() and task.exception() is not None:
            log.error("counting tokens broke: this is a fault in Lyra", exc_info=task.exception())

    async def _settle_shared(
        self, shared: SharedCounters, day: int, account: Key, name: str, used: int
    ) -> None:
        amounts = {**self._owed.pop((day, account), {}), name: used}
        total = await shared.settle(
            f"{day}:{account}", amounts, held_s=self._longest_s, ttl_s=2 * _DAY_S
        )
        if total is None:
            self._owe(day, account, amounts)
        else:
            self._set_used(day, account, max(total, self._used.get(account, 0)))

    async def close(self) -> None:
        """Wait until all running reports to Redis have ended."""
        await asyncio.gather(*chain.from_iterable(self._reports.values()), return_exceptions=True)

    def _owe(self, day: int, account: Key, amounts: dict[str, int]) -> None:
        owed = self._owed.get((day, account), {}) | {n: used for n, used in amounts.items() if used}
        if len(owed) > _MAX_OWED_NAMES:
            owed = {secrets.token_hex(8): sum(owed.values())}
        if owed:
            self._owed[day, account] = owed
            if len(self._owed) > self._entries:
                self._owed.popitem(last=False)

    def _current_day(self) -> int:
        day = int(self._wall_clock() // _DAY_S)
        if day != self._day:
            self._day = day
            self._used.clear()
        return day

    def _set_used(self, day: int, account: Key, total: int) -> None:
        if day != self._current_day():
            return
        self._used[account] = total
        self._used.move_to_end(account)
        if len(self._used) > self._entries:
            self._used.popitem(last=False)


def _count_tokens(usage: Usage) -> int:
    cached = usage.cached_input_tokens // _CACHED_PER_TOKEN
    return usage.input_tokens + usage.cache_write_tokens + usage.output_tokens + cached
