"""The token language: what it accepts, what it refuses, and how it says so."""

import pytest

from lyra.sandbox import PERSONAS, REGIMES, sandbox_token
from lyra.sandbox.tokens import RULES, TOKEN68, Fault, parse_token


def test_the_default_token_is_a_typical_restricted_listener() -> None:
    assert sandbox_token() == "sandbox.7.typical.restricted"


@pytest.mark.parametrize("persona", PERSONAS)
@pytest.mark.parametrize("regime", REGIMES)
def test_every_persona_goes_with_every_regime(persona: str, regime: str) -> None:
    text = sandbox_token(12, persona, regime)

    token = parse_token(text)

    assert (token.seed, token.persona, token.regime) == (12, persona, regime)
    assert TOKEN68.fullmatch(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("lat-80-400", Fault("lat-80-400", "lat", (80, 400))),
        ("503", Fault("503", "503", ())),
        ("once503-me", Fault("once503-me", "503", (), "me", count=1)),
        ("429", Fault("429", "429", ())),
        ("429two-1-30", Fault("429two-1-30", "429two", (1, 30))),
        ("once429-1-recent", Fault("once429-1-recent", "429", (1,), "recent", count=1)),
        ("scope-tracks", Fault("scope-tracks", "scope", (), "tracks")),
        ("empty200-artists", Fault("empty200-artists", "empty200", (), "artists")),
        ("revoked-5", Fault("revoked-5", "revoked", (5,))),
        ("401old-token~2", Fault("401old-token~2", "401old", (), "token", first=2)),
        ("500-writes~2", Fault("500-writes~2", "500", (), "writes", first=2)),
        ("late-30-create", Fault("late-30-create", "late", (30,), "create")),
        ("oncedone504-create",
         Fault("oncedone504-create", "504", (), "create", count=1, extent="done")),
        ("half500-add", Fault("half500-add", "500", (), "add", extent="half")),
        ("undonehang-create", Fault("undonehang-create", "hang", (), "create", extent="undone")),
        ("429-7-me~3+2", Fault("429-7-me~3+2", "429", (7,), "me", first=3, count=2)),
    ],
)  # fmt: skip
def test_a_fault_reads_as_name_numbers_and_endpoint(text: str, fault: Fault) -> None:
    assert parse_token(f"sandbox.7.typical.legacy.{text}").faults == (fault,)


def test_several_faults_keep_their_order() -> None:
    token = parse_token(sandbox_token(7, "typical", "mixed", "slow-5", "503-me", "html"))

    assert [fault.name for fault in token.faults] == ["slow", "503", "html"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("bearer.7.typical.restricted", "sandbox"),
        ("sandbox.7.typical", "sandbox.<seed>"),
        ("sandbox.x.typical.restricted", "seed"),
        ("sandbox.07.typical.restricted", "seed"),
        ("sandbox.7.nobody.restricted", "persona"),
        ("sandbox.7.typical.modern", "regime"),
        ("sandbox.7.typical.restricted.", "fault"),
        ("sandbox.7.typical.restricted.explode", "explode"),
        ("sandbox.7.typical.restricted.503-albums", "503-albums"),
        ("sandbox.7.typical.restricted.lat-80", "lat-80"),
        ("sandbox.7.typical.restricted.lat-400-80", "lat-400-80"),
        ("sandbox.7.typical.restricted.lat-80-400-me", "lat-80-400-me"),
        ("sandbox.7.typical.restricted.scope", "scope"),
        ("sandbox.7.typical.restricted.oncelat-1-2", "oncelat-1-2"),
        ("sandbox.7.typical.restricted.revoked-2~3", "revoked-2~3"),
        ("sandbox.7.typical.restricted.quota-5~3", "quota-5~3"),
        ("sandbox.7.typical.restricted.once503~2", "once503~2"),
        ("sandbox.7.typical.restricted.503~0", "503~0"),
        ("sandbox.7.typical.restricted.503~1+0", "503~1[+]0"),
        ("sandbox.7.typical.restricted.429two-1", "429two-1"),
        ("sandbox.7.typical.restricted.done500", "done500"),
        ("sandbox.7.typical.restricted.done500-playlists", "done500-playlists"),
        ("sandbox.7.typical.restricted.donehang-create", "donehang-create"),
        ("sandbox.7.typical.restricted.done429-3-create", "done429-3-create"),
        ("sandbox.7.typical.restricted.undone500-create", "undone500-create"),
        ("sandbox.7.typical.restricted.half500-create", "half500-create"),
        ("sandbox.7.typical.restricted.doneonce500-create", "doneonce500-create"),
        ("sandbox.7.typical.restricted.late-30", "late-30"),
        ("sandbox.7.typical.restricted.late-30-items", "late-30-items"),
        ("sandbox.7.typical.restricted.ungranted", "ungranted"),
        ("sandbox.7.typical.restricted.onceungranted-writes", "onceungranted-writes"),
    ],
)
def test_a_part_outside_the_language_is_named(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_token(text)


def test_a_wrong_fault_cannot_be_made_into_a_token() -> None:
    with pytest.raises(ValueError, match="bang"):
        sandbox_token(7, "typical", "restricted", "bang")


def test_every_rule_says_how_many_numbers_it_takes() -> None:
    assert all(rule.numbers for rule in RULES.values())
