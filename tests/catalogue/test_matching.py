"""Which of a search's items is the one that was wanted. All names are invented."""

from dataclasses import dataclass

import pytest

from lyra.catalogue.items import Item, Kind, Wanted
from lyra.catalogue.matching import find_match


@dataclass(frozen=True)
class Case:
    """What is wanted, what the search shows as (title, artists), and the place of the right one."""

    what: str
    artist: str
    title: str
    shown: tuple[tuple[str, str], ...]
    right: int | None = 0
    kind: Kind = "track"


def only(what: str, artist: str, title: str, name: str, artists: str | None = None) -> Case:
    """The one item that is shown is the right one."""
    return Case(what, artist, title, ((name, artists or artist),))


def none(what: str, artist: str, title: str, name: str, artists: str | None = None) -> Case:
    """The one item that is shown is another one."""
    return Case(what, artist, title, ((name, artists or artist),), right=None)


def wide(name: str) -> str:
    """Return the name in the full-width letters of East Asian type."""
    return "".join(chr(ord(letter) + 0xFEE0) for letter in name)


CASES = (
    only("the same name", "Velnora", "Glass Harbour", "Glass Harbour"),
    only("case", "velnora", "glass harbour", "Glass Harbour", "Velnora"),
    only("accents", "Sigur Elon", "Hoppipola", "Hoppípolà", "Sígur Elón"),
    only("letters without a decomposition", "Morka", "Blod", "Blød", "Mørka"),
    only("a sharp s", "Strassenlicht", "Grosse Welt", "Große Welt", "Straßenlicht"),
    only("curly quotes", "Tamsin Roe", "Don't Look", "Don\u2019t Look"),
    only("a quote left out", "Tamsin Roe", "Dont Look", "Don't Look"),
    only("full stops", "REV", "Ghost", "Ghost", "R.E.V."),
    only("a dollar for an s", "Kasha", "Dollars", "Dollar$", "Ka$ha"),
    only("and", "Reed & Marlow", "Salt and Iron", "Salt & Iron", "Reed and Marlow"),
    only("a plus for and", "Reed + Marlow", "Salt", "Salt", "Reed & Marlow"),
    only("the artist's article", "Lanterns", "Low Tide", "Low Tide", "The Lanterns"),
    only("an article too many", "The Lanterns", "Low Tide", "Low Tide", "Lanterns"),
    only("full-width letters", "YORUNE", "Blue", wide("Blue"), wide("YORUNE")),
    only("one word or two", "Velnora", "Black Glass", "Blackglass"),
    only("a hyphen", "Jay Zed", "Re Entry", "Re-Entry", "Jay-Zed"),
    only("a remaster", "Velnora", "Glass Harbour", "Glass Harbour - Remastered 2011"),
    only("a remaster of a year", "Velnora", "Glass Harbour", "Glass Harbour - 2009 Remaster"),
    only("a remaster in brackets", "Velnora", "Glass Harbour", "Glass Harbour (Remastered)"),
    only("mono", "Velnora", "Glass Harbour", "Glass Harbour - Mono / Remastered 2014"),
    only("a radio edit", "Velnora", "Glass Harbour", "Glass Harbour - Radio Edit"),
    only("the single's version", "Velnora", "Glass Harbour", "Glass Harbour - Single Version"),
    only("a film's song", "Velnora", "Tide", 'Tide - From "The Long Pier"'),
    only("a guest in brackets", "Velnora", "Tide", "Tide (feat. Marlow)", "Velnora; Marlow"),
    only("a guest in square brackets", "Velnora", "Tide", "Tide [ft. Marlow]"),
    only("a guest without brackets", "Velnora", "Tide", "Tide feat. Marlow"),
    only("a guest by with", "Velnora", "Tide", "Tide (with Marlow)"),
    only("a guest and a remaster", "Velnora", "Tide", "Tide (feat. Marlow) - Remastered"),
    only("a guest that is asked for", "Velnora", "Tide (feat. Marlow)", "Tide"),
    only("a guest as artist", "Marlow", "Tide", "Tide", "Velnora; Marlow"),
    only("both artists", "Velnora & Marlow", "Tide", "Tide", "Velnora; Marlow"),
    only("both artists by feat", "Velnora feat. Marlow", "Tide", "Tide", "Velnora; Marlow"),
    only("brackets left out", "Velnora", "Harbour", "(The Glass) Harbour"),
    only("a live version where no other is", "Velnora", "Tide", "Tide - Live in Oslo"),
    only("a work's name for its movement", "Ada Lindqvist", "Sonata No. 3",
         "Sonata No. 3 in E Minor, Op. 12: II. Andante"),
    only("a work with its key", "Ada Lindqvist", "Sonata No. 3 in E Minor",
         "Sonata No. 3 in E Minor, Op. 12: II. Andante"),
    only("a work by its orchestra", "Harbour Philharmonic", "Symphony Nr. 5",
         "Symphony No. 5 in C Minor: I. Allegro", "Ada Lindqvist; Harbour Philharmonic"),
    only("roman numerals of parts", "Velnora", "Tides, Part 2", "Tides, Pt. II"),
    only("a volume", "Velnora", "Maps Volume 3", "Maps, Vol. III"),
    only("Japanese", "夜音", "青い窓", "青い窓"),
    only("Japanese with a kana's marks", "夜音", "がらす", "がらす"),
    only("Japanese, half width", "ヨルネ", "ガラス", "ガラス", "ヨルネ"),
    only("Arabic with and without vowels", "ليل", "نور القمر", "نُور القَمَر"),
    only("Hebrew points", "לילה", "שלום", "שָׁלוֹם"),
    only("Cyrillic", "Ночная Река", "свет", "Свет"),
    only("Greek accents", "Νυχτα", "Θαλασσα", "Θάλασσα", "Νύχτα"),
    only("Thai", "ราตรี", "แสงจันทร์", "แสงจันทร์"),
    only("Korean", "밤소리", "푸른 창", "푸른 창"),
    only("signs alone", "!!!", "???", "???"),
    only("one sign", "Velnora", "÷", "÷"),
    only("a number as a title", "Velnora", "1979", "1979 - Remastered"),
    only("a title that is an edition's word", "Velnora", "Live", "Live"),
    only("a title that begins with an edition's word", "Velnora", "Remix Me", "Remix Me"),
    only("a very long title", "Velnora", "On the " * 60 + "Sea", "On the " * 60 + "Sea"),
    only("a long title that was cut", "Velnora", "The Long Walk to the Harbour in the…",
         "The Long Walk to the Harbour in the Rain"),
    Case("the live version is asked for", "Velnora", "Tide (Live)",
         (("Tide", "Velnora"), ("Tide - Live at the Pier", "Velnora")), 1),
    Case("the studio version before the live one", "Velnora", "Tide",
         (("Tide - Live at the Pier", "Velnora"), ("Tide", "Velnora")), 1),
    Case("the plain edition before a remaster", "Velnora", "Tide",
         (("Tide - 2011 Remaster", "Velnora"), ("Tide", "Velnora")), 1),
    Case("the remaster that is asked for", "Velnora", "Tide - Remastered 2011",
         (("Tide", "Velnora"), ("Tide - Remastered 2011", "Velnora")), 1),
    Case("the remix that is asked for", "Velnora", "Tide (Orrin Remix)",
         (("Tide", "Velnora"), ("Tide - Orrin Remix", "Velnora; Orrin")), 1),
    Case("the first of two equals", "Velnora", "Tide", (("Tide", "Velnora"), ("Tide", "Velnora"))),
    Case("the same title by another before", "Velnora", "Tide",
         (("Tide", "Marlow"), ("Tide", "Velnora")), 1),
    Case("an artist", "Velnora", "", (("Velnora Tribute", ""), ("VELNORA", "")), 1, "artist"),
    Case("an artist in its own case", "Low", "", (("LOW", ""), ("Low", "")), 1, "artist"),
    Case("an artist with its article", "The Low", "", (("Low", ""), ("The Low", "")), 1, "artist"),
    Case("an album", "Velnora", "Maps", (("Maps (Deluxe Edition)", "Velnora"),), 0, "album"),
    Case("the plain album first", "Velnora", "Maps",
         (("Maps (Deluxe Edition)", "Velnora"), ("Maps", "Velnora")), 1, "album"),
    none("another artist", "Velnora", "Tide", "Tide", "Marlow"),
    none("another title", "Velnora", "Tide", "Tides of March"),
    none("a longer title", "Velnora", "Hello", "Hello, Goodbye"),
    none("karaoke", "Velnora", "Tide", "Tide (Karaoke Version)", "Sing Along Stars"),
    none("karaoke under the artist's name", "Velnora", "Tide", "Tide (Karaoke Version)"),
    none("in the style of", "Velnora", "Tide", "Tide (In the Style of Velnora)"),
    none("a tribute", "Velnora", "Tide", "Tide (Tribute to Velnora)"),
    none("a tribute band", "Velnora", "Tide", "Tide", "Velnora Tribute Band"),
    none("a cover", "Velnora", "Tide", "Tide - Cover", "Velnora"),
    none("originally performed by", "Velnora", "Tide", "Tide (Originally Performed by Velnora)"),
    none("a lullaby", "Velnora", "Tide", "Tide (Lullaby Rendition)"),
    none("the studio version for a live one", "Velnora", "Tide (Live)", "Tide"),
    none("a live version for a remix", "Velnora", "Tide (Remix)", "Tide - Live"),
    none("another part", "Velnora", "Tides, Part 2", "Tides, Pt. 1"),
    none("another volume", "Velnora", "Maps Vol. 2", "Maps, Vol. 3"),
    none("another work", "Ada Lindqvist", "Sonata No. 3", "Sonata No. 4 in E Minor: I. Allegro"),
    none("only one of two artists", "Velnora & Marlow", "Tide", "Tide", "Velnora"),
    none("a kana's other sound", "夜音", "からす", "がらす"),
    none("another sign", "!!!", "???", "!?"),
    none("an artist that only begins so", "Low", "Tide", "Tide", "Low Country"),
)  # fmt: skip


def item(name: str, artists: str, kind: Kind, place: int) -> Item:
    by = tuple(artists.split("; ")) if artists else (name,)
    return Item(kind, f"spotify:{kind}:{place}", name, by)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_the_item_found_is_the_one_wanted(case: Case) -> None:
    items = [item(*shown, case.kind, place) for place, shown in enumerate(case.shown)]

    match = find_match(Wanted(case.kind, case.artist, case.title), items)

    assert match == (None if case.right is None else items[case.right])


def test_an_item_of_another_kind_is_passed_over() -> None:
    album = Item("album", "spotify:album:1", "Tide", ("Velnora",))

    assert find_match(Wanted("track", "Velnora", "Tide"), [album]) is None


def test_nothing_found_is_no_match() -> None:
    assert find_match(Wanted("track", "Velnora", "Tide"), []) is None
