"""Further loss terms (``method.terms``): which inner states they need, of whom, and where those come from."""

from __future__ import annotations

import functools
import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.config import StudentConfig, TeacherConfig, TermConfig, encoder_of
from tmkd.errors import ConfigError, ModelError
from tmkd.losses.schedule import scheduled
from tmkd.pipelines.context import RunContext, tokenizer_digest
from tmkd.pipelines.encoders import encoder_source
from tmkd.store.artifacts import MODEL, SCRATCH, Artifact
from tmkd.store.provenance import note_machines

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from tmkd.losses.combine import Amount, Term
    from tmkd.losses.transfer import Shape
    from tmkd.models.classifier import PairClassifier
    from tmkd.states import PairStates, State

log = logging.getLogger(__name__)


def amount(start: float, end: float | None, kind: str, warm_up: float = 0.0) -> Amount:
    """Return a number, or what it becomes over the training where it has an end."""
    if end is None:
        return start
    return lambda progress: scheduled(start, end, kind, progress, warm_up)


def active_terms(context: RunContext, names: Sequence[str], stage: int) -> dict[str, TermConfig]:
    """Return those of the named terms that are part of a stage's loss."""
    terms = context.config.method.terms
    return {name: terms[name] for name in names if stage in terms[name].stages}


def state_terms(
    context: RunContext,
    names: Sequence[str],
    stage: int,
    model: PairClassifier,
    teachers: Sequence[Artifact],
    rows: str,
    learnt: Dataset,
) -> tuple[list[Term], Any]:
    """Return the terms of a stage, and the source of the teachers' states that they read (None where they need none).

    Args:
        rows: the split that is learnt from: train or corpus.
        learnt: the student's tokens of it, or of as many as ``draw_pairs`` drew: states are asked for by place in it.
    """
    from tmkd.choices import SELF_ATTENTION
    from tmkd.losses.combine import Term
    from tmkd.losses.transfer import SelfAttention

    student, shapes = _shape(model.encoder.config), [_teacher_shape(teacher) for teacher in teachers]
    terms: list[Term] = []
    wanted: list[set[State]] = [set() for _ in teachers]
    for name, term in active_terms(context, names, stage).items():
        weight = amount(term.weight, term.end, term.schedule, term.warm_up)
        if term.loss == SELF_ATTENTION:
            own = SelfAttention(student)
            terms.append(Term(name, weight, own, own.student_states))
            continue
        loss = _loss(term, student, shapes, _shares(context, stage, len(teachers)))
        terms.append(Term(name, weight, loss, loss.student_states))
        for states, more in zip(wanted, loss.teacher_states):
            states |= more
    return terms, _source(context, teachers, wanted, rows, learnt) if any(wanted) else None


def check_terms(context: RunContext, arm: str, names: Sequence[str]) -> None:
    """Raise ConfigError, before any training, for terms that an arm's student and teachers cannot have together."""
    from tmkd.choices import SELF_ATTENTION
    from tmkd.losses.transfer import SelfAttention
    from tmkd.models.states import ATTENTION_KINDS, TOKEN_KINDS, check_attention

    config = context.config
    student = _facts(context, config.student, config.student.layers, config.student.keep)
    most = max(config.comparison.teacher_counts or [config.teachers.count])
    named = config.method.arms[arm].teacher
    numbers = range(1, most + 1) if named is None else [named]  # which is the best of them is not known yet
    teachers = {number: _facts(context, config.teachers.roster[number - 1]) for number in numbers}
    shapes = [teacher.shape for teacher in teachers.values()]
    for name in names:
        term = config.method.terms[name]
        try:
            if term.loss == SELF_ATTENTION:
                SelfAttention(student.shape)
                check_attention(student.model)
                continue
            loss = _loss(term, student.shape, shapes)
            for facts in (student, *teachers.values()):
                if loss.kind in ATTENTION_KINDS:
                    check_attention(facts.model)
                if loss.kind == "first" and not facts.first:
                    raise ModelError(
                        f"expected pooling last or mean, since the first token of {type(facts.model).__name__} does "
                        "not stand for the pair, got first."
                    )
        except (ValueError, ModelError) as error:
            raise ConfigError(f"method.terms.{name}, for the arm {arm}: {error}") from None
        for number, teacher in teachers.items():
            if loss.kind in TOKEN_KINDS and teacher.tokens != student.tokens:
                raise ConfigError(
                    f"method.terms.{name}, for the arm {arm}: '{term.loss}' compares token with token, so expected "
                    f"teacher {number} to have the student's tokenizer and max_length ({student.tokens[1]}), but they "
                    "differ; choose a term that reads one vector a pair ({', '.join(POOLED)}) or another teacher."
                )


@dataclass(frozen=True)
class _Facts:
    """What can be known of a teacher or student without its weights.

    Attributes:
        tokens: what its tokens depend on.
        first: whether the first token stands for the pair.
    """

    model: Any
    shape: Shape
    tokens: tuple[str, int]
    first: bool


