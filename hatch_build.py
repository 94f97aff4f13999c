"""What the built package says of itself: the README without links into the source."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PICTURE = re.compile(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n+", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:)[^)]*\)")


class Readme(MetadataHookInterface):
    """An index has neither the pictures nor the documents that the README of a checkout links to."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Give the README, its own pictures and files named but not linked."""
        text = (Path(self.root) / "README.md").read_text("utf-8")
        shown = _LINK.sub(r"\1", _PICTURE.sub("", text))
        metadata["readme"] = {"content-type": "text/markdown", "text": shown}
