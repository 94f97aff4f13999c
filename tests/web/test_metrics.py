"""Every metric is described in docs/METRICS.md, and none is described that does not exist."""

import re
from pathlib import Path

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
