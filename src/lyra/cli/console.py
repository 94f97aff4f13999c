"""What a command tells the person at the terminal, if there still is one."""

import sys


def say(words: str) -> None:
    """Print a line; a closed terminal or a full disk ends what is said, and nothing else."""
    try:
        print(words, flush=True)
    except (OSError, ValueError):
        # As Python has it where there is no stdout. What this one still holds would make the exit
        # code 120.
        sys.stdout = None


def complain(words: str) -> None:
    """Print a line to stderr; where that cannot be, the exit code alone tells what is wrong."""
    try:
        print(f"lyra: {words}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        sys.stderr = None
