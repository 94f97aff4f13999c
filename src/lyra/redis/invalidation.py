"""Invalidation by pub/sub: what the processes tell each other about keys.

One task per process holds the one subscription. While it has none, messages are lost: so both its
loss and its return mean that nothing in memory can be trusted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from random import Random
from typing import Literal, Protocol

from lyra.redis.breaker import ConsecutiveBreaker
from lyra.redis.keyspace import check_key
from lyra.redis.protocol import RefusedError, Timing, UnansweredError

log = logging.getLogger(__name__)

RunVerb = Literal["stop", "lose", "read", "end"]
PastVerb = Literal["past", "past_runs"]
Verb = Literal["kept", "gone", "free", "all", PastVerb, "out", RunVerb]
Invalidate = Callable[[str | None], None]
Replaced = Callable[[str], None]
Past = Callable[[str | None, int, bool], None]
_LONGEST_MOMENT = 17  # digits


class Subscription(Protocol):
    """A confirmed subscription: `next` gives each message, None for anything else that came."""

    async def next(self) -> bytes | None: ...


Subscribe = Callable[[], AbstractAsyncContextManager[Subscription]]


class KeyEvent:
    """An event that is set when something happened to a key."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    def clear(self) -> None:
        """Clear the event; look at Redis after this, so that nothing is missed."""
        self._event.clear()

    async def wait(self, within_s: float) -> None:
        """Return when the event is set, or after `within_s`."""
        try:
            async with asyncio.timeout(within_s):
                await self._event.wait()
        except TimeoutError:
            return


class InvalidationBus:
    """The callbacks for messages, and the events by key: as many as callers wait at this moment."""

    def __init__(self, sender_id: str, count: Callable[[str], None]) -> None:
        self.subscribed = False
        self._sender_id = sender_id
        self._count = count
        self._events: dict[str, set[KeyEvent]] = {}
        self._invalidators: list[tuple[Invalidate, Replaced]] = []
        self._on_joined: list[Callable[[], Awaitable[object]]] = []
        self._on_runs: list[Callable[[RunVerb, str], None]] = []
        self._on_past: dict[PastVerb, list[Past]] = {"past": [], "past_runs": []}
        self._on_out: list[Callable[[str], None]] = []

    def on_invalidate(self, invalidate: Invalidate, replaced: Replaced) -> None:
        """Call `invalidate` with a key that is gone (None: all) and `replaced` with a newer one."""
        self._invalidators.append((invalidate, replaced))

    def on_run(self, act: Callable[[RunVerb, str], None]) -> None:
        """Call `act` with the verb and the name of a run that another process speaks of."""
        self._on_runs.append(act)

    def on_past(self, verb: PastVerb, act: Past) -> None:
        """Call `act` with a key that was forgotten (None: all), when, and if it was held.

        `past` is about the data of a listener, `past_runs` about the answers.
        """
        self._on_past[verb].append(act)

    def on_session_end(self, act: Callable[[str], None]) -> None:
        """Call `act` with the name of a log-in that has ended for good."""
        self._on_out.append(act)

    def on_joined(self, act: Callable[[], Awaitable[object]]) -> None:
        """Await `act` whenever the subscription is there again."""
        self._on_joined.append(act)

    def compose(self, verb: Verb, key: str = "-") -> str:
        """Return a message, marked as this process's own."""
        return f"{verb} {self._sender_id} {key}"

    @contextmanager
    def key_event(self, key: str) -> Iterator[KeyEvent]:
        """Give an event for this key, for the length of the block."""
        event = KeyEvent()
        self._events.setdefault(key, set()).add(event)
        try:
            yield event
        finally:
            self._events[key].discard(event)
            if not self._events[key]:
                del self._events[key]

    async def resume(self) -> None:
        """Handle a new subscription: messages before it are lost, so invalidate everything."""
        for act in self._on_joined:
            await act()
        self.subscribed = True
        self.invalidate_all()

    def suspend(self) -> None:
        """Handle the loss of the subscription, if there was one: invalidate everything."""
        if self.subscribed:
            self.subscribed = False
            self.invalidate_all()

    def invalidate_all(self) -> None:
        """Invalidate everything and let all waiters look again."""
        for invalidate, _ in self._invalidators:
            _call(invalidate, None)
        self._set_all_events()

    def on_message(self, message: bytes) -> None:
        """Act on a message; this process's own only sets events, a foreign one is counted."""
        match message.decode("ascii", "replace").split(" "):
            case ["all", sender, "-"]:
                if sender == self._sender_id:
                    self._set_all_events()
                else:
                    self.invalidate_all()
            case ["kept" | "gone" | "free" as verb, sender, key] if _is_key(key):
                if sender != self._sender_id:
                    self._notify(verb, key)
                self._set_events(key)
            case [_, sender, *_] if sender == self._sender_id:
                return
            case words:
                self._dispatch(words)

    def _dispatch(self, words: list[str]) -> None:
        match words:
            case ["stop" | "lose" | "read" | "end" as verb, _, key] if _is_key(key):
                for act in self._on_runs:
                    _call(act, verb, key)
            case ["past" | "past_runs" as verb, _, key, moment, held] if _is_moment(
                moment
            ) and _is_key(key, all_too=True):
                for past in self._on_past[verb]:
                    _call(past, None if key == "-" else key, int(moment), held == "1")
            case ["out", _, name] if _is_key(name):
                for out in self._on_out:
                    _call(out, name)
            case _:
                self._count("foreign")

    def _notify(self, verb: str, key: str) -> None:
        for invalidate, replaced in self._invalidators:
            if verb == "gone":
                _call(invalidate, key)
            elif verb == "kept":
                _call(replaced, key)

    def _set_all_events(self) -> None:
        for key in self._events:
            self._set_events(key)

    def _set_events(self, key: str) -> None:
        for event in self._events.get(key, ()):
            event.set()