def _facts(
    context: RunContext, member: TeacherConfig | StudentConfig, keep: int | None = None, keep_which: str = "bottom"
) -> _Facts:
    model, digest, first = _inspected(**encoder_source(context, member), keep=keep, keep_which=keep_which)
    max_length = member.max_length or encoder_of(member, context.config).max_length
    return _Facts(model, _shape(model.config), (digest, max_length), first)


@functools.cache  # arms share encoders, and it takes a second to look at one
def _inspected(**encoder: Any) -> tuple[Any, str, bool]:
    from tmkd.models.encoder import first_stands_for_pair, inspect_encoder

    model, tokenizer = inspect_encoder(**encoder)
    return model, tokenizer_digest(tokenizer), first_stands_for_pair(model, tokenizer)


def _shares(context: RunContext, stage: int, teachers: int) -> list[float] | None:
    """Return how much each teacher counts in a stage; weights an example are of what teachers predict: None."""
    method = context.config.method
    weights = context.config.stage1.teacher_weights if stage == 1 else method.teacher_weights
    return method.weights[:teachers] if weights == "fixed" and teachers > 1 else None


def _loss(term: TermConfig, student: Shape, teachers: Sequence[Shape], shares: list[float] | None = None) -> Any:
    from tmkd.losses.transfer import StateLoss

    return StateLoss(term.loss, student, teachers, term.layers, shares, term.relation_heads, term.pooling)


def _shape(config: Any) -> Shape:
    from tmkd.losses.transfer import Shape

    return Shape(config.num_hidden_layers, config.hidden_size, getattr(config, "num_attention_heads", 0))


def _teacher_shape(teacher: Artifact) -> Shape:
    from tmkd.models.classifier import encoder_config

    return _shape(encoder_config(teacher.folder(MODEL)))


def _source(
    context: RunContext, teachers: Sequence[Artifact], wanted: list[set[State]], rows: str, learnt: Dataset
) -> Any:
    from tmkd.store.teacher_states import StoredStates
    from tmkd.training.teacher_states import WindowedStates

    if context.runtime.store_states:
        folders = [_stored(context, teacher, states, rows).folder() for teacher, states in zip(teachers, wanted)]
        return StoredStates(folders, wanted, learnt["id"])
    each = [_reader(context, teacher, states, rows, len(learnt)) for teacher, states in zip(teachers, wanted)]
    return WindowedStates(each, context.runtime.state_window)


def _load(context: RunContext, teacher: Artifact) -> PairClassifier:
    from tmkd.models.classifier import PairClassifier

    model = PairClassifier.load(teacher.folder(MODEL), attention=context.runtime.attention)
    return model.to(context.runtime.device)


def _reader(
    context: RunContext, teacher: Artifact, states: set[State], rows: str, pairs: int
) -> Callable[[np.ndarray], list[PairStates]]:
    """Return what loads a teacher, reads its states of some of the drawn ``pairs``, and lets it go."""
    from tmkd.data.splits import draw_pairs
    from tmkd.training.teacher_states import read_states

    tokens: list[Dataset] = []  # found, and their files checked, in the first window alone

    def read(indices: np.ndarray) -> list[PairStates]:
        model = _load(context, teacher)
        if not tokens:
            tokens.append(draw_pairs(context.tokens(rows, model.tokenizer, model.max_length), pairs))
        found = read_states(model, tokens[0].select(indices), sorted(states), context.runtime)
        del model
        gc.collect()
        return found

    return read


def _stored(context: RunContext, teacher: Artifact, states: set[State], rows: str) -> Artifact:
    """Return the artifact of a teacher's states on a split, once its size has been told."""
    spec = {"teacher": teacher.key, "rows": context.source(rows), "states": sorted(map(list, states))}

    def make(work: Path) -> dict[str, Any]:
        import numpy as np
        from tqdm import tqdm

        from tmkd.store.teacher_states import bytes_needed, write_states
        from tmkd.training.teacher_states import read_states

        note_machines(work / SCRATCH, [context.machine()])  # parts outlive a kill
        model = _load(context, teacher)
        tokens = context.tokens(rows, model.tokenizer, model.max_length)
        shape = _shape(model.encoder.config)
        size = bytes_needed(np.asarray(tokens["length"]), states, shape.width, shape.heads)
        log.info("the states of %s on %s will take %.2f GB of disk", teacher.manifest["what"], rows, size / 1e9)
        with tqdm(total=len(tokens), desc=f"states of {rows}", unit="pair", dynamic_ncols=True, mininterval=1) as bar:
            write_states(
                work,
                tokens,
                lambda part: read_states(model, part, sorted(states), context.runtime, bar),
                context.runtime.shard_size,
                bar.update,
            )
        return {"pairs": len(tokens), "bytes": size}

    return context.store.build("teacher_states", spec, make, f"states of {teacher.manifest['what']} on {rows}")
