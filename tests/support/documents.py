"""The project's pages: their sections, headings and links."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def section(page: str, title: str) -> str:
    """What is below this heading of the second level, up to the next one."""
    _, found, text = f"\n{page}".partition(f"\n## {title}\n")
    assert found, f"there is no section {title!r}"
    return text.partition("\n## ")[0]


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead within the project."""
    text = _FENCED.sub("", page.read_text("utf-8"))
    return re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them; the second of a name ends in -1."""
    text = _FENCED.sub("", page.read_text("utf-8"))
    slugs = [_slug(each) for each in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)]
    before: Counter[str] = Counter()
    made = set()
    for slug in slugs:
        made.add(f"{slug}-{before[slug]}" if before[slug] else slug)
        before[slug] += 1
    return made


def _slug(heading: str) -> str:
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)  # of a link its text
    return re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-")
