"""What Lyra tells one listener: the summary, facts, questions offered, and what the page gets."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import orjson

from lyra.chat.evidence import find_evidence
from lyra.chat.mentions.cards import Mention
from lyra.chat.mentions.names import Kind
from lyra.listening.fetch import fetch_listening
from lyra.listening.models import Listening, SectionName
from lyra.listening.views import init_view, profile_view
from lyra.sandbox.listeners import Listener
from lyra.sandbox.pages import Endpoint, render
from lyra.sandbox.spotify_errors import NO_SCOPE
from lyra.sandbox.tokens import parse_token, sandbox_token
from lyra.spotify.decipher import decipher
from lyra.timezones import UTC_ZONE, Zone

T = TypeVar("T")
ENDPOINTS: Mapping[SectionName, Endpoint] = {
    "profile": "me",
    "top_artists": "artists",
    "top_tracks": "tracks",
    "recently_played": "recent",
    "playlists": "playlists",
}
QUESTIONS = (
    "Which genres do I listen to?",
    "When do I listen, and what did I play last?",
    "How many playlists do I have?",
    "Which decades are my top tracks from?",
    "Which parts of my listening can you see?",
)
OFF_TOPIC = ("Hi!", "Good evening, Lyra", "Tell me a joke.", "What is the capital of Peru?")


class Bodies:
    """A reader of Spotify that answers these bodies; a None is a refused scope."""

    def __init__(self, bodies: Mapping[SectionName, bytes | None]) -> None:
        self._bodies = bodies
        self.calls = 0

    async def get(self, endpoint: SectionName, parse: Callable[[bytes], T]) -> T:
        """See ReadsSpotify."""
        self.calls += 1
        body = self._bodies[endpoint]
        status, text = (403, NO_SCOPE.body) if body is None else (200, body)
        return parse(decipher(status, {}, text, now=0.0))


def sandbox_bodies(listener: Listener, regime: str) -> dict[SectionName, bytes | None]:
    """The answers of the sandbox for this listener; None where a scope is missing."""
    token = parse_token(sandbox_token(listener.seed, listener.persona, regime))
    refused = {fault.endpoint for fault in token.faults if fault.name == "scope"}
    return {
        section: None if at in refused else render(at, {"limit": "50"}, listener, regime)
        for section, at in ENDPOINTS.items()
    }


def raw_bodies(bodies: Mapping[SectionName, bytes | None]) -> dict[str, Any]:
    """The same as plain JSON."""
    return {name: body and orjson.loads(body) for name, body in bodies.items()}


async def listen(bodies: Mapping[SectionName, bytes | None]) -> Listening:
    """The listener as Lyra reads it.

    Raises:
        LyraError: The listener is refused.
    """
    return await fetch_listening(Bodies(bodies), now=0.0, report=lambda _: None)


def facts_about_items(listening: Listening) -> Iterator[str]:
    """The facts of answers that name one item each, whichever they are."""
    played = {play.track.uri: play.track for play in listening.recently_played}
    named: list[tuple[Kind, Any]] = [("artist", each) for each in listening.top_artists]
    named += [("track", each) for each in listening.top_tracks]
    named += [("track", each) for each in played.values()]
    named += [("playlist", each) for each in listening.playlists]
    for kind, item in named:
        yield from find_evidence(listening, [Mention(0, item, kind)])


def facts_asked_for(listening: Listening, zone: Zone = UTC_ZONE) -> Iterator[str]:
    """The facts of answers to questions, the suggested ones among them."""
    for question in (*QUESTIONS, *profile_view(listening, zone=zone)["suggestions"]):
        yield from find_evidence(listening, [], question, zone)


def facts_off_topic(listening: Listening) -> Iterator[str]:
    """The facts of answers to what does not concern the data: there should be none."""
    for question in OFF_TOPIC:
        yield from find_evidence(listening, [], question)


def page_data(listening: Listening, zone: Zone = UTC_ZONE) -> dict[str, Any]:
    """What the page gets, as JSON."""
    return {**init_view(listening, zone), **profile_view(listening, zone=zone)}
