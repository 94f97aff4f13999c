"""An invented Spotify that numbers its fetches and keeps a ledger of them.

Every section carries the number of the fetch that read it, so that an answer tells of which
fetches it is made, and the ledger tells when each of these ended and how it went. A number is
given when the cache decides to fetch, which may be a turn of the loop before the first call.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import orjson

from lyra.cache.entry import Entry
from lyra.listening.models import SECTIONS, SectionName
from lyra.spotify.endpoints import Endpoint
from lyra.spotify.failures import FailureCode, SpotifyFailure
from lyra.spotify.token import Token
from tests.support.virtual_time import now, pass_time

T = TypeVar("T")
Outcome = Literal["ok", "gap", "no_scope", "down", "rejected", "forbidden"]
Begin = Callable[["Fetched"], None]


@dataclass
class Forecast:
    """How the next fetch will go: after some turns of the loop and some seconds."""

    outcome: Outcome = "ok"
    lost: SectionName = "playlists"
    code: FailureCode = "server_error"
    turns: int = 0
    seconds: float = 0.0

    def failure(self, section: Endpoint) -> SpotifyFailure | None:
        match self.outcome:
            case "down":
                return SpotifyFailure(self.code)
            case "rejected":
                return SpotifyFailure("token_rejected")
            case "forbidden":
                return SpotifyFailure("not_registered")
            case "gap" if section == self.lost:
                return SpotifyFailure(self.code)
            case "no_scope" if section == self.lost:
                return SpotifyFailure("missing_scope")
        return None


@dataclass
class Fetched:
    """One fetch in the ledger. It is live while a call is open."""

    number: int
    token: str
    forecast: Forecast
    began: float
    ended: float = float("inf")
    open: int = 0
    asked: set[Endpoint] = field(default_factory=set)
    wanted: str = ""  # of a detail: its time range, or the id of its playlist

    @property
    def live(self) -> bool:
        return self.open > 0

    @property
    def refused(self) -> bool:
        """Whether /me said that the token is not accepted."""
        return self.forecast.outcome == "rejected" and "profile" in self.asked

    @property
    def forbidden(self) -> bool:
        """Whether /me said that this listener may not use the app."""
        return self.forecast.outcome == "forbidden" and "profile" in self.asked

    @property
    def failed(self) -> bool:
        """Whether nothing could be read, for a reason that passes."""
        return self.forecast.outcome == "down" and len(self.asked) == len(SECTIONS)

    @property
    def partial(self) -> bool:
        """Whether all was asked for and one section did not come, for a reason that passes."""
        return self.forecast.outcome == "gap" and len(self.asked) == len(SECTIONS)

    @property
    def proves(self) -> bool:
        """Whether something was read, and so the token accepted."""
        return not (self.refused or self.forbidden or self.failed)

    @property
    def complete(self) -> bool:
        return self.forecast.outcome == "ok" and len(self.asked) == len(SECTIONS)


class Weather:
    """The source of readers. `forecast` decides how each fetch will go, `begins` sees it begin."""

    def __init__(self, forecast: Callable[[], Forecast], begins: Begin = lambda _: None) -> None:
        self.forecast = forecast
        self.begins = begins
        self.ledger: list[Fetched] = []

    def reader(self, token: Token) -> "WeatherReader":
        fetch = Fetched(len(self.ledger), token.reveal(), self.forecast(), now())
        self.ledger.append(fetch)
        return WeatherReader(self, fetch)

    def of(self, token: Token, since: int = 0) -> list[Fetched]:
        """This token's fetches from this number on that have asked for something."""
        mine = [each for each in self.ledger[since:] if each.token == token.reveal()]
        return [each for each in mine if each.asked]


class WeatherReader:
    def __init__(self, weather: Weather, fetch: Fetched) -> None:
        self._weather = weather
        self._fetch = fetch
        self.calls = 0

    async def get(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], T],
        params: Mapping[str, str] | None = None,
        *,
        playlist: str | None = None,
    ) -> T:
        self.calls += 1
        fetch = self._fetch
        if not fetch.asked:
            self._weather.begins(fetch)
        fetch.asked.add(endpoint)
        fetch.wanted = playlist or (params or {}).get("time_range", "")
        fetch.open += 1
        try:
            await _delay(fetch.forecast)
        finally:
            fetch.open -= 1
            fetch.ended = now()
        failure = fetch.forecast.failure(endpoint)
        if failure is not None:
            raise failure
        return parse(_body(endpoint, fetch.number))


async def _delay(forecast: Forecast) -> None:
    for _ in range(forecast.turns):
        await asyncio.sleep(0)
    if forecast.seconds:
        await pass_time(forecast.seconds)


def _body(endpoint: Endpoint, number: int) -> bytes:
    name = str(number)
    if endpoint == "profile":
        return orjson.dumps({"id": "vesna", "display_name": name})
    thing = {"id": f"i{name}", "name": name, "uri": f"spotify:x:{name}"}
    row = {"track": thing, "played_at": "2026-11-22T20:00:00Z"}
    rows = ("recently_played", "playlist_items")
    return orjson.dumps({"items": [row if endpoint in rows else thing]})


def parts(entry: Entry) -> set[int]:
    """The numbers of the fetches of which this answer is made."""
    heard = entry.listening()
    names = [heard.profile.display_name]
    for rows in (heard.top_artists, heard.top_tracks, heard.playlists):
        names += [row.name for row in rows]
    names += [play.track.name for play in heard.recently_played]
    return {int(name) for name in names if name}
