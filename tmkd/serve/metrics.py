"""What ``/metrics`` shows, in Prometheus's format."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PAIRS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = of = CollectorRegistry()
        by = ["endpoint", "status"]
        self._requests = Counter("tmkd_requests", "Requests answered, by status.", by, registry=of)
        self._seconds = Histogram(
            "tmkd_request_seconds", "From a request to its answer.", ["endpoint"], buckets=SECONDS, registry=of
        )
        self._errors = Counter("tmkd_errors", "Requests refused or failed, by error_type.", ["error_type"], registry=of)
        self._gone = Counter("tmkd_clients_gone", "Requests dropped because the client had left.", registry=of)
        self.queue = Gauge("tmkd_queue_pairs", "Pairs that wait or are being computed.", registry=of)
        self._waited = Histogram(
            "tmkd_queue_seconds", "From a request's tokens to its batch.", buckets=SECONDS, registry=of
        )
        self._batches = Histogram("tmkd_batch_pairs", "Pairs computed at once.", buckets=PAIRS, registry=of)
        self._tokens = Counter("tmkd_tokens", "Tokens of pairs that were scored, without padding.", registry=of)
        self._pairs = Counter("tmkd_pairs", "Pairs that were scored.", registry=of)
        self._cut = Counter("tmkd_cut_pairs", "Of these, pairs that lost text to the model's max_length.", registry=of)

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def error(self, kind: str) -> None:
        self._errors.labels(kind).inc()

    def gone(self) -> None:
        self._gone.inc()

    def batch(self, pairs: int, waited: Sequence[float]) -> None:
        self._batches.observe(pairs)
        for seconds in waited:
            self._waited.observe(seconds)

    def scored(self, pairs: int, tokens: int, cut: int) -> None:
        self._pairs.inc(pairs)
        self._tokens.inc(tokens)
        self._cut.inc(cut)

    def page(self) -> bytes:
        return generate_latest(self._registry)
