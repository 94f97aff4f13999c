"""`/docs`: it loads nothing from elsewhere, runs no inline code, and shows a token in a demo alone."""

import re

import pytest

from lyra.sandbox import sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import call

POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}


async def text_of(service: Service, path: str) -> str:
    answer = await call(service, "GET", path)
    assert answer.status == 200
    return answer.body.decode()


async def test_its_policy_allows_its_own_script_and_nothing_else(service: Service) -> None:
    answer = await call(service, "GET", "/docs")

    policy = answer.headers["Content-Security-Policy"]
    assert dict(each.strip().split(" ", 1) for each in policy.split(";")) == POLICY
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_every_file_that_it_names_is_served(service: Service) -> None:
    page = await text_of(service, "/docs")
    named = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert {"docs.js", "docs.css", "page.css"} <= {path.rpartition("/")[2] for path in named}
    assert all([(await call(service, "GET", path)).status == 200 for path in named])


@pytest.mark.parametrize("path", ["/docs", "/static/any/docs.js", "/static/any/docs.css"])
async def test_it_names_no_other_host_and_makes_no_html_of_text(
    service: Service, path: str
) -> None:
    text = await text_of(service, path)

    assert "//" not in re.sub(r"^ *// .*$", "", text, flags=re.MULTILINE)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)


async def test_nothing_in_it_is_inline(service: Service) -> None:
    page = await text_of(service, "/docs")

    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", page)


async def test_a_demo_fills_its_invented_token_in(start: Start) -> None:
    page = await text_of(await start(demo_token=sandbox_token()), "/docs")

    assert f'type="text" value="{sandbox_token()}"' in page


async def test_a_service_with_real_listeners_shows_no_token(service: Service) -> None:
    page = await text_of(service, "/docs")

    assert 'type="password" value=""' in page
    assert "sandbox." not in page


@pytest.mark.parametrize(
    ("path", "media"),
    [("/static/any/docs.js", "text/javascript"), ("/static/any/docs.css", "text/css")],
)
async def test_its_files_have_the_type_that_nosniff_demands(
    service: Service, path: str, media: str
) -> None:
    answer = await call(service, "GET", path)

    assert answer.headers["Content-Type"] == f"{media}; charset=utf-8"


async def test_every_element_that_the_script_asks_for_is_on_the_page(service: Service) -> None:
    script, page = await text_of(service, "/static/any/docs.js"), await text_of(service, "/docs")
    listed = re.search(r"\[([^\[\]]+)\]\.map\(byId\)", script)
    assert listed
    ids = re.findall(r'"([a-z-]+)"', listed[1]) + re.findall(r'byId\("([a-z-]+)"\)', script)

    assert len(ids) > 8
    assert set(ids) <= set(re.findall(r'id="([a-z-]+)"', page))
