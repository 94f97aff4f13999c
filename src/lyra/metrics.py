"""What an operator can count, time and follow: Prometheus metrics in a registry of their own.

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
from lyra.tracing import Tracer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)

_AGES = (1, 10, 60, 300, 900, 1800, 3600, 7200, 21_600, 86_400)


class Metrics:
    """One process's metrics and traces; two services in one process have two of these."""

    def __init__(self, traces: Tracer | None = None) -> None:
        self.traces = traces or Tracer()
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)  # memory, CPU and open files, read at the scrape
        build = Gauge(
            "lyra_build_info",
            "Always 1; the version that runs is told by the label.",
            ("version",),
            registry=self.registry,
        )
        build.labels(__version__).set(1)
        self.requests = Requests()
        self.registry.register(self.requests)
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
        self.model_seconds = Times(
            "lyra_model_seconds",
            "Time of one call to the model up to its last word, by outcome.",
            label="outcome",
        )
        self.tokens = Counter(
            "lyra_tokens",
            "The model's tokens; those of cut answers are estimated.",
            ("kind",),
            registry=self.registry,
        )
        self.data_age_seconds = Times(
            "lyra_data_age_seconds",
            "How old the listening data was that an answer was made from.",
            bounds=_AGES,
        )
        self.longest_gap_seconds = Times(
            "lyra_longest_gap_seconds", "The longest pause between two words of an answer."
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
        self.first_token_seconds = Times(
            "lyra_first_token_seconds", "From the accepted request to the first word."
        )
        self.resumes = Counter(
            "lyra_runs_resumed", "Readers who came back to an answer.", registry=self.registry
        )
        self.streams = Gauge("lyra_streams", "Open streams.", registry=self.registry)
        for times in (
            self.model_seconds,
            self.data_age_seconds,
            self.longest_gap_seconds,
            self.first_token_seconds,
        ):
            self.registry.register(times)

    def register_callback(self, prefix: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Report `read()` at every scrape; names that end in `_total` are counters."""
        self.registry.register(_CallbackCollector(prefix, read))

    def tally(self, name: str, told: str, label: str, values: Sequence[str]) -> "Tally":
        """A counter by the values of one label, reported at every scrape."""
        tally = Tally(name, told, label, values)
        self.registry.register(tally)
        return tally

    def render(self) -> bytes:
        """The metrics as Prometheus text."""
        return generate_latest(self.registry)


class Tally(Collector):
    """Counts by one label whose values are a closed set; each is shown before it has been counted."""

    def __init__(self, name: str, told: str, label: str, values: Sequence[str]) -> None:
        self._name = name
        self._told = told
        self._label = label
        self._counts = dict.fromkeys(values, 0)

    def __getitem__(self, value: str) -> int:
        return self._counts[value]

    def count(self, value: str) -> None:
        """Count one.

        Raises:
            KeyError: the value is not of the set.
        """
        self._counts[value] += 1

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._name, self._told, labels=(self._label,))
        for value, count in self._counts.items():
            family.add_metric((value,), count)
        yield family


class Times(Collector):
    """Seconds of what every chat does, kept as plain numbers: see Requests."""

    def __init__(
        self, name: str, told: str, *, bounds: Sequence[float] = _SECONDS, label: str | None = None
    ) -> None:
        self._name = name
        self._told = told
        self._bounds = bounds
        self._label = label
        self._found: dict[str, _Found] = {}
        if label is None:
            self._found[""] = _Found(len(bounds))  # shown before anything has been counted

    def observe(self, seconds: float, outcome: str = "") -> None:
        """Count one; the outcome is of a closed set, and only told where there is a label."""
        found = self._found.get(outcome)
        if found is None:
            found = self._found[outcome] = _Found(len(self._bounds))
        found.times[bisect_left(self._bounds, seconds)] += 1
        found.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        labels = () if self._label is None else (self._label,)
        time = HistogramMetricFamily(self._name, self._told, labels=labels)
        for outcome, found in self._found.items():
            named = () if self._label is None else (outcome,)
            time.add_metric(named, _buckets(self._bounds, found.times), found.seconds)
        yield time


class _Found:
    __slots__ = ("seconds", "times")

    def __init__(self, bounds: int) -> None:
        self.times = [0] * (bounds + 1)
        self.seconds = 0.0


def _buckets(bounds: Sequence[float], times: Sequence[int]) -> list[tuple[str, int]]:
    """How many took at most so long, by bound."""
    return list(zip([*map(floatToGoString, bounds), "+Inf"], accumulate(times), strict=True))


class Requests(Collector):
    """Answered requests and their times, by route.

    Counted for every request, on one event loop alone: plain numbers cost a fifth of the library's
    own, which take a lock for each and walk through the buckets.
    """

    bounds = _SECONDS

    def __init__(self) -> None:
        self._routes: dict[str, _Route] = {}

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one answer of this route (a template), and the time that it took."""
        found = self._routes.get(route)
        if found is None:
            found = self._routes[route] = _Route()
        found.statuses[status] += 1
        found.times[bisect_left(_SECONDS, seconds)] += 1
        found.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        count = CounterMetricFamily(
            "lyra_requests", "Answered requests.", labels=("route", "status")
        )
        time = HistogramMetricFamily(
            "lyra_request_seconds",
            "From the request's head to the end of its answer, streams included.",
            labels=("route",),
        )
        for name, route in self._routes.items():
            for status, answers in route.statuses.items():
                count.add_metric((name, str(status)), answers)
            time.add_metric((name,), _buckets(_SECONDS, route.times), route.seconds)
        yield from (count, time)


class _Route:
    __slots__ = ("seconds", "statuses", "times")

    def __init__(self) -> None:
        self.statuses: defaultdict[int, int] = defaultdict(int)
        self.times = [0] * (len(_SECONDS) + 1)
        self.seconds = 0.0


class _CallbackCollector(Collector):
    """Numbers kept elsewhere as plain integers, so that counting them costs nothing here."""

    def __init__(self, prefix: str, read: Callable[[], Mapping[str, int]]) -> None:
        self._prefix = prefix
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for name, value in self._read().items():
            full = f"{self._prefix}_{name}"
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(full.removesuffix("_total"), "Read at the scrape.", value=value)
