"""An arm is its two switches: equal runs have equal objectives, whatever preset they came from."""

import pytest

from tmkd.config import (
    ArmConfig,
    ComparisonConfig,
    Config,
    EncoderConfig,
    MethodConfig,
    OnlineConfig,
    Stage1Config,
    Stage2Config,
    StudentConfig,
    TeacherConfig,
    TeachersConfig,
    TermConfig,
)
from tmkd.errors import ConfigError, ModelError
from tmkd.experiment.arms import baseline, make_arm
from tmkd.experiment.check import check_arms, check_roster
from tmkd.experiment.entries import student_entries
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.objectives import SEEDS_APART
from tmkd.experiment.students import students
from tmkd.experiment.trial import try_encoders
from tmkd.results.objective import Objective
from tmkd.results.soft_labels import SoftLabels

TINY = EncoderConfig("tiny")
TEACHERS = Experiment(
    Config(encoder=TINY, teachers=TeachersConfig(3, [TeacherConfig(seed=seed) for seed in (1, 2, 3)]))
).roster


def arm(targets, pretrain=False, teachers=TEACHERS, best=1, method=None, sections=None, **settings):
    experiment = Experiment(Config(encoder=TINY, method=method or MethodConfig(), **(sections or {})))
    return make_arm("name", ArmConfig(pretrain=pretrain, targets=targets, **settings), experiment, teachers, best)


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
        ("students", True, "m-o-m after stage 1"),
    ],
)
def test_names_are_the_papers(targets, pretrain, name):
    assert arm(targets, pretrain).name == name


def test_one_teacher_is_one_arm_however_it_is_asked_for():
    # or a sweep over teacher counts would train the same student three times under three names
    alone = TEACHERS[:1]
    asked = [arm(targets, True, alone, best=0) for targets in ("one", "average", "heads", "students")]
    assert {found.name for found in asked} == {"TKD (1-o-1)"}
    assert len({found.objectives for found in asked}) == 1


def test_best_teacher_teaches_where_none_is_named():
    assert arm("one").objectives[0].stage2.teachers == (TEACHERS[1],)
    named = arm("one", teacher=3)
    assert named.objectives[0].stage2.teachers == (TEACHERS[2],)
    assert named.name == "KD (1-o-1), teacher 3"


def test_m_o_m_is_a_student_for_each_teacher():
    objectives = arm("students").objectives
    assert [objective.stage2.teachers for objective in objectives] == [(teacher,) for teacher in TEACHERS]
    assert {objective.stage2.targets for objective in objectives} == {"one"}
    assert arm("one").objectives[0] == objectives[1], "KD (1-o-1) is one of them: it must not be trained again"


def test_students_of_m_o_m_have_a_seed_each():
    # With one seed they share heads, order and dropout, and their ensemble is little more than one of them.
    offsets = [objective.seed_offset for objective in arm("students").objectives]
    assert offsets == [2 * SEEDS_APART, 0, SEEDS_APART]


def test_students_of_one_start_go_on_with_a_teacher_each():
    # or each would start from a stage 1 with its own teacher, and none from what all teachers know
    objectives = arm("students", pretrain=True).objectives
    assert [(objective.stage2.teachers, objective.shared_start) for objective in objectives] == [
        ((each,), True) for each in TEACHERS
    ]
    assert not any(
        objective.shared_start for objective in (*arm("students").objectives, *arm("one", pretrain=True).objectives)
    )


@pytest.mark.parametrize(
    ("targets", "name"),
    [("heads", "stage 1 alone"), ("average", "stage 1 alone (1avg-o-1)"), ("one", "stage 1 alone (1-o-1)")],
)
def test_stage_1_alone_is_a_row_of_its_own_with_nothing_of_stage_2_in_it(targets, name):
    plain = arm(targets, pretrain=True, fine_tune=False)
    assert plain.name == name
    assert [plain.settings[key] for key in ("fine_tune", "alpha", "loss")] == [False, None, None]
    method = MethodConfig(alpha=0.0, loss="kl", terms=TERMS | {"first": TermConfig("angles", stages=[1])})
    other = arm(targets, pretrain=True, fine_tune=False, method=method)
    assert other.name == f"{name} + first", "α, loss and most terms are of stage 2"
    assert other.objectives[0].stage2.teachers == plain.objectives[0].stage2.teachers


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"stage1": Stage1Config(kind="language")}, "expected stage1.kind of soft .* got language"),
        ({"student": StudentConfig(exits=[1])}, r"expected student.exits of \[\] .* got \[1\]"),
        ({"method": MethodConfig(online=OnlineConfig(kind="mutual"))}, "expected method.online.kind of none"),
    ],
)
def test_stage_1_alone_without_an_answer_of_its_own_is_refused(settings, said):
    method = settings.get("method", MethodConfig())
    method.arms = {"mine": ArmConfig(pretrain=True, targets="heads", fine_tune=False)}
    config = Config(**{"student": StudentConfig(layers=2), **settings, "method": method})
    with pytest.raises(ConfigError, match=rf"method\.arms\.mine: {said}"):
        check_arms(Experiment(config))


