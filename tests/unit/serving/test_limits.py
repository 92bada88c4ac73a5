"""What is refused: in which shape, with which status, and that the server goes on."""

import asyncio
import json
import socket
import threading
from typing import Any

import pytest

from tests.unit.serving.server import Served, serving
from tmkd.errors import ConfigError
from tmkd.reranker import Reranker
from tmkd.serve.guard import Guard
from tmkd.serve.limits import Limits
from tmkd.serve.metrics import Metrics
from tmkd.serve.run import bind, key_from

PAIR = {"query": "q", "texts": ["p"]}


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/rerank", {"query": "q", "texts": []}, 400, "Expected at least one text to score, but there is none."),
        ("/rerank", {"query": "q"}, 422, "texts: is missing."),
        ("/rerank", {"query": None, "texts": ["p"]}, 422, "query: input should be a valid string."),
        ("/rerank", {"query": "q", "texts": ["p", 7]}, 422, "texts[1]: input should be a valid string."),
        ("/rerank", {"query": "q", "texts": "p"}, 422, "texts: input should be a valid list."),
        ("/rerank", [PAIR], 422, "Expected a JSON object, sent with Content-Type: application/json."),
        ("/rerank", PAIR | {"truncation_direction": "Left"}, 422, "truncation_direction: expected Right"),
        ("/predict", {"inputs": "alone"}, 422, "inputs"),
        ("/predict", {"inputs": ["alone"]}, 422, "inputs: expected [question, passage], or a list of such pairs."),
        ("/predict", {"inputs": []}, 400, "Expected at least one text"),
    ],
)  # fmt: skip
def test_mistake_is_one_sentence_in_tei_s_shape(served: Served, path: str, body: Any, status: int, said: str) -> None:
    answer = served.post(path, body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "error_type"}
    assert answer.json()["error_type"] == ("empty" if status == 400 else "validation")
    assert said in answer.json()["error"]


def test_other_routes_have_the_errors_of_their_clients(served: Served) -> None:
    empty = {"query": "q", "documents": []}
    assert set(served.post("/v1/rerank", empty).json()) == {"detail"}
    assert set(served.post("/v2/rerank", empty).json()) == {"message"}
    error = served.post("/v1/score", {"text_1": ["a", "b"], "text_2": ["c"]}).json()["error"]
    assert error == {
        "message": "text_1: expected one text, or as many as text_2 has.",
        "type": "validation", "param": None, "code": 422,
    }  # fmt: skip
    assert served.client.get("/nothing").json() == {"error": "Not Found", "error_type": "validation"}
    assert served.client.get("/rerank").status_code == 405


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"query": "\\ud800", "texts": ["p"]}', b"[" * 100_000, b'{"query": "\xff", "texts": ["p"]}']
)
def test_broken_json_is_refused(served: Served, body: bytes) -> None:
    answer = served.client.post("/rerank", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert set(answer.json()) == {"error", "error_type"}


def test_too_long_a_pair_is_cut_or_refused_as_asked(served: Served) -> None:
    long = {"query": "q", "texts": ["p", "amber " * 50]}
    answer = served.post("/rerank", long | {"truncate": False})
    assert (answer.status_code, answer.json()["error_type"]) == (413, "validation")
    assert "Pair 1 is longer than the 24 tokens that the model reads" in answer.json()["error"]
    assert served.post("/rerank", PAIR | {"truncate": False}).status_code == 200
    for both in ("amber " * 170_000, " " * 9000 + "amber " * 10_000):  # minutes, where both are tokenised as a pair
        question = served.post("/rerank", {"query": both, "texts": [both]})
        assert (question.status_code, question.headers["x-cut-pairs"]) == (200, "1")


@pytest.mark.parametrize("text", ["amber birch " * 60, " " * 3000 + "amber " * 60, "amber " * 9 + "x" * 900])
def test_text_whose_beginning_alone_is_tokenised_has_the_score_of_the_whole(
    served: Served, reranker: Reranker, text: str
) -> None:
    texts = ["birch", text]
    found = served.post("/v1/score", {"text_1": text, "text_2": texts}).json()["data"]
    assert [each["score"] for each in found] == pytest.approx(reranker.score([text] * 2, texts)[:, 1], abs=1e-6)


def test_million_passages_are_too_many(served: Served) -> None:
    answer = served.post("/rerank", {"query": "q", "texts": ["x"] * 700_000})
    assert (answer.status_code, answer.json()["error_type"]) == (413, "validation")
    assert served.post("/rerank", {"query": "q", "texts": ["x"] * 1_000_000}).status_code == 413  # by its bytes


def test_size_of_a_request_has_limits(reranker: Reranker) -> None:
    with serving(reranker, texts=3, body=2000, characters=300) as server:
        for body, said in (
            (PAIR | {"texts": ["p"] * 4}, "4 texts are more than the 3 of one request"),
            (PAIR | {"texts": ["p" * 3000]}, "larger than the 2000 bytes"),
            ({"query": "q" * 200, "texts": ["p", "p"]}, "402 characters are more than the 300"),
        ):
            answer = server.post("/rerank", body)
            assert (answer.status_code, answer.json()["error_type"]) == (413, "validation")
            assert said in answer.json()["error"]
        chunks = (b"x" * 500 for _ in range(10))  # no Content-Length
        assert server.client.post("/rerank", content=chunks).status_code == 413
        assert server.metric('tmkd_errors_total{error_type="validation"}') == 4
        assert server.post("/rerank", PAIR).status_code == 200


@pytest.mark.parametrize("limit", [{"queue": 4}, {"requests": 1}])
def test_full_queue_and_too_many_requests_are_429(reranker: Reranker, limit: dict[str, int]) -> None:
    with serving(reranker, **limit) as server:
        with server.gate.shut():
            other = threading.Thread(target=server.post, args=("/rerank", {"query": "q", "texts": ["p"] * 3}))
            other.start()
            server.until("tmkd_queue_pairs", 3)
            answer = server.post("/rerank", {"query": "q", "texts": ["p"] * 2})
            assert (answer.status_code, answer.json()["error_type"]) == (429, "overloaded")
        other.join()
        assert server.post("/rerank", PAIR).status_code == 200


def test_client_that_has_its_answer_may_ask_again_at_once() -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"1"})

    guard = Guard(answer, Limits(requests=1), Metrics(), {"/rerank"})
    statuses: list[int] = []

    async def ask(again: bool) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"{}"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            elif again:  # the client has the last bytes, and the server has not gone on yet
                await ask(again=False)

        await guard({"type": "http", "method": "POST", "path": "/rerank", "headers": []}, receive, send)

    asyncio.run(ask(again=True))
    assert statuses == [200, 200]


