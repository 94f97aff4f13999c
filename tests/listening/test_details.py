"""Details: what is asked for beyond the listening, from Spotify's rows to typed ones."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson
import pytest

from lyra.errors import SpotifyForbiddenError, SpotifyTokenRejectedError
from lyra.listening.details import (
    Detail,
    DetailRefusedError,
    PlaylistTracks,
    TopItems,
    WantedDetail,
    fetch_detail,
    take_detail,
)
from lyra.listening.models import Artist, Listening, Playlist, Profile, Section, Track
from lyra.listening.parse import parse_playlist_tracks
from lyra.spotify.endpoints import Endpoint, fill_path, playlist_id
from lyra.spotify.failures import FailureCode, SpotifyFailure

T = TypeVar("T")
ID = "0123456789abcdefABCDEF"
URI = f"spotify:playlist:{ID}"
SHORT = TopItems("top_tracks", "short_term")
SONG = {"id": "t1", "name": "Wenmi", "uri": "spotify:track:t1", "artists": [{"name": "Kalorda"}]}
LOCAL = {"name": "Tape", "uri": "spotify:local:a:b:c:1", "duration_ms": {"totalMilliseconds": 1}}
EPISODE = {"name": "7: Tides", "type": "episode", "uri": "spotify:episode:e1"}


def rows(*items: object, total: int = 90) -> bytes:
    return orjson.dumps({"items": items, "total": total})


class Reader:
    """Answers each request by its name: a failure's code, or a body."""

    def __init__(self, **script: FailureCode | bytes) -> None:
        self.script = script
        self.asked: list[tuple[str, str]] = []
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
        self.asked.append((endpoint, playlist or (params or {}).get("time_range", "")))
        answer = self.script[endpoint]
        if isinstance(answer, bytes):
            return parse(answer)
        raise SpotifyFailure(answer)


async def fetch(reader: Reader, wanted: WantedDetail, regime: str = "restricted") -> Detail:
    return await fetch_detail(reader, wanted, regime=regime, now=5.0)


@pytest.mark.parametrize("nested", ["item", "track"])
def test_a_playlists_rows_are_read_in_the_nesting_of_both_regimes(nested: str) -> None:
    parsed = parse_playlist_tracks(rows({nested: SONG}))

    assert parsed.items == (
        Track("Wenmi", ("Kalorda",), artist_ids=(None,), id="t1", uri="spotify:track:t1"),
    )
    assert (parsed.total, parsed.skipped) == (90, 0)


def test_what_is_no_track_of_spotifys_is_passed_over_and_counted() -> None:
    parsed = parse_playlist_tracks(
        rows(
            {"item": SONG},
            None,
            {"item": None},
            {"item": EPISODE},
            {"item": LOCAL},
            {"item": LOCAL, "is_local": True},
            {"item": None, "is_local": True},
            {"item": {"name": "  "}},
            {"item": "rubbish"},
            "rubbish",
        )
    )

    assert [track.name for track in parsed.items] == ["Wenmi"]
    assert (parsed.skipped, parsed.episodes, parsed.local_files) == (9, 1, 3)


def test_a_playlist_gives_fifty_rows_at_most_with_names_cleaned() -> None:
    parsed = parse_playlist_tracks(
        rows(*[{"item": {"name": f"a\u202eb\n{place}"}} for place in range(70)])
    )

    assert len(parsed.items) == 50
    assert parsed.items[3].name == "ab 3"


@pytest.mark.parametrize(
    ("body", "code"), [(b'{"items":[', "truncated"), (b'{"items":7}', "unexpected_shape")]
)
def test_a_body_that_is_no_page_is_a_failure(body: bytes, code: str) -> None:
    with pytest.raises(SpotifyFailure) as raised:
        parse_playlist_tracks(body)

    assert raised.value.code == code


async def test_a_time_range_is_one_call_and_keeps_spotifys_ranks() -> None:
    reader = Reader(top_artists=rows(None, {"id": "a1", "name": "Kalorda"}))
    detail = await fetch(reader, TopItems("top_artists", "long_term"))

    assert reader.asked == [("top_artists", "long_term")]
    assert detail == Detail(
        artists=(Artist("Kalorda", id="a1", rank=2),), skipped=1, fetched_at=5.0
    )


async def test_a_playlist_is_asked_for_under_its_new_path() -> None:
    reader = Reader(playlist_items=rows({"item": SONG}))
    detail = await fetch(reader, PlaylistTracks(URI))

    assert reader.asked == [("playlist_items", ID)]
    assert (detail.tracks[0].rank, detail.total) == (0, 90)


