"""Nothing that Lyra tells a listener is false or misleading: all of it is counted a second time.

Few listeners here; 1,800 of them with `make fuzz`.
"""

from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from lyra.listening.models import SectionName
from lyra.sandbox.listeners import build_listener
from lyra.timezones import Zone
from tests.support.statements import listener
from tests.support.statements.asked_shapes import judge_fact
from tests.support.statements.bulk import Figures, judge_listener, statements
from tests.support.statements.page_data import judge_page
from tests.support.statements.raw import RawListener
from tests.support.statements.summary_shapes import judge_summary

Bodies = dict[SectionName, bytes | None]


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> range:
    return range(1, 1 + request.config.getoption("--listeners"))


def test_what_listeners_are_told_is_true(seeds: range) -> None:
    figures = statements(seeds=seeds)

    assert figures.total.total() > 300 * figures.listeners
    assert set(figures.total) == {"true"}, figures.report()


ZONES = (
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Europe/Berlin",
    "Pacific/Kiritimati",
)


@pytest.mark.parametrize("zone", ZONES)
def test_what_listeners_elsewhere_are_told_is_true_by_their_own_clock(zone: str) -> None:
    figures = statements(
        personas=("typical", "new", "podcast"), regimes=("legacy",), seeds=(3, 4), zone=zone
    )

    assert set(figures.total) == {"true"}, figures.report()


async def test_an_hour_by_another_clock_is_noticed() -> None:
    one = build_listener(3, "typical")
    raw = RawListener(listener.raw_bodies(listener.sandbox_bodies(one, "legacy")), "Asia/Kolkata")
    listening = await listener.listen(listener.sandbox_bodies(one, "legacy"))
    wrong = [verdict for _, verdict, _ in judge_summary(raw, listening.summary)]

    assert "false" in wrong


def artist(name: str, id_: str | None, *genres: str) -> dict[str, Any]:
    return {"name": name, "id": id_, "uri": f"spotify:artist:{id_}", "genres": list(genres)}


def track(name: str, by: dict[str, Any], id_: str | None, date: str = "1994") -> dict[str, Any]:
    uri = f"spotify:track:{id_}" if id_ else f"spotify:local:{by['name']}::{name}:9"
    album = {"name": "x", "release_date": date}
    return {"name": name, "id": id_, "uri": uri, "type": "track", "artists": [by], "album": album}


def play(item: Any, minute: int = 0) -> dict[str, Any]:
    return {"track": item, "played_at": f"2026-11-20T10:{minute:02}:11.123Z"}


def playlist(number: int, owner: str | None = "me") -> dict[str, Any]:
    size = {"total": number}
    return {"name": f"List {number}", "id": f"p{number}", "owner": {"id": owner}, "tracks": size}


NEVRA, TWIN, NAMELESS = artist("Nevra", "a1", "dub"), artist("Nevra", "a2"), artist("", "a0")
OSTRA, VEY = artist("Ostra", None), artist("Vey", None)
SONG = track("Song", NEVRA, "t1")
EPISODE = {"name": "Ep", "id": "e", "type": "episode"}
UNREAD = object()
CASES: dict[str, dict[str, Any]] = {
    "top lists refused": {"top_artists": UNREAD, "top_tracks": UNREAD, "plays": [play(SONG)]},
    "recent plays refused": {"tracks": [SONG], "plays": UNREAD},
    "playlists refused": {"playlists": UNREAD},
    "nothing at all": {},
    "two artists of one name": {
        "artists": [NEVRA, TWIN],
        "plays": [play(track(f"s{n}", by, f"t{n}")) for n, by in enumerate((NEVRA, TWIN, NEVRA))],
    },
    "two files of one title": {
        "plays": [play(track("Intro", by, None)) for by in (OSTRA, VEY, OSTRA, VEY)]
        + [play(track("Other", NEVRA, "t9"))] * 3
    },
    "a file by a known artist": {
        "artists": [NEVRA],
        "tracks": [track("Demo", artist("NEVRA", None), None)],
        "plays": [play(track("Demo", artist("NEVRA", None), None))],
    },
    "a file by one of two": {
        "artists": [NEVRA, TWIN],
        "plays": [play(track("Demo", artist("Nevra", None), None))] * 2,
    },
    "a nameless artist first": {"artists": [NAMELESS, NEVRA]},
    "a null track first": {"tracks": [None, SONG, track("Song", NEVRA, "t2")]},
    "48 episodes": {"plays": [play(EPISODE)] * 48 + [play(SONG)] * 2, "artists": [NEVRA]},
    "one episode": {"plays": [play(EPISODE), play(SONG, 1), play(SONG, 2)]},
    "an episode alone": {"plays": [play(EPISODE)]},
    "episodes alone": {"plays": [play(EPISODE)] * 3},
    "an unreadable play": {"plays": [play(None), play(SONG)], "artists": [NEVRA]},
    "a page of many playlists": {"playlists": [playlist(n) for n in range(50)], "total": 1200},
    "a playlist and no more": {"playlists": [playlist(1)], "total": 1},
    "playlists without a total": {
        "playlists": [playlist(1), playlist(2, "you"), playlist(3, None)]
    },
    "nobody's playlists": {"playlists": [playlist(1, None), None, playlist(1, None)], "total": 3},
    "one of everything": {"artists": [NEVRA], "tracks": [SONG], "plays": [play(SONG)]},
    "one name, composed and not": {
        "artists": [artist("é Sept", "a"), artist("e\u0301 Sept", "b")],
        "plays": [play(track("x", artist("e\u0301 Sept", "b"), "t"))],
    },
    "genres of blanks": {"artists": [artist("Nevra", "a", " ", "-"), artist("Vey", "b", "")]},
    "spellings of one genre": {
        "artists": [
            artist(f"n{n}", f"a{n}", *spelt)
            for n, spelt in enumerate(
                (("hip hop", "Hip-Hop"), ("hiphop", "dub"), ("R&B",), ("r & b",), ("dub",))
            )
        ]
    },
    "decades that tie": {
        "tracks": [
            track(f"s{n}", NEVRA, f"t{n}", year)
            for n, year in enumerate(("1991", "1985-01", "2003", "0000"))
        ]
    },
    "many decades that tie": {
        "tracks": [track(f"s{n}", NEVRA, f"t{n}", f"{1950 + 10 * n}") for n in range(7)]
    },
    "plays over midnight": {
        "plays": [
            {**play(track(f"s{n}", NEVRA, f"t{n}")), "played_at": f"2026-11-20T{hour:02}:59:59Z"}
            for n, hour in enumerate((23, 23, 0, 1, 12))
        ]
    },
    "a play without a time": {"plays": [play(SONG), {"track": SONG, "played_at": None}]},
}