class Subscriber:
    """Keeps the one subscription: subscribes, listens, and subscribes again when it is lost."""

    def __init__(
        self,
        subscribe: Subscribe,
        bus: InvalidationBus,
        breaker: ConsecutiveBreaker,
        timing: Timing,
        rng: Random,
    ) -> None:
        self._subscribe = subscribe
        self._bus = bus
        self._breaker = breaker
        self._timing = timing
        self._rng = rng
        self._refused = False

    async def run(self) -> None:
        """Listen until cancelled, with back-off; rest while the breaker does, and report to it."""
        pause = self._timing.rejoin_first_s
        while True:
            if not self._breaker.resting and await self._listen():
                pause = self._timing.rejoin_first_s
            await asyncio.sleep(pause * self._rng.uniform(0.5, 1.0))
            pause = min(2 * pause, self._timing.rejoin_most_s)

    async def _listen(self) -> bool:
        """Listen until the subscription is lost; return whether there was one."""
        joined = False
        try:
            async with self._subscribe() as subscription:
                joined, self._refused = True, False
                self._breaker.record_success()
                await self._bus.resume()
                while True:
                    message = await subscription.next()
                    if message is not None:
                        self._bus.on_message(message)
        except UnansweredError as lost:
            self._breaker.record_failure(lost.reason, refused=lost.refused)
        except RefusedError as refused:
            self._note_refusal(str(refused))
        finally:
            self._bus.suspend()
        return joined

    def _note_refusal(self, code: str) -> None:
        """Log the refusal once; it is an answer: commands may work though messages do not come."""
        self._breaker.record_success()
        if not self._refused:
            log.warning("Redis refuses Lyra its channel (%s): see docs/REDIS.md", code)
        self._refused = True


def _is_key(text: str, *, all_too: bool = False) -> bool:
    try:
        return (all_too and text == "-") or bool(check_key(text))
    except ValueError:
        return False


def _is_moment(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_MOMENT


def _call(callback: Callable[..., None], *args: str | int | None) -> None:
    try:
        callback(*args)
    except Exception:
        # One callback's fault must not keep the message from the others.
        log.exception("a callback for notices broke: this is a fault in Lyra")
