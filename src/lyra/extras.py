"""The command that installs an extra, as Lyra was installed: on PyPI `lyra` is another program."""

import sys
from importlib.metadata import Distribution, distributions

import msgspec

_COMMAND = ("lyra", "lyra.__main__:main")


def how_to_install(extra: str) -> str:
    """Return the command line that adds this extra to the Lyra that runs here."""
    distribution = _find_distribution()
    pip = f"{sys.executable} -m pip install"
    if distribution is None:
        return f"install the extra `{extra}` of Lyra's pyproject.toml"
    if _is_checkout(distribution):
        return f"{pip} -e '.[{extra}]' in Lyra's folder"
    return f"{pip} '{distribution.metadata['Name']}[{extra}]'"


def _find_distribution() -> Distribution | None:
    """Return the distribution with the command `lyra`; None if it runs from a folder."""
    for distribution in distributions():
        commands = ((each.name, each.value) for each in distribution.entry_points)
        if _COMMAND in commands:
            return distribution
    return None


def _is_checkout(distribution: Distribution) -> bool:
    """Return whether it was installed with `pip install -e`, as `make` does."""
    direct_url = distribution.read_text("direct_url.json")
    origin = msgspec.json.decode(direct_url) if direct_url else {}
    return bool(origin.get("dir_info", {}).get("editable"))
