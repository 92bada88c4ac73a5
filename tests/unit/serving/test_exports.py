"""An export behind HTTP, run by what its folder is for, scores as the student does."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.serving.server import serving
from tmkd.choices import CROSS_ENCODER, ONNX
from tmkd.cli import app
from tmkd.errors import ModelError
from tmkd.export.run import export_model
from tmkd.reranker import Reranker

TEXTS = ["amber", "birch", "amber " * 40]


@pytest.mark.parametrize(
    ("target", "package", "backend"),
    [
        (CROSS_ENCODER, "sentence_transformers", "torch"),
        pytest.param(ONNX, "onnxruntime", "onnx", marks=pytest.mark.thorough),
    ],
)
def test_export_answers_as_its_student(
    folder: Path, reranker: Reranker, tmp_path: Path, target: str, package: str, backend: str
) -> None:
    pytest.importorskip(package)
    export_model(folder, target, tmp_path / "out", verify=False, latency=False, threads=1)
    expected = reranker.predict([("what is amber", text) for text in TEXTS])
    with serving(Reranker.from_pretrained(tmp_path / "out", threads=1)) as server:
        answer = server.post("/rerank", {"query": "what is amber", "texts": TEXTS, "raw_scores": True})
        assert answer.headers["x-cut-pairs"] == "1"
        scores = {found["index"]: found["score"] for found in answer.json()}
        assert [scores[at] for at in range(3)] == pytest.approx(expected.tolist(), abs=1e-3)
    with pytest.raises(ModelError, match="expected an export that backend="):
        Reranker.from_pretrained(tmp_path / "out", backend="torch" if backend == "onnx" else "onnx")


def test_student_is_not_served_by_a_backend_of_exports(folder: Path) -> None:
    found = CliRunner().invoke(app, ["serve", str(folder), "--port", "0", "--backend", "onnx"], catch_exceptions=False)
    assert found.exit_code == 2
    assert "expected an export where backend=onnx; run tmkd export --to onnx" in found.stderr
