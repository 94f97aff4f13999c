"""The language of the sandbox's bearer tokens.

    sandbox.<seed>.<persona>.<regime>[.<fault>...]
    sandbox.7.typical.legacy.lat-80-400.503-artists

A fault is `<name>[-<number>...][-<endpoint>]`; without an endpoint it is in force at all five.
`once` before a fault that answers (`once503`, `once429-1-me`) makes it strike the first request
of each endpoint only. docs/SANDBOX.md has the tables.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from lyra.sandbox.pages import ENDPOINTS, Endpoint
from lyra.sandbox.plays import HABITS

REFUSED_PERSONAS = ("not_registered", "owner_not_premium", "expired")
PERSONAS = (*HABITS, *REFUSED_PERSONAS)
REGIMES = ("restricted", "legacy", "mixed", "genres_null", "genres_empty")

TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]{8,1024}=*", re.ASCII)

_SEED = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_PARTS = 4  # scheme, seed, persona, regime; the rest are faults
_ALIASES = "|".join(ENDPOINTS)
_FAULT = re.compile(
    rf"(?P<once>once)?(?P<name>[a-z]+[a-z0-9]*|[0-9]{{3}})"
    rf"(?P<numbers>(?:-[0-9]{{1,9}})*)(?:-(?P<endpoint>{_ALIASES}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """How many numbers a fault takes, whether it names an endpoint, whether `once` may precede."""

    numbers: tuple[int, ...] = (0,)
    endpoint: Literal["optional", "required", "never"] = "optional"
    once: bool = True


RULES = {
    "lat": Rule((2,), "never", once=False),
    "slow": Rule((1,), once=False),
    "revoked": Rule((1,), "never", once=False),
    "down": Rule((1,), "never", once=False),
    "scope": Rule(endpoint="required"),
    "perm": Rule(endpoint="required"),
    "401": Rule(),
    "404": Rule(endpoint="required"),
    "429": Rule((0, 1)),
    "quota": Rule(),
    "500": Rule(),
    "502": Rule(),
    "503": Rule(),
    "504": Rule(),
    "truncated": Rule(),
    "cut": Rule(),
    "html": Rule(),
    "empty200": Rule(),
    "hang": Rule(),
    "drip": Rule(),
    "reset": Rule(),
    "huge": Rule(),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a token; `endpoint` None means all five."""

    text: str
    name: str
    numbers: tuple[int, ...]
    endpoint: str | None
    once: bool

    def concerns(self, endpoint: Endpoint) -> bool:
        """Whether this fault is in force at this endpoint."""
        return self.endpoint is None or self.endpoint == endpoint


@dataclass(frozen=True, slots=True)
class SandboxToken:
    """What a token asks for; `digest` is the name under which the statistics count it."""

    seed: int
    persona: str
    regime: str
    faults: tuple[Fault, ...]
    digest: str


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
    parsed = tuple(_fault(each) for each in parts[_PARTS:])
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
    fault = Fault(text, match["name"], numbers, match["endpoint"], bool(match["once"]))
    if not _obeys(fault, rule):
        raise ValueError(f"fault {text!r} has the wrong numbers or endpoint")
    return fault


def _obeys(fault: Fault, rule: Rule) -> bool:
    named = fault.endpoint is not None
    return (
        len(fault.numbers) in rule.numbers
        and (rule.once or not fault.once)
        and not (rule.endpoint == "required" and not named)
        and not (rule.endpoint == "never" and named)
        and (fault.name != "lat" or fault.numbers[0] <= fault.numbers[1])
    )
