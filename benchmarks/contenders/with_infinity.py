"""infinity, a server of embeddings and rerankers, with the export ``hf`` of one of tmkd's classifiers.

It needs transformers 4, so it lives in an environment of its own, and its program is named by a variable:
    pip install torch==2.13.0 'infinity-emb[server,torch]==0.0.78'
    INFINITY=THAT_ENVIRONMENT/bin/infinity_emb make bench ONLY=serving
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

STARTS = 120  # seconds that it may take to answer


def program() -> str | None:
    """Return what starts infinity, or None where nobody named it."""
    return os.environ.get("INFINITY")


def export(folder: Path) -> None:
    """Write the classifier ``teacher-1`` as a plain checkpoint of transformers."""
    from tmkd.export.checkpoint import write_checkpoint
    from tmkd.export.student import Student
    from tmkd.export.tokenizer import name_known_class
    from tmkd.models.classifier import PairClassifier
    from tmkd.store.artifacts import Artifact

    model = PairClassifier.load(folder / "teacher-1", attention="eager").eval()
    write_checkpoint(Student(cast(Artifact, None), model, ranking=True), folder / "hf")
    name_known_class(folder / "hf")


@contextmanager
def infinity(folder: Path) -> Iterator[str]:
    """Serve the export in float32, with tmkd's pairs in a batch; yields its address."""
    import httpx2

    from tmkd.serve.run import bind
    from tmkd.training.runtime import CPU_SCORE_BATCH

    with bind("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    command = [str(program()), "v2", "--model-id", str(folder / "hf"), "--engine", "torch", "--device", "cpu"]
    command += ["--dtype", "float32", "--no-bettertransformer", "--batch-size", str(CPU_SCORE_BATCH)]
    command += ["--log-level", "error", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, env={**os.environ, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"})
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(STARTS * 10):
            try:
                httpx2.get(f"{url}/health").raise_for_status()
                break
            except httpx2.HTTPError:
                if server.poll() is not None:
                    raise SystemExit(f"infinity ended with code {server.returncode} before it served.") from None
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


def body(of: dict[str, Any]) -> dict[str, Any]:
    """Return a request for it, from one in TEI's shape."""
    return {"query": of["query"], "documents": of["texts"]}


def scores(answer: dict[str, Any]) -> list[float]:
    """Return the scores of its answer, in the order of the documents."""
    return [each["relevance_score"] for each in sorted(answer["results"], key=lambda each: each["index"])]
