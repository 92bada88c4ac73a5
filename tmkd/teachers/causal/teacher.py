"""A causal language model that is asked about each pair: the log-odds of its two answers are the score.

The score is that of the Qwen3 rerankers (Zhang et al. 2025, arXiv 2506.05176, section 2): logit(yes) − logit(no) of the
token that would follow the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.errors import ConfigError
from tmkd.teachers.causal.prompts import PROMPTS, Prompt, prompt_of
from tmkd.teachers.checkpoint import FromCheckpoint

if TYPE_CHECKING:
    from tmkd.teachers.causal.scorer import LanguageModelScorer
    from tmkd.training.runtime import Runtime


@dataclass(frozen=True)
class Causal(FromCheckpoint):
    """A causal language model and a prompt. Two prompts of one model are two teachers.

    A pair that is longer than ``max_length`` with its prompt loses the end of its document. ``prompt`` is that of
    ``tmkd.teachers.causal.prompts.prompt_of``.

    Attributes:
        answers: the token that means relevant, and the one that means the opposite; None: the prompt's own.
    """

    kind: ClassVar[str] = "causal"

    answers: list[str] | None = None

    @property
    def what(self) -> str:
        asked = f" ({self.prompt})" if self.prompt in PROMPTS else ""
        return f"language model {self.name}{asked}"

    @property
    def asked(self) -> Prompt:
        """The prompt with its answers (ConfigError)."""
        return prompt_of(self.prompt, self.answers)

    def identity(self) -> dict[str, Any]:
        asked = self.asked
        return super().identity() | {"prompt": asked.text, "chat": asked.chat, "answers": list(asked.answers)}

    def check(self, classes: Sequence[str]) -> None:
        asked = self.asked
        if len(classes) > 2:
            raise ConfigError(
                f"teachers.roster: {self.what} gives one score a pair, which can only tell two classes apart, but "
                f"data.classes are {list(classes)}; leave it out, or take a classifier (kind: ready)."
            )
        from tmkd.teachers.causal.scorer import check_language_model

        check_language_model(self.checkpoint, asked, self.max_length)

    def load(self, runtime: Runtime, classes: Sequence[str]) -> LanguageModelScorer:
        from tmkd.teachers.causal.scorer import open_language_model

        return open_language_model(self.checkpoint, self.asked, self.max_length, runtime, len(classes))
