"""An arm is its two switches: equal runs have equal lessons, whatever preset they came from."""

from pathlib import Path

import pytest

from tmkd.artifacts import Artifact
from tmkd.config import ArmConfig, Config, MethodConfig
from tmkd.pipelines.arms import make_arm
from tmkd.pipelines.inputs import Inputs

TEACHERS = [Artifact(Path(f"teacher-{number}"), {"key": str(number)}) for number in range(3)]


def arm(targets, pretrain=False, teachers=TEACHERS, best=1, method=None, **settings):
    inputs = Inputs(Config(method=method or MethodConfig()))
    return make_arm("name", ArmConfig(pretrain=pretrain, targets=targets, **settings), inputs, teachers, best)


@pytest.mark.parametrize(
    ("targets", "pretrain", "name"),
    [
        ("none", False, "student without distillation"),
        ("one", False, "KD (1-o-1)"),
        ("average", False, "KD (1avg-o-1)"),
        ("students", False, "m-o-m"),
        ("heads", False, "MKD"),
        ("one", True, "TKD (1-o-1)"),
        ("average", True, "TKD (1avg-o-1)"),
        ("heads", True, "TMKD"),
    ],
)
def test_names_are_the_papers(targets, pretrain, name):
    assert arm(targets, pretrain).name == name


def test_one_teacher_is_one_arm_however_it_is_asked_for():
    # or a sweep over teacher counts would train the same student three times under three names
    alone = TEACHERS[:1]
    asked = [arm(targets, True, alone, best=0) for targets in ("one", "average", "heads", "students")]
    assert {found.name for found in asked} == {"TKD (1-o-1)"}
    assert len({found.lessons for found in asked}) == 1


def test_best_teacher_teaches_where_none_is_named():
    assert arm("one").lessons[0].teachers == (TEACHERS[1],)
    named = arm("one", teacher=3)
    assert named.lessons[0].teachers == (TEACHERS[2],)
    assert named.name == "KD (1-o-1), teacher 3"


def test_m_o_m_is_a_student_for_each_teacher():
    lessons = arm("students").lessons
    assert [lesson.teachers for lesson in lessons] == [(teacher,) for teacher in TEACHERS]
    assert {lesson.targets for lesson in lessons} == {"one"}
    assert arm("one").lessons[0] == lessons[1], "KD (1-o-1) is one of them: it must not be trained again"


def test_nobody_teaches_at_alpha_zero():
    found = arm("heads", alpha=0.0)
    assert found.lessons[0].targets == "none"
    assert found.lessons[0].teachers == ()
    assert found.lessons == arm("none", alpha=0.0).lessons


def test_what_an_arm_sets_otherwise_is_in_its_name():
    found = arm("heads", alpha=0.5, loss="kl", temperature=4.0)
    assert found.name == "MKD, α = 0.5, kl, T = 4"
    assert arm("heads", temperature=4.0).name == "MKD", "squared error knows no temperature: it is the same run"
    assert found.lessons[0].temperature == 4.0


def test_method_settings_reach_every_arm_that_sets_none():
    lesson = arm("heads", method=MethodConfig(alpha=0.3, loss="ce", temperature=2.0)).lessons[0]
    assert (lesson.alpha, lesson.loss, lesson.temperature) == (0.3, "ce", 2.0)
