"""A comparison by a chosen metric, from training to the files that trec_eval reads."""

from __future__ import annotations

import json

import pytest

from tests.pipeline.running import compose_at
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines import stage3

SMALL = [
    "experiment=smoke", "method=kd", "teachers.count=2", "runtime.threads=1", "runtime.precision=fp32",
    "stage2.epochs=1", "metric=ndcg@2",
]  # fmt: skip


@pytest.mark.thorough
def test_runs_of_every_row_give_the_numbers_of_the_comparison(tmp_path):
    measures = pytest.importorskip("ir_measures")
    config = compose_at(tmp_path, *SMALL, "student.seeds=[1,2]", "comparison.write_runs=true")
    stage3.run(config)
    folder = tmp_path / "reports" / "smoke"
    found = json.loads((folder / "comparison.json").read_text())
    assert found["metric"] == "ndcg@2"
    asked = {
        "ndcg@2": measures.nDCG @ 2, "map": measures.AP, "mrr": measures.RR, "ndcg": measures.nDCG,
        "ndcg@10": measures.nDCG @ 10, "mrr@10": measures.RR @ 10, "r@1": measures.R @ 1, "r@10": measures.R @ 10,
    }  # fmt: skip
    qrels = list(measures.read_trec_qrels(str(folder / "runs" / "test.qrels")))
    assert [row["arm"] for row in found["rows"]] == ["chance", *found["runs"]]
    for row in found["rows"][1:]:
        assert len(found["runs"][row["arm"]]) == len(row["seeds"])
        for seed, file in enumerate(found["runs"][row["arm"]]):
            run = list(measures.read_trec_run(str(folder / "runs" / file)))
            judged = measures.calc_aggregate(list(asked.values()), qrels, run)
            for name, measure in asked.items():
                assert judged[measure] == pytest.approx(row["metrics"][name]["values"][seed], abs=1e-6)
    experiment = Experiment(config)
    values = [teacher.build(experiment.context).details["validation"]["ndcg@2"] for teacher in experiment.roster[:2]]
    best = next(row for row in found["rows"] if row["settings"].get("best_on_validation"))
    assert best["arm"] == f"teacher {values.index(max(values)) + 1}"
    (folder / "runs" / "99-another.run").touch()  # of rows that are no longer compared
    stage3.run(config)
    assert not (folder / "runs" / "99-another.run").exists()
