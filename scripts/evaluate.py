"""Prints the tables of docs/EVALUATION.md: how true and how useful answers are, over labelled sets.

make eval                     all parts
make eval ONLY=mentions       one of them
"""

import argparse
import asyncio
from collections.abc import Callable, Mapping

from tests.support import mention_scores, offline_table, prompt_sizes

PARTS: Mapping[str, Callable[[], str]] = {
    "mentions": mention_scores.table,
    "without a model": offline_table.table,
    "prompt sizes": lambda: prompt_sizes.as_markdown(asyncio.run(prompt_sizes.prompt_sizes())),
}


def main() -> None:
    """Print the tables of the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=PARTS, help="one part")
    only = parser.parse_args().only
    for name, table in PARTS.items():
        if only in (None, name):
            print(f"## {name.capitalize()}\n\n{table()}\n", flush=True)


if __name__ == "__main__":
    main()
