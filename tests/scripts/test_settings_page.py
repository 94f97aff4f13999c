"""docs/SETTINGS.md is what `make settings` makes of `Settings` and `.env.example`."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def _script() -> ModuleType:
    spec = spec_from_file_location("settings_page", ROOT / "scripts" / "settings_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["settings_page"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()
PAGE = SCRIPT.PAGE.read_text("utf-8")


def test_the_settings_page_is_what_the_settings_make_of_it() -> None:
    assert SCRIPT.page() == PAGE, "run `make settings`"


def test_every_setting_says_what_it_is_for() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.*) \|$", PAGE, re.MULTILINE)

    assert [name for name, *_, description in rows if len(description) < 10] == []


@pytest.mark.parametrize(
    "row",
    [
        "| `LYRA_PORT` | 8080 | 0 to 65535 |",
        "| `LYRA_SECRET` | none | 16 characters or more |",
        "| `LYRA_LLM_CONTEXT` | full | full, minimal, none |",
        "| `LYRA_WAITING_S` | 1 | more than 0, 3600 at most |",
        "| `LYRA_HSTS_SUBDOMAINS` | false | true, false |",
    ],
)
def test_defaults_and_bounds_are_those_of_the_code(row: str) -> None:
    assert row in PAGE