def body(items: Any, **more: Any) -> bytes | None:
    return None if items is UNREAD else orjson.dumps({"items": items, **more})


def bodies(case: dict[str, Any]) -> Bodies:
    lists = case.get("playlists", [])
    return {
        "profile": b'{"id":"me","display_name":"Wenda"}',
        "top_artists": body(case.get("top_artists", case.get("artists", []))),
        "top_tracks": body(case.get("top_tracks", case.get("tracks", []))),
        "recently_played": body(case.get("plays", [])),
        "playlists": body(lists, total=case["total"]) if "total" in case else body(lists),
    }


@pytest.mark.parametrize("case", CASES)
async def test_what_a_hard_listener_is_told_is_true(case: str) -> None:
    figures = Figures()

    await judge_listener(figures, bodies(CASES[case]), case)

    assert set(figures.total) == {"true"}, figures.report()


CLOCK_CHANGES = {
    "Europe/Berlin": "2026-10-25T01:00",
    "America/St_Johns": "2026-11-01T04:30",
    "Australia/Lord_Howe": "2026-10-03T15:30",  # by half an hour
}


def around(change: str) -> list[dict[str, Any]]:
    """A play every 20 minutes of the six hours before and after the clocks are changed."""
    at = datetime.fromisoformat(f"{change}+00:00")
    return [
        {**play(SONG), "played_at": f"{at + timedelta(minutes=20 * n + 10):%Y-%m-%dT%H:%M:%S}Z"}
        for n in range(-18, 18)
    ]


@pytest.mark.parametrize("zone", CLOCK_CHANGES)
async def test_what_is_told_of_the_night_of_a_clock_change_is_true(zone: str) -> None:
    figures, plays = Figures(), around(CLOCK_CHANGES[zone])

    await judge_listener(figures, bodies({"plays": plays}), zone, zone)

    assert set(figures.total) == {"true"}, figures.report()
    moments = [datetime.fromisoformat(each["played_at"]) for each in plays]
    assert len({moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in moments}) == 2


@pytest.mark.parametrize("zone", CLOCK_CHANGES)
async def test_one_offset_for_both_sides_of_a_clock_change_is_noticed(zone: str) -> None:
    plays = around(CLOCK_CHANGES[zone])
    newest = datetime.fromisoformat(plays[-1]["played_at"]).astimezone(ZoneInfo(zone))
    fixed = Zone(zone, timezone(newest.utcoffset() or timedelta()))
    all_bodies = bodies({"plays": plays})
    page = listener.page_data(await listener.listen(all_bodies), fixed)
    verdicts = judge_page(RawListener(listener.raw_bodies(all_bodies), zone), page)

    assert any(verdict == "false" for _, verdict, _ in verdicts)


