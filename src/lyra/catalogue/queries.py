"""The words that a search is asked with. Pure."""

import re
from dataclasses import dataclass

from lyra.catalogue.items import Kind, Wanted

_BRACKETS = re.compile(r"[(\[][^()\[\]]*[)\]]")
MAX_QUERY = 200  # code points; a longer query finds nothing that a shorter one does not


@dataclass(frozen=True, slots=True)
class Query:
    """One search: its words, in Spotify's syntax, and the kind of item that it is for."""

    kind: Kind
    words: str

    @property
    def cache_text(self) -> str:
        """The text by which equal searches are known; case and spaces make no difference to Spotify."""
        return f"{self.kind} {' '.join(self.words.casefold().split())}"

    def params(self) -> dict[str, str]:
        """Return the parameters of the request. The limit is the most that a new app may ask for."""
        return {"q": self.words, "type": self.kind, "limit": "10"}


def plan_queries(wanted: Wanted) -> tuple[Query, ...]:
    """Return the searches for one item, each to be made only if those before found nothing.

    Spotify's field filters miss some items that plain words find (spotify/web-api#1165).
    """
    if wanted.kind == "artist":
        filtered = f'artist:"{_quote(wanted.artist)}"'
    else:
        filtered = f'{wanted.kind}:"{_quote(wanted.title)}" artist:"{_quote(wanted.artist)}"'
    plain = f"{_cut(_drop_brackets(wanted.title))} {_cut(wanted.artist)}".strip()
    return tuple(Query(wanted.kind, words) for words in (filtered, plain))


def query_artist(wanted: Wanted) -> Query:
    """Return the search for what an artist has of this kind, most popular first."""
    return Query(wanted.kind, f'artist:"{_quote(wanted.artist)}"')


def _drop_brackets(title: str) -> str:
    """Return the title without guests and edition, which may be spelt in many ways."""
    return " ".join(_BRACKETS.sub(" ", title).split()) or title


def _quote(name: str) -> str:
    """Return the name for a quoted filter, in which a quotation mark would end it."""
    return " ".join(_cut(name).replace('"', " ").split())


def _cut(name: str) -> str:
    """Return at most half a query's length of the name, ending with a whole word where it can."""
    most = MAX_QUERY // 2
    if len(name) <= most:
        return name
    return name[:most].rpartition(" ")[0] or name[:most]
