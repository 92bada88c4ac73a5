"""What a student of stage 2 minimises beside further terms: the paper's two losses, or their like for one head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tmkd.choices import ALL_PAIRS, PAIRWISE, POINTWISE, RANKING_LOSSES, TEMPERED
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
        loss: of the soft labels (``choices.LOSSES``).
        mix: heads (gold and soft labels have heads of their own), blend (one head, two losses) or weigh (one head, one
            mixed target).
        weights: how much each of several teachers counts; None: all alike.
        missing: what happens to pairs that a teacher has no score for (see ``soft_targets``).
        gold_loss: of the gold labels (``choices.GOLD_LOSSES``).
        margin_pairs: of passages that a loss in PAIRWISE compares: all or right_wrong.
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
    gold_loss: str = POINTWISE
    margin_pairs: str = ALL_PAIRS

    def identity(self) -> dict[str, Any]:
        """Return what the loss is known by; what is as the paper has it is not named."""
        gold = {"gold_loss": self.gold_loss} if self.learns_gold and self.gold_loss != POINTWISE else {}
        if not self.teachers:
            return gold
        spec: dict[str, Any] = gold | {"teachers": identity(self.teachers), "targets": self.targets}
        spec |= {"alpha": float(self.alpha), **soft_identity(self.loss, self.temperature)}
        if any(teacher.averages_heads for teacher in self.teachers):
            spec["heads"] = "probabilities"
        if self.mix != "heads":
            spec["mix"] = self.mix
        if self.weights:
            spec["weights"] = identity(self.weights)
        if self.missing != "raise":
            spec["missing"] = self.missing
        if self.loss in PAIRWISE and self.margin_pairs != ALL_PAIRS:
            spec["margin_pairs"] = self.margin_pairs
        if course := self._course():
            spec["course"] = course
        return spec

    def terms(self) -> list[Term]:
        """Return the paper's two terms, or their like for a student whose one head learns from both."""
        from tmkd.losses.combine import gold_term, soft_term, weighed_term

        if not self.teachers:
            return [gold_term(1.0, self.gold_loss)]
        if self.alpha_end is None and self.alpha == 1 and self.mix == "heads":
            return [soft_term(1.0, self.loss, self._degrees, pairs=self.margin_pairs)]
        alpha = amount(self.alpha, self.alpha_end, self.schedule)
        if self.mix == "weigh":
            return [weighed_term(alpha, self._degrees)]
        rest = amount(1.0 - self.alpha, None if self.alpha_end is None else 1.0 - self.alpha_end, self.schedule)
        head = "gold" if self.mix == "blend" else "soft"
        soft = soft_term(alpha, self.loss, self._degrees, head, self.margin_pairs)
        return [gold_term(rest, self.gold_loss), soft]

    @property
    def learns_gold(self) -> bool:
        """Whether gold labels have a weight at any time of the training."""
        return not self.teachers or min(self.alpha, self.alpha if self.alpha_end is None else self.alpha_end) < 1

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
        from tmkd.models.heads import prediction_heads

        return prediction_heads(self.heads, self.alpha if self.alpha_end is None else self.alpha_end)

    @property
    def relative(self) -> list[int]:
        """The places of the predicting heads that are known up to a scale and a constant alone.

        Losses over the passages of a question see how scores differ within it, so that a head which learns nothing else
        gives no probabilities until it is calibrated (``head_calibration``).
        """
        from tmkd.models.heads import GOLD

        soft = self.loss in RANKING_LOSSES
        gold = [self.gold_loss != POINTWISE] if self.learns_gold else []
        gold += [soft] if self.teachers and self.mix != "heads" else []
        return [place for place in self.predicting if (all(gold) if self.heads[place] == GOLD else soft)]

    @property
    def _degrees(self) -> Amount:
        return amount(self.temperature, self.temperature_end, self.schedule)

    def _course(self) -> dict[str, Any]:
        """Return what changes while the student learns; not every loss knows a temperature."""
        numbers = {
            "alpha": (self.alpha, self.alpha_end),
            "temperature": (self.temperature, self.temperature_end if self.loss in TEMPERED else None),
        }
        return {name: [float(end), self.schedule] for name, (start, end) in numbers.items() if end not in (None, start)}


def soft_identity(loss: str, temperature: float) -> Mapping[str, Any]:
    """Return what a soft loss is known by: its temperature, too, where it knows one."""
    return {"loss": loss, "temperature": temperature} if loss in TEMPERED else {"loss": loss}
