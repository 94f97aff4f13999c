from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from lyra.listening.models import Playlist, Track
from lyra.listening.parse import (
    Parsed,
    parse_artists,
    parse_playlists,
    parse_plays,
    parse_profile,
    parse_tracks,
)
from lyra.spotify.failures import SpotifyFailure

PARSERS = [parse_profile, parse_artists, parse_tracks, parse_plays, parse_playlists]
PAGES = PARSERS[1:]
ARTIST = {
    "external_urls": {"spotify": "https://open.spotify.com/artist/Qa1"},
    "id": "Qa1",
    "images": [
        {"url": "https://img.example/640", "height": 640, "width": 640},
        {"url": "https://img.example/300", "height": 300, "width": 300},
        {"url": "https://img.example/64", "height": 64, "width": 64},
    ],
    "name": "Velmora Dusk",
    "type": "artist",
    "uri": "spotify:artist:Qa1",
}
TRACK = {
    "name": "Paper Lighthouse",
    "id": "Tb2",
    "uri": "spotify:track:Tb2",
    "type": "track",
    "external_urls": {"spotify": "https://open.spotify.com/track/Tb2"},
    "artists": [{"name": "Velmora Dusk", "id": "Qa1"}, {"name": "Ostrin", "id": None}],
    "album": {"name": "Tidal Rooms", "release_date": "2019-11", "images": []},
    "duration_ms": 214_306,
    "explicit": False,
}
PLAYLIST = {
    "name": "Quiet desk",
    "id": "Pc3",
    "description": "late night &amp; rain",
    "images": None,
    "owner": {"id": "wenda", "display_name": "Wenda"},
    "collaborative": False,
}


def page(*items: Any) -> bytes:
    return orjson.dumps({"items": items})


def without(item: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}


def playlist(**fields: Any) -> Playlist:
    return parse_playlists(page(PLAYLIST | fields)).items[0].playlist


def track(**fields: Any) -> Track:
    return parse_tracks(page(TRACK | fields)).items[0]


def failure_of(body: bytes, parse: Any) -> SpotifyFailure:
    with pytest.raises(SpotifyFailure) as caught:
        parse(body)
    return caught.value


def test_a_profile_is_read() -> None:
    parsed = parse_profile(b'{"id":"wenda","display_name":null,"images":[],"account_id":"aB3"}')

    assert (parsed.items[0].id, parsed.items[0].account_id) == ("wenda", "aB3")
    assert parsed.regimes == {"restricted"}


def test_the_account_stands_in_for_a_missing_user_id() -> None:
    assert parse_profile(b'{"account_id":"aB3"}').items[0].id == "aB3"


def test_followers_in_the_profile_speak_for_the_full_regime() -> None:
    assert parse_profile(b'{"id":"wenda","followers":{"total":1}}').regimes == {"full"}


def test_a_profile_without_any_id_is_not_a_profile() -> None:
    assert failure_of(b"{}", parse_profile).code == "unexpected_shape"


def test_a_restricted_artist_is_read_with_genres_unknown() -> None:
    parsed = parse_artists(page(ARTIST))

    assert (parsed.items[0].name, parsed.items[0].genres) == ("Velmora Dusk", None)
    assert parsed.items[0].url == "https://open.spotify.com/artist/Qa1"
    assert parsed.regimes == {"restricted"}


@pytest.mark.parametrize(
    ("given_genres", "kept"),
    [(None, None), ([], ()), (["shoegaze", None, ""], ("shoegaze",))],
)
def test_no_genres_and_unknown_genres_are_told_apart(given_genres: Any, kept: Any) -> None:
    assert parse_artists(page(ARTIST | {"genres": given_genres})).items[0].genres == kept


def test_popularity_speaks_for_the_full_regime_though_one_item_lacks_it() -> None:
    parsed = parse_artists(page(ARTIST | {"popularity": 40}, ARTIST))

    assert parsed.regimes == {"full"}


def test_the_smallest_picture_that_is_wide_enough_is_kept() -> None:
    assert parse_artists(page(ARTIST)).items[0].image == "https://img.example/300"


@pytest.mark.parametrize(
    ("images", "kept"),
    [
        (None, None),
        ([], None),
        ([None], None),
        ([{"url": None}], None),
        ([{"url": "http://img.example/plain"}], None),
        ([{"url": "javascript:alert(1)"}], None),
        ([{"url": "https://img.example/a b"}], None),
        ([{"url": "https://img.example/1", "width": None}], "https://img.example/1"),
        (
            [{"url": "https://img.example/1", "width": 64}, {"url": "https://img.example/2"}],
            "https://img.example/1",
        ),
    ],
)
def test_pictures_are_https_or_none(images: Any, kept: str | None) -> None:
    assert parse_artists(page(ARTIST | {"images": images})).items[0].image == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://open.spotify.com/x",
        "https://open.spotify.com.evil.example/x",
        "https://evil.example/",
        "javascript:alert(1)",
        'https://open.spotify.com/"><script>',
        None,
    ],
)
def test_a_link_leads_to_spotify_or_is_left_out(url: str | None) -> None:
    assert track(external_urls={"spotify": url}).url is None


