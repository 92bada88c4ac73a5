"""A model's folder says what it was trained for, so that it is whole by itself."""

from __future__ import annotations

import json
from pathlib import Path

from tests.pipeline.running import compose_at
from tmkd.pipelines import stage2


def test_objective_of_a_student_is_saved_with_it(tmp_path: Path) -> None:
    method = ["method=kd", "method.alpha=0.5", "method.alpha_end=0", "method.loss=kl", "method.temperature=2"]
    config = compose_at(tmp_path, "experiment=smoke", *method, "teachers.count=1", "student.seeds=[1]", "+terms=rkd")
    [student] = stage2.run(config)
    saved = json.loads(student.file("model/classifier.json").read_text())
    [teacher] = student.manifest["spec"]["teachers"]
    objective = saved["objective"]
    assert (objective["teachers"], objective["targets"], objective["loss"]) == ([teacher], "one", "kl")
    assert objective["course"] == {"alpha": [0.0, "linear"]}
    assert objective["terms"] == student.manifest["spec"]["terms"]
    assert saved["predicting"] == [0], "at its end α leaves the soft head to nobody"
