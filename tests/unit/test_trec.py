"""Runs and qrels say in trec_eval's hands what the comparison says."""

from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from tmkd.errors import DataError
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.evaluation.metrics import evaluate
from tmkd.report.trec import GAINS, QRELS, JudgedPairs, falling, write_qrels, write_runs

QUESTIONS = [f"Wie heißt\tNr. {number}, 100 %?" for number in range(60)]


def pairs(seed: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Answers with many ties, saturated ones too; labels, ids of questions and of pairs."""
    draw = np.random.default_rng(seed)
    count = 600
    scores = np.round(draw.random(count), 1)
    scores[::7], scores[::11], scores[::13] = 0.0, 1.0, 1 - 1e-12
    answers = np.stack([1 - scores, scores], axis=1) if classes == 2 else scores[:, None]
    labels = (draw.random(count) < 0.2).astype(int) if classes == 2 else draw.integers(0, 4, count)
    return (
        answers,
        labels,
        [QUESTIONS[place] for place in draw.integers(0, 60, count)],
        [f"{n:x}" for n in range(count)],
    )


def judged_by_trec_eval(folder: Path, run: str, labels: str = QRELS) -> dict[str, float]:
    measures = pytest.importorskip("ir_measures")
    asked = {
        "map": measures.AP, "mrr": measures.RR, "ndcg": measures.nDCG, "ndcg@10": measures.nDCG @ 10,
        "mrr@10": measures.RR @ 10, "r@1": measures.R @ 1, "r@10": measures.R @ 10, "ndcg@3": measures.nDCG @ 3,
    }  # fmt: skip
    qrels = list(measures.read_trec_qrels(str(folder / labels)))
    found = measures.calc_aggregate(list(asked.values()), qrels, list(measures.read_trec_run(str(folder / run))))
    return {name: found[measure] for name, measure in asked.items()}


@pytest.mark.parametrize("kind", ["classes", "float", "graded"])
def test_trec_eval_has_our_numbers_in_spite_of_ties(tmp_path: Path, kind: str) -> None:
    classes = 2 if kind == "classes" else 1
    answers, labels, questions, ids = pairs(0, classes)
    judged = JudgedPairs.of(labels, classes, questions, ids)
    write_qrels(tmp_path, judged, kind)
    (run,) = write_runs(tmp_path, 3, "KD (1-o-1)", [7], [answers], judged)
    assert run == "03-KD-1-o-1-seed-7.run"
    written = GAINS if kind == "graded" else QRELS
    found = evaluate(answers, labels, questions, True, metric="ndcg@3", kind=kind)
    for name, value in judged_by_trec_eval(tmp_path, run, written).items():
        assert value == pytest.approx(found[name], abs=1e-6), name


def test_passages_of_which_a_model_is_surer_than_a_probability_can_say_keep_their_order(tmp_path: Path) -> None:
    """Their probabilities are all 1: in trec_eval's hands the row would be worse than in the table."""
    draw = np.random.default_rng(2)
    margins, labels = draw.normal(60, 10, 600), draw.integers(0, 2, 600)
    answers = average_probabilities([np.stack([-margins / 2, margins / 2], axis=1)])
    assert (answers[:, 1] == 1).mean() > 0.9
    questions, ids = [QUESTIONS[place] for place in draw.integers(0, 60, 600)], [f"{n:x}" for n in range(600)]
    judged = JudgedPairs.of(labels, 2, questions, ids)
    write_qrels(tmp_path, judged)
    (run,) = write_runs(tmp_path, 1, "MKD", [1], [answers], judged)
    found = evaluate(answers, labels, questions, True, metric="ndcg@3")
    for name, value in judged_by_trec_eval(tmp_path, run).items():
        assert value == pytest.approx(found[name], abs=1e-6), name


def test_scores_as_they_are_would_be_ordered_by_document(tmp_path: Path) -> None:
    """Or the test above could not fail: trec_eval's own rule for ties gives other numbers."""
    answers, labels, questions, ids = pairs(0)
    judged = JudgedPairs.of(labels, 2, questions, ids)
    write_qrels(tmp_path, judged)
    lines = [
        f"{judged.names[question]} Q0 {document} 1 {answers[at, -1]:.9g} raw"
        for question, document, at in zip(judged.question.tolist(), judged.documents, judged.at.tolist())
    ]
    (tmp_path / "raw.run").write_text("\n".join(lines) + "\n")
    ours = evaluate(answers, labels, questions, True)["map"]
    assert abs(judged_by_trec_eval(tmp_path, "raw.run")["map"] - ours) > 0.01


def test_ids_have_no_spaces_and_can_be_read_back(tmp_path: Path) -> None:
    _, labels, questions, ids = pairs(1)
    write_qrels(tmp_path, JudgedPairs.of(labels, 2, questions, ids))
    fields = [line.split(" ") for line in (tmp_path / "test.qrels").read_text(encoding="ascii").splitlines()]
    assert {len(each) for each in fields} == {4}
    assert {unquote(each[0]) for each in fields} <= set(QUESTIONS)
    assert fields[0][0].startswith("Wie%20hei%C3%9Ft%09Nr.%20")


def test_questions_that_cannot_be_ranked_are_left_out() -> None:
    judged = JudgedPairs.of(np.array([1, 0, 0, 0]), 2, ["a", "a", "b", "b"], list("wxyz"))
    assert (judged.names, judged.documents, judged.gains.tolist()) == (["a"], ["w", "x"], [1, 0])


def test_question_in_two_parts_is_two() -> None:
    judged = JudgedPairs.of(np.array([1, 0, 1, 0]), 2, ["a"] * 4, list("wxyz"), ["m", "m", "n", "n"])
    assert judged.names == ["m/a", "n/a"]


def test_relevances_between_whole_numbers_are_refused() -> None:
    with pytest.raises(DataError, match=r"expected relevances that are whole numbers.*got 0.5"):
        JudgedPairs.of(np.array([0.5, 0.0]), 1, ["a", "a"], ["x", "y"])


def test_scores_fall_strictly_in_float32_and_change_no_more_than_they_must() -> None:
    scores = np.array([1.0, 1 - 1e-12, 0.5, 0.0, 0.0, 1.0, 0.25])
    made = falling(scores, np.array([True, False, False, False, False, True, False]))
    assert made.dtype == np.float32
    assert (np.diff(made[:5]) < 0).all()
    assert made[[0, 2, 3, 5, 6]].tolist() == [1.0, 0.5, 0.0, 1.0, 0.25]
    assert made == pytest.approx(scores, abs=1e-6)
    printed = [float(np.float32(f"{each:.9g}")) for each in made.tolist()]
    assert printed == made.tolist()