def test_nobody_teaches_at_alpha_zero():
    found = arm("heads", alpha=0.0)
    assert found.objectives[0].stage2.targets == "none"
    assert found.objectives[0].stage2.teachers == ()
    assert found.objectives == arm("none", alpha=0.0).objectives


def test_what_an_arm_sets_otherwise_is_in_its_name():
    found = arm("heads", alpha=0.5, loss="kl", temperature=4.0)
    assert found.name == "MKD, α = 0.5, kl, T = 4"
    assert arm("heads", temperature=4.0).name == "MKD", "squared error knows no temperature: it is the same run"
    assert found.objectives[0].stage2.temperature == 4.0


def test_method_settings_reach_every_arm_that_sets_none():
    objective = arm("heads", method=MethodConfig(alpha=0.3, loss="ce", temperature=2.0)).objectives[0].stage2
    assert (objective.alpha, objective.loss, objective.temperature) == (0.3, "ce", 2.0)


TERMS = {"rkd": TermConfig("distances"), "own": TermConfig("self_attention")}


def test_generations_that_learn_differently_have_names_of_their_own():
    # or the second would vanish from the comparison, and a table show the first's numbers for both
    one = arm("none", generations=2, alpha=0.3)
    other = arm("none", generations=2, alpha=0.8, loss="kl", temperature=4.0)
    assert one.name == "student without distillation, 2 generations, α = 0.3"
    assert other.name == "student without distillation, 2 generations, α = 0.8, kl, T = 4"
    assert [other.settings[name] for name in ("alpha", "loss", "temperature")] == [0.8, "kl", 4.0]
    assert arm("none", alpha=0.3).name == arm("none").name, "one alone learns from nobody, whatever α says"


def test_mixed_target_has_its_temperature_and_no_loss_in_its_name():
    method = MethodConfig(mix="weigh", alpha=0.5)
    assert arm("one", method=method, temperature=4.0).name == "KD (1-o-1), T = 4"
    kl = arm("one", method=method, loss="kl")
    assert kl.name == "KD (1-o-1)", "its target is learnt by cross-entropy, whatever loss says"
    assert kl.settings["loss"] == "ce"
    mixed, usual = (each.objectives[0].stage2.identity() for each in (kl, arm("one", method=method)))
    assert mixed == usual


def test_other_students_of_one_name_are_never_dropped():
    one, longer = arm("heads"), arm("heads", sections={"stage2": Stage2Config(epochs=9)})
    assert one.name == longer.name
    with pytest.raises(ConfigError, match=r"expected other students .* another name, got MKD for both"):
        student_entries([one, longer])
    [row] = student_entries([one, arm("heads")])
    assert row.series == ["MKD", "MKD"]


def test_teachers_teach_where_alpha_only_starts_at_zero():
    method = MethodConfig(alpha=0.0, alpha_end=0.9)
    assert arm("heads", method=method).objectives[0].stage2.teachers == tuple(TEACHERS)
    assert arm("heads", method=method).name == "MKD"


def test_row_is_not_called_by_a_term_of_a_stage_that_its_arm_does_not_have():
    # the table said that KD had learnt a hint, which only the others had
    method = MethodConfig(terms={"hint": TermConfig("hint", stages=[1])})
    assert arm("one", method=method).name == "KD (1-o-1)"
    assert arm("one", pretrain=True, method=method).name == "TKD (1-o-1) + hint"


def test_terms_that_need_no_teacher_stay_at_alpha_zero():
    method = MethodConfig(alpha=0.0, terms=TERMS)
    assert arm("none", method=method).objectives[0].terms == ("own",)
    assert arm("none", method=method).name == "student without distillation + own"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"targets": "one"}, "its term rkd needs a teacher"),
        ({"targets": "one", "terms": ["rkd"]}, "its term rkd needs a teacher"),
        ({"generations": 2}, "each generation teaches the next"),
    ],
)
def test_what_is_asked_for_and_cannot_be_at_alpha_zero_is_named(asked, said):
    method = MethodConfig(terms=TERMS, arms={"mine": ArmConfig(alpha=0.0, **asked)})
    with pytest.raises(ConfigError, match=rf"method\.arms\.mine: expected α above 0, since {said}"):
        check_arms(Experiment(Config(method=method)))


def test_generations_have_the_heads_that_method_mix_asks_for():
    [last] = students(arm("none", generations=2, method=MethodConfig(mix="blend")), seed=1)
    [first] = last.objective.teachers
    assert [(student.objective.mix, student.objective.teachers) for student in (first, last)] == [
        ("blend", ()),
        ("blend", (first,)),
    ]
    assert (first.before, last.before) == (None, None), "each starts afresh"


