"""What goes wrong between here and a server: what is tried again, what ends the run, and in which words."""

import email.utils
import logging
import time

import numpy as np
import pytest

from tests.unit.served.asking import ask
from tests.unit.served.server import cut, expected, pairs_of, slow, status
from tmkd.errors import ModelError
from tmkd.teachers.served import Served

STRANGE = {
    "a result is missing": ([{"index": 0, "score": 1.0}], "got none for index 1"),
    "an index twice": ([{"index": 0, "score": 1.0}, {"index": 0, "score": 2.0}], "got two for index 0"),
    "an index out of range": ([{"index": 0, "score": 1.0}, {"index": 2, "score": 1.0}], "an index from 0 to 1"),
    "an index below 0": ([{"index": 0, "score": 1.0}, {"index": -1, "score": 1.0}], "an index from 0 to 1"),
    "no index": ([{"score": 1.0}, {"score": 2.0}], "an index from 0 to 1"),
    "NaN": ('[{"index": 0, "score": NaN}, {"index": 1, "score": 1}]', "'score' of index 0, got nan"),
    "infinity": ('[{"index": 0, "score": -Infinity}, {"index": 1, "score": 1}]', "'score' of index 0, got -inf"),
    "null": ([{"index": 0, "score": None}, {"index": 1, "score": 1.0}], "'score' of index 0, got None"),
    "a text": ([{"index": 0, "score": "0.5"}, {"index": 1, "score": 1.0}], "'score' of index 0, got 0.5"),
    "true": ([{"index": 0, "score": True}, {"index": 1, "score": 1.0}], "'score' of index 0, got True"),
    "another API": ({"results": []}, "expected a list of results"),
    "HTML": ("<html><body>Welcome\nto the proxy</body></html>", "expected JSON, got <html><body>Welcome to the proxy"),
    "nothing": ("", "expected JSON"),
    "hundreds of digits": (
        f'[{{"index": 0, "score": 1{"0" * 400}}}, {{"index": 1, "score": 1}}]',
        "'score' of index 0",
    ),
    "lists in lists": ("[" * 100_000, "expected JSON"),
}


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_busy_server_is_asked_again(code, server, tmp_path):
    server.trouble, rows = [status(code), status(code)], pairs_of(4, 3)
    np.testing.assert_allclose(ask(Served(server.url, "tei"), rows, tmp_path), expected(rows), rtol=1e-5)
    assert len(server.requests) == 6 and set(server.scored.values()) == {1}


def test_cut_connections_and_late_answers_are_asked_for_again(server, tmp_path):
    server.trouble, rows = [cut, slow(1.0), cut], pairs_of(4, 3)
    teacher = Served(server.url, "tei", timeout=0.5)
    np.testing.assert_allclose(ask(teacher, rows, tmp_path), expected(rows), rtol=1e-5)
    assert len(server.requests) == 7


@pytest.mark.parametrize("date", [False, True])
def test_server_that_says_when_is_not_asked_before(date, server, tmp_path):
    wait = 1.2 if date else 0.3
    then = email.utils.formatdate(time.time() + wait, usegmt=True) if date else str(wait)
    server.trouble = [status(429, Retry_After=then)]
    ask(Served(server.url, "tei"), pairs_of(1, 1), tmp_path)
    (*_, first), (*_, second) = server.requests
    assert second - first >= (0.1 if date else wait)  # a date has whole seconds


def test_server_that_asks_for_an_hour_ends_the_run(server, tmp_path):
    server.trouble = [status(429, Retry_After="3600")]
    with pytest.raises(ModelError, match=r"asks to wait for 3600 s"):
        ask(Served(server.url, "tei"), pairs_of(1, 1), tmp_path)


def test_server_that_stays_busy_ends_the_run_and_answers_are_kept(server, tmp_path):
    rows = pairs_of(6, 2)
    server.always = lambda handler, body: "4" in body["query"] and status(503)(handler, body)
    with pytest.raises(ModelError, match=r"/rerank: no answer .* in 3 attempts, the last: status 503 \(busy\)"):
        ask(Served(server.url, "tei", retries=2, concurrency=1), rows, tmp_path)
    assert len(server.scored) == 8  # questions 0 to 3; 5 is not sent any more
    server.always = None
    np.testing.assert_allclose(ask(Served(server.url, "tei"), rows, tmp_path), expected(rows), rtol=1e-5)
    assert set(server.scored.values()) == {1}


def test_server_that_is_not_there_is_named(server, tmp_path):
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9/rerank: no answer .* in 2 attempts, the last: ConnectError"):
        ask(Served("http://127.0.0.1:9", "tei", retries=1), pairs_of(1, 1), tmp_path)


@pytest.mark.parametrize(
    ("code", "answer", "words"),
    [
        (400, {"error": "bad field", "error_type": "validation"}, r"status 400 \(bad field\)\."),
        (401, {"error": {"message": "no such key"}}, r"status 401 \(no such key\); look at the key"),
        (403, {"detail": "not for you"}, r"status 403 \(not for you\); look at the key"),
        (404, {"message": "no such model"}, r"status 404 \(no such model\); look at url, api and name"),
        (302, "moved", r"status 302 \(moved\)\."),
    ],
)
def test_refused_request_ends_the_run_at_once(code, answer, words, server, tmp_path):
    server.always = status(code, answer)
    with pytest.raises(ModelError, match=words):
        ask(Served(server.url, "tei", concurrency=1), pairs_of(3, 1), tmp_path)
    assert len(server.requests) == 1


