"""A reranker or classifier as it is: everything that ``sentence_transformers.CrossEncoder`` reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tmkd.teachers.checkpoint import FromCheckpoint

if TYPE_CHECKING:
    from tmkd.teachers.ready.scorer import CrossEncoderScorer
    from tmkd.training.runtime import Runtime


@dataclass(frozen=True)
class Ready(FromCheckpoint):
    """A cross-encoder, whose ``prompt`` is an instruction, or the name of one of the model's own; None: its default."""

    kind: ClassVar[str] = "ready"

    @property
    def what(self) -> str:
        return f"reranker {self.name}"

    def check(self, classes: Sequence[str]) -> None:
        from tmkd.teachers.ready.scorer import check_cross_encoder

        check_cross_encoder(self.checkpoint, classes, self.prompt, self.max_length)

    def load(self, runtime: Runtime, classes: Sequence[str]) -> CrossEncoderScorer:
        from tmkd.teachers.ready.scorer import open_cross_encoder

        return open_cross_encoder(self.checkpoint, classes, self.prompt, self.max_length, runtime)
