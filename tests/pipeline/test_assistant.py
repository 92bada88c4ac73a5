"""Teachers teach an assistant, and its students a smaller one: through both stages, the plan and the comparison."""

from __future__ import annotations

import json

import pytest

from tests.pipeline.running import ROOT, compose_at
from tmkd.experiment.arms import resolve_arms
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import students
from tmkd.pipelines import stage3
from tmkd.pipelines.plan import planned
from tmkd.store.artifacts import open_artifact

pytestmark = pytest.mark.thorough  # one run of some seconds stands behind all of these
SMALL = [
    "experiment=smoke", "encoder.layers=3", "student.layers=1", "student.seeds=[1,2]", "teachers.count=1",
    "method=assistant", "method.arms.assistant.set.student.layers=2", "method.arms.by_assistant.pretrain=true",
    "stage2.epochs=1", "runtime.threads=1", "runtime.precision=fp32",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("assistant")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        config = compose_at(home, *SMALL)
        plan = planned(Experiment(config))
        stage3.run(config)
    experiment = Experiment(config)
    return home, plan, {arm.key: arm for arm in resolve_arms(experiment, Experiment.best)}


def names(home, kind):
    return {path.name for path in (home / "artifacts").glob(f"{kind}-*")}


def test_plan_names_all_that_is_made(run):
    home, plan, _ = run
    for kind in ("teacher", "soft_labels", "stage1", "stage2"):
        assert {result.name for result in plan if result.kind == kind} == names(home, kind)
    assert len(names(home, "stage2")) == 4 and len(names(home, "stage1")) == 2


def test_smaller_students_learn_what_the_assistant_of_their_seed_says(run):
    home, _, arms = run
    labelled = {
        (made.manifest["spec"]["teacher"], made.manifest["spec"]["rows"].partition("/")[2])
        for made in (open_artifact(home / "artifacts" / name) for name in names(home, "soft_labels"))
    }
    for seed in (1, 2):
        [assistant], [student] = students(arms["assistant"], seed), students(arms["by_assistant"], seed)
        made = open_artifact(home / "artifacts" / student.name)
        assert made.manifest["spec"]["teachers"] == [assistant.key]
        assert {split for teacher, split in labelled if teacher == assistant.key} == {"train", "corpus"}
        facts = json.loads((made.path / "model" / "classifier.json").read_text())
        assert facts["heads"] == ["gold", assistant.key]
        for each, layers in ((assistant, 2), (student, 1)):
            config = home / "artifacts" / each.name / "model" / "encoder" / "config.json"
            assert json.loads(config.read_text())["num_hidden_layers"] == layers


def test_both_are_rows_and_the_head_is_named_after_the_row_that_taught_it(run):
    # by its key, each seed's head would stand alone
    home, _, _ = run
    (report,) = (home / "reports").rglob("comparison.json")
    found = json.loads(report.read_text())
    assistant, by_assistant = "KD (1-o-1), student.layers = 2", "TKD (1-o-1), taught by assistant"
    assert {assistant, by_assistant} <= {row["arm"] for row in found["rows"]}
    heads = {head["name"] for head in found["heads"] if head["row"] == by_assistant}
    assert heads == {"gold", assistant}
