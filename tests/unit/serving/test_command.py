"""``tmkd serve`` itself, in a process of its own: it starts, says where it is, and stops without losing a request."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from typer.testing import CliRunner

from tmkd.cli import app
from tmkd.serve.run import bind, listen

ROOT = Path(__file__).parents[3]
BODY = {"query": "what is amber", "texts": ["amber " * (1 + at % 20) for at in range(200)]}


@pytest.fixture
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "tmkd", "serve", folder.name, "--artifacts", str(folder.parent), "--port", "0"]
    # a busy machine takes longer than the default for 4,000 pairs
    options = ["--device", "cpu", "--precision", "fp32", "--api-key-env", "SERVE_KEY", "--timeout", "600"]
    server = subprocess.Popen([*command, *options], cwd=ROOT, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "SERVE_KEY": "secret"})  # fmt: skip
    assert server.stderr
    said = server.stderr.readline()
    where = re.search(rf"{folder.name} answers at (http://127\.0\.0\.1:\d+); Ctrl-C stops it", said)
    assert where, said
    httpx2.get(f"{where[1]}/health", timeout=60).raise_for_status()  # it is not said too early
    try:
        yield server, where[1]
    finally:
        server.kill()
        server.wait()


@pytest.mark.thorough
def test_stopped_server_answers_what_it_has_accepted_and_takes_no_more(
    process: tuple[subprocess.Popen[str], str],
) -> None:
    server, url = process
    answers: list[int] = []
    headers = {"Authorization": "Bearer secret"}
    with httpx2.Client(base_url=url, timeout=60, headers=headers, limits=httpx2.Limits(max_connections=None)) as client:
        threads = [
            threading.Thread(target=lambda: answers.append(client.post("/rerank", json=BODY).status_code))
            for _ in range(20)
        ]
        for each in threads:
            each.start()
        accepted = 0.0
        while accepted < 20 * 200:  # all of them wait or are computed
            found = client.get("/metrics").text
            accepted = sum(float(line.split()[1]) for line in found.splitlines()
                           if line.startswith(("tmkd_queue_pairs ", "tmkd_pairs_total ")))  # fmt: skip
        server.send_signal(signal.SIGTERM)
        for each in threads:
            each.join()
    assert server.wait(20) == 0
    assert answers == [200] * 20
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{url}/health")


def test_server_that_is_asked_to_stop_as_soon_as_it_is_ready_stops() -> None:
    late = threading.Timer(60, os.kill, (os.getpid(), signal.SIGTERM))  # or this test would never end
    late.start()
    listen(Starlette(), bind("127.0.0.1", 0), 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert late.is_alive()
    late.cancel()


def test_what_cannot_be_served_is_one_sentence(folder: Path) -> None:
    def run(*arguments: str) -> str:
        found = CliRunner().invoke(app, ["serve", str(folder), *arguments], catch_exceptions=False)
        assert found.exit_code == 2 and found.stderr.startswith("tmkd: ") and found.stderr.count("\n") == 1
        return found.stderr

    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "Address already in use" in run("--port", str(taken.getsockname()[1]))
    assert "environment variable NOTHING_SET" in run("--api-key-env", "NOTHING_SET")


def test_seconds_that_never_end_are_refused(folder: Path) -> None:
    # inf ended in a traceback once the model was loaded
    found = CliRunner().invoke(app, ["serve", str(folder), "--timeout", "inf"], env={"COLUMNS": "200"})
    assert found.exit_code == 2 and "--timeout" in found.stderr
