"""What a browser need not load: comments, indentation, spaces; and modules as one script.

The files stay as they were written: this happens once, at start-up. It knows the little that the
page's own files are made of, not all of JavaScript: tests/web/test_page_files.py holds them to it.
"""

import re

# Strings, templates without templates inside, and expressions in slashes stay as they are.
_KEPT = (
    r'"(?:[^"\\\n]|\\.)*"'
    r"|`(?:[^`\\]|\\.)*`"
    r"|(?<=[(,=:!&|?{};])(?<![*/]) ?/(?![*/ ])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*"
)
_COMMENT = r"/\*.*?\*/|(?<![:\"'`\\])//[^\n]*"
_SAID = re.compile(rf"({_KEPT})|{_COMMENT}", re.DOTALL)
_WHOLE = re.compile(rf"({_KEPT})")
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


def script(text: str) -> str:
    """The same script, shorter."""
    pieces = _WHOLE.split(_SAID.sub(lambda found: found[1] or "", text))
    pieces[::2] = [_closer(each) for each in pieces[::2]]
    return re.sub(r"\n+", "\n", "".join(pieces)).strip()


def _closer(code: str) -> str:
    """Code without strings in it, with spaces only where words would run together."""
    code = re.sub(r"[ \t]*\n\s*", "\n", code)
    code = re.sub(r" *(=>|[=<>!&|?:;,{}()\[\]*]+) *", r"\1", code)
    return re.sub(r"([;,{(\[]|=>)\n", r"\1", code)


def style(text: str) -> str:
    """The same style sheet, shorter."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    pieces = re.split(r'("[^"]*")', text)
    pieces[::2] = [_tighter(each) for each in pieces[::2]]
    return "".join(pieces).strip()


def _tighter(rules: str) -> str:
    """Rules without strings in them; a space before a colon may be part of a selector."""
    rules = re.sub(r"\s+", " ", rules)
    rules = re.sub(r" ?([{};,]) ?", r"\1", rules)
    return re.sub(r"(?<=[{;])([-a-z]+): ", r"\1:", rules).replace(";}", "}")


def markup(text: str) -> str:
    """The same page, without indentation."""
    return re.sub(r"\n +(?=<)", "\n", text)


def joined(modules: dict[str, str], first: str) -> str:
    """The module `first` and all that it imports as one script; every top name is there once."""
    order: dict[str, str] = {}

    def visit(name: str) -> None:
        text = modules[name]
        order[name] = ""
        for needed in _IMPORT.findall(text):
            if needed not in order:
                visit(needed)
        # Behind what it needs, for classes and constants are there only from their line on.
        del order[name]
        order[name] = _EXPORT.sub("", _IMPORT.sub("", text))

    visit(first)
    return "\n".join(order.values())
