"""What the paper's tables hold, number by number: a slip in a YAML would be printed as the paper's own result."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from tmkd.config import EncoderConfig, check, resolve, vary

CONF = Path(__file__).parents[2] / "conf"
TABLES = sorted(
    str(path.relative_to(CONF / "experiment").with_suffix(""))
    for folder in ("paper", "ablation")
    for path in (CONF / "experiment" / folder).glob("*.yaml")
)
DATA_SETS = ("DeepQA", "MNLI", "SNLI", "QNLI", "RTE")
# For each row its arm's switches (pre-trained in stage 1, targets), None for teachers; then the numbers in the order of
# DATA_SETS, pairs a second, millions of parameters.
TABLE_4 = {
    "BERT-3": ((False, "none"), 75.78, 70.77, 77.75, 78.51, 57.42, 207, 45.69),
    "BERT-large": (None, 81.47, 79.10, 80.90, 90.30, 68.23, 16, 333.58),
    "BERT-large ensemble": (None, 81.66, 79.57, 81.39, 90.91, 70.75, 16 / 3, 333.58 * 3),
    "Bi-LSTM (1-o-1)": ((False, "one"), 71.69, 59.39, 69.59, 69.12, 56.31, 207, 50.44),
    "Bi-LSTM (1avg-o-1)": ((False, "average"), 71.93, 59.60, 70.04, 69.53, 57.35, 207, 50.44),
    "Bi-LSTM (m-o-m)": ((False, "students"), 72.04, 61.71, 72.89, 69.89, 58.12, 207 / 3, 50.44 * 3),
    "BERT-3 (1-o-1)": ((False, "one"), 77.35, 71.07, 78.62, 77.65, 55.23, 217, 45.69),
    "BERT-3 (1avg-o-1)": ((False, "average"), 77.63, 70.63, 78.64, 78.20, 58.12, 217, 45.69),
    "BERT-3 (m-o-m)": ((False, "students"), 77.44, 71.28, 78.71, 77.90, 57.40, 217 / 3, 45.69 * 3),
    "Bi-LSTM (TMKD base)": ((True, "heads"), 74.73, 61.68, 71.71, 69.99, 62.74, 207, 50.45),
    "TMKD base": ((True, "heads"), 79.93, 71.29, 78.35, 83.53, 66.64, 217, 45.70),
    "TMKD large": ((True, "heads"), 80.43, 73.93, 79.48, 86.44, 67.50, 217, 45.70),
}
SIZED = {  # of each size
    "{size}": TABLE_4["BERT-3"],
    "{size} (1-o-1)": TABLE_4["BERT-3 (1-o-1)"],
    "{size} (1avg-o-1)": TABLE_4["BERT-3 (1avg-o-1)"],
    "{size} (m-o-m)": TABLE_4["BERT-3 (m-o-m)"],
    "{size} (MKD)": ((False, "heads"), 78.21, 71.98, 78.80, 77.80, 59.92),
    "{size} (stage 1 alone)": ((True, "heads"),),
    "{size} (TKD)": ((True, "one"), 80.12, 72.34, 78.23, 85.89, 67.35),
    "{size} (TKD, 1avg-o-1)": ((True, "average"),),
    "{size} (TMKD)": TABLE_4["TMKD large"],
}
PAPER = {
    "paper/table4": TABLE_4,
    "paper/bert_large": TABLE_4,
    "paper/table5": {
        "KD (1-o-1)": ((False, "one"), 77.35, 71.07, 78.62, 77.65, 55.23),
        "TKD": ((True, "one"), 80.12, 72.34, 78.23, 85.89, 67.35),
    },
    "paper/table6": {
        "KD (1avg-o-1)": ((False, "average"), 77.63, 70.63, 78.64, 78.20, 58.12),
        "MKD": ((False, "heads"), 78.21, 71.98, 78.80, 77.80, 59.92),
    },
    "paper/table7": {
        "Bi-LSTM (TKD base, 1-o-1)": ((True, "one"), 74.26, 61.43, 71.54, 69.20, 59.56),
        "Bi-LSTM (TKD base, 1avg-o-1)": ((True, "average"), 74.38, 61.55, 71.70, 69.08, 61.01),
        "Bi-LSTM (TMKD base)": ((True, "heads"), 74.73, 61.68, 71.71, 69.99, 62.74),
        "TKD base (1-o-1)": ((True, "one"), 79.50, 71.07, 77.66, 82.79, 63.89),
        "TKD base (1avg-o-1)": ((True, "average"), 79.73, 71.21, 77.70, 83.40, 67.10),
        "TMKD base": ((True, "heads"), 79.93, 71.29, 78.35, 83.53, 66.64),
    },
    "paper/table9": {
        "TMKD, 1 layer": ((True, "heads"), 74.59, 61.23, 70.21, 70.60, 54.51, 511),
        "TMKD, 3 layers": ((True, "heads"), 78.46, 71.13, 77.67, 82.04, 65.70, 217),
        "TMKD, 5 layers": ((True, "heads"), 79.54, 72.76, 78.20, 84.94, 66.07, 141),
    },
    "paper/figure2": {
        "TKD (1-o-1)": ((True, "one"), 80.12, 72.34, 78.23, 85.89, 67.35),
        "TKD (1avg-o-1)": ((True, "average"),),
        "MKD": ((False, "heads"), 78.21, 71.98, 78.80, 77.80, 59.92),
        "TMKD": ((True, "heads"), 80.43, 73.93, 79.48, 86.44, 67.50),
    },
    "paper/base": {
        "the best teacher": TABLE_4["BERT-large"],
        "the teachers' ensemble": TABLE_4["BERT-large ensemble"],
        "Bi-LSTM (1-o-1)": TABLE_4["Bi-LSTM (1-o-1)"],
        "Bi-LSTM (1avg-o-1)": TABLE_4["Bi-LSTM (1avg-o-1)"],
        "Bi-LSTM (m-o-m)": TABLE_4["Bi-LSTM (m-o-m)"],
        "Bi-LSTM (TMKD)": ((True, "heads"),),
        **{
            label.format(size=size): row[: None if size == "MPNet-3" else 1]
            for size in ("MiniLM-3", "MiniLM-6", "MPNet-3")
            for label, row in SIZED.items()
        },
    },
    "paper/figure3": {
        "α = 0.1": ((True, "heads"), 79.74),
        "α = 0.3": ((True, "heads"), 80.07),
        "α = 0.5": ((True, "heads"), 80.35),
        "α = 0.7": ((True, "heads"), 80.40),
        "α = 0.9": ((True, "heads"), 80.43),
        "α = 1.0": ((True, "heads"), 80.35),
    },
    "paper/table8": {  # CommQA
        "BERT-large": (None, 77.00),
        "KD": ((False, "one"), 73.22),
        "MKD": ((False, "heads"), 77.32),
        "TMKD": ((True, "heads"), 79.22),
    },
    "ablation/two_switches": {
        "KD (1-o-1)": ((False, "one"), 77.35, 71.07, 78.62, 77.65, 55.23),
        "MKD": ((False, "heads"), 78.21, 71.98, 78.80, 77.80, 59.92),
        "stage 1 alone": ((True, "heads"),),
        "TKD (1avg-o-1)": ((True, "average"),),
        "m-o-m after stage 1": ((True, "students"),),
        "TMKD": ((True, "heads"), 80.43, 73.93, 79.48, 86.44, 67.50),
        "the best teacher": (None, 81.47, 79.10, 80.90, 90.30, 68.23),
        "the teachers' ensemble": (None, 81.66, 79.57, 81.39, 90.91, 70.75),
    },
}


def composed(*overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return check(resolve(compose("config", overrides=list(overrides))))


def switches(config, row):
    if row.arm in ("teacher", "ensemble"):
        return None
    arm = config.method.arms[row.arm]
    return arm.pretrain, arm.targets


@pytest.mark.parametrize("table", PAPER)
def test_every_number_and_arm_of_the_paper_is_as_it_prints_it(table):
    config = composed(f"experiment={table}")
    columns = ("CommQA",) if table == "paper/table8" else (*DATA_SETS, "QPS", "parameters")
    assert list(config.table.rows) == list(PAPER[table])
    for label, (arm, *numbers) in PAPER[table].items():
        row = config.table.rows[label]
        assert switches(config, row) == arm, label
        assert row.paper == pytest.approx(dict(zip(columns, numbers)), abs=0.005), label


def test_every_table_of_the_paper_is_compared():
    assert set(PAPER) == {table for table in TABLES if table.startswith("paper/")} | {"ablation/two_switches"}


@pytest.mark.parametrize("table", TABLES)
def test_table_names_its_own_arms_alone_and_has_a_claim(table):
    """An arm that no row shows would be trained for nothing."""
    config = composed(f"experiment={table}")
    shown = {row.arm for row in config.table.rows.values()} - {"teacher", "ensemble"}
    assert shown == set(config.method.arms)
    assert config.table.claims and config.name != "default"
    assert all(row.x is not None for row in config.table.rows.values()) == (config.table.axis is not None)


def test_tables_have_folders_of_their_own():
    assert len({composed(f"experiment={table}").name for table in TABLES}) == len(TABLES) >= 13


def test_base_is_a_tenth_of_the_corpus_and_large_all_of_it():
    arms = composed("experiment=paper/table4").method.arms
    assert {name for name, arm in arms.items() if arm.set.get("stage1", {}).get("share") == 0.1} == {
        "tmkd_base", "bilstm_tmkd_base",
    }  # fmt: skip
    assert arms["tmkd"].set == {}
    assert all(arm.set["stage1"]["share"] == 0.1 for arm in composed("experiment=paper/table7").method.arms.values())


BILSTM = EncoderConfig(source="bilstm", layers=2, width=256, dimensions=300, word_vectors="encoder", max_length=48)


@pytest.mark.parametrize("table", ["paper/table4", "paper/table7"])
def test_bilstm_rows_learn_at_its_own_rate_with_its_embeddings(table):
    """At a Transformer's rate, or with random word vectors left as they are, it would seem worse than it is."""
    config = composed(f"experiment={table}")
    for name, arm in config.method.arms.items():
        if name.startswith("bilstm"):
            given = vary(config, arm.set)
            assert given.student.encoder == BILSTM
            assert given.student.freeze_embeddings is False and given.student.layers is None
            assert given.stage2.learning_rate == 1e-3
            assert not arm.pretrain or given.stage1.learning_rate == 1e-3


