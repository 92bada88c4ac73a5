"""Teachers' inner states on a split: stored, or computed window by window while a student learns from them."""

from __future__ import annotations

import functools
import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.progress import done_before
from tmkd.results.classifier import Classifier
from tmkd.results.context import RunContext
from tmkd.results.node import Result
from tmkd.results.rows import Rows
from tmkd.results.trained import load_classifier
from tmkd.store.artifacts import MODEL, SCRATCH, Artifact
from tmkd.store.provenance import note_machines

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from tmkd.losses.transfer import Shape
    from tmkd.models.classifier import PairClassifier
    from tmkd.states import PairStates, State

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TeacherStates(Result):
    """The states of one teacher on one split; ``states`` are (kind, layer), in order."""

    kind: ClassVar[str] = "teacher_states"
    alone: ClassVar[bool] = True

    teacher: Classifier
    rows: Rows
    states: tuple[State, ...]

    @property
    def what(self) -> str:
        return f"states of {self.teacher.what} on {self.rows.split}"

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import numpy as np

        from tmkd.store.teacher_states import bytes_needed, write_states
        from tmkd.training.teacher_states import read_states

        note_machines(work / SCRATCH, [context.machine()])  # shards outlive a kill
        model = _loaded(self.teacher.build(context), context)
        tokens = self.rows.read_by(context, model)
        shape, states = shape_of(model.encoder.config), sorted(self.states)
        size = bytes_needed(np.asarray(tokens["length"]), states, shape.width, shape.heads)
        log.info("the %s will take %.2f GB of disk", self.what, size / 1e9)
        with context.bar(len(tokens), f"states of {self.rows.split}") as bar:
            write_states(
                work,
                tokens,
                lambda part: read_states(model, part, states, context.runtime, bar),
                context.runtime.shard_size,
                functools.partial(done_before, bar),
            )
        return {"pairs": len(tokens), "bytes": size}


def state_source(
    context: RunContext, teachers: Sequence[Classifier], wanted: Sequence[set[State]], rows: Rows, learnt: Dataset
) -> Any:
    """Return where a training finds the states of each teacher: on disk, or computed some pairs ahead.

    Args:
        wanted: the states, one set a teacher.
        learnt: the pairs of ``rows`` that are learnt from.
    """
    from tmkd.store.teacher_states import StoredStates
    from tmkd.training.teacher_states import WindowedStates

    if context.runtime.store_states:
        stored = [TeacherStates(teacher, rows, tuple(sorted(each))) for teacher, each in zip(teachers, wanted)]
        return StoredStates([states.build(context).folder() for states in stored], wanted, learnt["id"])
    each = [
        _reader(context, teacher.build(context), states, rows, len(learnt)) for teacher, states in zip(teachers, wanted)
    ]
    return WindowedStates(each, context.runtime.state_window)


def shape_of(config: Any) -> Shape:
    """Return an encoder's shape from its configuration."""
    from tmkd.losses.transfer import Shape

    return Shape(config.num_hidden_layers, config.hidden_size, getattr(config, "num_attention_heads", 0))


def trained_shape(teacher: Artifact) -> Shape:
    """Return the shape of a trained classifier's encoder, without its weights."""
    from tmkd.models.classifier import encoder_config

    return shape_of(encoder_config(teacher.folder(MODEL)))


def _loaded(teacher: Artifact, context: RunContext) -> PairClassifier:
    """Return a teacher. It is drawn at random before its weights are read, which the training's draws must not feel."""
    import torch

    with torch.random.fork_rng(devices=[]):
        return load_classifier(teacher, context)


def _reader(
    context: RunContext, teacher: Artifact, states: set[State], rows: Rows, pairs: int
) -> Callable[[np.ndarray], list[PairStates]]:
    """Return what loads a teacher, reads its states of some of the drawn ``pairs``, and lets it go."""
    from tmkd.data.splits import draw_pairs
    from tmkd.training.teacher_states import read_states

    tokens: list[Dataset] = []  # found, and their files checked, in the first window alone

    def read(indices: np.ndarray) -> list[PairStates]:
        model = _loaded(teacher, context)
        if not tokens:
            tokens.append(draw_pairs(rows.read_by(context, model), pairs))
        found = read_states(model, tokens[0].select(indices), sorted(states), context.runtime)
        del model
        gc.collect()
        return found

    return read
