"""Labels that are grades or numbers: what is read from each format, and what is refused before anything is trained."""

import copy
from operator import attrgetter

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from tests.configs.test_compose import composed
from tests.pipeline.running import compose_at
from tests.unit.test_formats import rows_of
from tests.unit.test_readers import corpus, data
from tests.unit.written import lines, pairs, write
from tmkd.choices import FORMATS
from tmkd.config import check, settings
from tmkd.config.data import DataConfig
from tmkd.data.readers import read_task
from tmkd.data.schema import SPLITS
from tmkd.errors import ConfigError, DataError
from tmkd.experiment.check import check_arms
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.shares import check_shares

GRADED, FLOAT = {"label_kind": "graded"}, {"label_kind": "float"}
FILES = ("data=files", "data.train=a.jsonl", "data.test=b.jsonl")


def own(folder, labels, **changes):
    """The settings of a task in our own format, whose training split has these labels and the others 0 and 1."""
    paths = {}
    for split in SPLITS:
        found = labels if split == "train" else (0, 1)
        rows = [
            {"question": f"what is {split}?", "passage": f"text {at}", "label": one} for at, one in enumerate(found)
        ]
        paths[split] = str(lines(folder / f"{split}.jsonl", rows))
    return data(**paths | changes)


def labels_of(settings_of_data, split="train"):
    return read_task(settings_of_data, corpus()).splits[split]["label"][:]


@pytest.mark.parametrize("kind", [GRADED, FLOAT])
@pytest.mark.parametrize("form", FORMATS)
def test_formats_without_grades_have_1_for_right_and_0_for_wrong(form, kind, tmp_path):
    task = read_task(data(**write(form, tmp_path), **kind), corpus())
    grade = 2.0 if form == "trec" else 1.0  # as that file has them
    for split in SPLITS:
        assert rows_of(task.splits[split]) == {(q, p, grade * right) for q, p, right, _ in pairs(split)}
        assert task.splits[split].features["label"].dtype == "float32"


@pytest.mark.parametrize("form", ["beir", "trec", "msmarco"])
def test_grades_of_qrels_are_kept(form, tmp_path):
    changes = write(form, tmp_path)
    path = tmp_path / "qrels.tsv"
    if form == "beir":
        path = tmp_path / "qrels" / "train.tsv"
        path.write_text("query-id\tcorpus-id\tscore\n" + "".join(f"1000\td{at}\t{at}\n" for at in range(3)))
    else:
        path.write_text("".join(f"1000\t0\td{at}\t{at}\n" for at in range(3)))
        changes |= {"train": str(path)}
    assert sorted(labels_of(data(**changes, **GRADED))) == [0, 1, 2]
    path.write_text(path.read_text() + ("1000\td3\t-1\n" if form == "beir" else "1000\t0\td3\t-1\n"))
    with pytest.raises(DataError, match=r"must be a grade, a whole number from 0 to 30 but is '-1'"):
        labels_of(data(**changes, **GRADED))


SENTENCES = {
    "score": [{"a": "q", "b": "x", "score": 0.25}, {"a": "q", "b": "y", "score": 3.5}],
    "label": [{"a": "q", "b": "x", "label": 0.25}, {"a": "q", "b": "y", "label": 3.5}],
    "list of scores": [{"a": "q", "b": ["x", "y"], "scores": [0.25, 3.5]}],
    "a score for each text": [{"a": "q", "b": "x", "c": "y", "scores": [0.25, 3.5]}],
}


@pytest.mark.parametrize("shape", SENTENCES)
def test_scores_of_sentence_transformers_are_labels(shape, tmp_path):
    path = lines(tmp_path / "shape.jsonl", SENTENCES[shape])
    found = labels_of(data(**write("sentence_transformers", tmp_path) | {"train": str(path)}, **FLOAT))
    assert found == [0.25, 3.5]


def test_spellings_of_a_grade_are_one_number(tmp_path):
    assert labels_of(own(tmp_path, [0, "1", 2.0, "3.0"], **GRADED)) == [0, 1, 2, 3]


@pytest.mark.parametrize("label", [0.5, "good", -1, 31, True, None, "", [1]])
def test_label_that_is_no_grade_is_named_by_its_row(label, tmp_path):
    expected = r"train\.jsonl, line 2: field 'label' must be a grade, a whole number from 0 to 30 but is "
    with pytest.raises(DataError, match=expected):
        labels_of(own(tmp_path, [0, label, 1], **GRADED))
    assert labels_of(own(tmp_path, [0, label, 1], on_bad_row="skip", **GRADED)) == [0, 1]


