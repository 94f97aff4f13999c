"""The page's files as they are served: what they weigh, how long they are kept."""

import re
from importlib.resources import files

from lyra.cli.demo_listener import PERSONAS
from lyra.web.http.static_files import bundle
from tests.conftest import APP, Start
from tests.support.calls import call

STATIC = files("lyra.web") / "static"
MODULES = {
    each.name.removesuffix(".js"): each.read_text("utf-8") for each in (STATIC / "js").iterdir()
}
LINKED = re.compile(r'(?:src|href)="(/static/[^"]+)"')


async def weigh(start: Start, *more: str, **settings: object) -> tuple[int, int]:
    """Bytes of the page and all its files, as they are and as they travel."""
    service = await start(**settings)
    async with service.http.get("/", headers={"Accept-Encoding": "gzip"}) as answer:
        plain, packed = await answer.text(), int(answer.headers["Content-Length"])
    raw = len(plain.encode())
    names = set(LINKED.findall(plain))
    (main,) = [name for name in names if name.endswith("/main.js")]
    for name in names | {main.replace("main", each) for each in more}:
        async with service.http.get(name, headers={"Accept-Encoding": "gzip"}) as answer:
            raw += len(await answer.read())
            packed += int(answer.headers["Content-Length"])
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    return raw, packed


async def test_the_page_of_a_demo_is_light(start: Start) -> None:
    raw, packed = await weigh(start, personas=PERSONAS)

    # 2,000 bytes are for what is looked up while an answer is made, 1,000 for proposed playlists.
    assert raw <= 55_000
    assert packed <= 20_000


async def test_the_first_proposed_playlist_loads_one_small_file_more(start: Start) -> None:
    raw, packed = await weigh(start, "playlist", personas=PERSONAS)

    assert raw <= 66_000
    assert packed <= 24_000


async def test_a_log_in_loads_one_small_file_more(start: Start) -> None:
    raw, packed = await weigh(start, "gate", spotify_client_id=APP)

    assert raw <= 64_000
    assert packed <= 22_000


async def test_a_page_from_before_an_update_gets_todays_files_uncached(start: Start) -> None:
    answer = await call(await start(), "GET", "/static/000000000000/js/main.js")

    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-cache"


async def test_who_reads_no_gzip_gets_the_page_as_it_is(start: Start) -> None:
    answer = await call(await start(), "GET", "/", headers={"Accept-Encoding": "identity"})

    assert answer.body.startswith(b"<!doctype html>")
    assert answer.headers["Vary"] == "Accept-Encoding"


def test_the_bundle_holds_every_module_behind_what_it_needs() -> None:
    script = bundle(MODULES, "main")

    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
    assert (
        script.index("class LyraError") < script.index("class Lyra ") < script.index("\nconst lyra")
    )
    names = re.findall(r"^(?:async )?(?:function\*?|const|let|class) (\w+)", script, re.MULTILINE)
    assert len(names) == len(set(names))
