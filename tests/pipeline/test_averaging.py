"""Students whose weights are the mean of several, through both stages, a kill, the plan and the comparison."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

import tmkd.training.fit
from tests.conftest import Killed
from tests.pipeline.running import ROOT, compose_at
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines import stage2, stage3
from tmkd.pipelines.plan import planned
from tmkd.reranker import Reranker
from tmkd.store.artifacts import open_artifact

pytestmark = pytest.mark.thorough  # one run of some seconds stands behind all of these
SMALL = [
    "experiment=smoke", "encoder.layers=2", "student.layers=1", "student.seeds=[1]", "teachers.count=1", "method=tkd",
    "stage2.epochs=1", "method.carry_heads=false", "runtime.threads=1", "runtime.precision=fp32",
    "stage1.average_seeds=2", "stage2.average_seeds=3",
]  # fmt: skip


def composed(home):
    return compose_at(home, *SMALL)


def names(home, kind):
    return {path.name for path in (home / "artifacts").glob(f"{kind}-*")}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that is ended in its second student of stage 2, and once more to its end."""
    home = tmp_path_factory.mktemp("averaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        plan = planned(Experiment(composed(home)))
        fit = tmkd.training.fit.fit

        def killed(*args, **kwargs):
            if kwargs["what"].endswith("seed 100004"):
                raise Killed
            return fit(*args, **kwargs)

        patch.setattr("tmkd.training.fit.fit", killed)
        with pytest.raises(Killed):
            stage2.run(composed(home))
        patch.setattr("tmkd.training.fit.fit", fit)
        before = names(home, "stage2")
        stage3.run(composed(home))
    return home, plan, before


def test_plan_names_the_members_and_the_means(run):
    home, plan, _ = run
    for kind, count in (("stage1", 3), ("stage2", 4)):
        assert {result.name for result in plan if result.kind == kind} == names(home, kind)
        assert len(names(home, kind)) == count


def test_members_that_were_there_before_a_kill_are_not_trained_again(run):
    home, _, before = run
    assert len(before) == 1
    (first,) = before
    mean = mean_of(home, "stage2")
    assert mean.manifest["spec"]["members"][0] == first.removeprefix("stage2-")


def mean_of(home, kind):
    each = [open_artifact(home / "artifacts" / name) for name in names(home, kind)]
    (found,) = [made for made in each if "members" in made.details]
    return found


@pytest.mark.parametrize("kind", ["stage1", "stage2"])
@pytest.mark.parametrize("file", ["heads.safetensors", "encoder/model.safetensors"])
def test_weights_in_the_store_are_the_mean_of_the_members(run, kind, file):
    home, _, _ = run
    mean = mean_of(home, kind)
    members = [load_file(home / "artifacts" / name / "model" / file) for name in mean.details["members"]]
    for name, found in load_file(mean.folder("model") / file).items():
        each = torch.stack([member[name] for member in members])
        assert torch.allclose(found, each.mean(dim=0), atol=1e-6), name
    assert not torch.equal(members[0][name], members[1][name]), "or any of them would do"


def test_mean_answers_like_any_student_and_is_a_row(run):
    home, _, _ = run
    mean = mean_of(home, "stage2")
    assert mean.details["validation"]["map"] > 0 and mean.details["parameters"] > 0
    (report,) = (home / "reports").rglob("comparison.json")
    [row] = [row for row in json.loads(report.read_text())["rows"] if row["arm"] == "TKD (1-o-1)"]
    assert row["artifacts"] == [mean.name]
    costs = [open_artifact(home / "artifacts" / name).details["training"]["cost"] for name in mean.details["members"]]
    assert row["train_seconds"] == pytest.approx(sum(cost["seconds"] for cost in costs))
    assert Reranker.from_pretrained(mean.path, device="cpu").score(["who?"], ["she"]).shape == (1, 2)
