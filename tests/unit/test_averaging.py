"""The mean of the weights of several students, and which students those are."""

import copy

import pytest
import torch

from tests.unit.test_arms import TINY, arm
from tmkd.config import (
    ArmConfig,
    Config,
    MethodConfig,
    OnlineConfig,
    Stage1Config,
    Stage2Config,
    TeacherConfig,
    TeachersConfig,
    check,
)
from tmkd.errors import ConfigError, ModelError
from tmkd.experiment.check import check_arms
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import stage1_students, students
from tmkd.models.averaging import average_weights
from tmkd.models.classifier import PairClassifier
from tmkd.results.averaged import MEMBERS_APART


@pytest.fixture
def model(encoder):
    made = PairClassifier(encoder, ["gold", "average"], ["wrong", "right"], 12)
    made.add_exits([1])
    return made


def filled(model, value):
    other = copy.deepcopy(model)
    for parameter in other.parameters():
        torch.nn.init.constant_(parameter, value)
    return other


def test_every_parameter_is_the_mean_of_the_members(model):
    # 1, 2 and 6 have the mean 3; a running mean of the wrong count would have another
    mean = average_weights([filled(model, value) for value in (1.0, 2.0, 6.0)])
    assert {name for name, _ in mean.named_parameters()} == {name for name, _ in model.named_parameters()}
    assert all(torch.allclose(parameter, torch.tensor(3.0)) for parameter in mean.parameters())


def test_mean_of_one_model_is_that_model_and_members_stay_as_they_are(model):
    mean = average_weights([model, model])
    assert all(torch.equal(a, b) for a, b in zip(mean.parameters(), model.parameters()))
    other = filled(model, 5.0)
    average_weights([other, model])
    assert all(bool((parameter == 5).all()) for parameter in other.parameters())


def test_integer_buffers_are_kept_as_they_are(model):
    kept = dict(average_weights([model, filled(model, 1.0)]).named_buffers())
    assert any(not buffer.is_floating_point() for buffer in kept.values()), "or nothing is seen here"
    assert all(torch.equal(buffer, kept[name]) for name, buffer in model.named_buffers())


def other_buffer(model):
    next(buffer for buffer in model.buffers()).add_(1)


def other_heads(model):
    model.heads.names = ("gold", "another teacher")


def other_shape(model):
    model.heads.linear.weight = torch.nn.Parameter(torch.zeros(6, 16))


@pytest.mark.parametrize(
    ("change", "said"),
    [(other_buffer, "of the buffer .* model 2 differs"), (other_heads, "expected heads"), (other_shape, "its shape")],
)
def test_models_whose_mean_makes_no_sense_are_named(model, change, said):
    other = copy.deepcopy(model)
    change(other)
    with pytest.raises(ModelError, match=rf"weights to average: .*{said}"):
        average_weights([model, other])


def averaged(targets="one", pretrain=False, stage1=1, stage2=1, seed=1, **asked):
    sections = {"stage1": Stage1Config(average_seeds=stage1), "stage2": Stage2Config(average_seeds=stage2)}
    return students(arm(targets, pretrain, sections=sections, **asked), seed)


def test_mean_of_one_is_the_student_itself():
    # or all that was ever trained would be trained once more
    [plain], [one] = students(arm("heads", True), 1), averaged("heads", True)
    assert (one.key, type(one)) == (plain.key, type(plain))
    assert "average_seeds" not in str(plain.spec)


def test_first_member_is_the_student_that_there_would_be_without_a_mean():
    [plain], [mean] = averaged(), averaged(stage2=3)
    assert [member.seed for member in mean.members] == [1, 1 + MEMBERS_APART, 1 + 2 * MEMBERS_APART]
    assert mean.members[0].key == plain.key != mean.key
    assert mean.spec == plain.spec | {"members": [member.key for member in mean.members]}
    assert mean.kind == plain.kind == "stage2"


def test_members_have_the_heads_of_the_first():
    # heads of another draw each would pull the encoder in other directions, and the mean would lie between nothing
    def heads(member):
        member.seed_start()
        return torch.rand(3).tolist()

    [mean] = averaged(stage2=3)
    assert len({tuple(heads(member)) for member in mean.members}) == 1
    assert [member.heads_seed for member in mean.members] == [None, 1, 1]


def test_means_of_two_seeds_share_no_member():
    [first], [second] = averaged(stage2=3, seed=1), averaged(stage2=3, seed=2)
    assert not {member.key for member in first.members} & {member.key for member in second.members}


def test_members_of_stage_2_start_from_one_student_of_stage_1():
    [mean] = averaged("heads", True, stage2=3)
    assert len({member.stage1.key for member in mean.members}) == 1
    [plain] = averaged("heads", True)
    assert mean.members[0].stage1.key == plain.stage1.key


def test_stage_2_starts_from_the_mean_of_stage_1():
    [plain], [student] = averaged("heads", True), averaged("heads", True, stage1=2)
    assert student.stage1.kind == "stage1"
    assert [member.seed for member in student.stage1.members] == [1, 1 + MEMBERS_APART]
    assert student.stage1.members[0].key == plain.stage1.key
    [alone] = averaged("heads", True, stage1=2, fine_tune=False)
    assert alone.key == student.stage1.key, "a row of stage 1 alone is the mean, too"


def test_stage_1_that_an_arm_starts_from_is_its_mean():
    sections = {"stage1": Stage1Config(average_seeds=2)}
    found = stage1_students(arm("heads", True, sections=sections))
    assert [len(each.members) for each in found] == [2, 2], "one for each of the two seeds"


def test_students_of_m_o_m_are_means_that_share_no_member():
    made = averaged("students", stage2=2)
    assert len({member.key for mean in made for member in mean.members}) == 6


def test_generation_is_taught_by_the_mean_of_the_one_before():
    [last] = averaged("none", generations=2, stage2=2)
    [teacher] = last.student.objective.teachers
    assert len(teacher.members) == 2


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ({"stage2": Stage2Config(average_seeds=0)}, r"stage2\.average_seeds: expected more than 0, got 0"),
        ({"stage1": Stage1Config(average_seeds=0)}, r"stage1\.average_seeds: expected more than 0, got 0"),
        ({"stage1": Stage1Config(kind="language", average_seeds=2)}, r"expected 1 where stage1\.kind is language"),
    ],
)
def test_number_of_members_that_makes_no_sense_is_named(stages, said):
    with pytest.raises(ConfigError, match=said):
        check(Config(teachers=TeachersConfig(1, [TeacherConfig()]), **stages))


def test_mean_of_peers_is_refused():
    method = MethodConfig(online=OnlineConfig(kind="mutual"), arms={"mine": ArmConfig()})
    config = Config(encoder=TINY, method=method, stage2=Stage2Config(average_seeds=2))
    with pytest.raises(ConfigError, match=r"stage2\.average_seeds, for the arm mine: expected 1 where method\.online"):
        check_arms(Experiment(config))
