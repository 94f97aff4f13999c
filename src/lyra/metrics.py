"""What an operator can count, time and follow: Prometheus metrics in a registry of their own.

Labels come from closed sets (routes, sections, codes), so their number is bounded; a key or a
token is never a label.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lyra.traces import Traces

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)

_AGES = (1, 10, 60, 300, 900, 1800, 3600, 7200, 21_600, 86_400)


class Metrics:
    """One process's metrics and traces; two services in one process have two of these."""

    def __init__(self, traces: Traces | None = None) -> None:
        self.traces = traces or Traces()
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)  # memory, CPU and open files, read at the scrape
        self._requests = Counter(
            "lyra_requests", "Answered requests.", ("route", "status"), registry=self.registry
        )
        self._request_seconds = Histogram(
            "lyra_request_seconds",
            "From the request's head to the end of its answer, streams included.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        # As many as there are routes and statuses; looking labels up costs more than counting.
        self._by_answer: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self.spotify_calls = Counter(
            "lyra_spotify_calls",
            "Calls sent to Spotify, retries included.",
            ("section", "outcome"),
            registry=self.registry,
        )
        self.fetch_seconds = Histogram(
            "lyra_fetch_seconds",
            "Time to read one listener from Spotify.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.spotify_seconds = Histogram(
            "lyra_spotify_seconds",
            "Time of one call to Spotify, by section and outcome.",
            ("section", "outcome"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.model_seconds = Histogram(
            "lyra_model_seconds",
            "Time of one call to the model up to its last word, by outcome.",
            ("outcome",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.tokens = Counter(
            "lyra_tokens",
            "The model's tokens; those of cut answers are estimated.",
            ("kind",),
            registry=self.registry,
        )
        self.data_age_seconds = Histogram(
            "lyra_data_age_seconds",
            "How old the listening data was that an answer was made from.",
            buckets=_AGES,
            registry=self.registry,
        )
        self.longest_gap_seconds = Histogram(
            "lyra_longest_gap_seconds",
            "The longest pause between two words of an answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.loop_lag_seconds = Histogram(
            "lyra_loop_lag_seconds",
            "How much later than due the event loop came round, ten times a second.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.errors = Counter(
            "lyra_errors", "Requests answered with an error.", ("code",), registry=self.registry
        )
        self.answers = Counter(
            "lyra_answers", "Chat answers by how they ended.", ("ending",), registry=self.registry
        )
        self.first_token_seconds = Histogram(
            "lyra_first_token_seconds",
            "From the accepted request to the first word.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.resumes = Counter(
            "lyra_runs_resumed", "Readers who came back to an answer.", registry=self.registry
        )
        self.streams = Gauge("lyra_streams", "Open streams.", registry=self.registry)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one answer of this route, and the time that it took."""
        found = self._by_answer.get((route, status))
        if found is None:
            counted = self._requests.labels(route, str(status))
            found = self._by_answer[route, status] = (counted, self._request_seconds.labels(route))
        count, took = found
        count.inc()
        took.observe(seconds)

    def watch(self, prefix: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Report `read()` at every scrape; names that end in `_total` are counters."""
        self.registry.register(_Watched(prefix, read))

    def render(self) -> bytes:
        """The metrics as Prometheus text."""
        return generate_latest(self.registry)


class _Watched(Collector):
    """Numbers kept elsewhere as plain integers, so that counting them costs nothing here."""

    def __init__(self, prefix: str, read: Callable[[], Mapping[str, int]]) -> None:
        self._prefix = prefix
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for name, value in self._read().items():
            full = f"{self._prefix}_{name}"
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(full.removesuffix("_total"), "Read at the scrape.", value=value)