def test_own_tables_cover_what_their_names_say():
    counts = composed("experiment=ablation/teacher_count").method.arms
    assert [arm.set["teachers"]["count"] for arm in counts.values()] == [1, 2, 3]
    losses = composed("experiment=ablation/soft_loss").method.arms.values()
    assert {(arm.loss, arm.temperature) for arm in losses} == {
        ("mse", None), *((loss, temperature) for loss in ("kl", "ce") for temperature in (1, 2, 4)),
    }  # fmt: skip
    for arm in losses:  # both stages alike
        assert (arm.set["stage1"]["loss"], arm.set["stage1"].get("temperature")) == (arm.loss, arm.temperature)
    sizes = composed("experiment=ablation/corpus_size")
    for row in sizes.table.rows.values():
        arm = sizes.method.arms[row.arm]
        assert row.x == (arm.set.get("stage1", {}).get("share", 1.0) if arm.pretrain else 0)
    alphas = composed("experiment=paper/figure3")
    assert all(row.x == alphas.method.arms[row.arm].alpha for row in alphas.table.rows.values())
    layers = composed("experiment=paper/table9")
    assert all(row.x == layers.method.arms[row.arm].set["student"]["layers"] for row in layers.table.rows.values())


def test_tables_join_with_other_experiments():
    config = composed("experiment=[smoke,paper/table5]")
    assert (config.name, config.encoder.source, list(config.method.arms)) == ("table5", "tiny", ["kd", "tkd"])


