import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tmkd.data import readers
from tmkd.data.documentation import DocObject
from tmkd.data.documentation_task import build_corpus, build_task, distinct, divide, module_group, passage
from tmkd.data.readers import content, corpus_identity, read_corpus, read_task, task_identity
from tmkd.data.schema import SPLITS
from tmkd.errors import ConfigError, DataError

SMOKE = Path(__file__).parents[2] / "data" / "smoke"
TASK = {"questions": (30, 10, 20), "negatives": 3, "passage_words": 20, "seed": 5}
CORPUS = {"questions": 40, "candidates": 4, "random": 2, "passage_words": 20, "seed": 5}


def invented(packages: int = 3, modules: int = 12, each: int = 8) -> list[DocObject]:
    rng = Random(0)
    words = ["".join(rng.choices("abcdefghijklmnop", k=5)) for _ in range(400)]
    found = []
    for p in range(packages):
        for m in range(modules):
            for n in range(each):
                topic = rng.sample(words, 3)
                prose = " ".join(rng.sample(words, 20) + topic)
                text = f"Return the {' '.join(topic)} of {rng.choice(words)}.", f"{topic[0]} {prose}"
                found.append(DocObject(f"pkg{p}.sub{m}.obj{n}", f"pkg{p}.sub{m}", f"pkg{p}", *text))
    return found


def data(**changes):
    settings = {
        "reader": "files", "name": "smoke", "classes": ["wrong", "right"], "labels": {}, "ranking": True,
        "label_kind": "classes",
        **{split: str(SMOKE / f"{split}.tsv") for split in SPLITS},
        "question": "question", "passage": "passage", "label": "label", "question_id": "question_id",
        "validation_share": 0.3, "rankable_only": False, "on_bad_row": "raise",
        "packages": ["python", "numpy"], "questions": [30, 10, 20],
        "negatives": 3, "passage_words": 20, "seed": 5, "separator": None, "quoting": "csv",
        "format": "pairs", "queries": None, "documents": None, "extra_columns": [],
    }  # fmt: skip
    return settings | changes


def corpus(**changes):
    settings = {
        "reader": "files", "path": str(SMOKE / "corpus.jsonl"), "pairs": None,
        "question": "question", "passage": "passage", "question_id": "question_id",
        "questions": 40, "candidates": 4, "random": 2, "seed": 1, "separator": None, "quoting": "csv",
        "format": "pairs", "queries": None, "documents": None, "extra_columns": [],
        "stop_words": "en", "stemmer": None, "characters": 0,
    }  # fmt: skip
    return settings | changes


@pytest.mark.parametrize("validation", [str(SMOKE / "validation.tsv"), None])
def test_corpus_of_the_tasks_own_text_has_nothing_of_validation_or_test(validation, tmp_path):
    task = read_task(data(validation=validation), corpus())
    for cache in (None, tmp_path):
        made = read_corpus(data(validation=validation), corpus(reader="task"), cache).rows
        assert set(made["question"]) == set(task.splits["train"]["question"])
        assert set(made["passage"]) <= set(task.splits["train"]["passage"])
        assert "label" not in made.column_names
        assert len(set(made["id"])) == len(made) == 6 * len(set(made["question"]))
        assert set(made["id"]) - set(task.splits["train"]["id"])  # pairs that are not in the split


def test_corpus_of_the_tasks_own_text_is_known_by_the_task():
    assert corpus_identity(data(), corpus(reader="task")) == task_identity(data(), corpus())
    with pytest.raises(ConfigError, match=r"data\.reader is 'task' but mining gives no labels"):
        read_task(data(reader="task"), corpus())


def test_each_question_has_one_right_passage_among_wrong_ones_of_its_split():
    objects = {item.qualified_name: item for item in invented()}
    task = build_task(objects.values(), **TASK).check()
    for split, questions in zip(SPLITS, TASK["questions"], strict=True):
        grouped = defaultdict(list)
        for row in task.splits[split]:
            grouped[row["question_id"]].append(row)
        assert len(grouped) == questions
        for name, rows in grouped.items():
            assert sorted(row["label"] for row in rows) == [0, 0, 0, 1]
            right = next(row for row in rows if row["label"])
            assert right["passage"] == passage(objects[name], 20)
            assert len(right["passage"].split()) == 20
            package = objects[name].package
            assert any(row["passage"].startswith(package + ".") for row in rows if not row["label"])
    firsts = task.splits["train"]["label"][::4]
    assert 0 < sum(firsts) < len(firsts), "the right passage's place gives it away"


def test_no_module_question_or_passage_is_in_two_splits_or_in_the_corpus():
    objects = invented()
    for_task, for_corpus = divide(objects, passage_words=20, seed=5)
    parts = [*build_task(for_task, **TASK).splits.values(), build_corpus(for_corpus, **CORPUS)]
    for take in (
        lambda rows: {row["question"].lower() for row in rows},
        lambda rows: {row["passage"] for row in rows},
        lambda rows: {row["passage"].partition(":")[0].rpartition(".")[0] for row in rows},
    ):
        texts = [take(part) for part in parts]
        assert sum(map(len, texts)) == len(set().union(*texts))


