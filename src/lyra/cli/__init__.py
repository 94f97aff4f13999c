"""The command line: `lyra serve`, `demo`, `run`, `reload`, `chat`, `doctor`, `sandbox`.

This file parses the arguments and imports only what the command needs. Begin with:

    commands.py     serve, demo, run and sandbox, from settings to exit code
    serving.py      one process: it serves until a signal, and lets live answers finish
    supervisor.py   several processes on one socket (`--workers`): worker.py, inbox.py, reload.py
    chat.py         the conversation in a terminal: client.py speaks HTTP, rendering.py
                    draws, below_answer.py writes cards and receipt
    doctor.py       checks.py looks at what a start would need, and says what to do
    environment.py  the only reader of environment variables and, with env_file.py, of `.env`
    logs.py         the log: written in the background, secrets redacted (redact.py)
"""

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

from lyra import __version__
from lyra.cli.console import complain
from lyra.cli.environment import (
    naming_lines,
    process_variables,
    read_variables,
    startup_warnings,
    try_read_variables,
)
from lyra.cli.gc_tuning import tune_gc
from lyra.settings import SettingError, Settings

BAD_SETTING = 2
_BROKEN_PIPE = 141  # a shell's exit code for a program that SIGPIPE ended
_OUTPUT_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EIO)
_LONGEST_WAIT_S = 60
_PORTS = 65_535
_FEW_DIGITS = 11  # Python refuses to read thousands of them


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 stopped, 1 crash or second signal, 2 bad setting."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # no word stops an answer, whatever the encoding
    try:
        try:
            code = _run(_build_parser().parse_args(argv))
        except SettingError as wrong:
            complain(str(wrong))
            code = BAD_SETTING
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as failure:
        code = _exit_code_without_output(failure)
    sys.exit(code)


def _exit_code_without_output(failure: OSError) -> int:
    """Return the exit code for an output that cannot be written; raise any other failure again."""
    if failure.errno not in _OUTPUT_ERRORS:
        raise failure
    # Python would try to flush the rest at its end, and report that failure too.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if failure.errno == errno.EPIPE:
        return _BROKEN_PIPE
    complain(f"the output cannot be written ({failure.strerror}).")
    return 1


# Each command imports what it needs, so that --help and a wrong setting answer at once.
def _run(args: argparse.Namespace) -> int:
    if args.command == "chat":
        from lyra.cli.chat import chat  # noqa: PLC0415

        return chat(args.url, args.token)
    if args.command == "doctor":
        from lyra.cli.doctor import doctor  # noqa: PLC0415

        environ, unread = try_read_variables(host=args.host, port=args.port)
        return doctor(environ, as_json=args.json, within_s=args.within, env_file_error=unread)
    if args.command == "reload":
        from lyra.cli.reload import reload  # noqa: PLC0415

        return reload(args.pid, args.within)
    return _serve(args)


def _serve(args: argparse.Namespace) -> int:
    if args.command == "serve" and args.fd is None:
        code = _supervise(
            partial(read_variables, host=args.host, port=args.port, workers=args.workers)
        )
        if code is not None:
            return code
    tune_gc()
    _import_aiocache()
    from lyra.cli import commands  # noqa: PLC0415

    if args.command == "sandbox":
        return commands.sandbox(args.host, args.port, args.replay, args.redirect_uri)
    # A supervisor hands its workers what it has read: all of one roll have the same settings.
    worker = args.command == "serve" and args.lifeline is not None
    environ = (process_variables if worker else read_variables)(host=args.host, port=args.port)
    advice = () if worker else startup_warnings(environ)
    with naming_lines(environ):
        settings = Settings.from_environ(environ)
        if args.command == "serve":
            return commands.serve(
                settings, listen_fd=args.fd, lifeline=args.lifeline, warnings=advice
            )
        return {"demo": commands.demo, "run": commands.run}[args.command](settings, advice)


def _import_aiocache() -> None:
    """Import aiocache without redis-py, whose cache is not used here: a fifth of the start's time.

    Only in a process of Lyra's own; in other programs aiocache stays whole.
    """
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # None: not to be found
    if "redis" not in modules:
        modules["redis"] = None
        import_module("aiocache")
        del modules["redis"]


