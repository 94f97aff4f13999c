"""The service's Prometheus metrics, in a registry of their own.

Labels come from closed sets (routes, sections, codes), so their number is bounded; a key or a
token is never a label.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from lyra import __version__
from lyra.tracing import NoOpTracer, Tracer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)
_AGES = (1, 10, 60, 300, 900, 1800, 3600, 7200, 21_600, 86_400)


class Metrics:
    """One service's metrics and its tracer; two services in one process have two of these."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self.tracer = tracer or NoOpTracer()
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)  # memory, CPU and open files, read at the scrape
        build = Gauge(
            "lyra_build_info",
            "Always 1; the label is the version that runs.",
            ("version",),
            registry=self.registry,
        )
        build.labels(__version__).set(1)
        self.requests = Requests()
        self.registry.register(self.requests)
        self.spotify_calls = self._counter(
            "lyra_spotify_calls", "Calls sent to Spotify, retries included.", "section", "outcome"
        )
        self.spotify_seconds = self._histogram(
            "lyra_spotify_seconds",
            "Time of one call to Spotify, by section and outcome.",
            "section",
            "outcome",
        )
        self.fetch_seconds = self._histogram(
            "lyra_fetch_seconds", "Time to read one listener from Spotify."
        )
        self.data_age_seconds = self._histogram(
            "lyra_data_age_seconds",
            "How old the listening data was that an answer was made from.",
            buckets=_AGES,
        )
        self.model_seconds = self._histogram(
            "lyra_model_seconds",
            "Time of one call to the model up to its last word, by outcome.",
            "outcome",
        )
        self.first_token_seconds = self._histogram(
            "lyra_first_token_seconds", "From the accepted request to the first word."
        )
        self.longest_gap_seconds = self._histogram(
            "lyra_longest_gap_seconds", "The longest pause between two words of an answer."
        )
        self.loop_lag_seconds = self._histogram(
            "lyra_loop_lag_seconds",
            "How much later than due the event loop came round, ten times a second.",
        )
        self.tokens = self._counter(
            "lyra_tokens", "The model's tokens; those of cut answers are estimated.", "kind"
        )
        self.answers = self._counter("lyra_answers", "Chat answers by how they ended.", "ending")
        self.errors = self._counter("lyra_errors", "Requests answered with an error.", "code")
        self.resumes = self._counter("lyra_runs_resumed", "Readers who came back to an answer.")
        self.streams = Gauge("lyra_streams", "Open streams.", registry=self.registry)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def _histogram(
        self, name: str, help_text: str, *labels: str, buckets: Sequence[float] = _SECONDS
    ) -> Histogram:
        return Histogram(name, help_text, labels, buckets=buckets, registry=self.registry)

    def register_callback(self, prefix: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Report what `read()` returns at every scrape; names that end in `_total` are counters."""
        self.registry.register(_CallbackCollector(prefix, read))

    def tally(self, name: str, help_text: str, label: str, values: Sequence[str]) -> "Tally":
        """Return a counter by the values of one label, reported at every scrape."""
        tally = Tally(name, help_text, label, values)
        self.registry.register(tally)
        return tally

    def render(self) -> bytes:
        """Return the metrics as Prometheus text."""
        return generate_latest(self.registry)


class Tally(Collector):
    """A counter by one label from a closed set; every value is exported from the start, as 0."""

    def __init__(self, name: str, help_text: str, label: str, values: Sequence[str]) -> None:
        self._name = name
        self._help = help_text
        self._label = label
        self._counts = dict.fromkeys(values, 0)

    def __getitem__(self, value: str) -> int:
        return self._counts[value]

    def count(self, value: str) -> None:
        """Count one.

        Raises:
            KeyError: the value is not in the set.
        """
        self._counts[value] += 1

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._name, self._help, labels=(self._label,))
        for value, count in self._counts.items():
            family.add_metric((value,), count)
        yield family


class Requests(Collector):
    """Answered requests and their times, by route.

    Written by hand because every request is counted, on one event loop alone: plain numbers take a
    fifth of the time of the library's `Counter` and `Histogram`, which lock and search the buckets.
    """

    bounds = _SECONDS

    def __init__(self) -> None:
        self._routes: dict[str, _Series] = {}

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count one answer of this route (a template), and the time that it took."""
        series = self._routes.get(route)
        if series is None:
            series = self._routes[route] = _Series()
        series.statuses[status] += 1
        series.times[bisect_left(_SECONDS, seconds)] += 1
        series.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        count = CounterMetricFamily(
            "lyra_requests", "Answered requests.", labels=("route", "status")
        )
        time = HistogramMetricFamily(
            "lyra_request_seconds",
            "From the request's head to the end of its answer, streams included.",
            labels=("route",),
        )
        for route, series in self._routes.items():
            for status, answers in series.statuses.items():
                count.add_metric((route, str(status)), answers)
            time.add_metric((route,), _buckets(series.times), series.seconds)
        yield from (count, time)


class _Series:
    __slots__ = ("seconds", "statuses", "times")

    def __init__(self) -> None:
        self.statuses: defaultdict[int, int] = defaultdict(int)
        self.times = [0] * (len(_SECONDS) + 1)
        self.seconds = 0.0


def _buckets(times: Sequence[int]) -> list[tuple[str, int]]:
    """Return how many took at most so long, by upper bound."""
    return list(zip([*map(floatToGoString, _SECONDS), "+Inf"], accumulate(times), strict=True))


class _CallbackCollector(Collector):
    """Reports numbers that are kept elsewhere as plain integers, so that counting costs nothing."""

    def __init__(self, prefix: str, read: Callable[[], Mapping[str, int]]) -> None:
        self._prefix = prefix
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for name, value in self._read().items():
            full = f"{self._prefix}_{name}"
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(full.removesuffix("_total"), "Read at the scrape.", value=value)