def test_modules_below_the_third_level_stay_together():
    deep = DocObject("a.b.c.d.f", "a.b.c.d", "a", "s", "p")
    assert module_group(deep) == "a.b.c"
    assert module_group(DocObject("email.mime.f", "email.mime", "python", "s", "p")) == "email"


def test_near_duplicates_and_repeated_questions_are_left_out():
    first, *others = invented(1, 1, 6)
    copy = DocObject("pkg9.z.copy", "pkg9.z", "pkg9", "Ask something else altogether.", first.prose + " indeed")
    again = DocObject("pkg9.z.again", "pkg9.z", "pkg9", first.summary.upper(), "Entirely new words come up here.")
    assert distinct([copy, again, *others, first], passage_words=40) == [first, *others]


def test_task_and_corpus_do_not_depend_on_the_order_of_objects_but_on_the_seed():
    objects = invented()
    shuffled = Random(1).sample(objects, len(objects))
    assert read_twice(build_task, objects, shuffled, TASK)
    assert read_twice(build_corpus, objects, shuffled, CORPUS)
    other = build_task(objects, **{**TASK, "seed": 6}).splits["test"]
    assert other["id"][:] != build_task(objects, **TASK).splits["test"]["id"][:]


def read_twice(build, objects, shuffled, settings):
    one, two = build(objects, **settings), build(shuffled, **settings)
    rows = [[s.to_list() for s in getattr(made, "splits", {"": made}).values()] for made in (one, two)]
    return rows[0] == rows[1]


def test_corpus_has_searched_and_random_passages_without_repetition():
    rows = build_corpus(invented(), **CORPUS)
    assert len(rows) == 40 * (4 + 2)
    assert len(set(rows["id"])) == len(rows)
    assert "label" not in rows.column_names


def test_questions_that_the_search_engine_cannot_answer_are_not_asked():
    objects = invented()
    mute = [replace(item, summary=f"Zyx{n} wvu{n} tsr{n} qpo{n}") for n, item in enumerate(objects[144:])]
    asked = set(build_corpus([*objects[:144], *mute], **CORPUS)["question"])
    assert len(asked) == 40
    assert not asked & {item.summary for item in mute}


def test_too_few_objects_are_counted():
    with pytest.raises(DataError, match=r"gives \d+ questions for the train split but 3000 are needed; lower"):
        build_task(invented(), **{**TASK, "questions": (3000, 10, 20)})
    with pytest.raises(DataError, match="corpus split but 900 are needed"):
        build_corpus(invented(), **{**CORPUS, "questions": 900})


def read(*settings):
    return read_task(*settings), read_corpus(*settings).rows


def raw_identity(*settings):
    return task_identity(*settings), corpus_identity(*settings)


def fingerprint(task, rows):
    return content(*task.splits.values(), rows)


def test_smoke_files_are_a_valid_task():
    task, rows = read(data(), corpus())
    assert task.name == "smoke"
    assert [len(task.splits[split]) for split in SPLITS] == [60, 24, 32]
    assert len(rows) == 80
    parts = [set(part["question"]) for part in (*task.splits.values(), rows)]
    assert sum(map(len, parts)) == len(set().union(*parts))


@pytest.mark.parametrize("task_reader", ["documentation", "files"])
@pytest.mark.parametrize("corpus_reader", ["documentation", "files"])
def test_every_pairing_of_readers_works(monkeypatch, task_reader, corpus_reader):
    monkeypatch.setattr(readers, "read_objects", lambda packages: invented())
    settings = data(reader=task_reader, name="any", ranking=False), corpus(reader=corpus_reader)
    task, rows = read(*settings)
    assert (task.name, task.ranking) == ("any", False)
    assert len(rows) == (240 if corpus_reader == "documentation" else 80)
    assert fingerprint(task, rows) == fingerprint(*read(*settings))
    identity = raw_identity(*settings)
    assert json.loads(json.dumps(identity)) == list(identity)


def test_identity_of_documentation_needs_no_reading(monkeypatch):
    monkeypatch.setattr(readers, "read_objects", None)
    identity = raw_identity(data(reader="documentation"), corpus(reader="documentation"))
    assert set(identity[0]) == {"python", "numpy"}


def test_identity_and_fingerprint_follow_the_content_of_files(tmp_path):
    source = (SMOKE / "test.tsv").read_text()
    test = tmp_path / "moved.tsv"
    test.write_text(source)
    assert raw_identity(data(test=str(test)), corpus()) == raw_identity(data(), corpus())
    before = fingerprint(*read(data(test=str(test)), corpus()))
    assert before == fingerprint(*read(data(), corpus()))
    copy = test.rename(tmp_path / "moved.csv")
    assert raw_identity(data(test=str(copy)), corpus()) != raw_identity(data(), corpus())  # the same bytes, other rows
    copy.rename(test)
    test.write_text(source.replace("oxygen", "carbon", 1))
    assert raw_identity(data(test=str(test)), corpus()) != raw_identity(data(), corpus())
    assert before != fingerprint(*read(data(test=str(test)), corpus()))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((data(reader="web"), corpus()), "data.reader is 'web' but must be one of"),
        ((data(), corpus(reader="web")), "corpus.reader is 'web'"),
        ((data(train=None), corpus()), "data.train is empty"),
        ((data(test=""), corpus()), "data.test is empty"),
        ((data(), corpus(path=None)), "corpus.path is empty"),
        ((data(reader="documentation", classes=["a", "b"]), corpus()), "data.classes"),
    ],
)
def test_senseless_settings_are_named(settings, said):
    with pytest.raises(ConfigError, match=said):
        read(*settings)


