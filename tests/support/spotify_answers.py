"""What Spotify's documents could allow, what they do not, and the sandbox's answers damaged.

Every field may be as documented, null, missing or of a wrong type: both API regimes, and what lies
between them, are among these.
"""

from functools import cache
from typing import Any

import orjson
from hypothesis import strategies as st

from lyra.listening.models import SectionName
from lyra.sandbox.listeners import Listener, build_listener
from lyra.sandbox.names import ODD_ARTISTS, ODD_TITLES
from lyra.sandbox.pages import Endpoint, render

Json = Any
Strategy = st.SearchStrategy[Any]

ENDPOINT_OF: dict[SectionName, Endpoint] = {
    "profile": "me",
    "top_artists": "artists",
    "top_tracks": "tracks",
    "recently_played": "recent",
    "playlists": "playlists",
}
NASTY = (*ODD_ARTISTS, *ODD_TITLES, "", " ", "\u202e", "\x00", "</listening_data>", "&#60;b&gt;")

texts = st.text(max_size=40) | st.sampled_from(NASTY)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
rubbish = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@cache
def listener(persona: str) -> Listener:
    """The listener of seed 7; made once, since every example needs one."""
    return build_listener(7, persona)


def mostly(usual: Strategy, odd: Strategy, *, out_of: int = 8) -> Strategy:
    """The usual one, but for one draw in so many."""
    # Naming a strategy twice in one_of gives it no more weight.
    return st.integers(1, out_of).flatmap(lambda drawn: odd if drawn == out_of else usual)


def field(documented: Strategy) -> Strategy:
    """As documented most of the time, else null or anything."""
    return mostly(documented, st.none() | rubbish)


def thing(**fields: Strategy) -> Strategy:
    """An object of these fields; now and then some are missing, or it is no object at all."""
    each = {name: field(documented) for name, documented in fields.items()}
    partial = st.fixed_dictionaries({}, optional=each)
    return mostly(st.fixed_dictionaries(each), partial | rubbish, out_of=4)


ids = st.sampled_from(("7Hq2dGmYx0cRk1Lw9TzVbe", "3cEYpjA9oz9GiPac4AsH4n")) | texts
urls = st.sampled_from(
    (
        "https://open.spotify.com/artist/1",
        "https://i.scdn.co/image/ab67616d",
        "https://mosaic.scdn.co/640/1",
        "javascript:alert(1)",
        'https://i.scdn.co/"><b>',
        "http://[::1",
    )
)
totals = st.integers(0, 100_000)
images = st.lists(thing(url=urls, height=totals, width=totals), max_size=3)
genres = st.lists(texts, max_size=4)
linked: dict[str, Strategy] = {
    "id": ids,
    "uri": texts,
    "href": urls,
    "external_urls": thing(spotify=urls),
    "type": st.sampled_from(("artist", "track", "episode", "user")),
}
followers = thing(href=urls, total=totals)
user = thing(
    **linked,
    display_name=texts,
    account_id=ids,
    images=images,
    country=texts,
    email=texts,
    product=texts,
    followers=followers,
    explicit_content=thing(filter_enabled=st.booleans()),
)
artist = thing(
    **linked, name=texts, images=images, genres=genres, popularity=totals, followers=followers
)
album = thing(
    **linked,
    name=texts,
    images=images,
    release_date=st.sampled_from(("0000", "1997", "1997-02", "1997-02-30", "")) | texts,
    artists=st.lists(artist, max_size=2),
    available_markets=st.lists(texts, max_size=2),
)
track = thing(
    **linked,
    name=texts,
    artists=st.lists(artist, max_size=3),
    album=album,
    duration_ms=totals | thing(totalMilliseconds=totals),
    explicit=st.booleans(),
    popularity=totals,
    is_local=st.booleans(),
)
moments = st.sampled_from(
    ("2026-11-22T05:39:14.954Z", "2026-11-22T05:39:14Z", "2026-13-45T99:99:99Z", "now")
)
play = thing(track=track, item=track, played_at=moments, context=thing(**linked))
size = thing(href=urls, total=totals)
playlist = thing(
    **linked,
    name=texts,
    description=texts,
    images=images,
    owner=thing(**linked, display_name=texts),
    collaborative=st.booleans(),
    public=st.booleans(),
    items=size,
    tracks=size,
)


def page(item: Strategy) -> Strategy:
    """A page of these items; some items are null, some pages are no pages."""
    items = st.lists(field(item), min_size=1, max_size=3)
    usual = st.fixed_dictionaries({"items": items, "total": totals, "next": urls})
    return mostly(usual, thing(items=items, cursors=thing(after=texts)))


DOCUMENTED: dict[SectionName, Strategy] = {
    "profile": user,
    "top_artists": page(artist),
    "top_tracks": page(track),
    "recently_played": page(play),
    "playlists": page(playlist),
}

_FRAGMENTS = (
    b"null", b"NaN", b"1e999", b"-", b'"', b"\\", b"\\u0000", b"\\ud83d", b"\\udc00", b"\xff\xfe",
    b"\x00", b"{", b"}", b"]", b",", b"1" * 400, b"[" * 5_000, b'{"a":' * 5_000, b"<!doctype html>",
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, tree: Json) -> Json:
    """The tree with one node, anywhere in it, replaced or taken out."""
    if not (isinstance(tree, dict | list) and tree) or draw(st.integers(0, 5)) == 0:
        return draw(rubbish)
    places = sorted(tree) if isinstance(tree, dict) else range(len(tree))
    place = draw(st.sampled_from(places))
    copy = tree.copy()
    if draw(st.integers(0, 5)) == 0:
        del copy[place]
    else:
        copy[place] = draw(mutated(tree[place]))
    return copy


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """The body cut short, or with a stretch of it replaced by a fragment."""
    start = draw(st.integers(0, len(body)))
    if draw(st.booleans()):
        return body[:start]
    end = min(len(body), start + draw(st.integers(0, 20)))
    return body[:start] + draw(st.sampled_from(_FRAGMENTS)) + body[end:]


@st.composite
def sandbox_bodies(draw: st.DrawFn, section: SectionName) -> bytes:
    """An answer of the sandbox."""
    persona = draw(st.sampled_from(("typical", "odd", "podcast", "local_files", "new", "empty")))
    regime = draw(st.sampled_from(("restricted", "legacy", "mixed", "genres_null")))
    query = {"limit": str(draw(st.sampled_from((1, 12))))}
    return render(ENDPOINT_OF[section], query, listener(persona), regime)


@st.composite
def spoilt_bodies(draw: st.DrawFn, section: SectionName) -> bytes:
    """An answer of the sandbox with up to three mutations, damaged or not."""
    tree = orjson.loads(draw(sandbox_bodies(section)))
    for _ in range(draw(st.integers(0, 3))):
        tree = draw(mutated(tree))
    body = orjson.dumps(tree)
    return draw(damaged(body)) if draw(st.integers(0, 3)) == 3 else body


def bodies(section: SectionName) -> st.SearchStrategy[bytes]:
    """Any body that this endpoint might send, or should not send."""
    readable = DOCUMENTED[section].map(orjson.dumps) | spoilt_bodies(section)
    return mostly(readable, st.binary(max_size=40))
