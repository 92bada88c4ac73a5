"""Every endpoint answers with the fields of the server whose clients it is for, and with the numbers of Reranker."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.serving.server import NAME, Served, serving
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.export.run import export_model
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import Encoder
from tmkd.reranker import Reranker
from tmkd.serve.routes import relevance
from tmkd.serve.service import Scored
from tmkd.training.runtime import Runtime

QUESTION = "what is amber"
TEXTS = ["birch", "amber is a resin", "", "😀 fjord", "a\x00b", "grove " * 40]
CLOSE = 1e-5


@pytest.fixture
def odds(reranker: Reranker) -> list[float]:
    return reranker.predict([(QUESTION, text) for text in TEXTS]).tolist()


@pytest.fixture
def right(reranker: Reranker) -> list[float]:
    return reranker.score([QUESTION] * len(TEXTS), TEXTS)[:, 1].tolist()


def order(scores: list[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda at: -scores[at])


def test_texts_are_answered_as_tei_does(served: Served, right: list[float], odds: list[float]) -> None:
    found = served.post("/rerank", {"query": QUESTION, "texts": TEXTS}).json()
    assert [set(each) for each in found] == [{"index", "score"}] * len(TEXTS)
    assert [each["index"] for each in found] == order(right)
    assert [each["score"] for each in found] == pytest.approx(sorted(right, reverse=True), abs=CLOSE)
    body = {"query": QUESTION, "texts": TEXTS, "raw_scores": True, "return_text": True}
    found = served.post("/rerank", body).json()
    assert [each["score"] for each in found] == pytest.approx(sorted(odds, reverse=True), abs=CLOSE)
    assert [each["text"] for each in found] == [TEXTS[each["index"]] for each in found]


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
def test_documents_are_answered_as_jina_does(served: Served, right: list[float], path: str) -> None:
    documents = [TEXTS[0], *({"text": text} for text in TEXTS[1:])]
    body = {"model": "any", "query": QUESTION, "documents": documents, "top_n": 2}
    found = served.post(path, body).json()
    assert set(found) == {"model", "results", "usage"}
    assert found["model"] == NAME
    best = order(right)[:2]
    assert [each["index"] for each in found["results"]] == best
    assert [each["document"] for each in found["results"]] == [{"text": TEXTS[at]} for at in best]
    assert [each["relevance_score"] for each in found["results"]] == pytest.approx([right[at] for at in best])
    found = served.post(path, body | {"return_documents": False, "top_n": 0}).json()
    assert [set(each) for each in found["results"]] == [{"index", "relevance_score"}] * len(TEXTS)


def test_used_tokens_are_those_that_the_model_read(served: Served, reranker: Reranker) -> None:
    whole = [len(ids) for ids in reranker.model.tokenizer([QUESTION] * len(TEXTS), TEXTS)["input_ids"]]
    read = sum(min(24, length) for length in whole)
    answer = served.post("/v1/rerank", {"query": QUESTION, "documents": TEXTS})
    assert answer.json()["usage"] == {"prompt_tokens": read, "total_tokens": read}
    assert answer.headers["x-compute-tokens"] == str(read)
    assert answer.headers["x-cut-pairs"] == str(sum(length > 24 for length in whole))


def test_cohere_has_its_own_shape(served: Served, right: list[float]) -> None:
    found = served.post("/v2/rerank", {"model": "any", "query": QUESTION, "documents": TEXTS, "top_n": 3}).json()
    assert set(found) == {"id", "results", "meta"} and found["id"]
    assert found["meta"] == {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    assert [each["index"] for each in found["results"]] == order(right)[:3]
    assert [set(each) for each in found["results"]] == [{"index", "relevance_score"}] * 3


def test_max_tokens_per_doc_reads_the_beginning_of_each_document(served: Served, reranker: Reranker) -> None:
    documents = ["amber birch cobalt dune ember", "amber"]
    body = {"query": QUESTION, "documents": documents, "max_tokens_per_doc": 2}
    tokenizer = reranker.model.tokenizer
    cut = [tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"][:2]) for text in documents]
    assert cut[0] != documents[0]
    answer = served.post("/v2/rerank", body)
    assert answer.headers["x-cut-pairs"] == str(sum(text != whole for text, whole in zip(cut, documents, strict=True)))
    found = answer.json()["results"]
    by_index = [score for _, score in sorted((each["index"], each["relevance_score"]) for each in found)]
    assert by_index == pytest.approx(reranker.score([QUESTION] * 2, cut)[:, 1], abs=CLOSE)


def test_passages_that_the_model_is_sure_of_come_in_its_order() -> None:
    margins = np.array([38.0, 60.0, 45.0])  # of all of them p is 1
    sure = Scored(average_probabilities([np.stack([0 * margins, margins], axis=1)]), tokens=0, cut=0)
    assert sure.last().tolist() == [1.0] * 3
    assert sure.order() == [1, 2, 0]
    found = relevance(sure, ["a", "b", "c"], 2, shown=True)
    assert [each["document"]["text"] for each in found] == ["b", "c"]


def test_grades_are_answered_as_the_library_gives_them(encoder: Encoder, runtime: Runtime) -> None:
    grader = Reranker(PairClassifier(encoder, ["gold"], ["score"], max_length=48), runtime)
    with torch.no_grad():
        grader.model.heads.linear.bias.fill_(2.4)
    expected = grader.predict([(QUESTION, text) for text in TEXTS]).tolist()
    assert min(expected) > 1
    with serving(grader) as server:
        for raw in (False, True):
            found = server.post("/rerank", {"query": QUESTION, "texts": TEXTS, "raw_scores": raw}).json()
            assert [each["index"] for each in found] == order(expected)
            scores = [each["score"] for each in sorted(found, key=lambda each: each["index"])]
            body = {"inputs": [[QUESTION, text] for text in TEXTS], "raw_scores": raw}
            predicted = [row[0]["score"] for row in server.post("/predict", body).json()]
            body = {"text_1": QUESTION, "text_2": TEXTS, "use_activation": not raw}
            scored = [each["score"] for each in server.post("/v1/score", body).json()["data"]]
            for answer in (scores, predicted, scored):
                assert answer == pytest.approx(expected, abs=CLOSE)


def test_predict_has_every_class_the_likeliest_first(served: Served, right: list[float], odds: list[float]) -> None:
    single = served.post("/predict", {"inputs": [QUESTION, TEXTS[0]]}).json()
    assert [each["label"] for each in single] == (["right", "wrong"] if right[0] > 0.5 else ["wrong", "right"])
    assert {each["label"]: each["score"] for each in single} == pytest.approx(
        {"right": right[0], "wrong": 1 - right[0]}
    )
    body = {"inputs": [[QUESTION, text] for text in TEXTS], "raw_scores": True}
    rows = [{each["label"]: each["score"] for each in row} for row in served.post("/predict", body).json()]
    assert [row["right"] for row in rows] == pytest.approx(odds, abs=CLOSE)
    assert [row["wrong"] for row in rows] == pytest.approx([-each for each in odds], abs=CLOSE)


def test_scores_of_vllm_are_in_the_order_of_the_pairs(served: Served, right: list[float], odds: list[float]) -> None:
    found = served.post("/v1/score", {"model": "any", "text_1": QUESTION, "text_2": TEXTS}).json()
    assert [(each["index"], each["object"]) for each in found["data"]] == [(at, "score") for at in range(len(TEXTS))]
    assert [each["score"] for each in found["data"]] == pytest.approx(right, abs=CLOSE)
    assert found["object"] == "list" and found["model"] == NAME and found["usage"]["total_tokens"]
    body = {"text_1": [QUESTION] * len(TEXTS), "text_2": TEXTS, "use_activation": False}
    found = served.post("/v1/score", body).json()
    assert [each["score"] for each in found["data"]] == pytest.approx(odds, abs=CLOSE)


def test_health_info_and_metrics(served: Served) -> None:
    assert served.client.get("/health").status_code == 200
    info = served.client.get("/info").json()
    assert info["model_id"] == NAME and info["max_input_length"] == 24 and info["max_client_batch_size"] == 1000
    assert info["model_type"] == {
        "reranker": {"id2label": {"0": "wrong", "1": "right"}, "label2id": {"wrong": 0, "right": 1}}
    }
    before = served.metric('tmkd_requests_total{endpoint="/rerank",status="200"}'), served.metric("tmkd_pairs_total")
    served.post("/rerank", {"query": QUESTION, "texts": TEXTS})
    after = served.metric('tmkd_requests_total{endpoint="/rerank",status="200"}'), served.metric("tmkd_pairs_total")
    assert (after[0] - before[0], after[1] - before[1]) == (1, len(TEXTS))
    assert served.metric("tmkd_queue_pairs") == 0


def test_page_allows_nothing_but_its_own_code(served: Served, reranker: Reranker) -> None:
    page = served.client.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and policy.count("'sha256-") == 2
    assert "http://" not in page.text and "https://" not in page.text
    with serving(reranker, beside=reranker) as both:
        assert both.client.get("/info").json()["beside"] == "teacher"
        body = {"query": QUESTION, "texts": TEXTS}
        assert both.post("/beside", body).json() == both.post("/rerank", body).json()


def test_early_exit_answers_here_too(folder: Path) -> None:
    early = Reranker.from_pretrained(folder, device="cpu", precision="fp32", exit_at=1)
    with serving(early) as server:
        found = server.post("/v1/score", {"text_1": QUESTION, "text_2": TEXTS}).json()["data"]
    assert [each["score"] for each in found] == pytest.approx(early.score([QUESTION] * len(TEXTS), TEXTS)[:, 1])


def test_export_scores_as_its_reranker_does(folder: Path, tmp_path: Path) -> None:
    export_model(folder, "cross-encoder", tmp_path / "exported", verify=False)
    exported = Reranker.from_pretrained(tmp_path / "exported")
    with serving(exported) as server:
        answer = server.post("/v1/score", {"text_1": QUESTION, "text_2": TEXTS})
    scores = [each["score"] for each in answer.json()["data"]]
    assert scores == pytest.approx(exported.score([QUESTION] * len(TEXTS), TEXTS)[:, -1], abs=CLOSE)
    assert answer.headers["x-cut-pairs"] != "0"
