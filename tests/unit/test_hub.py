"""Data sets as `datasets` has them: built here under the hub's own column names and order of labels."""

import json
import logging
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, DatasetInfo, Features, SplitDict, SplitInfo, Value
from datasets.arrow_writer import ArrowWriter
from hydra import compose, initialize_config_dir

from tmkd.config import resolve, settings
from tmkd.data import hub_opening
from tmkd.data.readers import corpus_identity, read_corpus, read_task, task_identity
from tmkd.data.schema import PAIR_COLUMNS, PART
from tmkd.errors import ConfigError, DataError

CONF = Path(__file__).parents[2] / "conf"
NLI = ["entailment", "neutral", "contradiction"]
SHAPES = {  # as on the hub: texts, then names of the labels, then splits with the labels of their rows
    "glue/mnli": (
        ("premise", "hypothesis"),
        NLI,
        {
            "train": [0, 1, 2] * 40,
            "validation_matched": [0, 1, 2, 0],
            "validation_mismatched": [2, 1],
            "test_matched": [-1, -1],
        },
    ),
    "glue/qnli": (
        ("question", "sentence"),
        ["entailment", "not_entailment"],
        {"train": [0, 1] * 60, "validation": [0, 1, 1], "test": [-1, -1]},
    ),
    "glue/rte": (
        ("sentence1", "sentence2"),
        ["entailment", "not_entailment"],
        {"train": [0, 1] * 60, "validation": [0, 1, 1], "test": [-1, -1]},
    ),
    "snli": (
        ("premise", "hypothesis"),
        NLI,
        {"train": [0, 1, -1, 2], "validation": [2, -1, -1, 0], "test": [0, 1, -1, 2]},
    ),
    "wikiqa": (("question", "answer"), ["0", "1"], {"train": [0, 1, 0, 1], "validation": [0, 1], "test": [1, 0]}),
}


def made(option):
    texts, names, splits = SHAPES[option]
    features = {**dict.fromkeys(texts, Value("string")), "label": ClassLabel(names=names), "idx": Value("int32")}
    if option == "wikiqa":
        features |= {"question_id": Value("string"), "document_title": Value("string")}
    built = {}
    for split, labels in splits.items():
        rows = []
        for n, label in enumerate(labels):
            row = {texts[0]: f"{split} {n // 2}", texts[1]: f"text {n}", "label": label, "idx": n}
            if option == "wikiqa":
                row |= {"question_id": f"Q-{split}-{n // 2}", "document_title": "title"}
            rows.append(row)
        built[split] = Dataset.from_list(rows, features=Features(features))
    return DatasetDict(built)


def composed(option, **changes):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = resolve(compose("config", overrides=[f"data={option}"]))
    return settings(config.data) | changes, settings(config.corpus)


@pytest.fixture
def saved(tmp_path):
    def save(option, **changes):
        data, corpus = composed(option, path=str(tmp_path / "set"), **changes)
        made(option).save_to_disk(str(tmp_path / "set" / (data["subset"] or "")))
        return data, corpus

    return save


@pytest.mark.parametrize("option", SHAPES)
def test_data_set_of_the_paper_is_read_under_the_hubs_own_names(saved, option):
    data, corpus = saved(option)
    task = read_task(data, corpus)
    _, names, splits = SHAPES[option]
    for split, part in (("train", "train"), ("test", data["test"].split("+")[0])):
        rows = {(row["question"], row["passage"]): row["label"] for row in task.splits[split]}
        for n, label in enumerate(splits[part]):
            if label >= 0 and (split != "train" or data["validation"]):
                meant = data["classes"][rows[f"{part} {n // 2}", f"text {n}"]]
                assert meant == (names[label] if option != "wikiqa" else ["wrong", "right"][label])
    assert tuple(task.splits["train"].column_names) == PAIR_COLUMNS
    assert len(task.splits["validation"]) > 0
    assert json.loads(json.dumps(task_identity(data, corpus))) == task_identity(data, corpus)
    if option == "wikiqa":
        assert task.splits["test"]["question_id"][0] == "Q-test-0"


def test_joined_splits_keep_the_name_of_their_part(saved, tmp_path):
    task = read_task(*saved("glue/mnli"), cache=tmp_path / "cache")
    assert task.splits["test"][PART] == ["validation_matched"] * 4 + ["validation_mismatched"] * 2
    assert PART not in task.splits["train"].column_names


