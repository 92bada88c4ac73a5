"""An arm whose soft labels come from the students of another arm: who teaches whom, and what cannot be."""

import pytest

from tests.unit.test_arms import TINY
from tmkd.config import (
    ArmConfig,
    ComparisonConfig,
    Config,
    MethodConfig,
    OnlineConfig,
    TeacherConfig,
    TeachersConfig,
    TermConfig,
    check,
)
from tmkd.errors import ConfigError
from tmkd.experiment.arms import baseline, resolve_arms
from tmkd.experiment.check import check_arms
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import corpus_labels, stage1_students, students

BETWEEN = {"student": {"layers": 2}}
SMALL = {"student": {"layers": 1}}


def experiment(counts=(), method=None, **arms):
    roster = [TeacherConfig(seed=seed) for seed in (1, 2, 3)]
    method = method or MethodConfig()
    method.arms = {name: ArmConfig(**asked) for name, asked in arms.items()}
    comparison = ComparisonConfig(None, list(counts))
    return Experiment(Config(encoder=TINY, teachers=TeachersConfig(3, roster), method=method, comparison=comparison))


def resolved(**arms):
    found = resolve_arms(experiment(**arms), lambda *_: 1)
    return {arm.key: arm for arm in found}


KD = {"targets": "one", "set": BETWEEN}


def test_students_of_each_seed_are_taught_by_the_assistants_of_that_seed():
    arms = resolved(between=KD, small={"targets": "one", "taught_by": "between", "set": SMALL})
    for seed in (1, 2):
        [assistant], [student] = students(arms["between"], seed), students(arms["small"], seed)
        assert student.objective.teachers == (assistant,)
        assert (assistant.seed, student.seed) == (seed, seed)
        assert (assistant.student.layers, student.student.layers) == (2, 1)
        assert [each.teacher for each in student.reads(None)] == [assistant], "or labels would be the teachers'"


def test_arm_may_stand_before_the_one_that_teaches_it():
    arms = resolved(small={"targets": "one", "taught_by": "between"}, between=KD)
    assert list(arms) == ["small", "between"], "rows stay in the order of the settings"
    assert students(arms["small"], 1)[0].objective.teachers == tuple(students(arms["between"], 1))


def test_assistants_teach_one_after_the_other():
    arms = resolved(
        first=KD, second={"targets": "one", "taught_by": "first"}, third={"targets": "one", "taught_by": "second"}
    )
    [third] = students(arms["third"], 1)
    [second] = third.objective.teachers
    assert second.objective.teachers == tuple(students(arms["first"], 1))


def test_both_stages_learn_from_the_assistant():
    arms = resolved(between=KD, small={"pretrain": True, "targets": "heads", "taught_by": "between"})
    [assistant], [student] = students(arms["between"], 1), students(arms["small"], 1)
    assert student.objective.teachers == student.stage1.teachers == (assistant,)
    assert student.stage1 == stage1_students(arms["small"])[0]
    assert [labels.teacher for labels in corpus_labels(arms["small"])] == [
        student for seed in (1, 2) for student in students(arms["between"], seed)
    ]


def test_students_of_m_o_m_teach_with_a_head_each():
    arms = resolved(between={"targets": "students"}, small={"targets": "heads", "taught_by": "between"})
    [student] = students(arms["small"], 1)
    assert student.objective.teachers == tuple(students(arms["between"], 1))
    assert len(student.objective.teachers) == 3
    assert arms["small"].name == "MKD, taught by between"


def test_first_peer_teaches_alone_as_it_is_the_row():
    peers = {"targets": "none", "set": {"method": {"online": {"kind": "mutual"}}}}
    arms = resolved(between=peers, small={"targets": "one", "taught_by": "between"})
    [student] = students(arms["small"], 1)
    assert student.objective.teachers == (students(arms["between"], 1)[0],)


def test_names_say_who_teaches():
    # or it would share a row with the arm that the teachers teach
    arms = resolved(between=KD, small={"targets": "heads", "taught_by": "between"}, plain={"targets": "one"})
    assert [arm.name for arm in arms.values()] == [
        "KD (1-o-1), student.layers = 2",
        "KD (1-o-1), taught by between",
        "KD (1-o-1)",
    ]
    assert arms["small"].settings["taught_by"] == "KD (1-o-1), student.layers = 2"


