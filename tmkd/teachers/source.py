"""What every kind of teacher that is not trained here can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from tqdm import tqdm

    from tmkd.data.strange import Strange
    from tmkd.training.runtime import Runtime


class Scorer(Protocol):
    """Scores pairs of text; it is called once for each part of a split."""

    def __call__(self, rows: Dataset, bar: tqdm) -> np.ndarray:
        """Return logits ``[pairs, classes]``, float32, in the order of ``rows``; NaN in all classes: it has no score.

        Args:
            rows: with the columns of ``tmkd.data.schema.CORPUS_COLUMNS``.
            bar: is moved on by the number of pairs as they are scored.
        """


@dataclass(frozen=True)
class Source(ABC):
    """A teacher as the roster describes it. Its fields are the settings of its kind, by the same names.

    Attributes:
        kind: its name in ``teachers.roster``.
        computed: its scores are computed here: they are kept by the pair, and a table may show the time that they take.
        paid: its scores may cost money, which ``price`` knows.
    """

    kind: ClassVar[str]
    computed: ClassVar[bool] = False
    paid: ClassVar[bool] = False

    @property
    @abstractmethod
    def what(self) -> str:
        """The teacher in a few words, for the log and for tables: ``reranker cross-encoder/ms-marco-MiniLM-L6-v2``."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return what its scores are known by, JSON-able: checksums of what is read, or a hub's commit; never a path.

        Raises:
            ConfigError, DataError, ModelError: what it is read from is not there, or cannot be it.
        """

    @abstractmethod
    def check(self, classes: Sequence[str]) -> None:
        """Raise ConfigError, DataError or ModelError for what can be told before anything is scored or trained.

        Args:
            classes: of the task; the last one is "relevant" where passages are ranked. One alone: labels are grades
                or numbers, and a teacher gives one score.
        """

    def strange(self, answers: Path | None = None) -> Sequence[Strange]:
        """Return what its files hold that gives no pair a score.

        Args:
            answers: the folder that it was opened with, for what is in all rows; None: the first in the rows that
                ``check`` looks at.
        """
        return ()

    def unasked(self, answers: Path, splits: Iterable[Dataset]) -> str | None:
        """Return how many pairs it holds a score of that are in no split, in words; None: none, or it holds no scores.

        Args:
            answers: the folder that it was opened with.
            splits: rows with the column ``id``.
        """
        return None

    def price(self, pairs: int, questions: int, tokens: int) -> object | None:
        """Return what scoring costs, to be printed; None: nothing but time.

        Args:
            tokens: about how many the texts of all pairs have.
        """
        return None

    @abstractmethod
    def open(self, runtime: Runtime, classes: Sequence[str], answers: Path) -> AbstractContextManager[Scorer]:
        """Return what scores pairs, for as long as it is open.

        Args:
            runtime: device, precision, and pairs a batch (``score_batch``).
            classes: as for ``check``.
            answers: a folder that stays, for answers that must never be asked for twice; it is shared by all splits
                and runs with this identity, and made by whoever writes there.
        """


def margin_logits(margins: np.ndarray, outputs: int = 2) -> np.ndarray:
    """Return logits ``[pairs, outputs]``, float32, of one score a pair: the log-odds of "relevant".

    Of two classes half is on either side. Of one output, where labels are grades or numbers, it is the score itself.
    """
    import numpy as np

    scores = np.asarray(margins, dtype=np.float32)
    return scores[:, None] if outputs == 1 else np.stack([-scores / 2, scores / 2], axis=1)
