"""Nothing is paid for twice, and no more than the budget allows."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.unit.served.asking import ask
from tests.unit.served.server import expected, pairs_of, status
from tmkd.errors import BudgetSpent, ModelError, TmkdError
from tmkd.teachers.served import Served
from tmkd.teachers.served.answers import Answers
from tmkd.teachers.served.price import Price, Tariff

ROOT = Path(__file__).parents[3]
ASK = """
import json, sys
from pathlib import Path
from tqdm import tqdm
from tmkd.teachers.served import Served
teacher = Served(sys.argv[1], "tei", concurrency=2)
with teacher.open(None, ("irrelevant", "relevant"), Path(sys.argv[2])) as scorer, tqdm(disable=True) as bar:
    scorer(json.load(sys.stdin), bar)  # columns as lists, and no runtime: datasets and torch take seconds to load
"""


def kept(folder):
    answers = Answers(folder)
    try:
        return set(answers.found(pairs_of(60, 2)["id"])), answers.spent()
    finally:
        answers.close()


def test_kill_costs_only_what_was_under_way(server, tmp_path):
    server.seconds, rows = 0.05, pairs_of(60, 2)
    command = [sys.executable, "-c", ASK, server.url, str(tmp_path)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, text=True)
    assert process.stdin
    process.stdin.write(json.dumps(rows.to_dict()))
    process.stdin.close()
    deadline = time.monotonic() + 60
    while len(server.scored) < 30 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    while server.now:
        time.sleep(0.01)
    before, asked = set(server.scored), len(server.requests)
    answered, (requests, _) = kept(tmp_path)
    assert 30 <= len(before) < 120
    assert len(before) - len(answered) <= 2 * 2  # two requests of two pairs were under way
    assert requests >= asked  # what was sent is counted, answered or not

    server.scored.clear()
    server.seconds = 0.0
    np.testing.assert_allclose(ask(Served(server.url, "tei"), rows, tmp_path), expected(rows), rtol=1e-5)
    assert set(server.scored.values()) == {1}
    of_id = dict(zip(rows["id"], zip(rows["question"], rows["passage"])))
    assert set(server.scored) == {of_id[pair] for pair in of_id if pair not in answered}


def test_budget_of_requests_ends_the_run_and_a_larger_one_goes_on(server, tmp_path):
    rows = pairs_of(10, 3)
    with pytest.raises(BudgetSpent, match=r"spent after 4 requests; 12 of the 30 pairs .* and 18 have none, .* 6 req"):
        ask(Served(server.url, "tei", budget_requests=4), rows, tmp_path)
    assert len(server.requests) == 4 and issubclass(BudgetSpent, TmkdError)
    with pytest.raises(BudgetSpent):  # the same command does not start over
        ask(Served(server.url, "tei", budget_requests=4), rows, tmp_path)
    assert len(server.requests) == 4
    teacher = Served(server.url, "tei", budget_requests=10)
    np.testing.assert_allclose(ask(teacher, rows, tmp_path), expected(rows), rtol=1e-5)
    assert set(server.scored.values()) == {1}
    ask(Served(server.url, "tei", budget_requests=1), rows, tmp_path)  # what is answered costs nothing


def test_attempts_that_fail_count_as_requests(server, tmp_path):
    server.always = status(500)
    with pytest.raises(BudgetSpent, match=r"spent after 3 requests; 0 of the 1 pairs"):
        ask(Served(server.url, "tei", budget_requests=3), pairs_of(1, 1), tmp_path)
    assert len(server.requests) == 3


def test_budget_of_money_counts_the_tokens_that_the_server_counted(server, tmp_path):
    teacher = Served(
        server.url, "jina", "reranker", budget_money=1.0, price_per_1000_tokens=2.0, concurrency=1, texts_a_request=1
    )
    with pytest.raises(BudgetSpent, match=r"spent after 5 requests at a price of about 1\.00; 5 of the 9 pairs"):
        ask(teacher, pairs_of(9, 1), tmp_path)  # 100 tokens a request, 0.2 each
    assert len(server.requests) == 5


def test_budget_of_money_counts_search_units(server, tmp_path):
    teacher = Served(server.url, "cohere", "reranker", budget_money=1.0, price_per_request=0.25, concurrency=1)
    with pytest.raises(BudgetSpent, match=r"spent after 2 requests at a price of about 1\.00; 2 of the 9 pairs"):
        ask(teacher, pairs_of(9, 1), tmp_path)  # two units a request


def test_refused_requests_cost_no_money_and_lost_ones_do(server, tmp_path):
    teacher = Served(server.url, "tei", budget_money=9.0, price_per_request=1.0)
    server.trouble = [status(429), status(503)]
    ask(teacher, pairs_of(1, 1), tmp_path)
    assert kept(tmp_path)[1] == (3, 1.0)
    server.seconds = 0.3
    with pytest.raises(ModelError, match=r"nothing came within 0\.2 s"):
        ask(Served(server.url, "tei", price_per_request=1.0, timeout=0.2, retries=1), pairs_of(2, 1), tmp_path)
    assert kept(tmp_path)[1] == (5, 3.0)


@pytest.mark.parametrize("code", [400, 401, 402, 404])
def test_wrong_key_or_field_costs_no_money(code, server, tmp_path):
    server.always = status(code)
    for _ in range(3):
        with pytest.raises(ModelError, match=f"status {code}"):
            ask(Served(server.url, "tei", price_per_request=1.0, budget_money=2.0), pairs_of(1, 1), tmp_path)
    assert kept(tmp_path)[1] == (3, 0.0)


@pytest.mark.parametrize("tokens", [float("nan"), float("inf"), -5000, "many", None])
def test_tokens_that_are_no_number_leave_the_estimate(tokens):
    assert Tariff(None, 1.0).charged({"usage": {"total_tokens": tokens}}, 2000) == 2.0


def test_price_is_known_before_anything_is_sent(server, tmp_path):
    rows = pairs_of(7, 5)
    teacher = Served(server.url, "tei", texts_a_request=2, price_per_request=0.01, price_per_1000_tokens=0.02)
    assert teacher.price(35, 7, 5000) == Price(21, pytest.approx(0.31))
    assert not server.requests
    ask(teacher, rows, tmp_path)
    assert len(server.requests) == 21
    assert Served(server.url, "tei").price(35, 7, 5000) == Price(7, None)
    assert Served(server.url, "tei").price(0, 0, 0) == Price(0, None)


def test_price_of_a_chat_model_has_the_prompt_of_every_pair():
    teacher = Served("http://x", "openai", "chat", prompt="{query}{document}" + "a" * 383, price_per_1000_tokens=1.0)
    assert teacher.price(10, 2, 1000) == Price(10, pytest.approx(2.0))  # 400 bytes: 100 tokens


def test_damaged_answers_are_named(server, tmp_path):
    (tmp_path / "answers.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(TmkdError, match=r"answers\.sqlite: expected a database .* 'file is not a database'"):
        ask(Served(server.url, "tei"), pairs_of(1, 1), tmp_path)


def test_small_price_is_not_shown_as_nothing():
    assert str(Price(80, 0.0016)) == "80 requests at a price of about 0.0016"
    assert str(Price(1, 0.0)) == "1 request at a price of about 0.00"
    assert str(Price(2, 12.345)) == "2 requests at a price of about 12.35"
