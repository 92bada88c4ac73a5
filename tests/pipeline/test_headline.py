"""The headline, from a finished comparison to its table."""

import json

import pytest

from benchmarks import headline
from benchmarks.headline_material import BF16, FP32, INT8, ONNX
from tests.pipeline.running import compose_at
from tmkd.pipelines import stage3

SMALL = ["experiment=smoke", "method=kd", "teachers.count=2", "runtime.threads=1", "stage2.epochs=1"]


@pytest.mark.thorough
def test_each_student_stands_in_each_form_and_an_unknown_row_is_answered(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    stage3.run(compose_at(tmp_path, *SMALL, "student.seeds=[1]"))
    report, into = str(tmp_path / "reports" / "smoke"), tmp_path / "headline"
    paths = ["--artifacts", str(tmp_path / "artifacts"), "--into", str(into)]
    with pytest.raises(SystemExit, match=r"expected a row of students .* got 'TMKD'; there are: KD \(1-o-1\)"):
        headline.main([report, "TMKD", *paths])
    with pytest.raises(SystemExit, match=r"expected the models of all 2 teachers in .*, got none; name the folder"):
        headline.main([report, "KD (1-o-1)", "--artifacts", str(tmp_path / "elsewhere"), "--into", str(into)])
    once = ["--in-process", "--rounds", "1", "--pairs", "4", "--threads", "1"]
    for fast, forms in ((False, [FP32, ONNX, INT8]), (True, [FP32, BF16, ONNX, INT8])):  # whatever this machine has
        monkeypatch.setattr(headline, "fast_bf16", lambda fast=fast: fast)
        lines = headline.main([report, "KD (1-o-1)", *paths, *once])
        assert [line[1] for line in lines[-len(forms) :]] == forms
    assert lines[0][0] == "chance" and lines[1][0] == "teacher ensemble"
    assert lines[-4][8] == lines[-2][8], "a student of one head is ONNX's equal"
    facts = json.loads((into / "headline.json").read_text())
    assert [each["name"] for each in facts["models"]] == [f"{row}, {form}" for row, form, *_ in lines[1:]]
    assert all(each["bytes"] > 0 and each["parameters"] > 0 for each in facts["models"])
    assert [f"{facts['one_pair_ms'][name][0]:.1f}" for name in facts["seconds"]] == [line[6] for line in lines[1:]]
