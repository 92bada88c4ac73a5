"""Losses over the passages of a question as settings: names of arms, keys, what is refused, which heads get a scale."""

from __future__ import annotations

from typing import Any

import pytest

from tmkd.config import (
    ArmConfig,
    Config,
    DataConfig,
    EncoderConfig,
    MethodConfig,
    OnlineConfig,
    Stage2Config,
    StudentConfig,
    TeacherConfig,
    TeachersConfig,
)
from tmkd.errors import ConfigError
from tmkd.experiment.arms import make_arm
from tmkd.experiment.check import check_arms
from tmkd.experiment.experiment import Experiment
from tmkd.results.objective import Objective
from tmkd.results.stage1 import SoftLoss

TINY = EncoderConfig("tiny")
ROSTER = TeachersConfig(2, [TeacherConfig(seed=seed) for seed in (1, 2)])
TEACHERS = Experiment(Config(encoder=TINY, teachers=ROSTER)).roster


def name_of(method: MethodConfig, **arm: Any) -> str:
    experiment = Experiment(Config(encoder=TINY, method=method))
    return make_arm("a", ArmConfig(**arm), experiment, TEACHERS, 0).name


def refusal(arm: ArmConfig, **sections: Any) -> str:
    """What is said of a run with the one arm."""
    sections["method"] = sections.get("method", MethodConfig())
    sections["method"].arms = {"mkd": arm}
    with pytest.raises(ConfigError) as error:
        check_arms(Experiment(Config(encoder=TINY, teachers=ROSTER, **sections)))
    return str(error.value)


def test_losses_of_an_arm_are_in_its_name_where_they_are_not_the_methods() -> None:
    method = MethodConfig(loss="margin_mse", gold_loss="lambda", alpha=0.5)
    assert name_of(method, targets="heads") == "MKD"
    assert name_of(method, targets="heads", gold_loss="listwise", loss="ranknet") == "MKD, gold listwise, ranknet"
    assert name_of(method, targets="none", gold_loss="listwise") == "student without distillation, gold listwise"


def test_gold_loss_that_no_gold_label_meets_is_in_neither_name_nor_key() -> None:
    assert name_of(MethodConfig(alpha=1), targets="heads", gold_loss="listwise") == "MKD"
    teachers = tuple(TEACHERS)
    assert Objective(teachers, "heads", 1.0).identity() == Objective(teachers, "heads", 1.0, gold_loss="x").identity()
    assert Objective(gold_loss="ranknet").identity() == {"gold_loss": "ranknet"}
    assert Objective().identity() == {}


def test_temperature_is_in_the_key_of_losses_that_know_one_alone() -> None:
    known = {loss: "temperature" in SoftLoss(loss, 2.0).identity() for loss in ("margin_mse", "ranknet", "adr_mse")}
    assert known == {"margin_mse": False, "ranknet": False, "adr_mse": True}
    method = MethodConfig(loss="ranknet", alpha=0.5)
    assert name_of(method, targets="heads", temperature=3.0) == "MKD"
    assert name_of(method, targets="heads", temperature=3.0, loss="listwise_kl") == "MKD, listwise_kl, T = 3"


def test_pairs_are_in_the_key_of_losses_that_compare_pairs_alone() -> None:
    for loss, counts in (
        ("margin_mse", True),
        ("ranknet", True),
        ("listwise_kl", False),
        ("adr_mse", False),
        ("kl", False),
    ):
        one = Objective(tuple(TEACHERS), "heads", 0.5, loss, margin_pairs="right_wrong").identity()
        assert (one != Objective(tuple(TEACHERS), "heads", 0.5, loss).identity()) == counts


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        ({}, []),
        ({"gold_loss": "lambda"}, [0]),
        ({"loss": "margin_mse"}, [1, 2]),
        ({"loss": "adr_mse", "gold_loss": "listwise"}, [0, 1, 2]),
        ({"loss": "adr_mse", "gold_loss": "listwise", "alpha": 1.0}, [1, 2]),
        ({"gold_loss": "listwise", "alpha": 0.0}, [0]),
        ({"mix": "blend", "gold_loss": "lambda"}, []),  # the soft loss has a scale
        ({"mix": "blend", "loss": "ranknet"}, []),  # the gold loss has one
        ({"mix": "blend", "gold_loss": "lambda", "loss": "ranknet"}, [0]),
        ({"mix": "blend", "loss": "ranknet", "alpha": 1.0}, [0]),
        ({"teachers": (), "gold_loss": "ranknet"}, [0]),
    ],
)
def test_heads_that_learn_differences_alone_are_known(settings: dict[str, Any], places: list[int]) -> None:
    usual = {"teachers": tuple(TEACHERS), "targets": "heads", "alpha": 0.5}
    assert Objective(**(usual | settings)).relative == places


def test_loss_over_a_question_without_batches_of_questions_is_named() -> None:
    said = refusal(ArmConfig(targets="heads", loss="margin_mse"))
    assert said == (
        "stage2.group_size: expected a number of passages (0: all of them), since method.arms.mkd.loss=margin_mse "
        "compares the passages of a question, got None."
    )
    said = refusal(ArmConfig(), method=MethodConfig(gold_loss="lambda"))
    assert said.startswith("stage2.group_size:") and "method.gold_loss=lambda" in said


GROUPS = {"stage2": Stage2Config(group_size=0)}


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"data": DataConfig(ranking=False)}, "data.ranking: expected true, since method.loss=ranknet"),
        ({"method": MethodConfig(mix="weigh")}, "method.mix: expected heads or blend"),
        ({"method": MethodConfig(online=OnlineConfig("mutual"))}, "method.online.kind: expected none"),
        ({"student": StudentConfig(exits=[1])}, r"student.exits: expected \[\]"),
    ],
)
def test_what_a_loss_over_a_question_cannot_be_with_is_named(sections: dict[str, Any], said: str) -> None:
    sections = GROUPS | {"method": MethodConfig()} | sections
    sections["method"].loss, sections["method"].alpha = "ranknet", 0.5
    sections["method"].arms = {"mkd": ArmConfig(targets="average")}
    with pytest.raises(ConfigError, match=said):
        check_arms(Experiment(Config(encoder=TINY, teachers=ROSTER, **sections)))


def test_loss_that_no_arm_has_needs_no_batches_of_questions() -> None:
    method = MethodConfig(loss="margin_mse", gold_loss="lambda", arms={"kd": ArmConfig(loss="mse", alpha=1.0)})
    method.arms["kd"].targets = "one"
    check_arms(Experiment(Config(encoder=TINY, student=StudentConfig(encoder=TINY), teachers=ROSTER, method=method)))


def test_teachers_have_a_gold_loss_of_their_own_or_the_sections() -> None:
    def keys(section: str, own: str | None) -> list[str]:
        teachers = TeachersConfig(2, [TeacherConfig(), TeacherConfig(seed=2, gold_loss=own)], gold_loss=section)
        return [teacher.key for teacher in Experiment(Config(encoder=TINY, teachers=teachers)).roster]

    usual, varied = keys("pointwise", None), keys("lambda", "pointwise")
    assert varied[0] != usual[0] and varied[1] == usual[1]
    assert keys("pointwise", "lambda")[1] == keys("lambda", None)[1]
