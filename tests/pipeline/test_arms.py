"""Arms with settings of their own: each is judged by its own, and never by another's."""

import pytest

from tests.pipeline.running import compose_at
from tmkd.errors import ConfigError
from tmkd.pipelines.arms import check_arms
from tmkd.pipelines.inputs import Inputs


def test_an_arms_own_settings_do_not_rule_out_the_other_arms_of_its_experiment(tmp_path):
    inputs = Inputs(compose_at(tmp_path, "experiment=families"))
    mixes = {inputs.varied(arm.set).config.method.mix for arm in inputs.config.method.arms.values()}
    assert mixes == {"heads", "blend", "weigh"}
    check_arms(inputs)


def test_the_families_leave_out_no_way_of_training_together(tmp_path):
    config = compose_at(tmp_path, "experiment=families")
    kinds = {Inputs(config).varied(arm.set).config.method.online.kind for arm in config.method.arms.values()}
    assert kinds == {"none", "mutual", "codistillation", "together"}


def test_a_head_a_teacher_beside_one_head_for_all_is_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"method.mix: expected heads, where method.arms.mkd.targets is heads, got blend"
    ):
        check_arms(Inputs(compose_at(tmp_path, "method=mkd", "method.mix=blend")))