@pytest.mark.parametrize("code", ["not_found", "forbidden"])
@pytest.mark.parametrize("regime", ["full", "mixed", "unknown"])
async def test_an_older_app_is_asked_under_the_old_path_too(code: FailureCode, regime: str) -> None:
    reader = Reader(playlist_items=code, playlist_tracks=rows({"track": SONG}))
    detail = await fetch(reader, PlaylistTracks(URI), regime)

    assert [endpoint for endpoint, _ in reader.asked] == ["playlist_items", "playlist_tracks"]
    assert detail.tracks[0].name == "Wenmi"


@pytest.mark.parametrize(
    ("regime", "code"),
    [("restricted", "not_found"), ("full", "missing_scope"), ("full", "server_error")],
)
async def test_the_old_path_is_left_alone_where_it_can_change_nothing(
    regime: str, code: FailureCode
) -> None:
    reader = Reader(playlist_items=code)
    with pytest.raises(SpotifyFailure) as raised:
        await fetch(reader, PlaylistTracks(URI), regime)

    assert raised.value.code == code
    assert reader.calls == 1


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("token_rejected", SpotifyTokenRejectedError),
        ("not_registered", SpotifyForbiddenError),
        ("owner_not_premium", SpotifyForbiddenError),
    ],
)
async def test_a_refusal_of_the_token_is_believed_when_me_says_so_too(
    code: FailureCode, error: type[Exception]
) -> None:
    reader = Reader(top_tracks=code, profile=code)
    with pytest.raises(error):
        await fetch(reader, SHORT)

    assert [endpoint for endpoint, _ in reader.asked] == ["top_tracks", "profile"]


@pytest.mark.parametrize("me", [b'{"id":"vesna"}', "server_error"])
async def test_a_refusal_of_this_part_alone_is_no_refusal_of_the_token(me: Any) -> None:
    reader = Reader(top_tracks="token_rejected", profile=me)
    with pytest.raises(SpotifyFailure) as raised:
        await fetch(reader, SHORT)

    assert raised.value.code == "token_rejected"


def listening(*playlists: Playlist, **section: Any) -> Listening:
    return Listening(
        Profile("vesna"),
        (Section("top_artists", **{"status": "ok", "skipped": 2, **section}),),
        top_artists=(Artist("Kalorda"),),
        top_tracks=(Track("Wenmi"),),
        playlists=playlists,
        fetched_at=3.0,
    )


def test_the_half_year_is_taken_from_what_is_held() -> None:
    taken = take_detail(listening(), TopItems("top_artists", "medium_term"))
    tracks = take_detail(listening(), TopItems("top_tracks", "medium_term"))

    assert taken == Detail(artists=(Artist("Kalorda"),), skipped=2, fetched_at=3.0)
    assert tracks == Detail(tracks=(Track("Wenmi"),), fetched_at=3.0)


@pytest.mark.parametrize(("code", "told"), [("missing_scope",) * 2, ("new", "unexpected_status")])
def test_a_section_that_is_missing_is_a_failure_and_not_an_empty_list(code: str, told: str) -> None:
    with pytest.raises(SpotifyFailure) as raised:
        take_detail(
            listening(status="forbidden", code=code), TopItems("top_artists", "medium_term")
        )

    assert raised.value.code == told


@pytest.mark.parametrize(
    ("uri", "owned", "reason"),
    [
        (URI, True, None),
        (URI, False, "not_own_playlist"),
        (URI, None, "not_own_playlist"),
        ("spotify:playlist:" + "z" * 22, True, "unknown_playlist"),
    ],
)
def test_only_a_held_playlist_of_the_listeners_own_is_read(
    uri: str, owned: bool | None, reason: str | None
) -> None:
    held = listening(Playlist("Quiet desk", uri=URI, owned=owned))
    if reason is None:
        assert take_detail(held, PlaylistTracks(uri)) is None
        return
    with pytest.raises(DetailRefusedError) as raised:
        take_detail(held, PlaylistTracks(uri))

    assert raised.value.reason == reason


BAD_IDS = ("", "short", ID + "x", ID[:-1] + "/", ID[:-1] + "é", ID[:-1] + "\n", "../" + "a" * 19)


@pytest.mark.parametrize("identifier", BAD_IDS)
def test_nothing_but_an_id_becomes_part_of_a_path(identifier: str) -> None:
    assert playlist_id(f"spotify:playlist:{identifier}") is None
    with pytest.raises(ValueError, match="not the id"):
        fill_path("playlist_items", identifier)

    uri = f"spotify:playlist:{identifier}"
    with pytest.raises(DetailRefusedError):  # even if the data hold it
        take_detail(listening(Playlist("Odd", uri=uri, owned=True)), PlaylistTracks(uri))


def test_an_id_is_taken_from_a_playlists_address_alone() -> None:
    assert playlist_id(URI) == ID
    assert playlist_id(ID) is None
    assert playlist_id(f"spotify:track:{ID}") is None