def test_later_generations_follow_the_one_before_alone():
    # the report would have said that students followed a student, in place of how the teachers were weighed
    [last] = students(arm("average", generations=2, method=MethodConfig(teacher_weights="learnt")), seed=1)
    [first] = last.objective.teachers
    assert [sum(read.kind == "trust" for read in student.reads(None)) for student in (first, last)] == [1, 0]


@pytest.mark.parametrize(("epochs", "cycles"), [(5, [2, 2, 1]), (3, [1, 1, 1]), (7, [3, 2, 2]), (6, [2, 2, 2])])
def test_cycles_take_exactly_the_epochs_of_one_training(monkeypatch, epochs, cycles):
    # or the row would be compared with others that had fewer steps
    monkeypatch.setattr("tmkd.experiment.experiment.check", lambda config: config)  # of a config that is the default's
    sections = {"stage2": Stage2Config(epochs=epochs)}
    [last] = students(arm("none", generations=3, continues=True, sections=sections), seed=1)
    each = [last.before.before, last.before, last]
    assert [student.training.epochs for student in each] == cycles and sum(cycles) == epochs
    assert [student.objective.teachers for student in each] == [(), (each[0],), (each[1],)]


def test_fewer_epochs_than_cycles_are_named():
    method = MethodConfig(arms={"mine": ArmConfig(generations=3, continues=True)})
    with pytest.raises(ConfigError, match=r"method\.arms\.mine: expected stage2\.epochs of at least 3, .* got 2"):
        check_arms(Experiment(Config(method=method, stage2=Stage2Config(epochs=2))))


def test_student_of_several_heads_that_teaches_is_in_the_name_of_what_it_taught():
    # or a generation that was taught by the mean of logits would be found again as one taught by that of probabilities
    one_head = [TEACHERS[0]]
    one_head += [*students(arm("none"), seed=1), *students(arm("one", method=MethodConfig(mix="blend")), seed=1)]
    several = students(arm("one"), seed=1)
    for teachers, told in ((one_head, {}), (several, {"heads": "probabilities"})):
        for teacher in teachers:
            rows = teacher.own_task.rows("train")
            plain = {"teachers": [teacher.key], "targets": "one", "alpha": 0.5, "loss": "mse"}
            assert Objective((teacher,), "one", 0.5).identity() == plain | told
            assert SoftLabels.of(teacher, rows).spec == {"teacher": teacher.key, "rows": rows.identity()} | told


def rostered(*teachers, count, counts=(), **sections):
    return Config(
        teachers=TeachersConfig(count, list(teachers)), comparison=ComparisonConfig(None, list(counts)), **sections
    )


def test_two_entries_that_are_one_teacher_are_named():
    alike = (TeacherConfig(), TeacherConfig(seed=2), TeacherConfig(max_length=EncoderConfig().max_length))
    with pytest.raises(ConfigError, match=r"teachers\.roster\[2\]: expected another teacher than roster\[0\]"):
        check_roster(Experiment(rostered(*alike, count=3)))
    with pytest.raises(ConfigError, match=r"roster\[2\]"):
        check_roster(Experiment(rostered(*alike, count=1, counts=[1, 3])))
    check_roster(Experiment(rostered(*alike, count=2)))  # the third does not teach


def test_encoders_of_all_teachers_that_are_compared_are_looked_at():
    missing, student = TeacherConfig(encoder=EncoderConfig("hub", name="./nowhere")), StudentConfig(layers=2)
    config = rostered(TeacherConfig(), missing, count=1, counts=[2], encoder=TINY, student=student)
    with pytest.raises(ModelError, match=r"nowhere"):
        try_encoders(Experiment(config), "kd", {})


def test_baseline_that_is_no_row_is_named_before_there_are_teachers():
    method = MethodConfig(arms={"kd": ArmConfig(targets="one"), "gold": ArmConfig()})
    teachers = (TeacherConfig(), TeacherConfig(seed=2))

    def against(name, counts=()):
        config = rostered(*teachers, count=2, counts=counts, method=method)
        config.comparison.baseline = name
        return baseline(Experiment(config))

    assert against(None) == against("KD (1-o-1)") == "KD (1-o-1)"
    assert against("teacher 2") == "teacher 2"
    assert against("teacher ensemble, N = 2", (1, 2)) == "teacher ensemble, N = 2"
    with pytest.raises(ConfigError, match=r"expected one of KD \(1-o-1\), N = 1, .*; got KD \(1-o-1\)\.$"):
        against("KD (1-o-1)", (1, 2))
    with pytest.raises(ConfigError, match=r"comparison\.baseline: expected one of KD \(1-o-1\), student without"):
        against("BERT-3")