WHOLE = {
    "artists": [artist("Nevra", "a1", "dub"), TWIN, artist("Ostra", "a3")],
    "tracks": [SONG, track("Later", TWIN, "t2", "2011")],
    "plays": [play(EPISODE), play(SONG), play(SONG), play(track("Later", TWIN, "t2"))],
    "playlists": [playlist(1), playlist(5)],
    "total": 80,
}


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ("Nevra is number 3 of your 3 top artists.", "false"),
        ("Nevra is number 1 of your 2 top artists.", "false"),
        ("“Song” is number 2 of your 2 top tracks.", "false"),
        ("“Song” is among your last 4 plays once (1 was an episode).", "false"),
        ("“Song” is among your last 3 plays twice.", "misleading"),
        ("“Song” is among your last 4 plays twice.", "misleading"),
        ("3 of your last 4 plays are by Nevra (1 was an episode).", "false"),
        ("2 of your last 4 plays are by Nevra (number 2 of your top artists) (1 was an episode).", "false"),
        ("2 of your last 4 plays are by Nobody (1 was an episode).", "false"),
        ("Spotify files Ostra under dub.", "false"),
        ("“List 5” is a playlist of 6 tracks.", "false"),
        ("“List 1” is a playlist of 1 tracks.", "unclear"),
        ("2 playlists were read.", "misleading"),
        ("2 of your 90 playlists were read.", "false"),
        ("dub is 100% of the listening whose genre is known (1 of 3 top artists, 40% of the listening by weight).", "false"),
        ("Genres are known for only 2 of 3 top artists.", "false"),
        ("2 of 2 top tracks with a known year are on editions from the 1990s.", "false"),
        ("2 of your 3 music plays among the last 4 ended between 10:00 and 11:00 UTC.", "false"),
        ("3 of your last 4 plays ended between 10:00 and 11:00 UTC.", "misleading"),
        ("2 of your last 4 plays were episodes.", "false"),
        ("Not read from Spotify: playlists.", "false"),
        ("You have a fine taste.", "false"),
    ],
)  # fmt: skip
def test_a_wrong_fact_is_noticed(told: str, verdict: str) -> None:
    raw = RawListener(listener.raw_bodies(bodies(WHOLE)))

    assert judge_fact(raw, told)[1] == verdict


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("months: Nevra, Nevra (another of this name) and", "months: Nevra, Nevra and"),
        ("months: Nevra,", "months: Ostra,"),
        ("tracks: “Song” by Nevra", "tracks: “Song” by Ostra"),
        ("comes up twice", "comes up 3 times"),
        ("in the last 4 plays", "in the last 3 plays"),
        ("Genres are known for only 1 of 3", "Genres are known for only 1 of 2"),
        ("Genres are known for only 1 of 3 top artists, too little to weigh them: dub.",
         "Spotify tells no genres for these artists."),
        ("1 of 2 top tracks", "2 of 2 top tracks"),
        ("from the 1990s and 1 from the 2010s", "from the 1990s"),
        ("Of the last 4 plays, 1 was an episode. ", ""),
        ("Of the 3 music plays among the last 4", "Of the last 4 plays"),
        ("between 10:00 and 11:00", "between 10:00 and 14:00"),
        ("between 10:00", "between 09:00"),
        ("Spotify lists 80 playlists, of which 2 were read", "2 playlists were read"),
        ("2 the listener's own", "1 the listener's own"),
        ("and 0 followed.", "and 0 followed. Missing: playlists (missing scope)."),
        ("and 0 followed.", "and 0 followed. Spotify lists nothing under playlists."),
        ("and 0 followed.", "and 0 followed. Some more."),
    ],
)  # fmt: skip
async def test_a_wrong_sentence_of_the_summary_is_noticed(right: str, wrong: str) -> None:
    raw = RawListener(listener.raw_bodies(bodies(WHOLE)))
    told = (await listener.listen(bodies(WHOLE))).summary
    assert right in told

    assert all(verdict == "true" for _, verdict, _ in judge_summary(raw, told))
    changed = list(judge_summary(raw, told.replace(right, wrong)))
    assert any(verdict != "true" for _, verdict, _ in changed)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("sections", "playlists", "total"), 2),
        (("sections", "recently_played", "count"), 4),
        (("sections", "recently_played", "episodes"), 0),
        (("top_artists", 1, "rank"), 3),
        (("top_tracks", 0, "released"), 1995),
        (("genre_analysis", "thin"), False),
        (("genre_analysis", "coverage"), 0.9),
        (("genre_analysis", "genres", 0, "share"), 0.5),
        (("plays_by_hour", 10), 4),
        (("playlists", 1, "owned"), False),
        (("suggestions", 0), "Which of my top tracks are on editions from the 1950s?"),
        (("suggestions", 0), "Will it rain?"),
    ],
    ids=str,
)
async def test_a_wrong_value_for_the_page_is_noticed(path: tuple[Any, ...], wrong: Any) -> None:
    raw = RawListener(listener.raw_bodies(bodies(WHOLE)))
    data = orjson.loads(orjson.dumps(listener.page_data(await listener.listen(bodies(WHOLE)))))
    assert all(verdict == "true" for _, verdict, _ in judge_page(raw, data))

    within = data
    for step in path[:-1]:
        within = within[step]
    within[path[-1]] = wrong

    assert any(verdict == "false" for _, verdict, _ in judge_page(raw, data))