def _supervise(read: Callable[[], Mapping[str, str]]) -> int | None:
    """Run the supervisor and return its exit code, or return None if one process is enough."""
    environ = read()
    with naming_lines(environ):
        settings = Settings.from_environ(environ)
    if settings.workers == 1:
        return None
    from lyra.cli.supervisor import supervise  # noqa: PLC0415

    return supervise(read)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lyra", description="A chat assistant that already knows what you listen to."
    )
    parser.add_argument("--version", action="version", version=f"lyra {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, description in (
        ("serve", "serve real listeners; a missing model key is an error"),
        ("demo", "serve an invented listener: no account, no key"),
        ("run", "serve if everything for it is set, else the demo; says which and why"),
        ("doctor", "check settings, port, Spotify, model and machine; says what to do"),
    ):
        command = commands.add_parser(name, help=description, description=description)
        command.add_argument("--host", help="address to listen on (LYRA_HOST)")
        command.add_argument("--port", type=int, help="port to listen on (LYRA_PORT)")
    _add_serve_options(commands.choices["serve"])
    _add_doctor_options(commands.choices["doctor"])
    _add_reload_options(
        commands.add_parser("reload", help="replace the workers of a running `lyra serve`")
    )
    _add_chat_options(commands.add_parser("chat", help="talk to a running Lyra, in this terminal"))
    _add_sandbox_options(
        commands.add_parser(
            "sandbox", help="only the invented Spotify and the invented model, for other programs"
        )
    )
    return parser


def _add_serve_options(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--workers", type=int, metavar="N", help="processes that share the port (LYRA_WORKERS)"
    )
    serve.add_argument(
        "--fd",
        type=_parse_descriptor,
        metavar="FD",
        help="serve on this inherited, listening TCP socket",
    )
    # The supervisor's own: a pipe that closes when it is gone.
    serve.add_argument("--lifeline", type=int, help=argparse.SUPPRESS)
    serve.epilog = (
        "Exit codes: 0 stopped by a signal, 1 a crash or a second signal, 2 a wrong setting. "
        "SIGHUP replaces the workers one by one, with `.env` read anew; see `lyra reload`."
    )


def _add_doctor_options(doctor: argparse.ArgumentParser) -> None:
    doctor.add_argument("--json", action="store_true", help="one JSON document, for programs")
    doctor.add_argument(
        "--within",
        type=_parse_seconds,
        default=3,
        metavar="S",
        help="seconds that an address may take",
    )
    doctor.epilog = (
        "Exit codes: 0 no fault, 1 a fault. Notes are no faults. No key is sent or shown."
    )


def _add_reload_options(command: argparse.ArgumentParser) -> None:
    command.description = "Ask the supervisor for what SIGHUP asks for, and wait until it is done."
    command.add_argument(
        "pid", type=_parse_number, help="the supervisor's process id, as in $MAINPID"
    )
    command.add_argument(
        "--within",
        type=_parse_number,
        default=600,
        metavar="S",
        help="seconds to wait (%(default)s)",
    )
    command.epilog = "Exit codes: 0 all workers are replaced, 1 not all, 2 no supervisor there."


def _add_chat_options(chat: argparse.ArgumentParser) -> None:
    chat.description = "Talk to a running Lyra. Ctrl-C stops an answer; Ctrl-D ends."
    chat.add_argument("--url", default="http://127.0.0.1:8080", help="default: %(default)s")
    chat.add_argument(
        "--token",
        help="a Spotify access token; everybody on this machine can see it in `ps`, so prefer the "
        "variable SPOTIFY_TOKEN. A demo needs none",
    )


def _add_sandbox_options(sandbox: argparse.ArgumentParser) -> None:
    sandbox.add_argument("--host", default="127.0.0.1", help="a loopback address")
    sandbox.add_argument("--port", type=_parse_port, default=8090)
    sandbox.add_argument(
        "--replay", type=Path, metavar="DIR", help="serve recorded Spotify answers from this folder"
    )
    sandbox.add_argument(
        "--redirect-uri",
        action="append",
        default=[],
        metavar="URI",
        help="where a log-in may be sent back to, besides a Lyra on this machine; may be repeated",
    )


def _parse_descriptor(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < _FEW_DIGITS):
        raise argparse.ArgumentTypeError("expected a whole number, 0 or more")
    return int(text)


def _parse_port(text: str) -> int:
    # The machine would take what is above as another port, without a word.
    if not (text.isascii() and text.isdigit() and len(text) < _FEW_DIGITS and int(text) <= _PORTS):
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to {_PORTS}")
    return int(text)


def _parse_number(text: str) -> int:
    if not (
        text.isascii() and text.isdigit() and len(text) < _FEW_DIGITS and 0 < int(text) < 2**31
    ):
        raise argparse.ArgumentTypeError("expected a whole number above 0")
    return int(text)


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= _LONGEST_WAIT_S:
        raise argparse.ArgumentTypeError(f"expected more than 0, at most {_LONGEST_WAIT_S}")
    return seconds
