r"""Escape texts for lines in a fence: no text can forge a line, a field or a mark.

Nothing invisible and no line break is in a text any more (`sanitize`). Here `\u` and four
hexadecimal digits take the place of single characters, as in JSON: those of the layout, those that
begin a tag, an entity or a control word of a model (`[INST]`), and the underscore of the fence's
own name, in whatever letters it is spelt. The backslash is one of them, so that it can be undone.
"""

import re
from unicodedata import normalize

MARK = "listening_data"
FIELD, PART = " | ", "; "

_UNDERSCORE = "_\uff3f\ufe33\ufe34\ufe4d-\ufe4f"  # what becomes one in NFKC
_RISKY = re.compile(rf"[<>\\|&\[{_UNDERSCORE}]")
_SIGNS = re.compile(r"[<>\\|]|&(?=#|(?i:lt|gt|amp|\w{1,32};))|\[(?=/?[A-Z][A-Z_]{2,30}\])")
_UNDERSCORES = re.compile(f"[{_UNDERSCORE}]")
_LIKE_LAYOUT = re.compile(r";|^#")
# Most texts hold nothing but the rest of ASCII, and one look at them is enough.
unusual = re.compile(r"[^ !\"$%'-:=?-Z\]^`a-{}~]").search


def escape(text: str) -> str:
    """Return the text as one field of a row."""
    return _escape_signs(text) if _RISKY.search(text) else text


def escape_part(text: str) -> str:
    """Return the text as one of several names in a field, and not as a reference (`#3`)."""
    field = escape(text)
    return _LIKE_LAYOUT.sub(_code, field) if ";" in field or field.startswith("#") else field


def _escape_signs(text: str) -> str:
    escaped = _SIGNS.sub(_code, text)
    if MARK in normalize("NFKC", text).casefold():
        return _UNDERSCORES.sub(_code, escaped)
    return escaped


def _code(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
