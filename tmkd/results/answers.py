"""What a candidate answers on a split: read at another length, left at another layer, or run by another program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.results.context import RunContext
from tmkd.results.node import Result, outside, unless
from tmkd.store.artifacts import SCRATCH
from tmkd.store.disk import written_whole

if TYPE_CHECKING:
    import numpy as np

CHUNK = 2048  # pairs that are scored between two saves
FILE = "answers.npy"


@dataclass(frozen=True, eq=False)
class Answers(Result):
    """Probabilities, or scores of grades and numbers, ``[pairs, classes]`` of a split.

    Attributes:
        candidate: what the scores depend on, JSON-able.
        rows: the split, as TASK/SPLIT.
        sample: questions that were drawn from it; None: all.
        pairs: how many there are; ``loaded`` loads the candidate, and returns what scores the pairs from one place to
            another, and how many parameters answer.
    """

    kind: ClassVar[str] = "answers"
    alone: ClassVar[bool] = True

    candidate: Mapping[str, Any]
    rows: str
    sample: int | None = unless(None)
    pairs: int = outside(default=0)
    loaded: Callable[[], tuple[Callable[[int, int], np.ndarray], int | None]] = outside(default=None)

    @property
    def what(self) -> str:
        return f"answers on {self.pairs} pairs"

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import numpy as np

        (work / SCRATCH).mkdir(exist_ok=True)
        score, parameters = self.loaded()
        parts = []
        for start in range(0, self.pairs, CHUNK):
            part = work / SCRATCH / f"part-{start}.npy"
            if not part.exists():  # or a killed run has scored it
                with written_whole(part) as file:
                    np.save(file, score(start, min(start + CHUNK, self.pairs)))
            parts.append(np.load(part))
        np.save(work / FILE, np.concatenate(parts))
        return {"pairs": self.pairs, "parameters": parameters}