def test_a_track_is_read_with_its_artists_in_parallel() -> None:
    kept = track()

    assert (kept.name, kept.album, kept.released) == ("Paper Lighthouse", "Tidal Rooms", 2019)
    assert kept.artists == ("Velmora Dusk", "Ostrin")
    assert kept.artist_ids == ("Qa1", None)


@pytest.mark.parametrize(
    ("date", "year"),
    [
        ("1987", 1987),
        ("2003-04-05", 2003),
        ("0000", None),
        ("", None),
        (None, None),
        ("20015", None),
    ],
)
def test_a_release_year_is_read_at_any_precision(date: str | None, year: int | None) -> None:
    assert track(album={"release_date": date}).released == year


def test_a_local_file_keeps_its_name_without_an_id() -> None:
    kept = track(
        id=None, is_local=True, uri="spotify:local:a:b:c:213", duration_ms={"totalMilliseconds": 9}
    )

    assert (kept.id, kept.duration_ms, kept.uri) == (None, None, "spotify:local:a:b:c:213")


def test_an_album_and_its_name_may_be_missing() -> None:
    assert track(album=None).album is None
    assert track(album={"name": ""}).album is None


@pytest.mark.parametrize("number", ["-1", "true", "2.5", '"3"', "1" + "0" * 30, "null"])
def test_a_duration_that_is_no_sensible_number_is_unknown(number: str) -> None:
    body = f'{{"items":[{{"name":"x","duration_ms":{number}}}]}}'

    assert parse_tracks(body.encode()).items[0].duration_ms is None


def test_names_are_stored_clean_and_capped() -> None:
    assert track(name="\u202eback\nwards").name == "back wards"
    assert len(track(name="x" * 5000).name) == 300


def test_one_bad_item_costs_itself_alone() -> None:
    parsed = parse_tracks(page(TRACK, {"name": 5}, "text", 7, TRACK | {"name": "Second"}))

    assert [kept.name for kept in parsed.items] == ["Paper Lighthouse", "Second"]
    assert parsed.skipped == 3


def test_null_and_nameless_items_are_skipped_and_counted() -> None:
    parsed = parse_artists(page(None, ARTIST, {}, ARTIST | {"name": ""}))

    assert (len(parsed.items), parsed.skipped) == (1, 3)


def test_a_page_of_nothing_but_bad_items_is_no_answer() -> None:
    assert failure_of(page({"name": 5}, 7), parse_artists).code == "unexpected_shape"


def test_a_page_of_nulls_is_an_empty_answer() -> None:
    assert parse_playlists(page(None, None)) == Parsed((), 2)


def test_more_items_than_were_asked_for_are_not_kept() -> None:
    assert len(parse_artists(page(*[ARTIST] * 60)).items) == 50


@pytest.mark.parametrize("key", ["track", "item"])
def test_a_play_is_read_under_either_name(key: str) -> None:
    parsed = parse_plays(page({key: TRACK, "played_at": "2026-11-22T05:39:14.954Z"}))

    assert parsed.items[0].track.name == "Paper Lighthouse"
    assert parsed.items[0].played_at == "2026-11-22T05:39:14.954Z"


def test_an_episode_is_left_out_of_the_plays() -> None:
    parsed = parse_plays(page({"track": TRACK | {"type": "episode"}}, {"track": None}))

    assert (parsed.items, parsed.skipped, parsed.episodes) == ((), 2, 1)


def test_an_item_keeps_its_place_where_rows_before_it_are_left_out() -> None:
    rows = (None, ARTIST | {"name": ""}, ARTIST, 7, ARTIST)

    assert [kept.rank for kept in parse_artists(page(*rows)).items] == [3, 5]
    assert [kept.rank for kept in parse_tracks(page(*rows)).items] == [3, 5]


@pytest.mark.parametrize(
    ("total", "kept"),
    [(1200, 1200), (2, 2), (1, None), (None, None), ("3", None), (2.5, None), (-1, None)],
)
@pytest.mark.parametrize("rows", [(ARTIST, ARTIST), (ARTIST, 7)])
def test_a_total_is_kept_if_it_can_be_one(total: Any, kept: int | None, rows: Any) -> None:
    body = orjson.dumps({"total": total, "items": rows})

    assert parse_playlists(body).total == kept