def test_rows_over_numbers_of_teachers_have_the_assistant_of_each_number():
    asked = experiment((1, 3), between={"targets": "heads"}, small={"targets": "one", "taught_by": "between"})
    one, small_one, three, small_three = resolve_arms(asked, lambda *_: 0)
    assert [small_one.name, small_three.name] == [f"KD (1-o-1), taught by between, N = {count}" for count in (1, 3)]
    for between, small in ((one, small_one), (three, small_three)):
        assert students(small, 1)[0].objective.teachers == tuple(students(between, 1))
    asked.config.comparison.baseline = small_three.name
    assert baseline(asked) == small_three.name


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ({"a": {"taught_by": "b"}, "c": {}}, r"a\.taught_by: expected another arm of the run \(c\), got b"),
        ({"a": {"taught_by": "a"}}, r"a\.taught_by: expected another arm of the run \(there is none\), got a"),
        (
            {"a": {"taught_by": "b"}, "b": {"taught_by": "a"}},
            r"b\.taught_by: expected null in one of .*, got a taught by b taught by a",
        ),
        ({"a": {"taught_by": "b", "targets": "none"}, "b": {}}, r"a\.taught_by: expected null where targets is none"),
        ({"a": {"taught_by": "b", "teacher": 1}, "b": {}}, r"a\.teacher: expected null with taught_by, got 1"),
    ],
)
def test_teaching_that_leads_nowhere_is_named_with_the_settings(arms, said):
    with pytest.raises(ConfigError, match=said):
        check(experiment(**{name: {"targets": "one"} | asked for name, asked in arms.items()}).config)


@pytest.mark.parametrize(
    ("between", "small", "said"),
    [
        ({"targets": "students"}, {}, r"small\.targets: expected average, heads or students .* 3 students, got one"),
        (KD, {"set": {"student": {"init": "teacher"}}}, r"student\.init: expected encoder for the arm small, which"),
        (KD, {"alpha": 0.0}, r"method\.arms\.small: expected α above 0, since between teaches it, got 0"),
    ],
)
def test_what_an_assistant_cannot_teach_is_named_before_any_training(between, small, said):
    with pytest.raises(ConfigError, match=said):
        check_arms(experiment(small={"targets": "one", "taught_by": "between"} | small, between=between))


def test_fixed_weights_are_as_many_as_the_students_that_teach():
    # it was a traceback once these were trained
    small = {"targets": "average", "taught_by": "between", "set": {"teachers": {"count": 2}}}
    asked = {"between": {"targets": "students"}, "small": small}
    small["set"]["method"] = {"teacher_weights": "fixed", "weights": [1.0, 2.0]}
    with pytest.raises(ConfigError, match=r"weights, for the arm small: expected 3 numbers, .* student of between"):
        check_arms(experiment(**asked))
    asked["between"]["set"] = {"teachers": {"count": 2}}
    check_arms(experiment(**asked))


def test_terms_are_checked_against_the_assistant_not_the_teachers():
    # the encoder has three layers, which do not divide by two; the assistant has two
    term = {"pkd": TermConfig("patient", layers="skip")}
    direct = {"targets": "one", "set": BETWEEN}
    with pytest.raises(ConfigError, match=r"method\.terms\.pkd, for the arm direct: .*divides"):
        check_arms(experiment(method=MethodConfig(terms=dict(term)), direct=direct))
    small = {"targets": "one", "taught_by": "between", "set": BETWEEN}
    check_arms(experiment(method=MethodConfig(terms=dict(term)), between=KD | {"terms": []}, small=small))


def test_peers_may_be_taught_by_an_assistant():
    method = MethodConfig(online=OnlineConfig(kind="together"))
    both = experiment(method=method, between={"targets": "one"}, small={"targets": "one", "taught_by": "between"})
    arms = {arm.key: arm for arm in resolve_arms(both, lambda *_: 0)}
    made = students(arms["small"], 1)
    assert [peer.student.objective.teachers for peer in made] == [(students(arms["between"], 1)[0],)] * 2
