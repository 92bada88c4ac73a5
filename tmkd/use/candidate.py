"""What can be chosen: a model, how much of a pair it reads, which layer answers, what runs it, on how many threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tmkd.models.classifier import PairClassifier

TORCH = "torch"
SHARES = (1.0, 0.75, 0.5)  # of the tokens that a model learnt to read


@dataclass(frozen=True)
class Model:
    """A model that was named.

    Attributes:
        name: as commands take it.
        identity: what its scores depend on, JSON-able; ``timed_as`` is what its speed depends on, which students of one
            architecture share.
        max_length: tokens of a pair that it learnt to read.
        exits: layers with an early exit.
        exported: what it was exported to, by the backend that runs it; empty: it is an artifact.
        metric: that it was trained to be best at; None: the usual one of its task.
        untrained: makes it as it is before its training, where it is to be trained yet; None: it is in ``folder``.
    """

    name: str
    folder: Path
    identity: Any = field(hash=False)
    timed_as: Any = field(hash=False)
    max_length: int
    exits: tuple[int, ...] = ()
    exported: tuple[tuple[str, str], ...] = ()
    metric: str | None = None
    untrained: Callable[[], PairClassifier] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Candidate:
    """A model and the options of commands by which it answers.

    Attributes:
        form: what it runs as: torch, or what it was exported to (onnx-int8).
        precision: fp32 or bf16, of an artifact; None: the export's own.
    """

    model: Model
    max_length: int
    exit_at: int | None
    backend: str
    form: str
    precision: str | None
    threads: int

    def timed_as(self) -> dict[str, Any]:
        """Return what its time depends on, the machine and the requests apart."""
        return {**self._options(), "model": self.model.timed_as, "threads": self.threads}

    def scores_as(self) -> dict[str, Any]:
        """Return what its scores depend on, the pairs apart."""
        return {**self._options(), "model": self.model.identity}

    def _options(self) -> dict[str, Any]:
        options = {"max_length": self.max_length, "exit_at": self.exit_at}
        return {**options, "form": self.form, "precision": self.precision}

    def __str__(self) -> str:
        exit_at = [] if self.exit_at is None else [f"exit {self.exit_at}"]
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        return ", ".join([f"{self.max_length} tokens", *exit_at, self.runs_as, threads])

    @property
    def runs_as(self) -> str:
        """What runs it, with the precision where that is a choice."""
        return self.form if self.precision is None else f"{self.form} {self.precision}"

    def arguments(self, device: str) -> list[str]:
        """Return the model and the options, as ``tmkd rank`` and others take them."""
        own = [self.model.name, "--max-length", str(self.max_length), "--threads", str(self.threads)]
        if self.exit_at is not None:
            own += ["--exit-at", str(self.exit_at)]
        if self.precision is not None:
            return [*own, "--precision", self.precision, "--device", device]
        return [*own, "--backend", self.backend]  # of torch, too: a folder may hold several exports


def candidates_of(
    models: Sequence[Model], precisions: Sequence[str], threads: Sequence[int], installed: Mapping[str, bool]
) -> list[Candidate]:
    """Return all candidates of models.

    Args:
        precisions: in which artifacts are computed; an export has its own.
        threads: numbers of them.
        installed: whether there is what runs an export, by what it was exported to.
    """
    found = []
    for model in models:
        for length in lengths(model.max_length):
            for exit_at in (None, *model.exits):
                for backend, form, precision in _ways(model, precisions, installed):
                    found += [Candidate(model, length, exit_at, backend, form, precision, count) for count in threads]
    return found


def _ways(
    model: Model, precisions: Sequence[str], installed: Mapping[str, bool]
) -> Iterator[tuple[str, str, str | None]]:
    """Yield backend, form and precision."""
    if not model.exported:
        yield from ((TORCH, TORCH, precision) for precision in precisions)
    yield from ((backend, form, None) for backend, form in model.exported if installed[form])


def speed_of(architecture: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the speed of a student of this architecture depends on: not on whose weights it started from."""
    return {name: value for name, value in architecture.items() if name != "init"}


def lengths(own: int, shortest: int = 8) -> list[int]:
    """Return how many tokens of a pair are tried, the model's own first."""
    return list(dict.fromkeys(max(min(own, shortest), int(own * share)) for share in SHARES))
