"""What docs/CACHE.md says of the tests and of the counters is so."""

import re
from pathlib import Path

from lyra.cache.listeners import ListenerCache

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "CACHE.md").read_text("utf-8")
ROWS = range(1, 41)


def test_every_row_of_the_table_names_tests_that_exist() -> None:
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| (`.+`) \|$", PAGE, re.MULTILINE)
    named = [place for _, places in rows for place in re.findall(r"`([^`]+)`", places)]
    missing = [each for each in named if not _exists(*each.split("::"))]
    unnumbered = [row for row, places in rows if f"::test_row{int(row):02}_" not in places]

    assert [int(row) for row, _ in rows] == list(ROWS)
    assert missing == unnumbered == []


def _exists(path: str, name: str) -> bool:
    text = (ROOT / path).read_text("utf-8")
    return re.search(rf"^(async )?def {re.escape(name)}\(", text, re.MULTILINE) is not None


async def test_everything_that_is_counted_is_explained(cache: ListenerCache) -> None:
    table = PAGE[PAGE.index("| name | counts |") : PAGE.index("## Compared")]
    firsts = "".join(line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `"))

    assert set(re.findall(r"`(\w+)`", firsts)) == set(cache.stats())