def test_bert_large_is_the_papers_own_size():
    config = composed("experiment=paper/bert_large")
    assert (config.encoder.name, config.encoder.max_length) == ("bert-large-uncased", 150)
    assert (config.student.encoder.name, config.student.layers) == ("bert-base-uncased", 3)
    assert (config.student.max_length, config.student.pooling, config.student.freeze_embeddings) == (150, None, False)
    assert [teacher.learning_rate for teacher in config.teachers.roster] == [2e-5, 3e-5, 5e-5]
    assert config.stage1.learning_rate == config.stage2.learning_rate == 1e-4
    assert (config.stage1.targets, config.method.alpha) == ("heads", 0.9)


def test_base_has_students_of_four_sizes_with_the_same_arms_from_teachers_of_two_kinds():
    config = composed("experiment=paper/base")
    assert [(each.learning_rate, each.encoder.source) for each in config.teachers.roster] == [
        (2e-5, "same"), (4e-5, "same"), (6e-5, "embedded"),
    ]  # fmt: skip
    assert (config.encoder.source, config.stage1.targets, config.method.alpha) == ("mpnet", "heads", 0.9)
    student, set_of = config.student, {name: arm.set for name, arm in config.method.arms.items()}
    assert (student.encoder.source, student.encoder.max_length, student.layers) == ("embedded", 48, 3)
    kinds = {name.removeprefix("minilm_3_") for name in set_of if name.startswith("minilm_3")}
    for size, own in {
        "minilm_3": {},
        "minilm_6": {"student": {"layers": None}},
        "mpnet_3": {
            "student": {"encoder": {"source": "same"}},
            "stage1": {"learning_rate": 1e-4},
            "stage2": {"learning_rate": 1e-4},
        },
    }.items():
        assert all(set_of[f"{size}_{kind}"] == own for kind in kinds), size
    assert vary(config, set_of["bilstm_tmkd"]).student.encoder == BILSTM
