"""Further loss terms (``method.terms``): their identity, and which inner states they need, of whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tmkd.choices import ALWAYS_MAPPED, POOLED, SELF_ATTENTION, WITHOUT_TEACHER
from tmkd.config import TermConfig, settings
from tmkd.losses.schedule import scheduled
from tmkd.results.classifier import Classifier
from tmkd.results.context import RunContext
from tmkd.results.costs import scoring
from tmkd.results.rows import Rows
from tmkd.results.soft_targets import TeacherWeights
from tmkd.results.states import shape_of, state_source, trained_shape
from tmkd.results.work import Work

if TYPE_CHECKING:
    from datasets import Dataset

    from tmkd.losses.combine import Amount, Term
    from tmkd.losses.transfer import Shape
    from tmkd.models.classifier import PairClassifier
    from tmkd.states import State


@dataclass(frozen=True)
class FurtherTerm:
    """A further loss of a training."""

    settings: TermConfig

    def identity(self) -> dict[str, Any]:
        """Return its settings: the vector that it reads where it reads one, and the map where that is always learnt."""
        own = settings(self.settings)
        if self.settings.loss not in POOLED:
            del own["pooling"]
        return own | {"map": "learnt"} if self.settings.loss in ALWAYS_MAPPED else own


Terms = Mapping[str, FurtherTerm]


def terms_of(terms: Mapping[str, TermConfig], names: Sequence[str], stage: int) -> Terms | None:
    """Return those of the named terms that are part of a stage's loss; None where none is."""
    return {name: FurtherTerm(terms[name]) for name in names if stage in terms[name].stages} or None


def amount(start: float, end: float | None, kind: str, warm_up: float = 0.0) -> Amount:
    """Return a number, or what it becomes over the training where it has an end."""
    if end is None:
        return start
    return lambda progress: scheduled(start, end, kind, progress, warm_up)


def state_terms(
    context: RunContext,
    terms: Terms | None,
    model: PairClassifier,
    teachers: Sequence[Classifier],
    weights: TeacherWeights | None,
    rows: Rows,
    learnt: Dataset,
) -> tuple[list[Term], Any]:
    """Return the terms of a training, and the source of the teachers' states that they read (None: they need none).

    Args:
        learnt: the student's tokens of ``rows``, or of as many as ``draw_pairs`` drew: states are asked for by place.
    """
    from tmkd.losses.combine import Term
    from tmkd.losses.transfer import SelfAttention

    if not terms:
        return [], None
    teachers = [teacher.trained for teacher in teachers]
    student = shape_of(model.encoder.config)
    shapes = [trained_shape(teacher.build(context)) for teacher in teachers]
    shares = None
    if weights and weights.kind == "fixed" and len(teachers) > 1:  # one counts in full, even at 0
        shares = list(weights.shares[: len(teachers)])
    found: list[Term] = []
    wanted: list[set[State]] = [set() for _ in teachers]
    for name, term in ((name, each.settings) for name, each in terms.items()):
        weight = amount(term.weight, term.end, term.schedule, term.warm_up)
        if term.loss == SELF_ATTENTION:
            own = SelfAttention(student)
            found.append(Term(name, weight, own, own.student_states))
            continue
        loss = term_loss(term, student, shapes, shares)
        found.append(Term(name, weight, loss, loss.student_states))
        for states, more in zip(wanted, loss.teacher_states):
            states |= more
    return found, state_source(context, teachers, wanted, rows, learnt) if any(wanted) else None


def term_loss(term: TermConfig, student: Shape, teachers: Sequence[Shape], shares: list[float] | None = None) -> Any:
    """Return the loss of a term (ValueError: layers or heads that do not go together)."""
    from tmkd.losses.transfer import StateLoss

    return StateLoss(term.loss, student, teachers, term.layers, shares, term.relation_heads, term.pooling)


def states_cost(
    context: RunContext, terms: Terms | None, teachers: Sequence[Classifier], rows: Rows, passes: float
) -> list[Work]:
    """Return what it takes to compute teachers' states: in each epoch, or once where they are stored."""
    if not terms or all(term.settings.loss in WITHOUT_TEACHER for term in terms.values()):
        return []
    times = 1.0 if context.how.store_states else passes
    return [scoring(context, teacher.trained.member(context), rows, times) for teacher in teachers]
