"""Every metric is described in docs/METRICS.md, and none is described that does not exist."""

import re
from pathlib import Path

import pytest
from prometheus_client import Histogram
from prometheus_client.parser import text_string_to_metric_families

from lyra import __version__
from lyra.metrics import Metrics
from tests.conftest import Start

METRICS = (Path(__file__).parents[2] / "docs" / "METRICS.md").read_text("utf-8")
OUTCOMES = ("ok", "refused", "timeout", "unreachable", "withheld")


async def test_the_page_of_metrics_names_every_one(start: Start) -> None:
    service = await start(redis_url="redis://127.0.0.1:1", secret="a-secret-of-this-service")
    text = service.services.metrics.render().decode()

    shown = set(re.findall(r"^# HELP (\w+) ", text, re.MULTILINE))
    families = {name for name in shown if not name.endswith("_created")}
    described = set(re.findall(r"\b((?:lyra|process)_[a-z_]+[a-z])(?![a-z_])", METRICS))
    described = {name.removesuffix("_bucket") for name in described}
    assert families == described


async def test_the_page_names_every_way_in_which_a_call_to_redis_ends(start: Start) -> None:
    """Each is shown from the start, so that an alert on it is no alert on nothing."""
    service = await start(redis_url="redis://127.0.0.1:1", secret="a-secret-of-this-service")
    families = text_string_to_metric_families(service.services.metrics.render().decode())
    shown = {
        (family.name, value)
        for family in families
        if family.name in {"lyra_redis_calls", "lyra_redis_discarded"}
        for sample in family.samples
        for value in sample.labels.values()
    }

    assert shown == {
        *(("lyra_redis_calls", each) for each in OUTCOMES),
        *(("lyra_redis_discarded", each) for each in ("poisoned", "oversized", "foreign")),
    }
    rows = [line for line in METRICS.splitlines() if line.startswith("| `lyra_redis_")]
    for name, value in shown:
        assert any(f"`{name}_total`" in row and f"`{value}`" in row for row in rows)


def test_a_count_is_of_its_closed_set() -> None:
    tally = Metrics().tally("lyra_invented", "Of a test.", "outcome", ("ok",))
    tally.count("ok")

    assert tally["ok"] == 1
    with pytest.raises(KeyError):
        tally.count("another")


def test_request_times_are_counted_as_prometheus_client_counts() -> None:
    seconds = (0.0, 0.005, 0.0051, 0.3, 120.0, 121.0)
    metrics = Metrics()
    theirs = Histogram("lyra_request_seconds", "", buckets=metrics.requests.bounds, registry=None)
    for each in seconds:
        metrics.requests.count("/route", 200, each)
        theirs.observe(each)

    (ours,) = (
        family
        for family in text_string_to_metric_families(metrics.render().decode())
        if family.name == "lyra_request_seconds"
    )
    (expected,) = theirs.collect()
    assert [(sample.name, sample.labels.get("le"), sample.value) for sample in ours.samples] == [
        (sample.name, sample.labels.get("le"), sample.value)
        for sample in expected.samples
        if not sample.name.endswith("_created")
    ]


def test_the_version_that_runs_is_told() -> None:
    assert f'lyra_build_info{{version="{__version__}"}} 1.0' in Metrics().render().decode()
