"""The page's modules as one script, so that a browser loads one file and not seven after another."""

import re

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


def one_script(modules: dict[str, str], first: str) -> str:
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
