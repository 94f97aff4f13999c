"""`lyra doctor`: checks what a start needs, and says what to do."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import aiohttp
import msgspec
import orjson

from lyra import __version__
from lyra.cli.checks import (
    Finding,
    check_files,
    check_login,
    check_model,
    check_parser,
    check_port,
    check_public_path,
    check_redis,
    check_spotify,
    check_surroundings,
    check_uvloop,
    read_settings,
)
from lyra.cli.threads import DaemonThreadExecutor
from lyra.settings import Settings

_COLOURS = {"ok": "green", "note": "yellow", "fault": "bold red"}


def doctor(
    environ: Mapping[str, str], *, as_json: bool, within_s: float, env_file_error: str = ""
) -> int:
    """Print a line for each check; return 0 if there is no fault, else 1.

    `env_file_error` says why `environ` lacks the variables of `.env`, if that cannot be read.
    """
    settings, findings = read_settings(environ)
    if env_file_error:
        findings.insert(
            0, Finding("settings", "fault", env_file_error, "the checks go on without it")
        )
    findings += check_surroundings(environ)
    findings += asyncio.run(_run_checks(settings, within_s))
    findings += [
        *check_public_path(settings),
        *check_login(settings),
        check_uvloop(),
        check_parser(),
        check_files(settings),
    ]
    sound = all(finding.mark != "fault" for finding in findings)
    if as_json:
        report = {"lyra": __version__, "ok": sound, "checks": msgspec.to_builtins(findings)}
        print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
    else:
        _print_findings(findings)
    return 0 if sound else 1


async def _run_checks(settings: Settings, within_s: float) -> list[Finding]:
    """Return the findings of the checks that wait for a network, all run at the same time."""
    asyncio.get_running_loop().set_default_executor(DaemonThreadExecutor())
    timeout = aiohttp.ClientTimeout(total=within_s)
    async with (
        # Lyra asks Spotify without the environment's proxy too.
        aiohttp.ClientSession(timeout=timeout, trust_env=False) as http,
        asyncio.TaskGroup() as group,
    ):
        port = group.create_task(check_port(http, settings))
        spotify = group.create_task(check_spotify(http, settings, _now))
        model = group.create_task(check_model(http, settings, _now))
        redis = group.create_task(check_redis(settings, within_s))
    return [port.result(), *spotify.result(), *model.result(), *redis.result()]


def _now() -> datetime:
    return datetime.now(UTC)


def _print_findings(findings: list[Finding]) -> None:
    from rich.console import Console  # noqa: PLC0415 - not needed for JSON
    from rich.text import Text  # noqa: PLC0415

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704 - called in its handler; rich would end the process itself

    console = Plain(highlight=False)
    for finding in findings:
        line = Text.assemble(
            (f"{finding.mark:<7}", _COLOURS[finding.mark]),
            f"{finding.check:<14}{finding.found}",
            (f" → {finding.do}" if finding.do else "", "bold"),
        )
        console.print(line, soft_wrap=True)
