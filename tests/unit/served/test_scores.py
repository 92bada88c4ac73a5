"""Scores of served teachers: those of the model behind the server, each pair asked for once."""

import io
import threading

import numpy as np
import pytest
from datasets import Dataset, concatenate_datasets
from tqdm import tqdm

from tests.unit.served.asking import CLASSES, ask
from tests.unit.served.server import expected, margin, pairs_of, slow
from tmkd.data.schema import pair_id
from tmkd.errors import ModelError
from tmkd.teachers.served import Served
from tmkd.teachers.served.chat import Chat
from tmkd.training.runtime import resolve_runtime

SHAPES = {
    "tei": {"api": "tei"},
    "jina": {"api": "jina", "name": "reranker"},
    "cohere": {"api": "cohere", "name": "reranker"},
    "openai": {"api": "openai", "name": "chat"},
    "openai, JSON": {"api": "openai", "name": "chat", "answers": []},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_are_those_of_the_model_behind_the_server(shape, server, tmp_path):
    rows = pairs_of(5, 7)
    teacher = Served(server.url, **SHAPES[shape], texts_a_request=3)
    np.testing.assert_allclose(ask(teacher, rows, tmp_path), expected(rows), rtol=1e-5, atol=1e-5)
    assert len(server.scored) == 35 and set(server.scored.values()) == {1}
    assert len(server.requests) == (35 if "openai" in shape else 5 * 3)


def test_margin_is_the_score_where_labels_are_grades(server, tmp_path):
    rows = pairs_of(2, 3)
    found = ask(Served(server.url, "tei"), rows, tmp_path, ("score",))
    np.testing.assert_allclose(found, expected(rows), rtol=1e-5, atol=1e-5)


def test_request_has_the_fields_of_its_api(server, tmp_path):
    rows = pairs_of(1, 2)
    for number, shape in enumerate(SHAPES):
        ask(Served(server.url, **SHAPES[shape]), rows.select([0]), tmp_path / str(number))
    text = {"query": "what is 0", "documents": ["passage 0 of 0"]}
    bodies = [(path, body) for path, _, body, _ in server.requests]
    assert bodies[:3] == [
        ("/rerank", {"query": "what is 0", "texts": ["passage 0 of 0"], "raw_scores": True}),
        ("/v1/rerank", {"model": "reranker", **text, "return_documents": False}),
        ("/v2/rerank", {"model": "reranker", **text}),
    ]
    assert bodies[3][1]["logprobs"] is True and bodies[3][1]["top_logprobs"] == 20
    assert bodies[4][1]["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("part", ["", "/", "/v1", "/v1/", "/v1/rerank"])
def test_url_may_have_a_part_of_the_path(part):
    assert Served(f"https://api.jina.ai{part}", "jina", "x").endpoint == "https://api.jina.ai/v1/rerank"


def test_pair_that_stands_twice_is_asked_for_once(server, tmp_path):
    rows = concatenate_datasets([pairs_of(2, 3), pairs_of(2, 3)])
    np.testing.assert_allclose(ask(Served(server.url, "tei"), rows, tmp_path), expected(rows), rtol=1e-5)
    assert sum(server.scored.values()) == 6


def test_other_split_is_answered_by_what_is_kept(server, tmp_path):
    ask(Served(server.url, "tei"), pairs_of(4, 3), tmp_path)
    rows = pairs_of(6, 3).shuffle(seed=0)
    np.testing.assert_allclose(ask(Served(server.url, "tei"), rows, tmp_path), expected(rows), rtol=1e-5)
    assert set(server.scored.values()) == {1} and len(server.scored) == 18


def test_two_at_once_pay_for_no_pair_twice(server, tmp_path):
    server.seconds, rows, found = 0.01, pairs_of(6, 4), []
    both = [threading.Thread(target=lambda: found.append(ask(Served(server.url, "tei"), rows, tmp_path))) for _ in "ab"]
    for each in both:
        each.start()
    for each in both:
        each.join()
    for margins in found:
        np.testing.assert_allclose(margins, expected(rows), rtol=1e-5)
    assert len(found) == 2 and set(server.scored.values()) == {1}


def test_bar_moves_by_every_row(server, tmp_path):
    rows = concatenate_datasets([pairs_of(2, 3), pairs_of(1, 3)])
    with (
        Served(server.url, "tei").open(resolve_runtime(device="cpu"), CLASSES, tmp_path) as scorer,
        tqdm(file=io.StringIO()) as bar,
    ):
        scorer(rows, bar)
        assert bar.n == 9
        scorer(rows, bar)
        assert bar.n == 18


def test_requests_under_way_stay_within_concurrency(server, tmp_path):
    server.seconds = 0.02
    ask(Served(server.url, "tei", concurrency=3), pairs_of(20, 1), tmp_path)
    assert 1 < server.most <= 3


def test_requests_stay_within_the_rate(server, tmp_path):
    ask(Served(server.url, "tei", requests_per_second=50), pairs_of(10, 1), tmp_path)
    times = sorted(time for *_, time in server.requests)
    assert times[-1] - times[0] >= 0.9 * 9 / 50


def test_slow_server_is_waited_for_within_the_timeout(server, tmp_path):
    server.trouble = [slow(0.2)]
    ask(Served(server.url, "tei", timeout=5), pairs_of(1, 1), tmp_path)
    assert len(server.requests) == 1


def test_texts_with_braces_reach_a_chat_model_as_they_are(server, tmp_path):
    question, passage = "what is {document}", 'a {"score": {query}}'
    rows = Dataset.from_dict(
        {"id": [pair_id(question, passage)], "question_id": ["1"], "question": [question], "passage": [passage]}
    )
    margins = ask(Served(server.url, "openai", "chat"), rows, tmp_path)
    assert margins[0] == pytest.approx(margin(question, passage), rel=1e-5)


def test_word_that_is_not_likely_counts_as_the_last_of_those_that_are():
    top = [{"token": "yes", "logprob": -0.1}, {"token": "maybe", "logprob": -3.0}, {"token": "so", "logprob": -7.0}]
    answer = {"choices": [{"message": {"content": "yes"}, "logprobs": {"content": [{"top_logprobs": top}]}}]}
    assert Chat("m", "").scores(answer, 1) == [pytest.approx(6.9)]


def test_server_without_log_probabilities_is_named(server, tmp_path):
    server.always = lambda handler, _: handler.reply({"choices": [{"message": {"content": "Yes"}}]}) or True
    with pytest.raises(ModelError, match=r"gives no log-probabilities.*set answers: \[\]"):
        ask(Served(server.url, "openai", "chat", concurrency=1), pairs_of(3, 1), tmp_path)
    assert len(server.requests) == 1


def test_score_that_is_no_probability_ends_the_run_at_once(server, tmp_path):
    results = {"results": [{"index": 0, "relevance_score": -0.3}]}
    server.always = lambda handler, _: handler.reply(results) or True
    with pytest.raises(ModelError, match=r"from 0 to 1, got -0\.3; set scale: margin"):
        ask(Served(server.url, "jina", "x", concurrency=1), pairs_of(9, 1), tmp_path / "a")
    assert len(server.requests) == 1
    assert ask(Served(server.url, "jina", "x", scale="margin"), pairs_of(1, 1), tmp_path / "b")[0] == np.float32(-0.3)
