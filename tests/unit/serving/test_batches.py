"""What is computed together, by hand; and many clients at once, who must get what one alone would."""

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.unit.serving.server import Served, serving
from tmkd.errors import TrainingDiverged
from tmkd.reranker import Reranker
from tmkd.serve.batches import Request, take
from tmkd.serve.engine import Pair


def request(*tokens: int) -> Request:
    return Request([Pair(None, each, cut=False) for each in tokens], classes=2)


def test_room_that_the_first_request_leaves_goes_to_pairs_of_its_length() -> None:
    first, second, third = request(10, 30, 20), request(12, 40), request(28)
    waiting = deque([first, second, third])
    assert take(waiting, 4, 10_000) == [(first, 1), (first, 2), (first, 0), (third, 0)]
    assert list(waiting) == [second]
    assert take(waiting, 4, 10_000) == [(second, 1), (second, 0)]
    assert not waiting


def test_large_request_holds_up_no_small_one() -> None:
    large, small = request(*[10] * 5), request(10)
    waiting = deque([large, small])
    assert take(waiting, 2, 10_000) == [(large, 0), (large, 1)]
    assert take(waiting, 2, 10_000) == [(small, 0), (large, 2)]
    assert take(waiting, 2, 10_000) == [(large, 3), (large, 4)]


def test_pairs_that_are_much_longer_wait_for_their_own_turn() -> None:
    short, long, near = request(10), request(27), request(26)
    assert take(deque([short, long, near]), 8, 10_000) == [(short, 0), (near, 0)]


def test_tokens_limit_a_batch_but_the_longest_pair_is_computed_all_the_same() -> None:
    one = request(84, 84, 84)
    waiting = deque([one])
    assert take(waiting, 32, 200) == [(one, 0), (one, 1)]  # 84 and 16 to spare, twice
    assert take(waiting, 32, 50) == [(one, 2)]


def test_fifty_clients_get_the_scores_of_one_and_share_batches(reranker: Reranker) -> None:
    rng = np.random.default_rng(0)
    words = ["amber", "birch", "cobalt", "dune", "ember", "fjord"]
    work = [
        (f"what is {words[at % 6]} {at}", [" ".join(rng.choice(words, rng.integers(1, 30))) for _ in range(1 + at % 9)])
        for at in range(50)
    ]
    pairs = [(question, text) for question, texts in work for text in texts]
    expected = reranker.predict(pairs)
    with serving(reranker) as server:

        def ask(at: int) -> list[float]:
            body = {"text_1": work[at][0], "text_2": work[at][1], "use_activation": False}
            return [each["score"] for each in server.post("/v1/score", body).json()["data"]]

        with ThreadPoolExecutor(50) as pool:
            with server.gate.shut():
                futures = [pool.submit(ask, at) for at in range(50)]
                server.until("tmkd_queue_pairs", 100)
            found = [each.result() for each in futures]
        sizes = server.gate.sizes
    assert sum(sizes) == len(pairs)
    assert max(sizes) > 9 and len(sizes) < 50  # batches are of several requests
    assert [score for scores in found for score in scores] == pytest.approx(expected, abs=1e-5)


def test_request_that_fails_fails_alone_and_says_nothing_of_the_inside(
    reranker: Reranker, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(reranker) as server:
        poison = "poison " * 7
        length = server.service.engine.encode(["q"], [poison])[0].tokens

        def fail(pairs: list[Pair]) -> np.ndarray:
            if any(pair.tokens == length for pair in pairs):
                raise TrainingDiverged("/secret/folder is not finite")
            return server.gate(pairs)

        server.service._batcher._compute = fail
        answers = {}

        def ask(text: str) -> None:
            answers[text] = server.post("/rerank", {"query": "q", "texts": [text]})

        threads = [threading.Thread(target=ask, args=[text]) for text in ("amber", poison, "birch", "dune")]
        with server.gate.shut():
            for each in threads:
                each.start()
            server.until("tmkd_queue_pairs", 4)
        for each in threads:
            each.join()
        assert answers[poison].status_code == 424
        assert answers[poison].json() == {"error": "The model failed to score this request.", "error_type": "backend"}
        assert {answers[text].status_code for text in ("amber", "birch", "dune")} == {200}
        assert server.client.get("/health").status_code == 200
    assert "/secret/folder" in caplog.text  # for whoever runs the server


def test_server_whose_device_has_failed_for_good_says_that_it_is_unhealthy_until_it_scores_again(
    reranker: Reranker, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(pairs: list[Pair]) -> np.ndarray:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with serving(reranker) as server:
        body = {"query": "q", "texts": ["amber"]}
        server.service._batcher._compute = fail
        assert server.post("/rerank", body).status_code == 424
        answer = server.client.get("/health")
        assert (answer.status_code, answer.json()["error_type"]) == (503, "unhealthy")
        assert "start the server again" in caplog.text
        server.service._batcher._compute = server.gate
        assert server.post("/rerank", body).status_code == 200
        assert server.client.get("/health").status_code == 200


def test_alone_at_the_server_a_request_waits_for_no_other(served: Served) -> None:
    before = served.metric("tmkd_batch_pairs_count")
    served.post("/rerank", {"query": "q", "texts": ["amber"]})
    assert served.metric("tmkd_batch_pairs_count") - before == 1