@pytest.mark.parametrize("label", ["nan", "inf", 1e39, "good", True])
def test_label_that_is_no_finite_number_is_named_by_its_row(label, tmp_path):
    with pytest.raises(DataError, match=r"train\.jsonl, line 2: field 'label' must be a finite number but is "):
        labels_of(own(tmp_path, [0, label, 1], **FLOAT))


BCE = ("data.label_kind=float", "method=gold", "method.gold_loss=bce", "teachers.calibration=none")


def test_label_that_is_no_probability_is_named_by_its_row_where_a_loss_takes_it_for_one(tmp_path):
    paths = own(tmp_path, [0.25, 1.25, 1])
    files = [f"data.{split}={paths[split]}" for split in SPLITS]
    config = compose_at(tmp_path, "experiment=smoke", "data=files", *files, *BCE, "method.loss=mse")
    with pytest.raises(
        DataError, match=r"train\.jsonl, line 2: .* a number from 0 to 1, since gold_loss=bce takes it "
    ):
        check_shares(Experiment(config))
    config.method.gold_loss = "pointwise"
    check_shares(Experiment(config))


def test_teachers_own_label_that_is_no_probability_is_named_by_its_row(tmp_path):
    paths = own(tmp_path, [0.25, 1])
    files = [f"data.{split}={paths[split]}" for split in SPLITS]
    rows = [{"question": "of its own", "passage": str(label), "label": label} for label in (0, 3)]
    roster = f"[{{gold_loss: bce, train: '{lines(tmp_path / 'more.jsonl', rows)}'}}]"
    settings_of_run = (*files, *BCE[:2], BCE[3], "teachers.count=1", f"teachers.roster={roster}")
    with pytest.raises(DataError, match=r"more\.jsonl, line 2: .* a number from 0 to 1"):
        check_shares(Experiment(compose_at(tmp_path, "experiment=smoke", "data=files", *settings_of_run)))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["teachers.gold_loss=bce"], "teachers.gold_loss: expected another loss where data.label_kind is classes"),
        (["teachers.roster.0.gold_loss=bce", "data.label_kind=graded"], r"teachers.roster\[0\].gold_loss: expected"),
    ],
)
def test_teachers_learn_probabilities_from_numbers_alone(overrides, said):
    with pytest.raises(ConfigError, match=said):
        composed(*FILES, "teachers.calibration=none", *overrides)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["method=gold", "method.gold_loss=bce"],
            "method.gold_loss: expected another loss where data.label_kind is cl",
        ),
        (
            ["method=kd", "method.mix=blend", *BCE[::2], BCE[3]],
            "method.mix: expected heads where method.gold_loss is bce",
        ),
        (
            ["method=gold", BCE[0], "method.gold_loss=lambda", "stage2.group_size=0", BCE[3]],
            "method.gold_loss: expected another loss, such as ranknet, where data.label_kind is float",
        ),
    ],
)
def test_students_learn_probabilities_from_numbers_with_a_head_apart(overrides, said, tmp_path):
    paths = own(tmp_path, [0.25, 1])
    files = [f"data.{split}={paths[split]}" for split in SPLITS]
    with pytest.raises(ConfigError, match=said):
        check_arms(Experiment(compose_at(tmp_path, "experiment=smoke", "data=files", *files, *overrides)))


def test_numbers_below_0_are_labels_unless_passages_are_ranked(tmp_path):
    assert labels_of(own(tmp_path, [-1.5, 2], ranking=False, **FLOAT)) == [-1.5, 2]
    with pytest.raises(DataError, match="must be 0 or more where passages are ranked, as it is a gain of nDCG"):
        labels_of(own(tmp_path, [-1.5, 2], **FLOAT))


def test_one_pair_with_two_grades_contradicts_itself(tmp_path):
    settings_of_data = own(tmp_path, [0, 1], **GRADED)
    pair = {"question": "what is it?", "passage": "this"}
    path = lines(tmp_path / "train.jsonl", [{**pair, "label": 1}, {**pair, "label": 3}])
    with pytest.raises(DataError, match="field 'label' is '1' but the same pair is '3' in line 2"):
        labels_of(settings_of_data | {"train": str(path)})


def test_split_of_one_grade_and_questions_of_one_grade_are_refused(tmp_path):
    with pytest.raises(DataError, match="every row of the train split has the label '2'; expected at least two diff"):
        labels_of(own(tmp_path, [2, 2], **GRADED))
    settings_of_data = own(tmp_path, [0, 1], **GRADED)
    rows = [{"question": f"what is {at}?", "passage": "text", "label": at} for at in range(2)]
    path = str(lines(tmp_path / "apart.jsonl", rows))
    with pytest.raises(DataError, match="no question of the train split has passages of two different labels"):
        labels_of(settings_of_data | {"train": path})
    assert labels_of(settings_of_data | {"train": path, "ranking": False}) == [0, 1]


