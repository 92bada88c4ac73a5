"""A server on loopback that scores pairs in the four shapes, counts what it scored, and has trouble when asked to."""

from __future__ import annotations

import hashlib
import json
import math
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from datasets import Dataset

from tmkd.data.schema import pair_id

Trouble = Callable[["Handler", dict[str, Any]], bool]  # returns whether the request is dealt with


def margin(question: str, passage: str) -> float:
    """Return the log-odds that a passage answers the question: words in common, and a part that the texts decide."""
    common = len(set(question.split()) & set(passage.split()))
    noise = int(hashlib.sha256(f"{question}|{passage}".encode()).hexdigest()[:8], 16) / 2**32
    return common + 4 * noise - 3


def probability(question: str, passage: str) -> float:
    return 1 / (1 + math.exp(-margin(question, passage)))


def pairs_of(questions: int, passages: int, more: str = "") -> Dataset:
    rows = [(f"what is {q}{more}", f"passage {p} of {q}{more}") for q in range(questions) for p in range(passages)]
    return Dataset.from_dict(
        {
            "id": [pair_id(*row) for row in rows],
            "question_id": [question for question, _ in rows],
            "question": [question for question, _ in rows],
            "passage": [passage for _, passage in rows],
        }
    )


def expected(rows: Dataset) -> list[float]:
    return [margin(question, passage) for question, passage in zip(rows["question"], rows["passage"])]


class Server(ThreadingHTTPServer):
    """Attributes: scored (each pair, how often), requests (path, headers, body, time), trouble (of the next requests,
    one each, then of all: ``always``), most (requests at a time)."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.lock = threading.Lock()
        self.scored: Counter[tuple[str, str]] = Counter()
        self.requests: list[tuple[str, dict[str, str], dict[str, Any], float]] = []
        self.trouble: list[Trouble] = []
        self.always: Trouble | None = None
        self.seconds = 0.0
        self.key: str | None = None
        self.most = self.now = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet when a client has gone."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: the second of two would wait 40 ms for the first one's receipt

    def log_message(self, format: str, *arguments: object) -> None: ...

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.requests.append((self.path, dict(self.headers), body, time.monotonic()))
            server.now += 1
            server.most = max(server.most, server.now)
            trouble = server.trouble.pop(0) if server.trouble else server.always
        try:
            time.sleep(server.seconds)
            if server.key and self.headers["Authorization"] != f"Bearer {server.key}":
                self.reply({"error": {"message": f"wrong key: {self.headers['Authorization']}"}}, 401)
            elif trouble is None or not trouble(self, body):
                self.reply(self.answer(body))
        finally:
            with server.lock:
                server.now -= 1

    def reply(self, answer: Any, status: int = 200, **headers: str) -> None:
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def count(self, question: str, passages: Sequence[str]) -> None:
        with self.server.lock:
            self.server.scored.update((question, passage) for passage in passages)

    def answer(self, body: dict[str, Any]) -> Any:
        if self.path == "/v1/chat/completions":
            return self.chat(body)
        score = margin if body.get("raw_scores") else probability
        texts = body["texts"] if self.path == "/rerank" else body["documents"]
        self.count(body["query"], texts)
        name = "score" if self.path == "/rerank" else "relevance_score"
        results = [{"index": index, name: score(body["query"], text)} for index, text in enumerate(texts)]
        results.sort(key=lambda result: -float(result[name]))  # best first, as these servers answer
        return {
            "/rerank": results,
            "/v1/rerank": {"model": body.get("model"), "results": results, "usage": {"total_tokens": 100}},
            "/v2/rerank": {"id": "1", "results": results, "meta": {"billed_units": {"search_units": 2}}},
        }[self.path]

    def chat(self, body: dict[str, Any]) -> Any:
        found = re.search(r"Query: (.*)\n\nPassage: (.*)\n\n", body["messages"][0]["content"])
        assert found
        self.count(found[1], [found[2]])
        yes = probability(found[1], found[2])
        if not body.get("logprobs"):
            content = f'Here it is: {{"score": {100 * yes!r}}}'
            return {"choices": [{"message": {"content": content}}], "usage": {"total_tokens": 100}}
        likely = [("Yes", 0.75 * yes), (" yes", 0.25 * yes), ("no", 0.9 * (1 - yes)), ("No", 0.1 * (1 - yes))]
        top = [{"token": token, "logprob": math.log(each)} for token, each in likely]
        first = {"token": "Yes", "logprob": top[0]["logprob"], "top_logprobs": top}
        return {"choices": [{"message": {"content": "Yes"}, "logprobs": {"content": [first]}}]}


def status(code: int, answer: Any = None, **headers: str) -> Trouble:
    def refuse(handler: Handler, _: dict[str, Any]) -> bool:
        handler.reply({"error": "busy"} if answer is None else answer, code, **headers)
        return True

    return refuse


def slow(seconds: float) -> Trouble:
    def wait(_: Handler, __: dict[str, Any]) -> bool:
        time.sleep(seconds)
        return False

    return wait


def cut(handler: Handler, _: dict[str, Any]) -> bool:
    """Break off in the middle of an answer."""
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{"index": 0, ')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True
    return True


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