def test_part_follows_its_rows_where_some_are_left_out(saved, tmp_path):
    data, corpus = saved("glue/mnli")
    built = made("glue/mnli")
    first = built["validation_matched"].map(lambda row: {"hypothesis": " " if row["idx"] < 2 else row["hypothesis"]})
    built["validation_matched"] = first
    built.save_to_disk(str(tmp_path / "again" / "mnli"))
    task = read_task(data | {"path": str(tmp_path / "again")}, corpus)
    assert task.splits["test"][PART] == ["validation_matched"] * 2 + ["validation_mismatched"] * 2
    assert [list(kinds.values()) for kinds in task.skipped.values()] == [[2]]


def test_unlabelled_rows_are_counted_and_are_not_bad(saved, caplog):
    with caplog.at_level(logging.INFO):
        task = read_task(*saved("snli", on_bad_row="raise"))
    assert [len(rows) for rows in task.splits.values()] == [3, 2, 3]
    assert [kinds["unlabelled"] for kinds in task.skipped.values()] == [1, 2, 1]
    assert "validation: 2 rows have no label" in caplog.text


def test_split_without_public_labels_names_those_with(saved):
    with pytest.raises(
        DataError, match=r"test: the labels of this split are not public; set data\.test to .*\['train', 'val"
    ):
        read_task(*saved("glue/rte", test="test"))


def test_labels_are_mapped_by_name_and_never_by_position(saved, tmp_path):
    data, corpus = saved("glue/rte", classes=["not_entailment", "entailment"])
    rows = read_task(data, corpus).splits["test"]
    assert [data["classes"][label] for label in rows["label"]] == ["entailment", "not_entailment", "not_entailment"]
    with pytest.raises(ConfigError, match=r"data\.classes is \['yes', 'no'\] but .*\['entailment', 'not_entailment'\]"):
        read_task(data | {"classes": ["yes", "no"]}, corpus)
    mapped = {"entailment": "yes", "not_entailment": "no"}
    assert read_task(data | {"classes": ["no", "yes"], "labels": mapped}, corpus).splits["test"]["label"][:] == [
        1,
        0,
        0,
    ]
    with pytest.raises(ConfigError, match="labels"):  # a class that no label means
        read_task(data | {"classes": ["no", "yes", "maybe"], "labels": mapped}, corpus)
    with pytest.raises(ConfigError, match="labels"):  # two classes become one
        read_task(data | {"classes": ["no", "yes"], "labels": dict.fromkeys(mapped, "yes")}, corpus)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train": "training"}, r"expected splits out of \['train', 'validation', 'test'\] but got 'training'"),
        ({"test": "validation+validation"}, "but got 'validation.validation'"),
        ({"question": "premise"}, "there is no column 'premise' but only .*sentence1"),
        ({"label": "gold"}, "there is no column 'gold'"),
        ({"path": "./no/such/folder"}, "there is no folder"),
    ],
)
def test_what_is_not_there_is_named_in_one_sentence(saved, changes, said):
    data, corpus = saved("glue/rte")
    with pytest.raises(DataError, match=said) as caught:
        read_task(data | changes, corpus)
    assert "\n" not in str(caught.value)


def test_path_and_subset_that_do_not_fit_are_told(saved, tmp_path):
    data, corpus = saved("glue/rte")
    with pytest.raises(ConfigError, match=r"data\.path is empty"):
        read_task(data | {"path": None}, corpus)
    with pytest.raises(ConfigError, match=r"data\.subset=null"):
        read_task(data | {"path": str(tmp_path / "set" / "rte")}, corpus)
    assert read_task(data | {"path": str(tmp_path / "set" / "rte"), "subset": None}, corpus)


@pytest.mark.parametrize(
    "error", [ConnectionError("Couldn't reach 'a/b'\non the Hub"), ValueError("Unknown. Long."), FileNotFoundError()]
)
def test_data_set_that_cannot_be_reached_is_one_sentence(monkeypatch, error):
    def fail(*args, **keywords):
        raise error

    monkeypatch.setattr(hub_opening, "load_dataset_builder", fail)
    for ask in (read_task, task_identity):
        with pytest.raises(DataError, match=r"nyu-mll/glue rte is neither a folder .* check the name") as caught:
            ask(*composed("glue/rte"))
        assert "\n" not in str(caught.value)


