"""Every metric is described in docs/METRICS.md, and none is described that does not exist."""

import re
from pathlib import Path

from prometheus_client import Histogram
from prometheus_client.parser import text_string_to_metric_families

from lyra import __version__
from lyra.metrics import Metrics
from tests.conftest import Start

METRICS = (Path(__file__).parents[2] / "docs" / "METRICS.md").read_text("utf-8")


async def test_the_page_of_metrics_names_every_one(start: Start) -> None:
    service = await start(redis_url="redis://127.0.0.1:1", secret="a-secret-of-this-service")
    text = service.services.metrics.render().decode()

    shown = set(re.findall(r"^# HELP (\w+) ", text, re.MULTILINE))
    families = {name for name in shown if not name.endswith("_created")}
    described = set(re.findall(r"\b((?:lyra|process)_[a-z_]+[a-z])(?![a-z_])", METRICS))
    described = {name.removesuffix("_bucket") for name in described}
    assert families == described


def test_the_times_of_requests_are_counted_as_the_library_counts_them() -> None:
    seconds = (0.0, 0.005, 0.0051, 0.3, 120.0, 121.0)
    metrics = Metrics()
    theirs = Histogram("lyra_request_seconds", "", buckets=metrics.requests.bounds, registry=None)
    for each in seconds:
        metrics.requests.answered("/route", 200, each)
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
