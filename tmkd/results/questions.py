"""The questions that a training learns from, where its batches are of whole questions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tmkd.results.context import RunContext
from tmkd.results.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from tmkd.data.questions import Questions

BATCH = 10_000  # rows whose labels are read together


def questions_of(
    context: RunContext, rows: Rows, tokens: Dataset, classes: Sequence[str], group_size: int | None
) -> Questions | None:
    """Return the questions of ``tokens``, pairs of ``rows`` in their order; None where batches are of pairs."""
    from tmkd.data.questions import Questions, numbers_of

    if group_size is None:
        return None
    return Questions(numbers_of(rows.read(context), tokens), _right(tokens, classes))


@functools.lru_cache(maxsize=32)
def pairs_seen(
    context: RunContext,
    rows: Rows,
    classes: tuple[str, ...],
    batch_size: int,
    group_size: int | None,
    batch_questions: int | None,
) -> tuple[int, float]:
    """Return how many pairs a step has, on average, and the share of a split's pairs that an epoch learns from."""
    if group_size is None:
        return batch_size, 1.0
    from tmkd.data.question_batch_sampler import questions_a_step
    from tmkd.data.questions import Groups, Questions, number_questions

    read = rows.read(context)
    groups = Groups(Questions(number_questions(read), _right(read, classes)), group_size)
    questions = batch_questions or questions_a_step(groups, batch_size)
    return max(1, round(questions * groups.sizes.mean())), float(groups.sizes.sum() / len(read))


def _right(rows: Dataset, classes: Sequence[str]) -> np.ndarray | None:
    """Return whether each pair is right, ``[rows]``: its label is the last class, or a grade or number above 0 where
    there are no classes (one name, the score's); None where there are no labels."""
    import numpy as np

    from tmkd.store.memmap import letting_go

    if "label" not in rows.column_names:
        return None
    with letting_go(rows):
        batches = rows.select_columns("label").with_format("numpy").iter(BATCH)
        labels = np.concatenate([batch["label"] for batch in batches])
    return labels > 0 if len(classes) == 1 else labels == len(classes) - 1
