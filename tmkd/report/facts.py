"""What a comparison knows beside its rows: how they were trained, where they agree, what they get wrong.

Plain values: comparison.json has them under the names of the fields of ``Facts``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

COMPARISON = "comparison.json"


@dataclass(frozen=True)
class Training:
    """How a classifier of a row was trained, as its manifest has it.

    Attributes:
        artifact, what: its name in the store, and in words.
        row: of the comparison.
        seed: of the row; None for a teacher.
        validation: the metric after each epoch; empty where it was not judged by epochs.
        best_epoch: from 1, or 0 for the weights that training started from; None where none was chosen.
        before: the metric of the weights that training started from; None where these did not compete.
        seconds, peak_bytes: what its last stage took; None where it was not measured.
        loss: its mean in each epoch; empty where the store does not have it. Older results: what was logged every ten
            steps, which is another epoch's in part.
    """

    artifact: str
    what: str
    row: str
    seed: int | None
    validation: Sequence[float]
    best_epoch: int | None
    before: float | None
    seconds: float | None
    peak_bytes: float | None
    loss: Sequence[float] = ()

    @property
    def chosen(self) -> float | None:
        """The metric of validation at the epoch that was chosen."""
        if self.best_epoch is None:
            return None
        return self.validation[self.best_epoch - 1] if self.best_epoch else self.before


@dataclass(frozen=True)
class Head:
    """How a head of a row's students does alone; ``metric`` is that of ``over_seeds``."""

    row: str
    name: str
    metric: Mapping[str, Any]


@dataclass(frozen=True)
class Calibration:
    """What a row's probabilities are worth, as ``tmkd.evaluation.reliability`` has it; each ``over_seeds``."""

    row: str
    ece: Mapping[str, Any]
    brier: Mapping[str, Any]


@dataclass(frozen=True)
class Agreement:
    """How often the teachers, and their ensemble, say the same.

    Attributes:
        rows: their names.
        shares: [rows, rows], of pairs that both put into one class.
        kappa: [rows, rows], Cohen's κ; None where it is undefined.
    """

    rows: Sequence[str]
    shares: Sequence[Sequence[float]]
    kappa: Sequence[Sequence[float | None]]


@dataclass(frozen=True)
class Mistake:
    """A question that a row gets wrong.

    Attributes:
        value: what it has of the metric, a mean over seeds; without a ranking the probability of its class.
        right: the right passage; the passage itself without a ranking.
        preferred: the wrong passage that the row puts highest; None without a ranking.
        label, answer: the question's class and the one that the row gives; None where passages are ranked.
        probabilities: by row, the best student's and the teachers': where passages are ranked, that the right and the
            preferred one are right; else those of ``label`` and ``answer``. None where a teacher has no score.
    """

    question_id: str
    question: str
    value: float
    right: str
    preferred: str | None
    label: str | None
    answer: str | None
    probabilities: Mapping[str, tuple[float | None, float | None]]


@dataclass(frozen=True)
class Mistakes:
    """The worst mistakes of one row, the worst first.

    Attributes:
        metric: that ranks them; "probability" without a ranking.
        wrong, judged: how many questions (pairs without a ranking) are wrong, and how many there are.
    """

    row: str
    metric: str
    wrong: int
    judged: int
    worst: Sequence[Mistake]


@dataclass(frozen=True)
class Source:
    """An artifact that rows were computed from, and what it was made with."""

    artifact: str
    what: str
    rows: Sequence[str]
    commit: str | None
    python: str | None
    packages: Mapping[str, str]


@dataclass(frozen=True)
class Facts:
    """All that a comparison knows beside its rows; what is empty or None is not known."""

    training: Sequence[Training] = ()
    heads: Sequence[Head] = ()
    calibration: Sequence[Calibration] = ()
    teacher_agreement: Agreement | None = None
    mistakes: Mistakes | None = None
    sources: Sequence[Source] = ()
    command: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the keys of comparison.json: those that are known."""
        return {name: value for name, value in asdict(self).items() if value}