class Builder:
    config_id, hash = "rte", "c0ffee"


def test_identity_of_the_hub_is_the_commit_and_needs_no_row(monkeypatch):
    asked = []
    monkeypatch.setattr(
        hub_opening, "load_dataset_builder", lambda *args, **keywords: asked.append((args, keywords)) or Builder()
    )
    identity = task_identity(*composed("glue/rte", revision="v1"))
    assert identity == {"name": "nyu-mll/glue", "subset": "rte", "commit": "c0ffee"}
    assert asked == [(("nyu-mll/glue", "rte"), {"revision": "v1"})]


def test_cached_commit_other_than_the_one_asked_for_is_refused(monkeypatch):
    cached = type("Cache", (Builder,), {"__module__": "datasets.packaged_modules.cache.cache"})
    monkeypatch.setattr(hub_opening, "load_dataset_builder", lambda *args, **keywords: cached())
    assert task_identity(*composed("glue/rte", revision="c0ffee"))["commit"] == "c0ffee"
    with pytest.raises(
        DataError, match=r"data\.revision: expected v1 but there is no network and the cache has c0ffee"
    ):
        task_identity(*composed("glue/rte", revision="v1"))


def test_data_set_in_the_librarys_cache_needs_no_network(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    with pytest.raises(DataError, match="neither a folder"):
        task_identity(*composed("glue/rte"))
    built, folder = made("glue/rte"), tmp_path / "nyu-mll___glue" / "rte" / "0.0.0" / "c0ffee"
    folder.mkdir(parents=True)
    splits = SplitDict(dataset_name="glue")
    for split, rows in built.items():
        splits.add(SplitInfo(split, num_examples=len(rows), dataset_name="glue"))
        with ArrowWriter(path=str(folder / f"glue-{split}.arrow"), features=rows.features) as writer:
            writer.write_table(rows.data.table)
            writer.finalize()
    features = built["train"].features
    info = DatasetInfo(features=features, splits=splits, dataset_name="glue", config_name="rte", version="0.0.0")
    info.write_to_directory(str(folder))
    assert task_identity(*composed("glue/rte"))["commit"] == "c0ffee"
    assert read_task(*composed("glue/rte")).splits["test"]["label"][:] == [0, 1, 1]


def test_identity_of_a_folder_is_its_content_wherever_it_lies(saved, tmp_path):
    data, corpus = saved("glue/rte")
    before = task_identity(data, corpus)
    (tmp_path / "set").rename(tmp_path / "moved")
    moved = data | {"path": str(tmp_path / "moved")}
    assert task_identity(moved, corpus) == before
    built = made("glue/rte")
    built["test"], built["validation"] = built["validation"], built["test"]
    built.save_to_disk(str(tmp_path / "other" / "rte"))
    assert task_identity(data | {"path": str(tmp_path / "other")}, corpus) != before


def test_reading_leaves_the_identity_of_a_folder_as_it_was(saved):
    data, corpus = saved("glue/mnli")
    before = task_identity(data, corpus)
    read_task(data, corpus)
    assert task_identity(data, corpus) == before


def test_folder_of_plain_files_is_read_through_the_library(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    for split in ("train", "validation", "test"):
        lines = [json.dumps({"sentence1": f"{split} {n}", "sentence2": "t", "label": n % 2}) for n in range(6)]
        (tmp_path / "set" / f"{split}.jsonl").write_text("\n".join(lines))
    data, corpus = composed("glue/rte", path=str(tmp_path / "set"), subset=None, validation="validation", test="test")
    task = read_task(data, corpus)
    assert task.splits["test"]["label"][:] == [0, 1, 0, 1, 0, 1]
    assert set(task_identity(data, corpus)["files"]) == {"train.jsonl", "validation.jsonl", "test.jsonl"}


def test_corpus_is_a_split_without_its_labels(saved, tmp_path):
    data, corpus = saved("glue/qnli")
    corpus |= {"reader": "hub", "path": data["path"], "subset": "qnli", "split": "train+test", "passage": "sentence"}
    found = read_corpus(data, corpus, tmp_path / "cache")
    assert len(found.rows) == 122
    assert "label" not in found.rows.column_names
    assert corpus_identity(data, corpus) == task_identity(data, corpus)
    with pytest.raises(DataError, match="there is no column 'text'"):
        read_corpus(data, corpus | {"passage": "text"})


def test_minus_one_that_is_a_class_is_labelled(tmp_path):
    rows = {"question": list("abcdef"), "passage": list("uvwxyz"), "label": [-1, 0, 1] * 2}
    DatasetDict(
        {
            split: Dataset.from_dict({**rows, "question": [f"{q} {split}" for q in rows["question"]]})
            for split in ("train", "validation", "test")
        }
    ).save_to_disk(str(tmp_path / "set"))
    classes, labels = ["against", "neutral", "for"], {"-1": "against", "0": "neutral", "1": "for"}
    data, corpus = composed(
        "snli", path=str(tmp_path / "set"), question="question", passage="passage", classes=classes, labels=labels
    )
    task = read_task(data, corpus)
    assert task.splits["train"]["label"][:] == [0, 1, 2] * 2
    assert not task.skipped


def test_split_without_a_column_of_labels_is_not_offered(saved, tmp_path):
    data, corpus = saved("glue/rte", test="test")
    built = made("glue/rte")
    built["extra"] = built["validation"].remove_columns("label")
    built.save_to_disk(str(tmp_path / "again" / "rte"))
    with pytest.raises(DataError, match=r"set data\.test to another one of \['train', 'validation'\]"):
        read_task(data | {"path": str(tmp_path / "again")}, corpus)


def tables(folder, train, *, separator=",", ending="csv"):
    """Write a folder of tables whose validation and test rows are fine, and return the settings that read it."""
    folder.mkdir(parents=True)
    fine = [("question", "passage", "label"), ("q {}", "one", "0"), ("q {}", "two", "1")]
    for split, rows in (("train", [fine[0], *train]), ("validation", fine), ("test", fine)):
        text = "".join(separator.join(row) + "\n" for row in rows).format(split, split)
        (folder / f"{split}.{ending}").write_text(text)
    changes = {"path": str(folder), "subset": None, "validation": "validation", "test": "test"}
    changes |= {"question": "question", "passage": "passage", "classes": ["wrong", "right"], "on_bad_row": "raise"}
    return composed("glue/rte", **changes)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("texts", [["None", "NA", "null", "n/a", "nan"], ["1900", "2001", "007", "1e3", "0.50"]])
@pytest.mark.parametrize(("separator", "ending"), [(",", "csv"), ("\t", "tsv")])
def test_tables_of_a_folder_are_read_as_text(own_cache, tmp_path, texts, separator, ending):
    # pandas takes the one for missing values and the other for numbers, and 007 for 7
    train = [(f"q{at}", text, str(at % 2)) for at, text in enumerate(texts)]
    rows = read_task(*tables(tmp_path / "set", train, separator=separator, ending=ending)).splits["train"]
    assert rows["passage"][:] == texts
    assert rows["label"][:] == [at % 2 for at in range(len(texts))]


def test_empty_label_of_a_table_is_none(own_cache, tmp_path):
    task = read_task(*tables(tmp_path / "set", [("q1", "p", "0"), ("q2", "p", "1"), ("q3", "p", "")]))
    assert len(task.splits["train"]) == 2
    assert list(task.skipped.values()) == [{"unlabelled": 1}]


@pytest.mark.parametrize("name", ["pairs [v1]", "what?", "a*b", "größe (1) = ü"])
def test_folder_may_have_any_name(own_cache, tmp_path, name):
    data, corpus = tables(tmp_path / name, [("q1", "p", "0"), ("q2", "p", "1")])
    (tmp_path / name / "__MACOSX").mkdir()
    for beside in ("_SUCCESS", ".DS_Store", "__MACOSX/._train.csv"):
        (tmp_path / name / beside).write_bytes(b"\0\5")
    assert len(read_task(data, corpus).splits["train"]) == 2
    made("glue/rte").save_to_disk(str(tmp_path / f"saved {name}" / "rte"))
    assert read_task(*composed("glue/rte", path=str(tmp_path / f"saved {name}")))


def test_line_that_cannot_be_read_is_named_with_its_file(own_cache, tmp_path):
    data, corpus = tables(tmp_path / "set", [("q1", "p", "0"), ("q2", "p, and more", "1")])
    with pytest.raises(DataError, match=r"train\.csv, line 3: expected 3 fields .* but found 4"):
        read_task(data, corpus)


@pytest.mark.parametrize(
    ("train", "ending", "said"),
    [
        ([("q1", "p", "0", ""), ("q2", "p", "1", "")], "csv", r"line 2: expected 3 fields .* but found 4"),
        ([("q1", "p", "0"), ("q2", "p")], "csv", r"line 3: expected 3 fields .* but found 2"),
        ([("q1", '"p', "0"), ("q2", "p", "1"), ("q3", 'end"', "1")], "tsv", r"train\.tsv, line 4 .*quot"),
    ],
)
def test_row_that_pandas_would_read_as_another_is_named(own_cache, tmp_path, train, ending, said):
    # it takes a first column too many for an index, a field too few for empty, and lines within quotes for a text
    data, corpus = tables(tmp_path / "set", train, separator="," if ending == "csv" else "\t", ending=ending)
    with pytest.raises(DataError, match=said):
        read_task(data, corpus)


@pytest.mark.parametrize("separator", [None, "semicolon"])
def test_separator_of_a_table_is_told_without_a_setting_that_is_not_read(own_cache, tmp_path, separator):
    data, corpus = tables(tmp_path / "set", [("q1", "p", "0"), ("q2", "p", "1")], separator=";")
    with pytest.raises(DataError, match="are separated by a semicolon; write the table with commas"):
        read_task(data | {"separator": separator}, corpus)


def test_quotes_of_tables_can_be_part_of_the_texts(own_cache, tmp_path):
    data, corpus = tables(tmp_path / "set", [("q1", '"p', "0"), ("q2", 'p"', "1")], separator="\t", ending="tsv")
    assert read_task(data | {"quoting": "none"}, corpus).splits["train"]["passage"][:] == ['"p', 'p"']


@pytest.mark.parametrize("form", ["torch", "numpy"])
def test_saved_as_tensors_is_read_by_the_names_of_its_labels(tmp_path, form):
    # Of tensors no label was found among the names, and all were taken for indices.
    built = made("glue/rte").with_format(form)
    built.save_to_disk(str(tmp_path / "set" / "rte"))
    data, corpus = composed("glue/rte", path=str(tmp_path / "set"), classes=["not_entailment", "entailment"])
    rows = read_task(data, corpus).splits["test"]
    assert [data["classes"][label] for label in rows["label"]] == ["entailment", "not_entailment", "not_entailment"]


@pytest.mark.parametrize("label", [Value("float64"), Value("string")])
def test_minus_one_is_a_label_where_a_class_is_called_so(tmp_path, label):
    features = Features({"question": Value("string"), "passage": Value("string"), "label": label})
    for split in ("train", "validation", "test"):
        rows = {"question": [f"{split} {at}" for at in range(4)], "passage": ["p"] * 4, "label": ["-1", "1"] * 2}
        rows["label"] = [float(each) for each in rows["label"]] if label.dtype == "float64" else rows["label"]
        built = Dataset.from_dict(rows, features=features)
        built.save_to_disk(str(tmp_path / "set" / split))
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train", "validation", "test"]}')
    data, corpus = composed(
        "snli", path=str(tmp_path / "set"), question="question", passage="passage", classes=["-1", "1"]
    )
    task = read_task(data, corpus)
    assert task.splits["train"]["label"][:] == [0, 1] * 2
    assert not task.skipped


def test_labels_that_are_lists_are_named_by_row(tmp_path):
    # Arrow has no distinct values of lists, and said so in its own words.
    rows = Dataset.from_dict({"question": ["a", "b"], "passage": ["p", "p"], "label": [[0, 1], [1, 0]]})
    DatasetDict(dict.fromkeys(("train", "validation", "test"), rows)).save_to_disk(tmp_path / "d")
    with pytest.raises(DataError, match=r"row 1: field 'label' must be one of .* but is \[0, 1\]"):
        read_task(
            *composed("snli", path=str(tmp_path / "d"), question="question", passage="passage", on_bad_row="raise")
        )


def test_folder_that_the_library_cannot_understand_is_one_sentence(tmp_path):
    (tmp_path / "README.md").write_text("---\nconfigs: [\n---\n")
    with pytest.raises(DataError, match=r"neither a folder with a data set"):
        read_task(*composed("snli", path=str(tmp_path), question="question", passage="passage"))
