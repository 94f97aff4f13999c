"""The language of the sandbox's bearer tokens.

    sandbox.<seed>.<persona>.<regime>[.<fault>...]
    sandbox.7.typical.legacy.lat-80-400.503-artists

A fault is `<name>[-<number>...][-<endpoint>][~<first>[+<count>]]`; without an endpoint it is in
force at all of the Web API. `~3+2` makes it strike the third and the fourth request of each
endpoint, `~3` the third and all that follow; `once` before the name is short for `~1+1`.
At what writes, `done`, `half` or `undone` before the name says how much of it happens all the same.
docs/SANDBOX.md has the tables.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from lyra.sandbox.pages import ENDPOINTS, MORE_ENDPOINTS, WRITES
from lyra.sandbox.plays import HABITS

REFUSED_PERSONAS = ("not_registered", "owner_not_premium", "expired")
PERSONAS = (*HABITS, *REFUSED_PERSONAS)
REGIMES = ("restricted", "legacy", "mixed", "genres_null", "genres_empty")

TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]{8,1024}=*", re.ASCII)

_SEED = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_PARTS = 4  # scheme, seed, persona, regime; the rest are faults
ALL_WRITES = "writes"  # where a fault names an endpoint, short for all that write
_ALIASES = "|".join((*ENDPOINTS, *MORE_ENDPOINTS, *WRITES, ALL_WRITES, "token"))
_FAULT = re.compile(
    rf"(?P<once>once)?(?P<extent>done|half|undone)?(?P<name>[a-z][a-z0-9]*|[0-9]{{3}}[a-z]*)"
    rf"(?P<numbers>(?:-[0-9]{{1,9}})*)(?:-(?P<endpoint>{_ALIASES}))?"
    r"(?:~(?P<first>[1-9][0-9]{0,8})(?:\+(?P<count>[1-9][0-9]{0,8}))?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """How many numbers a fault takes, whether it names an endpoint, whether it can be timed."""

    numbers: tuple[int, ...] = (0,)
    endpoint: Literal["optional", "required", "never", "write"] = "optional"
    timed: bool = True


RULES = {
    "lat": Rule((2,), "never", timed=False),
    "slow": Rule((1,)),
    "revoked": Rule((1,), "never", timed=False),
    "down": Rule((1,), "never", timed=False),
    "late": Rule((1,), "write"),
    "ungranted": Rule(endpoint="required", timed=False),
    "scope": Rule(endpoint="required"),
    "perm": Rule(endpoint="required"),
    "401": Rule(),
    "401old": Rule(),
    "401missing": Rule(),
    "403": Rule(),
    "403text": Rule(),
    "403check": Rule(),
    "403premium": Rule(),
    "404": Rule(endpoint="required"),
    "429": Rule((0, 1)),
    "429bare": Rule(),
    "429empty": Rule((1,)),
    "429date": Rule((1,)),
    "429past": Rule(),
    "429word": Rule(),
    "429giant": Rule(),
    "429two": Rule((2,)),
    "quota": Rule((0, 1)),
    "500": Rule(),
    "502": Rule(),
    "503": Rule(),
    "504": Rule(),
    "truncated": Rule(),
    "cut": Rule(),
    "html": Rule(),
    "nulls": Rule(),
    "empty200": Rule(),
    "hang": Rule(),
    "drip": Rule(),
    "reset": Rule(),
    "huge": Rule(),
    "mislabelled": Rule(),
    "gzip": Rule(),
    "bomb": Rule(),
    "redirect": Rule(),
}
# A write under one of these happens as far as the fault says; under the first it does not by
# itself, under the second it does.
_UNTOLD = ("500", "502", "503", "504", "html", "empty200")
_UNHEARD = ("hang", "reset")
EXTENTS: Mapping[str, Sequence[str]] = {
    "done": _UNTOLD,
    "undone": _UNHEARD,
    "half": (*_UNTOLD, *_UNHEARD),
}
# What these personas are is what goes wrong with them.
_PERSONA_FAULTS = {
    "no_scope_top": ("scope-artists", "scope-tracks"),
    "no_scope_recent": ("scope-recent",),
    "no_scope_playlists": ("scope-playlists",),
    "revoked_midway": ("revoked-5",),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a token; `endpoint` None means all of the Web API, `count` None without end.

    `extent` is how much of a write happens all the same; empty is what is usual for the fault.
    """

    text: str
    name: str
    numbers: tuple[int, ...]
    endpoint: str | None = None
    first: int = 1
    count: int | None = None
    extent: str = ""

    def concerns(self, endpoint: str) -> bool:
        """Whether this fault is in force at this endpoint; at `token` only if it names it."""
        if self.endpoint == ALL_WRITES:
            return endpoint in WRITES
        return endpoint == self.endpoint or (self.endpoint is None and endpoint != "token")

    @property
    def always(self) -> bool:
        """Whether it strikes every request, so that nobody has to count them."""
        return self.first == 1 and self.count is None

    def strikes(self, number: int) -> bool:
        """Whether it strikes the request of this number, from 1."""
        past = number - self.first
        return past >= 0 and (self.count is None or past < self.count)


