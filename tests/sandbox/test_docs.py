"""docs/SANDBOX.md names the whole language and everything around it."""

import inspect
from pathlib import Path

import pytest

from lyra.sandbox import CLIENT_ID, PERSONAS, REGIMES, Sandbox, Stats
from lyra.sandbox.accounts import CLIENTS, MODIFY, SCOPE_OF
from lyra.sandbox.model_fault_replies import REPLIES
from lyra.sandbox.model_fault_streams import SCRIPTS
from lyra.sandbox.model_server import EARLY
from lyra.sandbox.pages import ENDPOINTS, MORE_ENDPOINTS, WRITES
from lyra.sandbox.tokens import ALL_WRITES, EXTENTS, RULES

PAGE = Path(__file__).parents[2] / "docs" / "SANDBOX.md"

WORDS = {
    *PERSONAS,
    *REGIMES,
    *RULES,
    *SCRIPTS,
    *REPLIES,
    *EARLY,
    *ENDPOINTS,
    *MORE_ENDPOINTS,
    *WRITES,
    ALL_WRITES,
    *EXTENTS,
    "token",
}
ROUTES = ("/v1/messages", "/accounts", "/__sandbox/stats", "/__sandbox/clock", *ENDPOINTS.values())


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word_of_the_language_is_in_the_docs(page: str, word: str) -> None:
    assert any(f"`{word}{end}" in page for end in ("`", "-<"))


@pytest.mark.parametrize(
    "numbers", [(name, each) for name in RULES for each in RULES[name].numbers]
)
def test_every_fault_is_shown_with_as_many_numbers_as_it_takes(
    page: str, numbers: tuple[str, int]
) -> None:
    name, count = numbers
    shown = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    forms = [form.strip("` ") for cell in shown for form in cell.split(",")]
    taken = {form.replace("-<endpoint>", "").count("-<") for form in forms
             if form.partition("-")[0] == name}  # fmt: skip

    assert count in taken


@pytest.mark.parametrize("argument", inspect.signature(Sandbox).parameters)
def test_every_argument_is_in_the_docs(page: str, argument: str) -> None:
    assert f"| `{argument}`" in page or f"| `{argument}=" in page


@pytest.mark.parametrize("counter", Stats().as_dict())
def test_every_counter_is_in_the_docs(page: str, counter: str) -> None:
    assert f'"{counter}": ' in page


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_in_the_docs(page: str, route: str) -> None:
    assert route in page


def test_the_registered_client_and_the_scopes_are_in_the_docs(page: str) -> None:
    assert f"`{CLIENT_ID}`" in page
    assert all(f"`{uri}`" in page for uri in CLIENTS[CLIENT_ID])
    assert all(f"`{scope}`" in page for scope in (*SCOPE_OF.values(), *MODIFY))
