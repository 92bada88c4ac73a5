"""What docs/teachers.md tells users to type: each command of its first table runs, and so does its BM25 program."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from tests.pipeline.running import ROOT, compose_at
from tests.unit.served.server import serving
from tests.unit.test_ready import bert, qwen3
from tmkd.pipelines import label, pairs, stage2

PAGE = (ROOT / "docs/teachers.md").read_text(encoding="utf-8")
SMALL = ("experiment=smoke", "student.seeds=[1]", "runtime.threads=1", "runtime.precision=fp32", "stage2.epochs=1")
PLACE, URL = "FOLDER_OR_HUB_NAME", "http://127.0.0.1:8080"
ROWS = re.findall(r"^\| .*?\[(\w[\w ]*)\]\(\S*\).* \| `(tmkd .*)` \|$", PAGE, re.MULTILINE)
(OWN_LOSS,) = re.findall(r"^### Teach a teacher by another loss\n.*?^```sh\n(.*?)\n```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BM25 scores of all pairs of a run, made by the page's program, a file a split."""
    home = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        folder = pairs.run(compose_at(home, *SMALL, "method=tmkd"))
        (program,) = re.findall(r"^```python\n(import json\nimport sys\n.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
        (home / "bm25.py").write_text(program, encoding="utf-8")
        patch.setattr(sys, "argv", ["bm25.py", *map(str, folder.glob("*.jsonl"))])
        runpy.run_path(str(home / "bm25.py"), run_name="__main__")
    return folder


def test_table_has_a_command_for_each_kind() -> None:
    assert [name for name, _ in ROWS] == [
        "fine_tuned", "LoRA", "ready", "causal", "scores", "served", "a committee", "label",
    ]  # fmt: skip
    assert len(OWN_LOSS.splitlines()) == 2


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "command"),
    [*ROWS, *(("own loss", command) for command in OWN_LOSS.splitlines())],
    ids=lambda each: each.split(" ")[0],
)
def test_command_of_the_page_runs(name: str, command: str, scores: Path, tmp_path: Path) -> None:
    if name == "LoRA":
        pytest.importorskip("peft")
    models = {"ready": lambda: bert(tmp_path / "model", num_labels=1), "causal": lambda: qwen3(tmp_path / "model")}
    stage, *settings = shlex.split(command, comments=True)[1:]
    with serving() as server:
        here = {
            PLACE: str(models[name]()) if name in models else "",
            URL: server.url,
            "scores.jsonl": f"'{scores}/*.bm25.jsonl'",
            "corpus.path=pairs.jsonl": f"corpus.path={scores}/train.jsonl",
        }
        for written, meant in here.items():
            settings = [each.replace(written, meant) for each in settings]
        # random models and BM25 on a few made-up pairs know too little to be calibrated, and BM25 has no zero
        more = ["method=kd_average"] if stage == "stage3" else ["corpus.pairs=null", "label.right=top"]
        more += ["teachers.calibration=none"]
        assert {"stage3": stage2, "label": label}[stage].run(compose_at(tmp_path, *SMALL, *more, *settings))
