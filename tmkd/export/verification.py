"""The proof of an export: every installed program scores the same pairs, and must say what the student says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from tmkd.choices import CUT, ONNX_INT8
from tmkd.data.encoding import encode_pairs
from tmkd.errors import ModelError
from tmkd.evaluation.ensemble import average_probabilities, scores_of
from tmkd.evaluation.metrics import evaluate
from tmkd.export.drift import Drift, drift
from tmkd.export.pairs import Pairs
from tmkd.export.programs import WINDOW, Program, Readers
from tmkd.export.student import Student, probabilities
from tmkd.measures import main_metric
from tmkd.training.predict import predict
from tmkd.training.runtime import Runtime

SHOWN: dict[str, Any] = {"unit": "pair", "dynamic_ncols": True, "leave": False, "delay": 2, "mininterval": 1}
TOLERANCE = 1e-4  # of a score, or of its part where it is above 1


@dataclass(frozen=True)
class Heard:
    """What a program said.

    Attributes:
        difference: the largest one of a score to what it should be; None: the student's own row.
        metric: on the pairs' labels; None where they have none, or where not all pairs were scored.
    """

    program: str
    pairs: int
    difference: float | None
    metric: float | None


@dataclass(frozen=True)
class Proof:
    """What all programs said.

    Attributes:
        source: of the pairs.
        metric: its name; rows have its values, the first one the student's own as ``Reranker`` scores.
        order: how far the order moved from the student's own to the last program's; None where there is none.
        missing: programs that are not installed.
    """

    source: str
    metric: str
    rows: list[Heard]
    order: Drift | None
    missing: list[str] = field(default_factory=list)


def verify(student: Student, readers: Readers, pairs: Pairs, runtime: Runtime, most_lost: float) -> Proof:
    """Let every installed program read a folder.

    Args:
        most_lost: of the metric, by int8, whose scores are not expected to agree.

    Raises:
        ModelError: a program scores otherwise, or int8 loses more; or none of the programs is installed.
    """
    target, missing = readers.target, readers.missing
    if not readers.installed:
        raise ModelError(f"--verify: expected {' or '.join(missing)} to be installed, got none; install it.")
    if target == ONNX_INT8 and pairs.labels is None:
        raise ModelError(
            "--verify: expected pairs with labels, by which to judge what int8 loses, got none "
            f"({pairs.source}); give --pairs FILE with the columns question, passage, label, or set --no-verify."
        )
    own, expected = _student_scores(student, pairs, runtime)
    judged = _Judge(student, pairs)
    rows = [Heard("tmkd", len(pairs), None, judged.metric(own))]
    last = own
    for program in readers.installed:
        part = pairs.first(program.most)
        scores = _scores(readers, program, part)
        difference = np.abs(scores - expected[: len(part)])
        if target != ONNX_INT8 and not (difference <= TOLERANCE * np.maximum(1, np.abs(expected[: len(part)]))).all():
            at = int(np.nan_to_num(difference, nan=np.inf).max(axis=1).argmax())
            raise ModelError(
                f"--verify: expected {program.name} to score as the student does, within {TOLERANCE:g}, but it gave "
                f"{scores[at].round(4).tolist()} in place of {expected[at].round(4).tolist()} for the pair "
                f"({part.questions[at]!r:.60}, {part.passages[at]!r:.60}); nothing was written."
            )
        whole = len(part) == len(pairs)
        if whole:
            last = probabilities(scores, len(student.model.classes))
        rows.append(Heard(program.name, len(part), float(difference.max()), judged.metric(last) if whole else None))
    _check_loss(target, rows, judged.name, most_lost)
    order = drift(scores_of(own), scores_of(last), pairs.question_ids) if student.ranking else None
    return Proof(pairs.source, judged.name, rows, order, missing)


def _scores(readers: Readers, program: Program, pairs: Pairs) -> np.ndarray:
    """Return a program's scores ``[pairs, scores]``."""
    score, found = readers.scorer(program), []
    with tqdm(total=len(pairs), desc=program.name, **SHOWN) as bar:
        for start in range(0, len(pairs), WINDOW):
            chosen = slice(start, start + WINDOW)
            found.append(score(pairs.questions[chosen], pairs.passages[chosen], program.batch))
            bar.update(len(found[-1]))
    return np.concatenate(found)


class _Judge:
    def __init__(self, student: Student, pairs: Pairs) -> None:
        self.pairs, self.ranking, self.kind = pairs, student.ranking, student.label_kind
        self.name = main_metric(student.ranking, kind=student.label_kind)

    def metric(self, probabilities: np.ndarray) -> float | None:
        """Return the main metric of probabilities ``[pairs, classes]``; None without labels."""
        pairs = self.pairs
        if pairs.labels is None:
            return None
        ids, parts = pairs.question_ids, pairs.parts
        return evaluate(probabilities, pairs.labels, ids, self.ranking, parts, kind=self.kind)[self.name]


def _check_loss(target: str, rows: list[Heard], metric: str, most_lost: float) -> None:
    before, after = rows[0].metric, rows[-1].metric
    if target == ONNX_INT8 and before is not None and after is not None and before - after > most_lost:
        raise ModelError(
            f"--most-lost: expected int8 to lose at most {most_lost:g} of {metric}, but it fell from {before:.4f} to "
            f"{after:.4f}; export --to onnx, or allow more. Nothing was written."
        )


def _student_scores(student: Student, pairs: Pairs, runtime: Runtime) -> tuple[np.ndarray, np.ndarray]:
    """Return the student's own probabilities ``[pairs, classes]``, and the scores of its mean head for texts that are
    cut at the end, as other programs cut them, ``[pairs, scores]``."""
    model, own = student.model, None
    for long in dict.fromkeys((model.long, CUT)):
        tokens = encode_pairs(pairs.questions, pairs.passages, model.tokenizer, model.max_length, long)
        with tqdm(total=len(pairs), desc="tmkd", **SHOWN) as bar:
            logits = predict(model, tokens, runtime, bar)
        own = logits if own is None else own
    assert own is not None
    return average_probabilities(own[:, model.predicting].transpose(1, 0, 2)), student.folded(logits)
