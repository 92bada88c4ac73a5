"""tmkd: the students of an arm, from the store; made again outside of it where their time is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import tmkd
from benchmarks.recipe_clock import Clock
from benchmarks.recipe_material import JUDGED, Material
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import students
from tmkd.pipelines.arms import build_arms
from tmkd.results.exits import DEEPEST, probabilities
from tmkd.store.predictions import PREDICTIONS


def answer(material: Material, seed: int, work: Path, clock: Clock, arm: str, again: bool) -> dict[str, np.ndarray]:
    """Return probabilities [pairs, 2] of validation and test.

    Args:
        arm: of ``method.arms``.
        again: stage 2 is trained here, with its validations and predictions, in place of being read from the store.
    """
    experiment = Experiment(tmkd.compose(material.case["settings"]))
    [chosen] = [each for each in build_arms(experiment) if each.key == arm]
    [student] = students(chosen, seed)
    if not again:
        made = student.build(experiment.context)
        return {split: probabilities(made, split, DEEPEST) for split in JUDGED}
    ready = [needed.build(experiment.context) for needed in (*student.needs(), *student.reads(experiment.context))]
    trained = [one for one in ready if one.manifest["stage"] == "stage1"]
    clock.stage1_seconds = sum(one.details["training"]["cost"]["seconds"] for one in trained) if trained else None
    with clock:
        student.make(experiment.context, work)
    found = load_file(work / PREDICTIONS)
    return {split: average_probabilities(found[split]) for split in JUDGED}
