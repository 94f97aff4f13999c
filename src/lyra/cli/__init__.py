"""The command line: `lyra serve`, `lyra demo`, `lyra run`, `lyra sandbox`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lyra import __version__
from lyra.cli.environment import settings_from_environment
from lyra.settings import SettingError

BAD_SETTING = 2


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 stopped, 1 crash or second signal, 2 bad setting."""
    asked = _parser().parse_args(argv)
    try:
        code = _run(asked)
    except SettingError as wrong:
        print(f"lyra: {wrong}", file=sys.stderr)
        code = BAD_SETTING
    sys.exit(code)


def _run(asked: argparse.Namespace) -> int:
    # Imported only now, so that --help and a wrong setting answer at once.
    from lyra.cli import commands  # noqa: PLC0415

    if asked.command == "sandbox":
        return commands.sandbox(asked.host, asked.port, asked.replay)
    settings = settings_from_environment(host=asked.host, port=asked.port)
    command = {"serve": commands.serve, "demo": commands.demo, "run": commands.run}[asked.command]
    return command(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lyra", description="A chat assistant that already knows what you listen to."
    )
    parser.add_argument("--version", action="version", version=f"lyra {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, told in (
        ("serve", "serve real listeners; a missing model key is an error"),
        ("demo", "serve an invented listener: no account, no key"),
        ("run", "serve if everything for it is set, else the demo; says which and why"),
    ):
        command = commands.add_parser(name, help=told, description=told)
        command.add_argument("--host", help="address to listen on (LYRA_HOST)")
        command.add_argument("--port", type=int, help="port to listen on (LYRA_PORT)")
    sandbox = commands.add_parser(
        "sandbox", help="only the invented Spotify and the invented model, for other programs"
    )
    sandbox.add_argument("--host", default="127.0.0.1", help="a loopback address")
    sandbox.add_argument("--port", type=int, default=8090)
    sandbox.add_argument(
        "--replay", type=Path, metavar="DIR", help="serve recorded Spotify answers from this folder"
    )
    return parser
