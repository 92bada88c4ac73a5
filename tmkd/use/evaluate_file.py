"""How good a student is on labelled pairs of a file, beside what answers that know nothing score there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tmkd.choices import CLASSES, FORMATS, GRADED, JOINED_FORMATS, LABEL_KINDS, PAIRS
from tmkd.data.bad_rows import BadRows
from tmkd.data.files import files_of, reading
from tmkd.data.files_reader import BEIR, RIGHT_IS_1, layout_of, with_class_names
from tmkd.data.formats import open_file
from tmkd.data.labelled import LabelledRows, read_labelled, tell_shared_ids
from tmkd.data.labels import meaning_of
from tmkd.data.layouts.layout import LABEL, open_pairs
from tmkd.data.layouts.texts import Texts, check_texts
from tmkd.data.rows import Columns
from tmkd.errors import ConfigError, DataError
from tmkd.evaluation.chance import chance
from tmkd.evaluation.cutoffs import Cutoff, own_cutoffs
from tmkd.evaluation.ensemble import log_odds
from tmkd.evaluation.metrics import evaluate
from tmkd.evaluation.reliability import reliability
from tmkd.reranker import Reranker
from tmkd.use.score_file import CHUNK


@dataclass(frozen=True)
class Judged:
    """What was found.

    Attributes:
        metrics, chance: as of ``tmkd.evaluation``; chance gives all pairs the class that is most frequent in the file,
            or its mean label.
        questions: with a right and a wrong passage (or two different grades), where passages are ranked; else all.
        ranking: some question has such passages, and no label is below 0, so that they can be ranked.
        left_out: bad rows.
        ece, brier: of the model's probabilities as they are (``tmkd.evaluation.reliability``); None: not asked for.
        cutoffs: of the last class, chosen on these pairs and cross-validated by question; None: not asked for.
    """

    metrics: dict[str, float]
    chance: dict[str, float]
    pairs: int
    questions: int
    ranking: bool
    left_out: int
    ece: float | None = None
    brier: float | None = None
    cutoffs: list[Cutoff] | None = None


def evaluate_file(
    reranker: Reranker,
    path: Path,
    columns: Columns,
    *,
    label: str = LABEL,
    format: str = PAIRS,
    queries: str | None = None,
    documents: str | None = None,
    skip: bool = False,
    label_kind: str | None = None,
    with_cutoffs: bool = False,
) -> Judged:
    """Score the labelled pairs of a file and judge them.

    Args:
        columns, label: what the file calls its columns, of the format ``pairs``; the reranker's last class is right.
        format: one of ``tmkd.choices.FORMATS``, but for BEIR.
        queries, documents: files of the texts, where pairs are of ids.
        skip: leave bad rows out instead of raising.
        label_kind: graded or float, of a model with one logit; None: graded.
        with_cutoffs: find cut-offs, too.

    Raises:
        ConfigError, DataError: the settings or the rows are not what they must be.
    """
    if with_cutoffs and len(reranker.classes) != 2:
        raise ConfigError(
            f"--cutoffs: expected a model of two classes, whose score is the one of the last, got "
            f"{len(reranker.classes)} ({', '.join(reranker.classes)}); leave --cutoffs away."
        )
    if format not in FORMATS or format == BEIR:
        raise ConfigError(f"--format: expected one of {', '.join(set(FORMATS) - {BEIR})}, got {format}.")
    check_texts(queries, documents, format in JOINED_FORMATS, f"--format is {format}")
    named = {f"--{name.replace('_', '-')}": (getattr(columns, name), name) for name in Columns().names}
    for name, (field, usual) in {**named, "--label": (label, LABEL)}.items():
        if format != PAIRS and field != usual:
            raise ConfigError(f"{name}: expected {usual}, as {format} has names of its own, got {field}.")
    kind = _kind(reranker, label_kind)
    meaning = meaning_of(label if format == PAIRS else LABEL, reranker.classes, None, kind)
    bad = BadRows(skip, "--skip-bad-rows")
    with reading([path], path.name) as bar:
        if format == PAIRS:
            need = (*columns.needed, label)
            source = open_file(path, need, (columns.question_id,), advance=bar.update)
        else:
            columns = Columns()
            texts = Texts(files_of(queries or ""), files_of(documents or ""), bar.update)
            pairs = open_pairs(layout_of(format, kind), path, texts, want=LABEL, advance=bar.update)
            source = with_class_names(pairs, reranker.classes if kind == CLASSES else RIGHT_IS_1)
        rows = read_labelled(source, columns, meaning=meaning, bad=bad)
    left_out = bad.left_out()
    if not len(rows.data):
        raise DataError(f"{path}: expected at least one labelled pair but found none; add rows.")
    return _judge(reranker, rows, kind, left_out, with_cutoffs)


def _kind(reranker: Reranker, label_kind: str | None) -> str:
    """Return what the labels of a model are."""
    if len(reranker.classes) > 1:
        if label_kind is not None:
            raise ConfigError(f"--label-kind: expected nothing, as the model tells classes apart, got {label_kind}.")
        return CLASSES
    kinds = [kind for kind in LABEL_KINDS if kind != CLASSES]
    if label_kind not in (None, *kinds):
        raise ConfigError(f"--label-kind: expected {' or '.join(kinds)}, got {label_kind}.")
    return label_kind or GRADED


def _judge(reranker: Reranker, rows: LabelledRows, kind: str, left_out: int, with_cutoffs: bool) -> Judged:
    labels, questions = np.asarray(rows.data["label"]), list(rows.data["question_id"])
    gains = labels == len(reranker.classes) - 1 if kind == CLASSES else labels
    each: dict[str, set[float]] = {}
    for question, gain in zip(questions, gains.tolist()):
        each.setdefault(question, set()).add(gain)
    rankable = sum(len(found) > 1 for found in each.values())
    ranking = rankable > 0 and min(gains) >= 0
    if ranking:
        tell_shared_ids(rows.source.name, rows.data)
    found = []
    with tqdm(total=len(labels), desc="score", unit=" pairs", mininterval=1, delay=2) as bar:
        for batch in rows.data.iter(CHUNK):
            found.append(reranker.score(batch["question"], batch["passage"]))
            bar.update(len(found[-1]))
    answers = np.concatenate(found)
    judged = Judged(
        evaluate(answers, labels, questions, ranking, kind=kind),
        chance(labels, questions, labels, len(reranker.classes), ranking, kind=kind),
        len(labels),
        rankable if ranking else len(each),
        ranking,
        left_out,
    )
    if not with_cutoffs:
        return judged
    reliable = reliability(answers, labels)
    found_cutoffs = own_cutoffs(log_odds(answers)[:, -1], gains, questions)
    return replace(judged, ece=reliable.ece, brier=reliable.brier, cutoffs=found_cutoffs)
