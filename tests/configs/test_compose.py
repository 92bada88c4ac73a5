"""Every YAML composes and makes sense; every mistake is one sentence that names the setting."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from tmkd.cli.arguments import names_in
from tmkd.cli.explain import explain
from tmkd.config import check, check_given, check_typed, resolve
from tmkd.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf"
GROUPS = sorted(path.relative_to(CONF).with_suffix("") for path in CONF.glob("*/**/*.yaml"))

FIXED = ["method.teacher_weights=fixed"]


def composed(*overrides, stage=None):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = check_given(check(resolve(compose("config", overrides=list(overrides)))))
        return check_typed(config, names_in(overrides), stage)


def test_there_are_options_to_try():
    assert len(GROUPS) >= 25


@pytest.mark.parametrize("option", GROUPS, ids=str)
def test_option_composes(option):
    extra = ["encoder.name=somewhere"] if str(option) == "encoder/hub" else []
    group, *name = option.parts
    added = "+" if group == "terms" else ""  # a group that no run starts with
    config = composed(f"{added}{group}={'/'.join(name)}", *extra)
    assert config.teachers.roster and config.method.arms


def test_default_is_the_papers_comparison():
    arms = composed().method.arms
    switches = {(arm.pretrain, arm.targets) for arm in arms.values()}
    assert {(False, "none"), (False, "one"), (False, "average"), (False, "students"), (False, "heads")} <= switches
    assert {(True, "one"), (True, "heads")} <= switches


def test_presets_differ_in_the_two_switches_alone():
    for option in GROUPS:
        if option.parent.name == "method":
            for arm in composed(f"method={option.name}").method.arms.values():
                assert (arm.alpha, arm.loss, arm.temperature, arm.teacher) == (None, None, None, None)


def test_preset_of_an_arm_is_that_of_the_run_and_what_else_the_arm_sets_has_the_last_word():
    own = "set: {student: bilstm, stage1: {share: 0.5}, stage2: {learning_rate: 0.01}}"
    config = composed("+method.arms={mine_0.5: {targets: average, " + own + "}}", "encoder.max_length=48")
    settings = config.method.arms["mine_0.5"].set
    run = composed("student=bilstm", "encoder.max_length=48")
    assert settings["student"]["encoder"].items() <= vars(run.student.encoder).items()
    assert settings["student"]["encoder"]["max_length"] == 48
    assert settings["stage1"] == {"learning_rate": run.stage1.learning_rate, "share": 0.5}
    assert settings["stage2"] == {"learning_rate": 0.01}


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("{student: bottom9}", "student: expected one of bilstm, bottom1, "),
        ("{stage2: fast}", "stage2: expected its settings"),
    ],
)
def test_preset_of_an_arm_that_is_not_there_is_named(chosen, said):
    with pytest.raises(ConfigError, match=rf"^method\.arms\.mine\.set\.{said}"):
        composed("+method.arms={mine: {set: " + chosen + "}}")


def test_one_setting_of_one_teacher_can_be_changed():
    roster = composed("teachers.roster.1.learning_rate=7e-5").teachers.roster
    assert [teacher.learning_rate for teacher in roster][1] == 7e-5
    assert len(roster) == 3


@pytest.mark.parametrize("metric", ["map", "ndcg@10", "r@5", "mrr@1", "accuracy", "auc"])
def test_ranking_can_be_judged_by(metric):
    assert composed(f"metric={metric}").metric == metric


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            ["data=glue/mnli", "metric=auc"],
            "metric: expected null or one of accuracy, as data.ranking is false and there are 3 classes, got auc",
        ),
        (
            ["data=glue/rte", "metric=ndcg@10"],
            "metric: expected null or one of accuracy, auc, as data.ranking is false",
        ),
        (["data=glue/rte", "comparison.write_runs=true"], "write_runs: expected false where data.ranking is false"),
    ],
)
def test_metric_that_a_task_cannot_have_is_refused_with_those_that_it_can(settings, expected):
    with pytest.raises(ConfigError, match=expected):
        composed(*settings)


def test_names_of_labels_need_no_plus_sign():
    config = composed("data=files", "data.classes=[no,yes]", "data.labels={not_entailment: no, entailment: yes}")
    assert config.data.labels == {"not_entailment": "no", "entailment": "yes"}
    numbered = composed("data=files", "data.classes=[poor,good]", "data.labels={-1: poor, 1: good}")
    assert numbered.data.labels == {"-1": "poor", "1": "good"}
    fractions = composed("data=files", "data.classes=[poor,good]", "data.labels={0.0: poor, 1.50: good}")
    assert fractions.data.labels == {"0": "poor", "1.5": "good"}
    # as YAML reads [no, yes]
    turned = composed("data=files", "data.classes=[false,true]", "data.labels={0: no, 1: yes}")
    assert turned.data.labels == {"0": "no", "1": "yes"}
    truth = composed("data=files", "data.classes=[no,yes]", "data.labels={true: yes, false: no}")
    assert truth.data.labels == {"True": "yes", "False": "no"}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("teachers.count=0", "teachers.count: expected a number from 1 to 3"),
        ("teachers.count=4", "teachers.count: expected a number from 1 to 3"),
        ("method.alpha=1.5", "alpha: expected a number from 0 to 1, got 1.5"),
        ("method.alpha=-0.1", "alpha: expected a number from 0 to 1"),
        ("method.temperature=0", "temperature: expected more than 0"),
        ("stage1.temperature=-1", "stage1.temperature: expected more than 0"),
        ("method.loss=huber", "loss: expected one of mse, kl, ce, .*adr_mse, got huber"),
        ("stage1.targets=students", "stage1.targets: expected one of average, heads"),
        ("student.layers=0", "student.layers: expected at least 1"),
        ("student.seeds=[]", "student.seeds: expected at least one seed"),
        ("+table.rows={chance: {arm: kd}}", "table.rows.chance: expected another label: every table has this row"),
        ("student.seeds=[1,1]", "student.seeds: expected different seeds"),
        ("encoder.source=wheel", "encoder.source: expected one of"),
        ("encoder=hub", "encoder.name: expected a hub name or a folder"),
        ("stage2.learning_rate=0", "stage2.learning_rate: expected more than 0"),
        ("teachers.roster.2.batch_size=0", r"teachers.roster\[2\].batch_size: expected more than 0"),
        ("comparison.teacher_counts=[1,9]", "comparison.teacher_counts: expected a number from 1 to 3"),
        ("+method.arms.kd.teacher=4", "method.arms.kd.teacher: expected a number from 1 to 3"),
        ("data.questions=[0,0,0]", "data.questions: expected three numbers above 0"),
        ("metric=ndcg@0", "metric: expected null or one of map, mrr, ndcg, accuracy, auc, ndcg@k, .*got ndcg@0"),
        ("metric=map@10", "metric: expected null or one of map"),
        ("data.classes=[Right,wrong]", r"data.classes: expected the class of right passages last .*, \[wrong,Right\]"),
        ("data.classes=[yes,no]", "data.classes: expected the class of right passages last"),
        ("data.passage=question", "data: expected three different columns"),
        ("data.reader=web", "data.reader: expected one of documentation, files"),
        ("runtime.shard_size=0", "runtime.shard_size: expected more than 0"),
        ("runtime.score_batch=-1", "runtime.score_batch: expected 0"),
        ("trainer.schedule=zigzag", "trainer.schedule: expected one of"),
        ("trainer.max_grad_norm=-1", "trainer.max_grad_norm: expected"),
        ("student.dropout=1.5", "student.dropout: expected a number from 0 to 1"),
        ("name=../elsewhere", "name: expected a plain folder name"),
        (
            "+table.rows={TMKD: {arm: tmkt}}",
            r"table.rows.TMKD.arm: expected one of gold, .*, teacher, ensemble, got tmkt",
        ),
        (
            "+table={rows: {TMKD: {arm: tmkd}}, claims: [{better: TMKD, worse: MKD}]}",
            r"table.claims\[0\].worse: expected one of TMKD, got MKD",
        ),
        ("data.labels={no: [wrong]}", "data.labels: expected classes"),
        ("data.quoting=never", "data.quoting: expected one of csv, none, got never"),
        ("corpus.quoting=never", "corpus.quoting: expected one of csv, none, got never"),
        ("corpus.separator=';'", "corpus.separator: expected one of comma, semicolon, tab, pipe, got ;"),
        ("data.column=SQuAD", "data.column: expected one of DeepQA, "),
        ("student.seeds=[-1]", "student.seeds: expected 0 or more, and less than 2 to the power of 32, got -1"),
        ("teachers.roster.1.seed=4294967296", r"teachers.roster\[1\].seed: expected 0 or more"),
        ("encoder.seed=-1", "encoder.seed: expected 0 or more"),
        ("trainer.weight_decay=inf", "trainer.weight_decay: expected 0 or more, got inf"),
        ("trainer.warmup=1", "trainer.warmup: expected at least 0 and less than 1"),
        ("method.temperature_end=0", "method.temperature_end: expected more than 0, got 0"),
        ("runtime.threads=1000000000000", r"runtime.threads: expected a number from 0 \(all\) to 1024"),
        ("paths.artifacts=", "paths.artifacts: expected a folder, got ''"),
        ("comparison.teacher_counts=[3,3]", "comparison.teacher_counts: expected different numbers"),
        ("+method.arms.tmkd.set={data: {name: other}}", "method.arms.tmkd.set: expected one of corpus, .*, got data"),
        ("+method.arms.tmkd.set={method: null}", "method.arms.tmkd.set.method: expected settings, .*, got None"),
        ("+method.arms.tmkd.set={student: {1: 2, a: 3}}", "method.arms.tmkd.set.student: expected names .*, got 1"),
        ("method.arms.mkd.fine_tune=false", "mkd.fine_tune: expected true, where pretrain is false"),
        ("method.online.peers=[{1: 2, a: 3},{}]", "method.online.peers: expected names of settings, got 1"),
    ],
)
def test_setting_that_makes_no_sense_is_named(override, said):
    with pytest.raises(ConfigError, match=said):
        composed(override)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["stage1.loss=listwise_kl"],
            "stage1.group_size: expected a number .*, since stage1.loss=listwise_kl compares",
        ),
        (["teachers.gold_loss=lambda"], r"roster\[0\].group_size: expected .* teachers.gold_loss=lambda .*, got None"),
        (["teachers.roster.1.gold_loss=lambda"], r"roster\[1\].group_size: .* teachers.roster\[1\].gold_loss=lambda"),
        (
            ["stage1.loss=ranknet", "stage1.group_size=0", "data.ranking=false"],
            "data.ranking: expected true, since stage1",
        ),
        (["method.gold_loss=huber"], "method.gold_loss: expected one of pointwise, bce, listwise, .*, got huber"),
        (["method.margin_pairs=some"], "method.margin_pairs: expected one of all, right_wrong, got some"),
        (["encoder=tiny", "encoder.width=33"], "encoder.width: expected an even number where source is tiny, got 33"),
        ([*FIXED, "method.weights=[inf,1,1]"], "method.weights: expected 3 numbers, none negative"),
        (
            [*FIXED, "method.weights=[0,0,1]", "comparison.teacher_counts=[2,3]"],
            "method.weights: expected one of the first 2 above 0",
        ),
        (
            ["stage1.kind=language", "language.seed=-1", "student.layers=1"],
            "language.seed: expected 0 or more",
        ),
        (
            ["method=m_o_m_after_stage1", "method.arms.m_o_m_after_stage1.fine_tune=false"],
            "m_o_m_after_stage1.fine_tune: expected true, where there are several students",
        ),
        (["data.name='?'", "+table.rows={TMKD: {arm: tmkd}}"], r"data.name: expected a name .*, got '\?'"),
        (["data.name=columns", "+table.rows={TMKD: {arm: tmkd}}"], "data.name: expected a name .*, got 'columns'"),
        (
            [
                "student.init=teacher",
                "teachers.count=1",
                "comparison.teacher_counts=[2]",
                "teachers.roster.1.encoder.source=tiny",
            ],
            "student.init: expected encoder, where teachers have others",
        ),
    ],
)
def test_settings_that_make_no_sense_together_are_named(overrides, said):
    with pytest.raises(ConfigError, match=said):
        composed(*overrides)


def test_weights_may_leave_out_the_first_teacher_where_it_never_teaches_alone():
    composed(*FIXED, "method.weights=[0,1,1]")
    composed(*FIXED, "method.weights=[0,1,1]", "comparison.teacher_counts=[1,2]")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["stage2.group_size=1"], "stage2.group_size: expected null .*, 0 .* or 2 and more, got 1"),
        (["teachers.roster.1.group_size=1"], r"teachers.roster\[1\].group_size: expected null"),
        (["teachers.roster.0.batch_questions=4"], r"teachers.roster\[0\].batch_questions: expected null where"),
        (["stage2.group_size=0", "stage2.batch_questions=0"], "stage2.batch_questions: expected 1 or more"),
        (["stage1.group_size=4", "stage1.share=0.5"], "stage1.share: expected 1 where stage1.group_size is set"),
        (["stage1.group_size=4", "stage1.kind=language", "student.layers=1"], "null where stage1.kind is language"),
        (["data.ranking=false", "teachers.roster.2.group_size=0"], r"teachers.roster\[2\].group_size: expected null"),
        (["data.ranking=false", "stage2.group_size=0"], "stage2.group_size: expected null where data.ranking is false"),
    ],
)
def test_questions_that_make_no_batches_are_named(overrides, said):
    with pytest.raises(ConfigError, match=said):
        composed(*overrides)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["method.teacher_weights=learnt"],
            "method.trust_by: expected .* a name in data.extra_columns .none., got source",
        ),
        (["stage1.teacher_weights=learnt"], "method.trust_by: expected .* a name in corpus.extra_columns .none., got"),
        (
            ["stage1.teacher_weights=learnt", "corpus.extra_columns=[source]"],
            "method.trust_by: expected .* a name in data.extra_columns, got source",
        ),
    ],
)
def test_column_that_no_pair_has_is_named_before_anything_is_trained(overrides, said):
    with pytest.raises(ConfigError, match=said):
        composed("data=smoke", "corpus=smoke", "method.trust_by=source", *overrides)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "encoder.name=bert-large-uncased",
            r"encoder\.name: expected encoder\.source=hub beside it, since .* embedded, got",
        ),
        (
            "teachers.roster=[{encoder: {name: roberta-base}}]",
            r"roster\.0\.encoder\.name: expected .*source=hub .* is same",
        ),
        (
            "student.encoder.max_length=128",
            r"64 where student\.encoder\.source is same, .* \(set student\.max_length\)",
        ),
        (
            "teachers.roster.0.encoder.pooling=mean",
            r"auto where .* is same, .*\(set teachers\.roster\.0\.encoder\.source, too",
        ),
    ],
)
def test_encoder_is_not_given_what_its_source_does_not_read(override, said):
    # roberta-base would have been MiniLM, without a word
    with pytest.raises(ConfigError, match=said):
        composed(override)


@pytest.mark.parametrize("name", ["label", "passage", "id", "score", "none", ""])
def test_further_column_with_a_name_that_is_taken_is_refused(name):
    with pytest.raises(ConfigError, match=r"data.extra_columns: expected different names, none of them .*first_word"):
        composed("data=smoke", f"data.extra_columns=['{name}']")


def test_documentation_has_no_further_columns():
    with pytest.raises(ConfigError, match=r"data.extra_columns: expected none where data.reader is not files or hub"):
        composed("data=documentation", "data.extra_columns=[source]")


def test_teacher_inherits_how_questions_make_a_batch_where_it_sets_nothing_itself():
    teachers = composed(
        "teachers.group_size=8", "teachers.batch_questions=3", "teachers.roster.1.group_size=0"
    ).teachers
    settled = [teachers.settled(teacher) for teacher in teachers.roster]
    assert [(teacher.group_size, teacher.batch_questions) for teacher in settled] == [(8, 3), (0, 3), (8, 3)]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("teachers.number=3", "teachers.number"),
        ("data=wikipedia", "data/wikipedia"),
        ("teachers.count=three", "'three'"),
        ("nonsense=1", "nonsense"),
        ("method.alpha=[", "method.alpha"),
        ("method.arms.tmkd.set={student: {layers: 1}}", '"+" in front'),
    ],
)
def test_override_that_cannot_be_composed_is_explained_in_one_line(override, said):
    with pytest.raises((HydraException, OmegaConfBaseException)) as raised:
        composed(override)
    sentence = explain(raised.value)
    assert said in sentence
    assert "\n" not in sentence
