"""Texts in, probabilities out: the heads that predict, whatever folder the student lies in, and what is no text."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from tmkd.data.batching import tokenise
from tmkd.errors import ConfigError, DamagedArtifact, DataError, ModelError
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.export.student import Student
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import Encoder
from tmkd.reranker import Reranker
from tmkd.store.artifacts import MODEL, Artifact, ArtifactStore
from tmkd.training.predict import predict
from tmkd.training.runtime import Runtime

QUESTIONS = ["what is amber", "what is birch", "what is amber"]
PASSAGES = ["birch birch birch", "birch", "amber"]


def student(root: Path, encoder: Encoder, predicting: tuple[int, ...] = (0, 1, 2)) -> Artifact:
    model = PairClassifier(encoder, ["gold", "a", "b"], ["wrong", "right"], 48, heads_alike=False)
    model.predicting = list(predicting)
    return ArtifactStore(root).build("stage2", {}, lambda work: model.save(work / MODEL) or {}, "TMKD")


def load(folder: Path) -> Reranker:
    return Reranker.from_pretrained(folder, device="cpu", precision="fp32")


@pytest.mark.parametrize("heads", [(0, 1, 2), (1, 2), (0,)])
def test_probabilities_are_the_mean_of_the_heads_that_predict_in_the_order_of_the_texts(
    tmp_path: Path, encoder: Encoder, runtime: Runtime, heads: tuple[int, ...]
) -> None:
    reranker = load(student(tmp_path, encoder, heads).path)
    rows = Dataset.from_dict({"question": QUESTIONS, "passage": PASSAGES})
    logits = predict(reranker.model, tokenise(rows, reranker.model.tokenizer, 48), runtime)
    expected = average_probabilities(logits[:, list(heads)].transpose(1, 0, 2))
    found = reranker.score(QUESTIONS, PASSAGES)
    assert reranker.classes == ("wrong", "right")
    assert found == pytest.approx(expected, abs=1e-6)
    assert len(np.unique(found[:, 1])) == 3  # or another order of the rows would not show


def test_rank_puts_the_likeliest_passage_first(tmp_path: Path, encoder: Encoder) -> None:
    reranker = load(student(tmp_path, encoder).path)
    right = reranker.score(["what is amber"] * 3, PASSAGES)[:, 1]
    ranked = reranker.rank("what is amber", PASSAGES, return_documents=True)
    assert [found["corpus_id"] for found in ranked] == np.argsort(-right).tolist()
    assert [found["text"] for found in ranked] == [PASSAGES[found["corpus_id"]] for found in ranked]
    odds = np.log(right / (1 - right))
    assert [found["score"] for found in ranked] == pytest.approx(sorted(odds, reverse=True), abs=1e-5)
    assert reranker.predict([("what is amber", passage) for passage in PASSAGES]) == pytest.approx(odds, abs=1e-5)
    assert reranker.rank("what is amber", PASSAGES, top_k=1) == [
        {key: ranked[0][key] for key in ("corpus_id", "score")}
    ]


def test_numbers_that_mean_nothing_are_refused(tmp_path: Path, encoder: Encoder) -> None:
    # as a place from the end, -1 would drop the worst passage, and a batch of -1 pairs would score none
    reranker = load(student(tmp_path, encoder).path)
    for top_k in (-1, 1.5, "2"):
        with pytest.raises(DataError, match="top_k: expected 0 or more, a whole number, or None for all documents"):
            reranker.rank("what is amber", PASSAGES, top_k=top_k)
    assert len(reranker.rank("what is amber", PASSAGES, top_k=np.int64(1))) == 1
    for size in (0, -1, 1.5, "2"):
        with pytest.raises(DataError, match=f"batch_size: expected 1 or more, .* got {size!r}"):
            reranker.score(QUESTIONS, PASSAGES, batch_size=size)
    with pytest.raises(ModelError, match=r"max_length: expected from 8 to .*, got 24\.0"):
        Reranker(reranker.model, reranker.runtime, max_length=24.0)


def test_batch_size_changes_no_score(tmp_path: Path, encoder: Encoder) -> None:
    reranker = load(student(tmp_path, encoder).path)
    pairs = list(zip(QUESTIONS, PASSAGES, strict=True))
    assert reranker.predict(pairs, batch_size=1) == pytest.approx(reranker.predict(pairs), abs=1e-5)


def test_pair_that_is_not_two_texts_is_named(tmp_path: Path, encoder: Encoder) -> None:
    reranker = load(student(tmp_path, encoder).path)
    with pytest.raises(DataError, match=r"pairs\[1\]: expected a question and a passage, got 'ab'"):
        reranker.predict([("a", "b"), "ab"])  # or its letters were question and passage
    with pytest.raises(DataError, match="query: expected a text, got NoneType"):
        reranker.rank(None, ["a"])  # type: ignore[arg-type]


def test_no_pairs_have_no_probabilities(tmp_path: Path, encoder: Encoder) -> None:
    reranker = load(student(tmp_path, encoder).path)
    assert reranker.score([], []).shape == (0, 2)
    assert reranker.rank("what is amber", []) == []


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
    with pytest.raises(ModelError, match=r"Expected the folder of a student .* or of an export of one"):
        load(tmp_path)


@pytest.mark.parametrize("spec", [{"kind": "language"}, {"objective": "terms"}])
def test_student_whose_head_has_learnt_nothing_is_not_scored_with(
    tmp_path: Path, encoder: Encoder, spec: dict[str, str]
) -> None:
    # its scores are random, and looked like any others
    model = PairClassifier(encoder, ["average"], ["wrong", "right"], 48)
    store = ArtifactStore(tmp_path)
    made = store.build("stage1", spec, lambda work: model.save(work / MODEL) or {}, "stage-1 student, seed 1")
    for use in (load, Student.read):
        with pytest.raises(ModelError, match=r"stage-1 student, seed 1, whose head has learnt nothing .* stage 2"):
            use(made.path)


def test_changed_weights_are_not_scored_with(tmp_path: Path, encoder: Encoder) -> None:
    made = student(tmp_path, encoder)
    heads = made.path / MODEL / "heads.safetensors"
    heads.write_bytes(bytes(heads.stat().st_size))
    with pytest.raises(DamagedArtifact, match="was changed after it was published"):
        load(made.path)


def test_threads_that_share_a_reranker_take_turns_and_get_the_scores_of_one(tmp_path: Path, encoder: Encoder) -> None:
    reranker = load(student(tmp_path, encoder).path)
    work = [(f"what is amber {at}", [f"{'birch ' * (at % 7)}{at} {each}" for each in range(4)]) for at in range(16)]
    alone = [reranker.rank(*each) for each in work]
    inside, most = [], []

    def come(*_: object) -> None:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)

    reranker.model.register_forward_pre_hook(come)
    reranker.model.register_forward_hook(lambda *_: inside.pop() and None)
    with ThreadPoolExecutor(8) as pool:  # without turns the tokenizer may raise "Already borrowed", now and then
        assert list(pool.map(lambda each: reranker.rank(*each), work)) == alone
    assert max(most) == 1


def test_pairs_that_are_cut_are_counted_and_said_once(
    tmp_path: Path, encoder: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    reranker = load(student(tmp_path, encoder).path)
    reranker.score(["what is amber"] * 3, ["amber", "birch " * 100, "amber " * 100])
    reranker.score(["what is amber"], ["birch " * 100])
    assert reranker.cut_pairs == 3
    assert [
        record.getMessage().partition(" that")[0] for record in caplog.records if record.levelname == "WARNING"
    ] == ["2 of 3 pairs are longer than the 48 tokens"]


def test_early_exit_answers_by_its_own_classifier(tmp_path: Path, encoder: Encoder, runtime: Runtime) -> None:
    model = PairClassifier(encoder, ["gold", "a"], ["wrong", "right"], 48, heads_alike=False)
    model.add_exits([1, 2])
    found = Reranker(model, runtime, exit_at=2).score(QUESTIONS, PASSAGES)
    rows = tokenise(Dataset.from_dict({"question": QUESTIONS, "passage": PASSAGES}), model.tokenizer, 48)
    logits = predict(model, rows, runtime, answer=model.answers)  # two heads, then the exits
    assert found == pytest.approx(average_probabilities(logits[:, [3]].transpose(1, 0, 2)), abs=1e-5)
    with pytest.raises(ModelError, match=r"exit_at: expected a layer with an early exit, one of \[1, 2\], got 3"):
        Reranker(model, runtime, exit_at=3)


def test_key_of_an_artifact_names_its_folder(tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    made = student(tmp_path, encoder)
    at_home = f"~/{tmp_path.name}"
    found = Reranker.from_pretrained(made.key[:5], artifacts=at_home, device="cpu", precision="fp32")
    assert found.score(QUESTIONS, PASSAGES) == pytest.approx(load(made.path).score(QUESTIONS, PASSAGES))
    with pytest.raises(ConfigError, match=r"'stage3': expected the name or the key of an artifact"):
        Reranker.from_pretrained("stage3", artifacts=tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"precision": "fp16"}, "runtime.precision"),  # computed in fp32, without a word
        ({"threads": -1}, "runtime.threads"),
        ({"backend": "tensorrt"}, "backend: expected one of auto, torch, onnx, openvino"),
    ],
)
def test_what_a_reranker_cannot_be_loaded_with_is_refused(
    tmp_path: Path, encoder: Encoder, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        Reranker.from_pretrained(student(tmp_path, encoder).path, **given)
