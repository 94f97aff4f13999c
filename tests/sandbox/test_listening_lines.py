"""The sandbox model's reading of the listening data: every line, or none of them."""

import pytest

from lyra.sandbox.listening_lines import read_lines

TRACKS = (
    "# top tracks, ranked by Spotify: title\n1. Late Garden | Ostul Misha | Salt Rooms | 2011\n"
)


def test_a_play_of_a_top_track_has_its_whole_title_and_artists() -> None:
    data = read_lines(f"{TRACKS}# recent plays, newest first\n2026-11-22 Sunday\n05:39 Late… | #1")

    assert data["recent_plays"] == [
        {
            "track": "Late Garden",
            "artists": ["Ostul Misha"],
            "rank": 1,
            "day": "2026-11-22",
            "time": "05:39",
            "hour_utc": 5,
        }
    ]


def test_escaped_characters_are_themselves_again() -> None:
    data = read_lines("# summary\n- \\u003cb\\u003e \\u005cu0041 & more")

    assert data["summary"] == "<b> \\u0041 & more"


@pytest.mark.parametrize(
    "block",
    [
        "",
        "words",
        "- a row under no heading",
        "# summary\nwithout a mark",
        "# something else",
        "# top artists\nCyve Orave",
        "# top artists\n1. Cyve Orave | folk | more",
        "# top artists\n1. <b>Cyve</b>",
        "# recent plays\n2026-11-22 Sunday\n05:39 Late Garden | #1",
        f"{TRACKS}# recent plays\n2026-11-22 Sunday\n05:39 Late Garden | #2",
        "# recent plays\n05:39 Late Garden | Ostul Misha",
        "# playlists, 1 read\n- Quiet desk | 3 | yours",
        "# playlists, 1 read\n- Quiet desk | many",
        "# missing\n- playlists",
        "# plays by hour\n- 25h",
    ],
)
def test_a_line_of_another_layout_makes_the_block_unreadable(block: str) -> None:
    with pytest.raises(ValueError, match=r"row|line|invalid literal|layout"):
        read_lines(block)