def saved(folder, label, values):
    features = Features({"question": Value("string"), "passage": Value("string"), "label": label})
    rows = {
        split: Dataset.from_dict(
            {"question": [f"{split}?"] * 3, "passage": ["a", "b", "c"], "label": values}, features=features
        )
        for split in SPLITS
    }
    DatasetDict(rows).save_to_disk(str(folder))
    return settings(DataConfig(name="n", reader="hub", path=str(folder), **dict(zip(SPLITS, SPLITS))))


def test_numbers_of_a_hub_are_read_and_names_of_classes_are_none(tmp_path):
    stored = saved(tmp_path / "numbers", Value("float32"), [0.5, -1.0, None])
    assert labels_of(stored | FLOAT | {"ranking": False}) == [0.5, -1.0]  # −1 is a number; none is no label
    stored = saved(tmp_path / "digits", ClassLabel(names=["1", "2", "3"]), [0, 1, 2])
    assert labels_of(stored | GRADED) == [1, 2, 3]
    stored = saved(tmp_path / "names", ClassLabel(names=["yes", "no"]), [0, 1, 1])
    with pytest.raises(ConfigError, match=r"data\.label_kind: expected classes, since .* has the labels \['yes', 'no'"):
        labels_of(stored | GRADED)


@pytest.fixture(scope="module")
def graded():
    return composed(*FILES, "data.label_kind=graded", "method=tmkd", "corpus=task")


@pytest.mark.parametrize(
    ("section", "value", "told"),
    [
        ("data.label_kind", "grades", "data.label_kind: expected one of classes, graded, float, got grades."),
        ("data.classes", ["a"], "data.classes: expected nothing where data.label_kind is graded, got ['a']."),
        ("data.labels", {"x": "right"}, "data.labels: expected nothing where data.label_kind is graded"),
        ("data.reader", "documentation", "data.label_kind: expected classes where data.reader is none of files, hub"),
        (
            "method.loss",
            "kl",
            "method.loss: expected mse or margin_mse or listwise_kl or ranknet or adr_mse where data.label_kind is gra",
        ),
        ("stage1.loss", "ce", "where data.label_kind is graded, got ce."),
        ("method.mix", "weigh", "method.mix: expected heads or blend where data.label_kind is graded, got weigh."),
        ("method.teacher_weights", "agreement", "method.teacher_weights: expected mean or fixed where data.label_kind"),
        ("stage1.teacher_weights", "learnt", "stage1.teacher_weights: expected mean or fixed where data.label_kind"),
        (
            "teachers.calibration",
            "platt",
            "teachers.calibration: expected none or linear, where labels are grades or n",
        ),
        (
            "method.online.kind",
            "mutual",
            "method.online.kind: expected none or together where data.label_kind is graded",
        ),
        ("metric", "accuracy", "metric: expected null or one of map, mrr, ndcg, spearman, ndcg@k, mrr@k, r@k (k a ra"),
        ("student.exits", [1], "student.exits: expected none where data.label_kind is graded, got [1]."),
    ],
)
def test_what_needs_classes_is_refused_with_the_settings(graded, section, value, told):
    config = copy.deepcopy(graded)
    owner, _, name = section.rpartition(".")
    setattr(attrgetter(owner)(config) if owner else config, name, value)
    with pytest.raises(ConfigError) as caught:
        check(config)
    assert told in str(caught.value)


def test_loss_of_an_arm_is_refused_likewise(graded):
    config = copy.deepcopy(graded)
    config.method.arms["tmkd"].loss = "kl"
    with pytest.raises(
        ConfigError, match=r"method\.arms\.tmkd\.loss: expected mse or .* where data\.label_kind is graded"
    ):
        check(config)


def test_linear_calibration_is_refused_for_classes(graded):
    config = copy.deepcopy(graded)
    config.data.label_kind, config.teachers.calibration = "classes", "linear"
    with pytest.raises(ConfigError, match=r"teachers\.calibration: expected one of none, temperature, platt"):
        check(config)


def test_qrels_of_numbers_are_refused_and_those_of_grades_are_not(graded):
    config = copy.deepcopy(graded)
    config.comparison.write_runs = True
    assert check(config) is config
    config.data.label_kind = "float"
    with pytest.raises(ConfigError, match=r"comparison\.write_runs: expected false where data\.label_kind is float"):
        check(config)


def test_losses_over_the_passages_of_a_question_learn_from_grades(graded):
    config = copy.deepcopy(graded)
    config.method.loss, config.method.gold_loss, config.stage2.group_size = "listwise_kl", "lambda", 0
    assert check(config) is config
