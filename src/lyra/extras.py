"""How to install an extra where Lyra was installed: the index knows another program by its name."""

import sys
from importlib.metadata import Distribution, distributions

import msgspec

_COMMAND = ("lyra", "lyra.__main__:main")


def how_to_install(extra: str) -> str:
    """The command line that adds this extra to the Lyra that runs here."""
    found = _installed()
    pip = f"{sys.executable} -m pip install"
    if found is None:
        return f"install the extra `{extra}` of Lyra's pyproject.toml"
    if _is_checkout(found):
        return f"{pip} -e '.[{extra}]' in Lyra's folder"
    return f"{pip} '{found.metadata['Name']}[{extra}]'"


def _installed() -> Distribution | None:
    """The distribution that has brought the command `lyra`; none where it runs from a folder."""
    for distribution in distributions():
        commands = ((each.name, each.value) for each in distribution.entry_points)
        if _COMMAND in commands:
            return distribution
    return None


def _is_checkout(found: Distribution) -> bool:
    """Whether it was installed with `pip install -e`, as `make` does."""
    told = found.read_text("direct_url.json")
    origin = msgspec.json.decode(told) if told else {}
    return bool(origin.get("dir_info", {}).get("editable"))
