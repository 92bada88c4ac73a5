"""Rows of a comparison as TREC runs, and the test split's labels as qrels: what trec_eval and its like read.

Run: ``qid Q0 docid rank score tag``; qrels: ``qid 0 docid rel``. Both hold the questions that can be ranked and no
others, so that the means of trec_eval are those of the comparison.

trec_eval looks at scores, not ranks, reads them as float32, and orders equal ones by document id. So the scores of a
question are made to differ: where one is not below the one before it, it is lowered by the least step that float32
shows. Equal scores stand in the order that they are judged in here, the less relevant first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from tmkd.choices import CLASSES, GRADED
from tmkd.errors import DataError
from tmkd.evaluation.ensemble import scores_of
from tmkd.evaluation.metrics import grouped, scores_and_gains
from tmkd.evaluation.retrieval import rankable, ranked
from tmkd.store.disk import written_whole

RUNS = "runs"  # the folder, in the comparison's
QRELS, GAINS = "test.qrels", "test.gains.qrels"
STEP = 1e-9  # of scores so near to 0 that float32 has far smaller ones, which not every reader takes
SAFE = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}~"  # with letters and digits of ASCII, "_", "." and "-": all but "%" and spaces


@dataclass(frozen=True)
class JudgedPairs:
    """The pairs of the questions that can be ranked.

    Attributes:
        at: [kept], their rows among all pairs.
        question: [kept], numbers from 0.
        names: [questions], what files call them.
        documents: [kept], the pairs' ids.
        gains: [kept], whole numbers.
    """

    at: np.ndarray
    question: np.ndarray
    names: list[str]
    documents: list[str]
    gains: np.ndarray

    @classmethod
    def of(
        cls,
        labels: np.ndarray,
        classes: int,
        question_ids: Sequence[str],
        ids: Sequence[str],
        parts: Sequence[str] | None = None,
    ) -> JudgedPairs:
        """Choose the pairs.

        Args:
            labels, question_ids, parts: [pairs], as for ``tmkd.evaluation.metrics.evaluate``; a question that is in
                several parts is one in each, ``PART/ID``.
            ids: [pairs], names of the pairs, different within a question.

        Raises:
            DataError: relevances that are not whole numbers, which qrels must hold; or as ``rankable``.
        """
        names = list(question_ids) if parts is None else [f"{part}/{name}" for part, name in zip(parts, question_ids)]
        asked, question = grouped(np.array(names, dtype=object))
        _, gains = scores_and_gains(np.zeros((len(labels), classes)), np.asarray(labels))
        if (gains != np.round(gains)).any():
            raise DataError(
                "TREC runs: expected relevances that are whole numbers, as qrels hold no others, got "
                f"{gains[gains != np.round(gains)][0]}; set comparison.write_runs=false."
            )
        kept = rankable(gains, question)
        at = np.flatnonzero(kept[question])
        shown = [quote(str(asked[place]), safe=SAFE) for place in np.flatnonzero(kept)]
        return cls(
            at, (np.cumsum(kept) - 1)[question[at]], shown, [ids[place] for place in at.tolist()], gains[at].astype(int)
        )


def write_qrels(folder: Path, pairs: JudgedPairs, kind: str = CLASSES) -> None:
    """Write the labels as ``QRELS``, and those that are grades also as the gains of nDCG, ``GAINS``.

    trec_eval takes a relevance for the gain itself. Grades have the gain 2^grade − 1, which changes no other metric.
    """
    _write(folder / QRELS, _lines(pairs, pairs.gains))
    if kind == GRADED:
        _write(folder / GAINS, _lines(pairs, 2**pairs.gains - 1))


def _lines(pairs: JudgedPairs, relevances: np.ndarray) -> list[str]:
    rows = zip(pairs.question.tolist(), pairs.documents, relevances.tolist())
    return [f"{pairs.names[question]} 0 {document} {relevance}" for question, document, relevance in rows]


def write_runs(
    folder: Path, place: int, arm: str, seeds: Sequence[int], answers: Sequence[np.ndarray], pairs: JudgedPairs
) -> list[str]:
    """Write a row of the comparison, a file for each of its seeds; return their names.

    Args:
        place: of the row in the comparison, so that no two rows have one file.
        answers: for each seed, [all pairs, classes]; the last column is the score.
    """
    called = f"{place:02d}-{re.sub(r'[^A-Za-z0-9.]+', '-', arm).strip('-')[:100]}"
    names = []
    for seed, answer in zip(seeds, answers, strict=True):
        tag = f"{called}-seed-{seed}"
        # as they are judged: probabilities from 1 − 10⁻¹⁶ on are all 1
        made = ranked(scores_of(answer[pairs.at]), pairs.gains, pairs.question)
        scores = falling(answer[pairs.at, -1][made.order], made.rank == 1)
        shown = zip(made.question.tolist(), made.order.tolist(), made.rank.tolist(), scores.tolist())
        _write(
            folder / f"{tag}.run",
            [
                f"{pairs.names[question]} Q0 {pairs.documents[at]} {rank} {score:.9g} {tag}"
                for question, at, rank, score in shown
            ],
        )
        names.append(f"{tag}.run")
    return names


def falling(scores: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return scores as float32 [pairs], each below the one before it, as little changed as that takes.

    Args:
        scores: [pairs], question by question, the highest first.
        first: [pairs], which are a question's first.
    """
    made = scores.astype(np.float32)
    for place in np.flatnonzero(~first).tolist():
        before = made[place - 1]
        if made[place] >= before:
            made[place] = min(np.nextafter(before, np.float32(-np.inf)), np.float32(before - np.float32(STEP)))
    return made


def _write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
