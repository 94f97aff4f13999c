"""Measures Lyra beside its yardsticks, and what it does when things go wrong. Linux only.

    make bench                            everything, half an hour on two cores
    make bench ONLY=warm,tokens           some of it; ONLY=speed or ONLY=faults one half
    make bench ONLY=soak FULL=1           the long runs
    make bench ONLY=speed WRITE=1         also into the pages of docs/results
    make bench ONLY=kept SAMPLES=DIR      with recorded answers of Spotify (docs/SANDBOX.md, `replay`)

Exits 1 when a promise is broken; aims that are missed are told, and fail nothing. `--list` names the
subjects. `--alone` leaves the peers out, as a missing package does. `--fault once503-artists` shows a
broken promise of `talk`.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from time import monotonic

from bench.event_loop import loop_factory
from bench.harness import Harness, open_harness, peer_versions
from bench.report import Figure, Finding, as_text, into_page, versions
from bench.scaling import carried
from bench.subjects import PAGES, SUBJECTS, Subject, chosen

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
USUAL_S, LONG_S = 600, 3600  # of one subject; what takes longer has gone wrong


def main() -> int:
    """Measure and print; 0 when every promise was kept, else 1."""
    args = _arguments()
    if args.list:
        print("\n".join(f"{one.name:<12}{one.group:<8}{one.what}" for one in SUBJECTS.values()))
        return 0
    if sys.platform != "linux":
        print("bench: needs Linux, for the kernel's count of each process", file=sys.stderr)
        return 2
    sys.path.append(str(ROOT))  # some subjects use helpers of tests/support
    findings: list[Finding] = []
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_measure(args, findings))
    except KeyboardInterrupt:
        return 130
    except asyncio.CancelledError:
        return 143  # SIGTERM; the servers were ended first
    figures = [(finding, figure) for finding in findings for figure in finding.figures]
    for finding, figure in figures:
        if figure.kept is False:
            print(f"{figure.verdict}: {finding.title}: {_as_line(figure)}")
    return 1 if any(each.promise and each.kept is False for _, each in figures) else 0


def _as_line(figure: Figure) -> str:
    return f"{figure.what}: {figure.found}, aim {figure.aim}"


async def _measure(args: argparse.Namespace, findings: list[Finding]) -> None:
    """Every subject that was asked for, its findings printed and kept as soon as they are there."""
    if (this := asyncio.current_task()) is not None:
        # Ended like Ctrl-C, so that no server is left behind.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    async with open_harness(
        args.size, peers=not args.alone, samples=args.samples, fault=args.fault
    ) as harness:
        if not harness.has_peers:
            print("Without the peer; `make bench` installs its packages.\n")
        for subject in args.only:
            when = versions(peer_versions() if harness.has_peers else {})
            found = await _measured(subject, harness)
            findings += found
            if (further := carried(findings)) and subject == args.only[-1]:
                findings.append(further)
                found.append(further)
            print("\n".join(map(as_text, found)), flush=True)
            if args.write:
                _write(args.write / PAGES[subject.group], found, when)


async def _measured(subject: Subject, harness: Harness) -> list[Finding]:
    """One subject's findings; where it breaks, that is a broken promise, and the others go on."""
    began = monotonic()
    try:
        async with asyncio.timeout(LONG_S if harness.size == "full" else USUAL_S):
            found = await subject.measure(harness)
        harness.check()
    except Exception as failure:  # noqa: BLE001 - whatever it was, it is told
        reason = f"{type(failure).__name__}: {failure}"
        broken = Figure("it is measured", reason, "in time, whole", kept=False, promise=True)
        return [Finding(f"{subject.name}: broken", [broken])]
    finally:
        print(f"({subject.name}: {monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
    return found if isinstance(found, list) else [found]


def _write(path: Path, findings: list[Finding], when: str) -> None:
    """Put the findings into a page, each in place of its section; others stay as they are."""
    page = path.read_text("utf-8") if path.exists() else f"# {path.stem.capitalize()}\n"
    path.write_text(into_page(page, findings, when), "utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=_subjects, default=list(SUBJECTS.values()), metavar="NAMES")
    parser.add_argument("--list", action="store_true", help="the subjects, and nothing else")
    for size, what in (("quick", "few and short runs"), ("full", "the long runs")):
        parser.add_argument(
            f"--{size}", dest="size", action="store_const", const=size, default="usual", help=what
        )
    parser.add_argument("--samples", type=_folder, help="recorded answers of Spotify")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--fault", help="a fault of docs/SANDBOX.md, in the tokens of `talk`")
    parser.add_argument(
        "--write", type=_folder, nargs="?", const=RESULTS, metavar="FOLDER", help="pages to write"
    )
    return parser.parse_args()


def _folder(text: str) -> Path:
    return Path(text).resolve()


def _subjects(text: str) -> list[Subject]:
    try:
        return chosen(text)
    except ValueError as unknown:
        raise argparse.ArgumentTypeError(str(unknown)) from None


if __name__ == "__main__":
    sys.exit(main())
