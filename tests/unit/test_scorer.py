"""Texts in, probabilities out: the heads that predict, whatever folder the student lies in, and what is no text."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from tmkd.artifacts import MODEL, Artifact, ArtifactStore
from tmkd.data.batching import tokenise
from tmkd.ensemble import average_probabilities
from tmkd.errors import DamagedArtifact, DataError, ModelError
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import Encoder
from tmkd.training.predict import predict
from tmkd.training.runtime import Runtime
from tmkd.training.scorer import Scorer

QUESTIONS = ["what is amber", "what is birch", "what is amber"]
PASSAGES = ["birch birch birch", "birch", "amber"]


def student(root: Path, encoder: Encoder, predicting: tuple[int, ...] = (0, 1, 2)) -> Artifact:
    model = PairClassifier(encoder, ["gold", "a", "b"], ["wrong", "right"], 48, heads_alike=False)
    model.predicting = list(predicting)
    return ArtifactStore(root).build("stage2", {}, lambda work: model.save(work / MODEL) or {}, "TMKD")


def load(folder: Path) -> Scorer:
    return Scorer.load(folder, device="cpu", precision="fp32")


@pytest.mark.parametrize("heads", [(0, 1, 2), (1, 2), (0,)])
def test_probabilities_are_the_mean_of_the_heads_that_predict_in_the_order_of_the_texts(
    tmp_path: Path, encoder: Encoder, runtime: Runtime, heads: tuple[int, ...]
) -> None:
    scorer = load(student(tmp_path, encoder, heads).path)
    rows = Dataset.from_dict({"question": QUESTIONS, "passage": PASSAGES})
    logits = predict(scorer.model, tokenise(rows, scorer.model.tokenizer, 48), runtime)
    expected = average_probabilities(logits[:, list(heads)].transpose(1, 0, 2))
    found = scorer.score(QUESTIONS, PASSAGES)
    assert scorer.classes == ("wrong", "right")
    assert found == pytest.approx(expected, abs=1e-6)
    assert len(np.unique(found[:, 1])) == 3  # or another order of the rows would not show


def test_rank_puts_the_likeliest_passage_first(tmp_path: Path, encoder: Encoder) -> None:
    scorer = load(student(tmp_path, encoder).path)
    right = scorer.score(["what is amber"] * 3, PASSAGES)[:, 1]
    ranked = scorer.rank("what is amber", PASSAGES)
    assert [passage for passage, _ in ranked] == [PASSAGES[place] for place in np.argsort(-right)]
    assert [score for _, score in ranked] == pytest.approx(sorted(right, reverse=True), abs=1e-6)


def test_no_pairs_have_no_probabilities(tmp_path: Path, encoder: Encoder) -> None:
    scorer = load(student(tmp_path, encoder).path)
    assert scorer.score([], []).shape == (0, 2)
    assert scorer.rank("what is amber", []) == []


def test_folder_that_was_moved_away_scores_as_before(tmp_path: Path, encoder: Encoder) -> None:
    made = student(tmp_path / "artifacts", encoder, (1, 2))
    before = load(made.path).score(QUESTIONS, PASSAGES)
    shutil.move(made.path, tmp_path / "mine")
    assert load(tmp_path / "mine").score(QUESTIONS, PASSAGES) == pytest.approx(before)


@pytest.mark.parametrize(
    ("questions", "passages", "said"),
    [
        (["a", "b"], ["c"], "got 2 questions and 1 passages"),
        ("ab", ["c", "d"], "questions: expected a list of texts, got one text"),  # or its letters were the questions
        (["a", "b"], ["c", None], r"passages\[1\]: expected a text, got NoneType"),
        (["a", 7], ["c", "d"], r"questions\[1\]: expected a text, got int \(7\)"),
    ],
)
def test_what_is_no_list_of_pairs_is_named(
    tmp_path: Path, encoder: Encoder, questions: list[str], passages: list[str], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        load(student(tmp_path, encoder).path).score(questions, passages)


def test_folder_without_a_classifier_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"Expected the folder of a trained student or teacher.*no folder model"):
        load(tmp_path)


def test_changed_weights_are_not_scored_with(tmp_path: Path, encoder: Encoder) -> None:
    made = student(tmp_path, encoder)
    heads = made.path / MODEL / "heads.safetensors"
    heads.write_bytes(bytes(heads.stat().st_size))
    with pytest.raises(DamagedArtifact, match="was changed after it was published"):
        load(made.path)