def test_rows_and_identities_of_files_are_those_that_results_on_disk_were_made_with():
    # written down, not computed: another value would leave every result without its inputs
    assert task_identity(data(), corpus())["test"].startswith("c9dc741d1616")
    assert fingerprint(*read(data(), corpus())).startswith("04560eafacc9")


def test_validation_is_drawn_by_question_where_none_is_named():
    drawn = read_task(data(validation=None), corpus()).splits
    whole = read_task(data(), corpus()).splits
    assert set(drawn["train"]["id"]) | set(drawn["validation"]["id"]) == set(whole["train"]["id"])
    assert not set(drawn["train"]["question"]) & set(drawn["validation"]["question"])
    assert 0 < len(drawn["validation"]) < len(whole["train"])
    assert drawn["test"]["id"][:] == whole["test"]["id"][:]


def test_share_that_draws_no_question_is_named():
    with pytest.raises(DataError, match=r"none of the 15 training questions is drawn.*data\.validation_share"):
        read_task(data(validation=None, validation_share=0.001), corpus())


def test_rows_on_disk_are_those_in_memory(tmp_path):
    for settings in ((data(), corpus()), (data(validation=None), corpus(pairs=30))):
        task, rows = read_task(*settings, tmp_path), read_corpus(*settings, tmp_path).rows
        assert fingerprint(task, rows) == fingerprint(*read(*settings))
    assert {file.name for file in tmp_path.iterdir()} == {*(f"{split}.arrow" for split in SPLITS), "corpus.arrow"}


def test_fewer_pairs_of_a_corpus_are_part_of_more():
    ids = [read_corpus(data(), corpus(pairs=pairs)).rows["id"][:] for pairs in (10, 30, 1000)]
    assert [len(found) for found in ids] == [10, 30, 80]
    assert set(ids[0]) < set(ids[1]) < set(ids[2])
    assert ids[1] == [name for name in ids[2] if name in ids[1]]


def leaking(tmp_path, rows):
    files = {}
    for split in SPLITS:
        files[split] = tmp_path / f"{split}.tsv"
        pairs = [f"{split} {n}\tp{n}{label}\t{label}" for n in range(3) for label in (0, 1)]
        files[split].write_text("\n".join(["question\tpassage\tlabel", *pairs, *rows.get(split, [])]) + "\n")
    return {split: str(path) for split, path in files.items()}


LEAKS = {"train": ["test 0\tnew\t1", "validation 1\tnew\t1", "test 2\tp20\t0"], "validation": ["test 1\tp10\t0"]}


def test_question_in_two_splits_is_told_with_both_places(tmp_path):
    paths = leaking(tmp_path, LEAKS)
    said = r"validation\.tsv, line 8: the same question is in the test split \(.*test\.tsv, line [45]\)"
    with pytest.raises(DataError, match=said) as caught:
        read_task(data(**paths), corpus())
    assert "train.tsv: 3 in two splits" in str(caught.value)


@pytest.mark.parametrize(
    ("ranking", "lost"), [(True, {"train": 3, "validation": 1}), (False, {"train": 1, "validation": 1})]
)
def test_skipped_leaks_leave_the_training_split_and_never_the_test_split(tmp_path, ranking, lost):
    paths = leaking(tmp_path, LEAKS)
    task = read_task(data(**paths, ranking=ranking, on_bad_row="skip"), corpus())
    assert task.skipped == {paths[split]: {"in two splits": count} for split, count in lost.items()}
    whole = {split: 6 + len(LEAKS.get(split, [])) for split in SPLITS}
    assert {split: len(rows) for split, rows in task.splits.items()} == {
        split: count - lost.get(split, 0) for split, count in whole.items()
    }


def test_split_of_bad_rows_alone_is_refused(tmp_path):
    paths = leaking(tmp_path, {})
    Path(paths["test"]).write_text("question\tpassage\tlabel\nq\t\t1\n")
    with pytest.raises(DataError, match=r"test\.tsv: .* found none \(1 rows were left out\)"):
        read_task(data(**paths, on_bad_row="skip"), corpus())


def test_rankable_only_leaves_out_questions_with_one_label(tmp_path):
    paths = leaking(tmp_path, {"train": ["lonely\tp\t1"]})
    task = read_task(data(**paths, rankable_only=True), corpus())
    assert "lonely" not in task.splits["train"]["question"]
    assert len(task.splits["train"]) == 6
