"""Zones by name, whatever database of them this machine has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lyra.timezones import UnknownZoneError, read_zone

# Where a module stands as None in sys.modules, its import fails as if it were not installed.
READ = """
import sys
if "bare" in sys.argv: sys.modules["tzdata"] = None
from lyra.timezones import UnknownZoneError, read_zone
for name in ("Asia/Kolkata", "Asia/Calcutta", "Mars/Olympus"):
    try: print(name, read_zone(name).name)
    except UnknownZoneError: print(name, "unknown")
"""


def read_elsewhere(folder: Path, *arguments: str) -> tuple[list[str], str]:
    """What a process whose system has its zones in this folder says of three, and its log."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", READ, *arguments],
        env={**os.environ, "PYTHONTZPATH": str(folder)},  # noqa: TID251 - of a test alone
        capture_output=True,
        text=True,
        check=True,
        timeout=15,
    )
    return done.stdout.splitlines(), done.stderr


def test_a_system_without_a_database_knows_all_names_by_the_package(tmp_path: Path) -> None:
    told, log = read_elsewhere(tmp_path)

    assert told == [
        "Asia/Kolkata Asia/Kolkata",
        "Asia/Calcutta Asia/Calcutta",  # what Chromium calls it, and Debian 13 does not have
        "Mars/Olympus unknown",
    ]
    assert log == ""


def test_with_no_database_at_all_times_are_utc_and_the_log_says_so(tmp_path: Path) -> None:
    told, log = read_elsewhere(tmp_path, "bare")

    assert {line.split()[1] for line in told} == {"UTC"}
    assert log.count("no database of time zones") == 1


@pytest.mark.parametrize("name", ["America", "Mars/Olympus", "posix/UTC", "../UTC", "a/b/c/d", "é"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(UnknownZoneError):
        read_zone(name)
