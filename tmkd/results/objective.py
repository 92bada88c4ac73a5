"""What a student of stage 2 minimises beside further terms: the paper's two losses, or their like for one head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tmkd.results.classifier import Classifier
from tmkd.results.node import identity
from tmkd.results.soft_targets import TeacherWeights
from tmkd.results.terms import amount

if TYPE_CHECKING:
    from tmkd.losses.combine import Amount, Term


@dataclass(frozen=True)
class Objective:
    """``l = (1 − α) l_g + α l_s`` (Yang et al. 2020, stage 2), with α and T as they change over the training.

    Attributes:
        teachers: those that teach; none where the gold labels alone do.
        targets: one (teacher), average (of the teachers' logits) or heads (one a teacher).
        alpha, temperature: at the start; ``alpha_end`` and ``temperature_end`` are those at the end, None: they stay.
        loss: of the soft labels: mse (on logits), kl or ce.
        mix: heads (gold and soft labels have heads of their own), blend (one head, two losses) or weigh (one head, one
            mixed target).
        weights: how much each of several teachers counts; None: all alike.
        missing: what happens to pairs that a teacher has no score for (see ``soft_targets``).
    """

    teachers: tuple[Classifier, ...] = ()
    targets: str = "none"
    alpha: float = 0.0
    loss: str = "mse"
    temperature: float = 1.0
    mix: str = "heads"
    weights: TeacherWeights | None = None
    alpha_end: float | None = None
    temperature_end: float | None = None
    schedule: str = "linear"
    missing: str = "raise"

    def identity(self) -> dict[str, Any]:
        """Return what the loss is known by; what is as the paper has it is not named."""
        if not self.teachers:
            return {}
        spec: dict[str, Any] = {"teachers": identity(self.teachers), "targets": self.targets}
        spec |= {"alpha": float(self.alpha), **soft_identity(self.loss, self.temperature)}
        if any(teacher.averages_heads for teacher in self.teachers):
            spec["heads"] = "probabilities"
        if self.mix != "heads":
            spec["mix"] = self.mix
        if self.weights:
            spec["weights"] = identity(self.weights)
        if self.missing != "raise":
            spec["missing"] = self.missing
        if course := self._course():
            spec["course"] = course
        return spec

    def terms(self) -> list[Term]:
        """Return the paper's two terms, or their like for a student whose one head learns from both."""
        from tmkd.losses.combine import gold_term, soft_term, weighed_term

        if not self.teachers:
            return [gold_term(1.0)]
        if self.alpha_end is None and self.alpha == 1 and self.mix == "heads":
            return [soft_term(1.0, self.loss, self._degrees)]
        alpha = amount(self.alpha, self.alpha_end, self.schedule)
        if self.mix == "weigh":
            return [weighed_term(alpha, self._degrees)]
        rest = amount(1.0 - self.alpha, None if self.alpha_end is None else 1.0 - self.alpha_end, self.schedule)
        head = "gold" if self.mix == "blend" else "soft"
        return [gold_term(rest), soft_term(alpha, self.loss, self._degrees, head)]

    @property
    def heads(self) -> list[str]:
        """The student's heads by name: gold, and those that learn soft labels apart from it."""
        from tmkd.models.heads import AVERAGE, GOLD

        if not self.teachers or self.mix != "heads":
            return [GOLD]
        return [GOLD, AVERAGE] if self.targets == "average" else [GOLD, *(each.key for each in self.teachers)]

    @property
    def predicting(self) -> list[int]:
        """The places of the heads that predict: those that the loss still teaches when training ends."""
        from tmkd.models.classifier import prediction_heads

        return prediction_heads(self.heads, self.alpha if self.alpha_end is None else self.alpha_end)

    @property
    def _degrees(self) -> Amount:
        return amount(self.temperature, self.temperature_end, self.schedule)

    def _course(self) -> dict[str, Any]:
        """Return what changes while the student learns; squared error knows no temperature."""
        numbers = {
            "alpha": (self.alpha, self.alpha_end),
            "temperature": (self.temperature, None if self.loss == "mse" else self.temperature_end),
        }
        return {name: [float(end), self.schedule] for name, (start, end) in numbers.items() if end not in (None, start)}


def soft_identity(loss: str, temperature: float) -> Mapping[str, Any]:
    """Return what a soft loss is known by; squared error on logits knows no temperature."""
    return {"loss": loss} if loss == "mse" else {"loss": loss, "temperature": temperature}
