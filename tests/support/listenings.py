"""Any listener that the types allow, with texts that no parser has cleaned."""

from typing import get_args

from hypothesis import strategies as st

from lyra.listening.models import (
    SECTIONS,
    Artist,
    Genre,
    GenreAnalysis,
    Listening,
    Play,
    Playlist,
    Profile,
    Section,
    SectionStatus,
    Track,
)
from lyra.spotify.failures import MEANINGS
from tests.support.spotify_answers import NASTY

texts = st.text(max_size=30) | st.sampled_from(NASTY)
maybe = st.none() | texts
flags = st.none() | st.booleans()
counts = st.none() | st.integers(0, 2**53)
shares = st.floats(0, 1)
names = st.lists(texts, max_size=3).map(tuple)

linked = {"name": texts, "id": maybe, "uri": maybe, "url": maybe, "image": maybe}
artists = st.builds(Artist, **linked, genres=st.none() | names)
tracks = st.builds(
    Track,
    **linked,
    artists=names,
    artist_ids=st.lists(maybe, max_size=3).map(tuple),
    album=maybe,
    released=st.none() | st.integers(1000, 2999),
    duration_ms=counts,
    explicit=flags,
)
moments = st.sampled_from((None, "2026-11-22T05:39:14.954Z", "2026-13-45T99:99:99Z")) | texts
plays = st.builds(Play, track=tracks, played_at=moments)
playlists = st.builds(
    Playlist,
    **linked,
    description=maybe,
    total=counts,
    owned=flags,
    owner=maybe,
    collaborative=flags,
)
sections = st.builds(
    Section,
    name=st.sampled_from(SECTIONS),
    status=st.sampled_from(get_args(SectionStatus)),
    count=counts,
    code=st.none() | st.sampled_from(sorted(MEANINGS)),
    # Ours, never Spotify's: the one text that is not cleaned on its way to the model.
    message=st.none() | st.sampled_from([each.sentence for each in MEANINGS.values()]),
    skipped=st.integers(0, 50),
    ms=st.integers(0, 60_000),
)
analyses = st.builds(
    GenreAnalysis,
    genres=st.lists(st.builds(Genre, name=texts, share=shares), max_size=3).map(tuple),
    coverage=shares,
    source=st.sampled_from(("spotify", "none")),
    artists_known=st.integers(0, 300),
    artists_considered=st.integers(0, 300),
)
listenings: st.SearchStrategy[Listening] = st.builds(
    Listening,
    profile=st.builds(
        Profile, id=texts, display_name=maybe, image=maybe, url=maybe, account_id=maybe
    ),
    sections=st.lists(sections, max_size=5).map(tuple),
    top_artists=st.lists(artists, max_size=3).map(tuple),
    top_tracks=st.lists(tracks, max_size=3).map(tuple),
    recently_played=st.lists(plays, max_size=3).map(tuple),
    playlists=st.lists(playlists, max_size=3).map(tuple),
    genre_analysis=analyses,
    summary=texts,
    fetched_at=st.floats(0, 2**33),
    regime=st.sampled_from(("restricted", "full", "mixed", "unknown")),
)
