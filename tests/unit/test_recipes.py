"""The comparison with other projects' recipes: what they are given, what is found again, and who judges."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import recipes
from benchmarks.contenders.recipe_of_sentence_transformers import training_rows
from benchmarks.recipe_list import BASELINE, RECIPES
from benchmarks.recipe_material import Material, as_probabilities
from benchmarks.recipe_table import ENSEMBLE, judge, lines

KD = RECIPES[BASELINE].title


def pair(question: str, passage: str, label: int, *teachers: list[float]) -> dict[str, object]:
    return {
        "question_id": question, "question": question.upper(), "passage": passage, "label": label,
        "teachers": [*teachers],
    }  # fmt: skip


@pytest.fixture
def material(tmp_path: Path) -> Material:
    train = [
        pair("a", "a1", 1, [0.0, 2.0], [1.0, 1.0]),
        pair("b", "b1", 0, [0.0, 0.0], [0.0, 0.0]),  # of a question without a right passage
        pair("a", "a2", 0, [1.0, 0.0], [2.0, 0.0]),
        pair("a", "a3", 0, [0.0, 0.0], [0.0, -1.0]),
    ]
    judged = [pair(str(question), f"{question} {place}", int(place == 0)) for question in range(4) for place in "01"]
    for row in judged:
        row["label"] = int(str(row["passage"]).endswith("0"))
    best = as_probabilities(np.array([3.0, -3.0] * 4))
    np.savez(tmp_path / "ensemble.npz", validation=best, test=best)
    return Material(tmp_path, {}, {"train": train, "validation": judged, "test": judged})


def test_margin_is_the_teachers_average_of_right_minus_wrong(material: Material) -> None:
    assert material.margins().tolist() == [1.0, 0.0, -1.5, -0.5]
    assert training_rows(material, "mse")["label"] == material.margins().tolist()


def test_triplet_is_a_right_and_a_wrong_passage_of_one_question(material: Material) -> None:
    assert material.triplets() == [(0, 2), (0, 3)]
    first = training_rows(material, "margin_mse")[0]
    assert first == {"question": "A", "right": "a1", "wrong": "a2", "label": 2.5}


def test_group_leaves_out_a_question_without_a_right_passage(material: Material) -> None:
    [group] = material.groups()
    assert (group["pos"], group["neg"]) == (["a1"], ["a2", "a3"])
    assert (group["pos_scores"], group["neg_scores"]) == ([1.0], [-1.5, -0.5])


def test_score_and_two_logits_of_one_margin_are_one_probability() -> None:
    score, logits = np.array([2.0, -1.0]), np.array([[1.0, 3.0], [0.5, -0.5]])
    assert as_probabilities(score) == pytest.approx(as_probabilities(logits))
    assert as_probabilities(score)[:, 1] == pytest.approx([0.8807971, 0.2689414])
    close = as_probabilities(np.nextafter(np.float32(15), np.array([0, 20], dtype=np.float32)))[:, 1]
    assert close[0] < close[1], "scores of a sure model must stay apart, or they are ties"


def test_recipe_is_judged_between_chance_and_the_ensemble(material: Material) -> None:
    """Two questions of four right: MAP is (1 + 1 + 1/2 + 1/2) / 4, that of chance too."""
    half = as_probabilities(np.array([1.0, -1.0, 1.0, -1.0, -1.0, 1.0, -1.0, 1.0]))
    best = as_probabilities(np.array([1.0, -1.0] * 4))
    answers = {KD: {1: {"validation": best, "test": half}}, "other": {1: {"validation": half, "test": best}}}
    rows, validation = judge(material, answers, KD)
    assert [row.arm for row in rows] == ["chance", KD, "other", ENSEMBLE]
    assert [row.mean("map") for row in rows] == pytest.approx([0.75, 0.75, 1.0, 1.0])
    assert [row.lift for row in rows] == pytest.approx([0.0, 0.0, 1.0, 1.0])
    assert validation == {KD: [1.0], "other": [0.75], ENSEMBLE: [1.0]}
    cells = lines(rows, validation, {KD: [{"seconds": 2.4, "cpu_seconds": None}]}, KD)
    assert cells[1][:3] == [KD, "100.00", "75.00"] and cells[1][-2:] == ["2", "–"]


@pytest.mark.thorough
def test_finished_run_is_found_again_and_other_settings_are_refused(tmp_path: Path, capsys) -> None:
    paths = [f"paths.{name}={tmp_path / name}" for name in ("artifacts", "reports", "runs")]
    command = ["--size", "tiny", "--folder", str(tmp_path / "recipes"), "kd", "mse_student", *paths]
    cells = recipes.main(command)
    assert [row[0] for row in cells] == ["chance", KD, RECIPES["mse_student"].title, ENSEMBLE]
    kept = tmp_path / "recipes" / "runs" / "mse_student-1" / "done.json"
    written = kept.stat().st_mtime_ns
    found = json.loads((tmp_path / "recipes" / "recipes.json").read_text())
    assert [row["arm"] for row in found["rows"]] == [row[0] for row in cells]
    capsys.readouterr()
    assert recipes.main(command) == cells
    assert capsys.readouterr().err.count(", found") == 2
    assert kept.stat().st_mtime_ns == written
    with pytest.raises(SystemExit, match="holds what was made by"):
        recipes.main([*command, "stage2.epochs=1"])
