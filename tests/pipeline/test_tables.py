"""A table of the paper on tiny models, one task after the other, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def stage3(home, *overrides, code=0):
    paths = [f"paths.{name}={home / name}" for name in ("artifacts", "reports", "runs")]
    small = ["runtime.threads=1", "runtime.precision=fp32", *paths]
    command = [sys.executable, "-m", "stages.stage3", *small, *overrides]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def table(home, name="table5"):
    return (home / "reports" / name / "table.md").read_text()


def test_table_fills_up_task_by_task_and_trains_each_arm_once(tmp_path):
    first = stage3(tmp_path, "experiment=[smoke,paper/table5]", "data.column=DeepQA")
    folder = tmp_path / "reports" / "table5"
    assert f"table   {folder}/table.md, of smoke pairs" in first
    assert "smoke pairs stands in for DeepQA" in table(tmp_path)
    assert "adjusted for all comparisons of this table (1)" in table(tmp_path)
    found = json.loads((folder / "smoke-pairs" / "comparison.json").read_text())
    column = json.loads((folder / "columns" / "smoke-pairs.json").read_text())
    rows = {row["arm"]: row for row in found["rows"]}
    assert column["rows"] == {
        "chance": rows["chance"], "KD (1-o-1)": rows["KD (1-o-1)"], "TKD": rows["TKD (1-o-1)"],
    }  # fmt: skip
    assert f"| chance | – | {100 * rows['chance']['metrics']['map']['mean']:.2f} | – |" in table(tmp_path)
    mean = rows["KD (1-o-1)"]["metrics"]["map"]["mean"]
    assert f"| KD (1-o-1) | 77.35 | {100 * mean:.2f} ± " in table(tmp_path)
    test = column["tests"][0]
    assert test["difference"] == pytest.approx(rows["TKD (1-o-1)"]["metrics"]["map"]["mean"] - mean)

    # another task: judged by accuracy, as the paper's; a column more, the first as it was
    before = (folder / "columns" / "smoke-pairs.json").read_bytes()
    stage3(
        tmp_path, "experiment=[smoke,paper/table5]", "data.name=other pairs", "data.ranking=false", "data.column=RTE"
    )
    assert "| smoke pairs: paper | smoke pairs: ours |" in table(tmp_path)
    assert "other pairs stands in for RTE" in table(tmp_path)
    assert "adjusted for all comparisons of this table (2)" in table(tmp_path)
    assert (folder / "columns" / "smoke-pairs.json").read_bytes() == before

    # another table of the same arms, one of them new
    said = stage3(tmp_path, "experiment=[smoke,paper/figure2]", "data.column=DeepQA")
    assert "make    teacher" not in said and "make    TKD (1-o-1)" not in said
    assert "make    TMKD" in said
    assert (tmp_path / "reports" / "figure2" / "table.png").stat().st_size > 0
    again = stage3(tmp_path, "experiment=[smoke,paper/table5]", "data.column=DeepQA")
    assert "make   " not in again


def test_arms_with_settings_of_their_own_are_rows_of_their_own(tmp_path):
    sizes = ["experiment=[smoke,ablation/corpus_size]", "student.seeds=[1]"]
    stage3(tmp_path, *sizes)
    text = table(tmp_path, "ablation_corpus_size")
    assert "The paper has no such table" in text
    column = json.loads((tmp_path / "reports/ablation_corpus_size/columns/smoke-pairs.json").read_text())
    assert column["rows"].pop("chance")["artifacts"] == []
    assert list(column["rows"]) == ["none (MKD)", "an eighth", "a quarter", "half", "all"]
    assert len({row["artifacts"][0] for row in column["rows"].values()}) == 5
    stage3(tmp_path, "experiment=[smoke,ablation/teacher_count]", "student.seeds=[1]")
    column = json.loads((tmp_path / "reports/ablation_teacher_count/columns/smoke-pairs.json").read_text())
    assert [row["settings"]["count"] for row in column["rows"].values() if row["seeds"]] == [1, 2, 3]


def test_unknown_arm_is_named_before_anything_is_trained(tmp_path):
    said = stage3(tmp_path, "experiment=[smoke,paper/table5]", "table.rows.TKD.arm=tkt", code=2)
    assert "tmkd: table.rows.TKD.arm: expected one of kd, tkd, teacher, ensemble, got tkt." in said
    assert not (tmp_path / "artifacts").exists()
