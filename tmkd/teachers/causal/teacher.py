"""A causal language model that is asked about each pair: the log-odds of its two answers are the score.

The score is that of the Qwen3 rerankers (Zhang et al. 2025, arXiv 2506.05176, section 2): logit(yes) − logit(no) of the
token that would follow the prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.errors import ConfigError
from tmkd.teachers.causal.prompts import PROMPTS, Prompt, prompt_of
from tmkd.teachers.checkpoint import Checkpoint
from tmkd.teachers.source import Source

if TYPE_CHECKING:
    from tmkd.teachers.causal.scorer import LanguageModelScorer
    from tmkd.training.runtime import Runtime


@dataclass(frozen=True)
class Causal(Source):
    """A causal language model from a folder or the hub, and a prompt. Two prompts of one model are two teachers.

    Attributes:
        name: the folder or hub name.
        revision: a branch, tag or commit of the hub's; None: main.
        trust_remote_code: the checkpoint's own code may run.
        prompt: see ``tmkd.teachers.causal.prompts.prompt_of``.
        answers: the token that means relevant, and the one that means the opposite; None: the prompt's own.
        max_length: tokens of a prompt with its pair; None: as many as the model can read. What is too long loses the
            end of its document.
    """

    kind: ClassVar[str] = "causal"
    timed: ClassVar[bool] = True

    name: str
    revision: str | None = None
    trust_remote_code: bool = False
    prompt: str | None = None
    answers: list[str] | None = None
    max_length: int | None = None

    @property
    def what(self) -> str:
        asked = f" ({self.prompt})" if self.prompt in PROMPTS else ""
        return f"language model {self.name}{asked}"

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.name, self.revision, self.trust_remote_code)

    @property
    def asked(self) -> Prompt:
        """The prompt with its answers (ConfigError)."""
        return prompt_of(self.prompt, self.answers)

    def identity(self) -> dict[str, Any]:
        asked = self.asked
        return self.checkpoint.identity() | {
            "prompt": asked.text,
            "chat": asked.chat,
            "answers": list(asked.answers),
            "max_length": self.max_length,
        }

    def check(self, classes: Sequence[str]) -> None:
        asked = self.asked
        if len(classes) > 2:
            raise ConfigError(
                f"teachers.roster: {self.what} gives one score a pair, which can only tell two classes apart, but "
                f"data.classes are {list(classes)}; leave it out, or take a classifier (kind: ready)."
            )
        from tmkd.teachers.causal.scorer import check_language_model

        check_language_model(self.checkpoint, asked, self.max_length)

    @contextmanager
    def open(self, runtime: Runtime, classes: Sequence[str], answers: Path) -> Iterator[LanguageModelScorer]:
        from tmkd.teachers.causal.scorer import open_language_model

        scorer = open_language_model(self.checkpoint, self.asked, self.max_length, runtime, len(classes))
        yield scorer
        scorer.cuts.warn(self.what, scorer.asking.length)