def test_a_playlist_listed_twice_is_a_row_left_out() -> None:
    parsed = parse_playlists(page(PLAYLIST, PLAYLIST, None))

    assert (len(parsed.items), parsed.skipped) == (1, 2)


def test_the_time_of_a_play_is_a_time_or_unknown() -> None:
    assert parse_plays(page({"track": TRACK, "played_at": "<b>"})).items[0].played_at is None


@pytest.mark.parametrize(
    ("fields", "total"),
    [
        ({"items": {"total": 38}}, 38),
        ({"tracks": {"total": 12}}, 12),
        ({"items": {"total": 38}, "tracks": {"total": 12}}, 38),
        ({"items": None, "tracks": {"total": 12}}, 12),
        ({"items": {"total": 0}}, 0),
        ({"items": {"total": None}}, None),
        ({"items": {}}, None),
        ({}, None),
    ],
)
def test_a_playlists_size_is_read_under_either_name(fields: Any, total: int | None) -> None:
    assert playlist(**fields).total == total


@pytest.mark.parametrize(
    ("fields", "regimes"),
    [
        ({"items": {"total": 1}}, {"restricted"}),
        ({"tracks": {"total": 1}}, {"full"}),
        ({"items": {"total": 1}, "tracks": {"total": 1}}, {"restricted", "full"}),
    ],
)
def test_the_name_of_the_size_speaks_for_the_regime(fields: Any, regimes: set[str]) -> None:
    assert parse_playlists(page(PLAYLIST | fields)).regimes == regimes


def test_a_description_is_unescaped() -> None:
    assert playlist().description == "late night & rain"
    assert playlist(description=None).description is None


@pytest.mark.parametrize("owner", [None, {}, {"id": None, "display_name": None}])
def test_an_owner_may_be_missing(owner: Any) -> None:
    listed = parse_playlists(page(PLAYLIST | {"owner": owner})).items[0]

    assert (listed.owner_id, listed.playlist.owner) == (None, None)


def test_a_playlist_listed_twice_is_kept_once() -> None:
    parsed = parse_playlists(page(PLAYLIST, PLAYLIST, PLAYLIST | {"id": "Pc4"}))

    assert [listed.playlist.id for listed in parsed.items] == ["Pc3", "Pc4"]


def test_a_lone_surrogate_costs_a_character_and_not_the_page() -> None:
    body = rb'{"items":[{"name":"a\ud800b"},{"name":"\ud83d\ude00"},{"name":"c\\ud800"}]}'

    assert [kept.name for kept in parse_artists(body).items] == ["a\ufffdb", "😀", "c\\ud800"]


def test_a_byte_that_is_no_utf_8_costs_a_character_and_not_the_page() -> None:
    assert parse_artists(b'{"items":[{"name":"a\xffb"}]}').items[0].name == "a\ufffdb"


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("body", [b"", b"{", b'{"items":[{"name":"x"}', b"<html>", b'{"id":"x'])
def test_broken_json_is_truncated(body: bytes, parse: Any) -> None:
    failure = failure_of(body, parse)

    assert (failure.code, failure.retryable) == ("truncated", True)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"7", b'{"error":1}'])
def test_another_shape_is_invalid(body: bytes, parse: Any) -> None:
    failure = failure_of(body, parse)

    assert (failure.kind, failure.retryable) == ("invalid", False)


@pytest.mark.parametrize("parse", PAGES)
@pytest.mark.parametrize("body", [b'{"items":null}', b'{"items":{}}', b'{"items":"x"}', b"{}"])
def test_a_page_without_a_list_is_invalid(body: bytes, parse: Any) -> None:
    assert failure_of(body, parse).kind == "invalid"


@pytest.mark.parametrize("parse", PAGES)
def test_json_nested_without_end_is_a_failure(parse: Any) -> None:
    deep = b'{"items":[{"zz":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"

    assert failure_of(deep, parse).kind == "invalid"


KEYS = st.sampled_from(
    ["items", "name", "id", "track", "item", "artists", "album", "images", "url", "genres", "owner"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from(PARSERS))
def test_any_json_is_a_result_or_a_failure(value: Any, parse: Any) -> None:
    try:
        parsed = parse(orjson.dumps({"items": [value, ARTIST | {"album": value}], "id": value}))
    except SpotifyFailure:
        return
    assert parsed.skipped >= 0


@given(st.binary(max_size=60), st.sampled_from(PARSERS))
def test_any_bytes_are_a_result_or_a_failure(body: bytes, parse: Any) -> None:
    try:
        parsed = parse(body)
    except SpotifyFailure:
        return
    assert parsed.skipped >= 0
