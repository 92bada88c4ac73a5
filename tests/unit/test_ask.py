"""``tmkd ask``: the documentation of a package is searched, kept, and put in order by the models of a comparison."""

import json
import os
from pathlib import Path

import bm25s
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from tmkd.cli import app
from tmkd.reranker import Reranker
from tmkd.use import documentation_search
from tmkd.use.chosen import chosen

QUESTION = "compute BM25 scores of documents"
PACKAGES = ["--packages", "bm25s, bm25s"]  # the space is no part of the name


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.getbasetemp() / "documentation-cache"  # one for the file: it is kept, after all
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def ask(home: Path, *arguments: str) -> Result:
    folders = ["--artifacts", str(home / "artifacts"), "--reports", str(home / "reports")]
    return CliRunner().invoke(app, ["ask", *arguments, *PACKAGES, *folders, "--device", "cpu", "--precision", "fp32"])


def test_orders_are_those_of_bm25_the_student_and_its_teachers(small_store):
    found = ask(small_store, QUESTION, "--output", "json")
    assert found.exit_code == 0, found.output
    orders = json.loads(found.stdout)
    assert list(orders) == ["BM25", "student: TMKD", "1 teachers"]
    passages = orders["BM25"]["passages"]
    assert passages[0].startswith("bm25s") and "scores" in passages[0].lower()
    assert all(sorted(order["passages"]) == sorted(passages) and order["seconds"] > 0 for order in orders.values())
    picked = chosen(small_store / "reports" / "default", small_store / "artifacts")
    reranker = Reranker.from_pretrained(picked.student, device="cpu", precision="fp32")
    ranked = reranker.rank(QUESTION, passages, return_documents=True)
    assert orders["student: TMKD"]["passages"] == [each["text"] for each in ranked]
    assert json.loads((picked.student / "manifest.json").read_text())["what"] == "TMKD, seed 1"  # the better one


def test_passages_of_which_a_model_is_surer_than_a_probability_can_say_keep_their_order() -> None:
    class Sure:
        def score(self, questions: list[str], passages: list[str]) -> np.ndarray:
            return np.array([[1e-20, 1.0], [1e-30, 1.0], [1e-25, 1.0]])

    (found,) = documentation_search.rerank({"student": [Sure(), Sure()]}, "q", ["c", "a", "b"]).values()
    assert (found.passages, found.scores) == (["a", "b", "c"], [1.0] * 3)


def test_second_question_reads_no_documentation(small_store, monkeypatch):
    assert ask(small_store, QUESTION).exit_code == 0
    monkeypatch.setattr(documentation_search, "read_objects", lambda _: pytest.fail("it was read again"))
    found = ask(small_store, "tokenize a corpus")
    assert found.exit_code == 0 and "student: TMKD" in found.stdout and " ms" in found.stdout


def test_killed_indexing_is_done_again_by_a_process_of_the_same_number(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 7)  # as in containers, where each run has it
    cache = tmp_path / "cache"
    if (child := os.fork()) == 0:
        monkeypatch.setattr(bm25s.BM25, "save", lambda *_: os._exit(9))
        documentation_search.open_index(["bm25s"], cache)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert documentation_search.open_index(["bm25s"], cache).find("scores", 1).passages
    assert len(list(cache.glob("*documentation*"))) == 1


@pytest.mark.parametrize(
    ("question", "sentence"),
    [("  ", "expected text but it is empty"), ("xyzzy plugh", "expected a word that is in the documentation")],
)
def test_question_without_an_answer_is_one_sentence(small_store, question, sentence):
    found = ask(small_store, question)
    assert found.exit_code == 2 and sentence in found.stderr


def test_without_a_comparison_the_sentence_says_what_to_run(tmp_path):
    (tmp_path / "artifacts").mkdir()
    found = ask(tmp_path, QUESTION)
    assert found.exit_code == 2 and "run `tmkd stage3` first, or name a student with --model" in found.stderr