def test_request_has_a_limited_time_to_come_and_to_be_answered(reranker: Reranker) -> None:
    with serving(reranker, seconds=0.3) as server, server.gate.shut():
        answer = server.post("/rerank", PAIR)
        assert (answer.status_code, answer.json()["error_type"]) == (429, "overloaded")
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as slow:
            slow.sendall(b"POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
            assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


def test_key_is_asked_for_everywhere_but_for_health(reranker: Reranker) -> None:
    with serving(reranker, key="schlüssel") as server:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "schlüssel".encode()}):
            for path in ("/rerank", "/v1/rerank", "/v2/rerank", "/predict", "/v1/score"):
                assert server.post(path, PAIR, headers=headers).status_code == 401
            for path in ("/info", "/metrics", "/openapi.json"):
                assert server.client.get(path, headers=headers).status_code == 401
            assert server.client.get("/health", headers=headers).status_code == 200
        key = {"Authorization": "Bearer schlüssel".encode()}
        assert server.post("/rerank", PAIR, headers=key).status_code == 200
        refused = server.post("/rerank", PAIR)
        assert refused.headers["www-authenticate"] == "Bearer" and refused.json()["error_type"] == "unauthorized"


def test_key_that_is_not_there_and_port_in_use_are_told_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    with pytest.raises(ConfigError, match="expected a key in the environment variable NO_KEY"):
        key_from("NO_KEY")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{port} \(Address already in use\)"):
            bind("127.0.0.1", port)
    with pytest.raises(ConfigError, match="cannot listen on no-such-host"):
        bind("no-such-host.invalid", 80)


def test_answer_does_not_wait_for_the_client_to_acknowledge_its_beginning() -> None:
    async def at_once() -> bool:
        accepted = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(lambda _, writer: accepted.set_result(writer), sock=bind("127.0.0.1", 0))
        _, client = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer = await accepted
        found = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        client.close()
        server.close()
        return bool(found)

    assert asyncio.run(at_once())


def test_client_that_leaves_is_not_computed_for(reranker: Reranker) -> None:
    with serving(reranker) as server:
        with server.gate.shut():
            other = threading.Thread(target=server.post, args=("/rerank", PAIR))
            other.start()
            server.until("tmkd_batch_pairs_count", 1)
            body = json.dumps({"query": "q", "texts": ["p"] * 300}).encode()
            head = f"POST /rerank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as leaving:
                leaving.sendall(f"{head}\r\n\r\n".encode() + body)
                server.until("tmkd_queue_pairs", 301)
            server.until("tmkd_clients_gone_total", 1)
        other.join()
        assert server.post("/rerank", PAIR).status_code == 200
        assert server.gate.sizes == [1, 1]
        assert server.metric("tmkd_queue_pairs") == 0
