"""Under a path of a host that others share: a proxy takes it off, and browsers have to write it."""

import re

import pytest
from yarl import URL

from lyra.settings import SettingError, Settings
from tests.conftest import APP, Start
from tests.support.calls import call
from tests.support.path_proxy import Front
from tests.support.visitors import Visitor

PUBLIC = "https://app.invalid/music"


@pytest.mark.parametrize("public", [PUBLIC, f"{PUBLIC}/"])
@pytest.mark.parametrize("page", ["/", "/docs"])
async def test_every_address_on_a_page_is_below_the_path(
    start: Start, page: str, public: str
) -> None:
    service = await start(public_url=public)

    text = (await call(service, "GET", page)).body.decode()

    addresses = re.findall(r'(?:href|src)="(/[^"]*)"', text)
    assert len(addresses) > 2
    for address in addresses:
        assert address.startswith("/music/"), address
        answer = await call(service, "GET", address.removeprefix("/music"))
        assert answer.status == 200, address


async def test_what_a_terminal_is_shown_goes_through_the_proxy(start: Start) -> None:
    service = await start(public_url=f"{PUBLIC}/")

    text = (await call(service, "GET", "/")).body.decode()

    assert f"{PUBLIC}/lyra/init" in text
    assert service.url not in text


async def test_the_description_names_the_path(start: Start) -> None:
    below, alone = await start(public_url=PUBLIC), await start(public_url="https://app.invalid")

    servers = [
        (await call(each, "GET", "/openapi.json")).json["servers"] for each in (below, alone)
    ]
    assert servers == [[{"url": "/music"}], [{"url": "/"}]]


async def test_a_log_in_below_a_path_returns_there_with_its_cookies(start: Start) -> None:
    async with Front("/music").serving() as front:
        service = await start(public_url=front.public_url, spotify_client_id=APP)
        front.target = service.url
        async with Visitor(service) as anna:
            begun = await anna.go("GET", f"{front.public_url}/auth/login")
            here = await anna.back(URL(begun.headers["Location"]))
            back = await anna.go("GET", here)
            again = await anna.go("GET", here)
            lost = await anna.go("GET", f"{front.public_url}/auth/callback?state=x")
            session = await anna.go("GET", f"{front.public_url}/auth/session")
            out = await anna.go(
                "POST", f"{front.public_url}/auth/logout", headers={"Sec-Fetch-Site": "same-origin"}
            )
            after = await anna.go("GET", f"{front.public_url}/auth/session")

    assert here.startswith(f"{front.public_url}/auth/callback?")
    assert [each.headers["Location"] for each in (back, again)] == ["/music/", "/music/"]
    assert lost.headers["Location"] == "/music/" or "login=expired" in lost.headers["Location"]
    for answer in (begun, back, out):
        for cookie in answer.headers.getall("Set-Cookie"):
            assert "Path=/music" in [part.strip() for part in cookie.split(";")]
    assert (session.json["signed_in"], after.json["signed_in"]) == (True, False)
    assert front.elsewhere == []


async def test_who_comes_back_too_late_is_told_so_below_the_path(start: Start) -> None:
    service = await start(public_url=PUBLIC, spotify_client_id=APP)
    async with Visitor(service) as anna:
        answer = await anna.go("GET", "/auth/callback?state=unknown")

    assert answer.headers["Location"] == "/music/?login=expired"


async def test_on_https_its_cookies_are_secure_and_of_the_path(start: Start) -> None:
    """Browsers refuse a __Host- cookie with any other path than /."""
    service = await start(public_url=PUBLIC, spotify_client_id=APP)
    async with Visitor(service) as anna:
        answer = await anna.go("GET", "/auth/login")

    (cookie,) = answer.headers.getall("Set-Cookie")
    assert cookie.startswith("__Secure-lyra-state=")
    assert {"Secure", "Path=/music"} <= {part.strip() for part in cookie.split(";")}
    query = URL(answer.headers["Location"]).query
    assert query["redirect_uri"] == f"{PUBLIC}/auth/callback"


@pytest.mark.parametrize(
    ("public", "path"),
    [
        ("https://app.invalid", ""),
        ("https://app.invalid/", ""),
        ("https://app.invalid/music", "/music"),
        ("https://app.invalid/music/", "/music"),
        ("https://app.invalid/a/b-c_d.e~f/1", "/a/b-c_d.e~f/1"),
        ("https://app.invalid/.well/..x", "/.well/..x"),
    ],
)
def test_a_path_is_taken_without_the_slash_at_its_end(public: str, path: str) -> None:
    assert Settings.from_environ({"LYRA_PUBLIC_URL": public}).public_path == path


@pytest.mark.parametrize(
    "path",
    [
        *("//", "/a//b", "/music//", "/.", "/..", "/a/../b", "/a/./b", "/a/..", "/a;b", '/a"b'),
        *("/a%2fb", "/a%20b", "/<b>", "/a,b", "/a$b", "/\u00e9", "/a\\b", "/a'b", "/a&b", "/${x}"),
    ],
)
def test_an_ambiguous_public_path_stops_the_start(path: str) -> None:
    with pytest.raises(SettingError, match=r"^LYRA_PUBLIC_URL: "):
        Settings.from_environ({"LYRA_PUBLIC_URL": f"https://app.invalid{path}"})
