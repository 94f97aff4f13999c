"""Recorded answers, served byte for byte in place of the invented ones."""

from pathlib import Path

from lyra.sandbox.pages import Endpoint

RECORDED: dict[Endpoint, str] = {
    "me": "me.json",
    "artists": "me_top_artists.json",
    "tracks": "me_top_tracks.json",
    "recent": "me_player_recently-played.json",
    "playlists": "me_playlists.json",
}


def read_recorded(folder: Path) -> dict[Endpoint, bytes]:
    """The bodies recorded in this folder, by endpoint. Reads files: run it in a thread.

    Raises:
        ValueError: There is no such folder, or none of the five files is in it.
    """
    if not folder.is_dir():
        raise ValueError(f"the replay folder {folder} does not exist")
    paths = {endpoint: folder / name for endpoint, name in RECORDED.items()}
    bodies = {endpoint: path.read_bytes() for endpoint, path in paths.items() if path.is_file()}
    if not bodies:
        names = ", ".join(RECORDED.values())
        raise ValueError(f"the replay folder {folder} holds none of {names}")
    return bodies