@pytest.mark.parametrize("what", STRANGE)
def test_strange_answer_is_no_score(what, server, tmp_path):
    answer, words = STRANGE[what]
    server.always, rows = status(200, answer), pairs_of(1, 2)
    with pytest.raises(ModelError, match=r"in 3 attempts, the last: ") as raised:
        ask(Served(server.url, "tei"), rows, tmp_path)
    assert words in str(raised.value)
    server.always, server.trouble = None, [status(200, answer)]
    np.testing.assert_allclose(ask(Served(server.url, "tei"), rows, tmp_path), expected(rows), rtol=1e-5)


def test_strange_answer_after_a_busy_server_is_tried_again_too(server, tmp_path):
    server.trouble, rows = [status(429), status(503), status(429), status(200, '[{"index": 0, "sco')], pairs_of(1, 2)
    np.testing.assert_allclose(ask(Served(server.url, "tei"), rows, tmp_path), expected(rows), rtol=1e-5)


@pytest.mark.parametrize(
    "answer", [{"choices": ["yes"]}, {"choices": [{"message": {"content": "yes"}, "logprobs": [1]}]}]
)
def test_chat_of_another_shape_is_one_sentence(answer, server, tmp_path):
    server.always = status(200, answer)
    with pytest.raises(ModelError, match=r"expected a chat completion|gives no log-probabilities"):
        ask(Served(server.url, "openai", "chat"), pairs_of(1, 1), tmp_path)


@pytest.mark.parametrize("answer", ["no JSON", '{"points": 3}', '{"score": "3"}', '{"score": 101}', "{score: 3}", None])
def test_chat_without_a_score_is_no_score(answer, server, tmp_path):
    server.always = status(200, {"choices": [{"message": {"content": answer}}]})
    with pytest.raises(ModelError, match=r"in 3 attempts, the last: expected (JSON|a number|a score)"):
        ask(Served(server.url, "openai", "chat", answers=[]), pairs_of(1, 1), tmp_path)


def test_chat_that_answers_with_other_words_is_no_score(server, tmp_path):
    top = {"top_logprobs": [{"token": "Hm", "logprob": -0.1}]}
    server.always = status(200, {"choices": [{"message": {"content": "Hm"}, "logprobs": {"content": [top]}}]})
    with pytest.raises(ModelError, match="expected 'yes' or 'no' among the likely answers"):
        ask(Served(server.url, "openai", "chat"), pairs_of(1, 1), tmp_path)


TOO_LONG = {"413": status(413), "422": status(422), "400": status(400, "maximum context length is 512 tokens")}


@pytest.mark.parametrize("code", TOO_LONG)
def test_pair_that_is_too_long_has_no_score_and_its_neighbours_have(code, server, tmp_path, caplog):
    rows = pairs_of(2, 8)
    long = "passage 5 of 1"
    server.always = lambda handler, body: long in body["texts"] and TOO_LONG[code](handler, body)
    with caplog.at_level(logging.WARNING):
        margins = ask(Served(server.url, "tei"), rows, tmp_path)
    at = rows["passage"].index(long)
    assert np.isnan(margins[at])
    np.testing.assert_allclose(np.delete(margins, at), np.delete(expected(rows), at), rtol=1e-5)
    assert "1 of 16 pairs have no score" in caplog.text
    assert len(server.requests) == 2 + 2 * 3 and set(server.scored.values()) == {1}  # found by halves
    assert np.isnan(ask(Served(server.url, "tei"), rows, tmp_path)[at]) and len(server.requests) == 8


@pytest.mark.parametrize("questions", [2, 30])
def test_server_that_refuses_every_pair_ends_the_run(questions, server, tmp_path):
    server.always, rows = status(422, "no such field"), pairs_of(questions, 1)
    with pytest.raises(ModelError, match=r"every pair is refused, one with status 422 \(no such field\)"):
        ask(Served(server.url, "tei", concurrency=1), rows, tmp_path)
    assert len(server.requests) == min(questions, 5)
    server.always = None
    np.testing.assert_allclose(ask(Served(server.url, "tei"), rows, tmp_path), expected(rows), rtol=1e-5)


def test_server_that_has_come_to_refuse_every_pair_ends_the_run_and_no_pair_counts_as_too_long(server, tmp_path):
    rows = pairs_of(12, 1)
    server.always = lambda handler, body: len(server.scored) > 3 and status(422, "no such field")(handler, body)
    with pytest.raises(ModelError, match=r"5 pairs in a row are refused, one with status 422 \(no such field\)"):
        ask(Served(server.url, "tei", concurrency=1), rows, tmp_path)
    server.always = None
    np.testing.assert_allclose(ask(Served(server.url, "tei"), rows, tmp_path), expected(rows), rtol=1e-5)


def test_many_texts_in_a_row_that_are_too_long_end_no_run(server, tmp_path):
    rows = pairs_of(12, 1)
    server.always = lambda handler, body: len(server.scored) > 3 and status(413)(handler, body)
    assert np.isnan(ask(Served(server.url, "tei", concurrency=1), rows, tmp_path)).sum() == 8
