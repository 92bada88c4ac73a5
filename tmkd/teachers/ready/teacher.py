"""A reranker or classifier as it is: everything that ``sentence_transformers.CrossEncoder`` reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.teachers.checkpoint import Checkpoint
from tmkd.teachers.source import Source

if TYPE_CHECKING:
    from tmkd.teachers.ready.scorer import CrossEncoderScorer
    from tmkd.training.runtime import Runtime


@dataclass(frozen=True)
class Ready(Source):
    """A cross-encoder from a folder or the hub, which is not trained here.

    Attributes:
        name: the folder or hub name.
        revision: a branch, tag or commit of the hub's; None: main.
        trust_remote_code: the checkpoint's own code may run.
        prompt: what its pairs are scored under: an instruction, or the name of one of the model's own; None: the
            model's default.
        max_length: tokens of a pair that are read; None: as many as the model can.
    """

    kind: ClassVar[str] = "ready"
    timed: ClassVar[bool] = True

    name: str
    revision: str | None = None
    trust_remote_code: bool = False
    prompt: str | None = None
    max_length: int | None = None

    @property
    def what(self) -> str:
        return f"reranker {self.name}"

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.name, self.revision, self.trust_remote_code)

    def identity(self) -> dict[str, Any]:
        return self.checkpoint.identity() | {"prompt": self.prompt, "max_length": self.max_length}

    def check(self, classes: Sequence[str]) -> None:
        from tmkd.teachers.ready.scorer import check_cross_encoder

        check_cross_encoder(self.checkpoint, classes, self.max_length)

    @contextmanager
    def open(self, runtime: Runtime, classes: Sequence[str], answers: Path) -> Iterator[CrossEncoderScorer]:
        from tmkd.teachers.ready.scorer import open_cross_encoder

        scorer = open_cross_encoder(self.checkpoint, classes, self.prompt, self.max_length, runtime)
        yield scorer
        scorer.cuts.warn(self.what, scorer.length)
