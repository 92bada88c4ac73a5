"""Learning to rank from end to end: teachers, stage 1 and stage 2 with losses over the passages of a question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.running import compose_at
from tmkd.pipelines import stage3

GROUPS = ["teachers.group_size=0", "stage1.group_size=0", "stage2.group_size=0"]
LOSSES = ["teachers.gold_loss=listwise", "stage1.loss=listwise_kl", "method.gold_loss=lambda", "method.loss=margin_mse"]


@pytest.mark.thorough
def test_all_that_learns_to_rank_is_calibrated_and_judged_as_it_is_written(tmp_path: Path) -> None:
    asked = ["method=[tmkd,stage1_alone]", "method.alpha=0.5", "teachers.count=2", "student.seeds=[1]"]
    stage3.run(compose_at(tmp_path, "experiment=smoke", *GROUPS, *LOSSES, *asked))

    def made(kind: str) -> list[dict[str, Any]]:
        found = [json.loads(each.read_text()) for each in (tmp_path / "artifacts").glob(f"{kind}-*/manifest.json")]
        assert found, kind
        return [manifest["details"] for manifest in found]

    for kind, heads in (("teacher", 1), ("stage1", 1), ("stage2", 3)):
        for details in made(kind):
            assert len(details["calibrated"]) == heads, kind
            epochs = details["training"].get("validation")
            if epochs:  # stage 1 has no epochs to choose from
                assert max([*epochs, details["training"].get("validation_before", 0)]) == pytest.approx(
                    details["validation"]["map"]
                )
