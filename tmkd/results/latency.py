"""How long candidates take for a request: measured together, in rounds, so that a drift of the machine hits all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tmkd.results.context import RunContext
from tmkd.results.node import Result, outside
from tmkd.results.speed import machine
from tmkd.store.artifacts import SCRATCH
from tmkd.store.catalogue import entries
from tmkd.store.disk import written_whole
from tmkd.store.identity import key

ROUNDS = 12
WARM_UP, COUNTED = 1, 5  # requests of a candidate in a round
LEAST_ROUNDS = 2
MOST_SECONDS = 20.0  # of a candidate: a slow one leaves the later rounds to the others
VARIED = ("threads", "precision")  # of a machine: they are the candidate's own

# Of the place of a candidate and the number of a request to the seconds that it took.
Timer = Callable[[int, int], float]


@dataclass(frozen=True, eq=False)
class Latency(Result):
    """Seconds of requests, by candidate.

    Attributes:
        candidates: what the time of each depends on, JSON-able.
        requests: what they are made from.
        timer: loads the candidates, and returns what times them.
    """

    kind: ClassVar[str] = "latency"
    alone: ClassVar[bool] = True

    candidates: Sequence[Mapping[str, Any]]
    requests: Mapping[str, Any]
    machine: Mapping[str, Any]
    timer: Callable[[], Timer] = outside()

    @property
    def what(self) -> str:
        return f"latency of {len(self.candidates)} candidates"

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        from tqdm import tqdm

        (work / SCRATCH).mkdir(exist_ok=True)
        timed, count = self.timer(), len(self.candidates)
        seconds: list[list[float]] = [[] for _ in range(count)]
        rounds = [work / SCRATCH / f"round-{number}.json" for number in range(ROUNDS)]
        done = sum(kept.exists() for kept in rounds) * count  # by a run that was killed
        shown = {"unit": " series", "mininterval": 1, "dynamic_ncols": True}
        with tqdm(total=ROUNDS * count, initial=done, desc="time requests", **shown) as bar:
            for number, kept in enumerate(rounds):
                if not kept.exists():
                    found = []
                    for at in range(count):
                        slow = number >= LEAST_ROUNDS and sum(seconds[at]) > MOST_SECONDS
                        found.append([] if slow else _round(timed, at, number))
                        bar.update()
                    with written_whole(kept) as file:
                        file.write_text(json.dumps(found))
                for own, more in zip(seconds, json.loads(kept.read_text())):
                    own += more
        return {"seconds": dict(zip(self.keys(), seconds))}

    def keys(self) -> list[str]:
        """Return what the time of each candidate is known by, here and in other measurements."""
        return [latency_key(each, self.requests, self.machine) for each in self.candidates]


def _round(timed: Timer, at: int, number: int) -> list[float]:
    for _ in range(WARM_UP):
        timed(at, COUNTED * number)
    return [timed(at, COUNTED * number + place) for place in range(COUNTED)]


def latency_key(candidate: Mapping[str, Any], requests: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
    """Return what the time of one candidate is known by."""
    return key(Latency.kind, {"candidate": candidate, "requests": requests, "machine": machine})


def latencies(
    context: RunContext,
    candidates: Sequence[Mapping[str, Any]],
    requests: Mapping[str, Any],
    timer: Callable[[Sequence[int]], Timer],
) -> list[list[float]]:
    """Return the seconds of requests of each candidate; those that are not in the store are measured now, together.

    Args:
        timer: of the places of those to what times them.
    """
    here = {name: value for name, value in machine(context).items() if name not in VARIED}
    keys = [latency_key(each, requests, here) for each in candidates]
    known = _known(context)
    missing = {own: at for at, own in enumerate(keys) if own not in known}  # equal ones once
    if missing:
        places = list(missing.values())
        asked = [candidates[at] for at in places]
        known |= Latency(asked, requests, here, lambda: timer(places)).build(context).details["seconds"]
    return [known[own] for own in keys]


def _known(context: RunContext) -> dict[str, list[float]]:
    whole, _ = entries(context.store.root, Latency.kind)
    return {own: seconds for each in whole for own, seconds in each.artifact.details["seconds"].items()}