@dataclass(frozen=True, slots=True)
class SandboxToken:
    """What a token asks for; `digest` is the name under which the statistics count it."""

    seed: int
    persona: str
    regime: str
    faults: tuple[Fault, ...]
    digest: str

    def withholds(self, endpoint: str) -> bool:
        """Whether the listener does not grant the scopes that this endpoint needs."""
        return any(each.name == "ungranted" and each.concerns(endpoint) for each in self.faults)


def sandbox_token(
    seed: int = 7, persona: str = "typical", regime: str = "restricted", *faults: str
) -> str:
    """The bearer token for this invented listener, with these faults.

    Raises:
        ValueError: A part is not in the language; the message names it.
    """
    text = ".".join(("sandbox", str(seed), persona, regime, *faults))
    parse_token(text)
    return text


def parse_token(text: str) -> SandboxToken:
    """What this token asks for.

    Raises:
        ValueError: It is not a sandbox token; the message names the part that is wrong.
    """
    parts = text.split(".")
    if parts[0] != "sandbox" or len(parts) < _PARTS:
        raise ValueError("a sandbox token reads sandbox.<seed>.<persona>.<regime>[.<fault>...]")
    seed, persona, regime = parts[1:_PARTS]
    if not _SEED.fullmatch(seed):
        raise ValueError(f"seed {seed!r} is not a number of at most 18 digits")
    if persona not in PERSONAS:
        raise ValueError(f"persona {persona!r} is none of {', '.join(PERSONAS)}")
    if regime not in REGIMES:
        raise ValueError(f"regime {regime!r} is none of {', '.join(REGIMES)}")
    texts = (*parts[_PARTS:], *_PERSONA_FAULTS.get(persona, ()))
    parsed = tuple(_fault(each) for each in texts)
    return SandboxToken(int(seed), persona, regime, parsed, token_digest(text))


def token_digest(text: str) -> str:
    """The first 12 hexadecimal digits of the token's SHA-256: a count needs no token."""
    return sha256(text.encode()).hexdigest()[:12]


def _fault(text: str) -> Fault:
    match = _FAULT.fullmatch(text)
    rule = RULES.get(match["name"]) if match else None
    if match is None or rule is None:
        raise ValueError(f"fault {text!r} is none of {', '.join(RULES)}")
    numbers = tuple(int(each) for each in match["numbers"].split("-")[1:])
    window = _window(match)
    extent = match["extent"] or ""
    fault = Fault(text, match["name"], numbers, match["endpoint"], *window, extent)
    timed = bool(match["once"] or match["first"])
    if not _obeys(fault, rule, timed=timed) or (match["once"] and match["first"]):
        raise ValueError(f"fault {text!r} has the wrong numbers, endpoint or time")
    return fault


def _window(match: re.Match[str]) -> tuple[int, int | None]:
    """The first request that the fault strikes, and how many; None for all that follow."""
    if match["once"]:
        return 1, 1
    return int(match["first"] or 1), int(match["count"]) if match["count"] else None


def _obeys(fault: Fault, rule: Rule, *, timed: bool) -> bool:
    named = fault.endpoint is not None
    return (
        len(fault.numbers) in rule.numbers
        and (rule.timed or not timed)
        and not (fault.name == "quota" and fault.numbers and timed)
        and not (rule.endpoint == "required" and not named)
        and not (rule.endpoint == "never" and named)
        and (_at_writes(fault) or not (fault.extent or rule.endpoint == "write"))
        and (not fault.extent or fault.name in EXTENTS[fault.extent])
        and not (fault.extent == "half" and fault.endpoint == "create")
        and (fault.name != "lat" or fault.numbers[0] <= fault.numbers[1])
    )


def _at_writes(fault: Fault) -> bool:
    return fault.endpoint in (*WRITES, ALL_WRITES)
