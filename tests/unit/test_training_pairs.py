"""A teacher's own training pairs: read as the task's are, and nothing that the task is judged by is among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from tmkd.config import DataConfig, settings
from tmkd.data.files_reader import training_files
from tmkd.data.schema import pair_id
from tmkd.data.training_pairs import TrainingPairs, read_training_pairs, training_identity
from tmkd.errors import DataError

HEADER = "question_id\tquestion\tpassage\tlabel\n"


def rows(*pairs: tuple[str, str, str, int]) -> Dataset:
    named = [dict(zip(("question_id", "question", "passage", "label"), pair)) for pair in pairs]
    return Dataset.from_list([{"id": pair_id(each["question"], each["passage"]), **each} for each in named])


SPLITS = {
    "train": rows(("1", "a", "x", 1), ("1", "a", "y", 0), ("2", "b", "x", 0)),
    "validation": rows(("3", "v", "x", 1), ("3", "v", "y", 0)),
    "test": rows(("4", "t", "x", 1), ("4", "t", "y", 0)),
}


def read(
    folder: Path, *files: str, with_task: bool = False, cache: Path | None = None, **changes: Any
) -> TrainingPairs:
    for number, lines in enumerate(files, start=1):
        (folder / f"{number}.tsv").write_text(HEADER + lines, encoding="utf-8")
    data = settings(DataConfig(name="mine", reader="documentation")) | changes
    found = training_files(str(folder / "*.tsv"), data, "teachers.roster[1].train")
    return read_training_pairs(found, data, SPLITS, with_task, cache)


@pytest.mark.parametrize("on_disk", [False, True])
def test_pairs_of_all_files_replace_the_training_split(tmp_path: Path, on_disk: bool) -> None:
    cache = tmp_path / "cache" if on_disk else None
    found = read(tmp_path, "1\tc\tx\tright\n1\tc\ty\twrong\n", "7\ta\tx\tright\n1\tc\ty\twrong\n", cache=cache)
    assert found.rows["passage"] == ["x", "y", "x"] and found.rows["label"] == [1, 0, 1]
    assert found.rows["question_id"] == ["1", "1", "7"]
    assert found.shared == 1, "of the task's training split"
    assert found.skipped == {str(tmp_path / "2.tsv"): {"came before": 1}}


@pytest.mark.parametrize("on_disk", [False, True])
def test_ids_of_the_files_are_not_taken_for_the_tasks(tmp_path: Path, on_disk: bool) -> None:
    cache = tmp_path / "cache" if on_disk else None
    found = read(tmp_path, "2\tc\tx\tright\n9\ta\tz\twrong\n9\ta\tx\tright\n", with_task=True, cache=cache)
    assert found.rows["question"] == ["a", "a", "b", "c", "a"]
    assert found.rows["question_id"] == ["1", "1", "2", "beside the task: 2", "1"]
    assert found.shared == 1 and found.rows.column_names == ["id", "question_id", "question", "passage", "label"]


@pytest.mark.parametrize("with_task", [False, True])
def test_id_that_stands_for_other_questions_in_another_file_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, with_task: bool
) -> None:
    # Where each file counts from 1, losses over the passages of a question would compare those of two, in silence.
    fine = "1\tc\tx\tright\n1\tc\ty\twrong\n"
    read(tmp_path, fine, "1\tc\tz\twrong\n", with_task=with_task)
    assert not caplog.records
    read(tmp_path, fine, "1\td\tz\twrong\n", with_task=with_task)
    assert "1 question ids stand for questions with different texts" in caplog.text and "'c' and 'd'" in caplog.text


@pytest.mark.parametrize("split", ["validation", "test"])
def test_question_that_the_task_is_judged_by_is_refused_with_its_row(tmp_path: Path, split: str) -> None:
    asked = split[0]
    with pytest.raises(
        DataError, match=rf"2\.tsv, line 3: the same question is in the {split} split \(task mine, row 1"
    ):
        read(tmp_path, "1\tc\tx\tright\n1\tc\ty\twrong\n", f"1\tc\tz\tright\n1\t{asked}\tnew\twrong\n")


def test_pair_alone_counts_where_nothing_is_ranked(tmp_path: Path) -> None:
    fine = "1\tc\tx\tright\n1\tt\tnew\twrong\n"
    assert len(read(tmp_path, fine, ranking=False).rows) == 2
    with pytest.raises(DataError, match=r"line 4: the same pair is in the test split \(task mine, row 2\)"):
        read(tmp_path, fine + "1\tt\ty\twrong\n", ranking=False)


def test_bad_rows_are_left_out_where_the_tasks_are(tmp_path: Path) -> None:
    lines = "1\tc\tx\tright\n1\tc\ty\twrong\n1\tt\ty\twrong\n1\tc\tz\tmaybe\n"
    with pytest.raises(DataError, match=r"1\.tsv, line 4: .*test.*1 in two splits"):
        read(tmp_path, lines)
    found = read(tmp_path, lines, on_bad_row="skip")
    assert found.rows["passage"] == ["x", "y"]
    assert found.skipped == {str(tmp_path / "1.tsv"): {"unknown label": 1, "in two splits": 1}}


@pytest.mark.parametrize(
    ("files", "with_task", "place"),
    [
        (("1\tc\tx\tright\n1\tc\ty\twrong\n", "1\tc\tx\twrong\n"), False, r"1\.tsv, line 2"),
        (("1\tc\tx\tright\n1\ta\tx\twrong\n",), True, "the training split of the task"),
    ],
)
def test_pair_with_two_labels_is_refused(tmp_path: Path, files: tuple[str, ...], with_task: bool, place: str) -> None:
    with pytest.raises(DataError, match=f"field 'label' is 'wrong' but the same pair is 'right' in .*{place}"):
        read(tmp_path, *files, with_task=with_task)


def test_class_without_a_pair_is_refused_unless_the_task_has_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1\.tsv: expected .*all classes .*none has the label 'wrong'"):
        read(tmp_path, "1\tc\tx\tright\n")
    assert len(read(tmp_path, "1\tc\tx\tright\n", with_task=True).rows) == 4


def test_files_are_known_by_their_content(tmp_path: Path) -> None:
    data = settings(DataConfig(name="mine", reader="documentation"))

    def known(name: str) -> dict[str, Any]:
        return training_identity(str(tmp_path / name), data, "teachers.roster[0].train")

    (tmp_path / "a.tsv").write_text(HEADER + "1\tc\tx\tright\n")
    (tmp_path / "b.tsv").write_text(HEADER + "1\tc\tx\tright\n")
    assert known("a.tsv") == known("b.tsv")
    (tmp_path / "b.tsv").write_text(HEADER + "1\tc\tx\twrong\n")
    assert known("a.tsv") != known("b.tsv")
    with pytest.raises(DataError, match=r"nowhere\.tsv"):
        known("nowhere.tsv")


def test_other_formats_are_read_as_the_tasks_are(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"query": "c", "pos": ["x"], "neg": ["y", "z"]}\n')
    data = settings(DataConfig(name="mine", reader="files", format="flag_embedding"))
    files = training_files(str(tmp_path / "train.jsonl"), data, "teachers.roster[0].train")
    found = read_training_pairs(files, data, SPLITS, with_task=False)
    assert sorted(zip(found.rows["passage"], found.rows["label"])) == [("x", 1), ("y", 0), ("z", 0)]


def test_folder_of_beir_is_read(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels/train.tsv").write_text("query-id\tcorpus-id\tscore\nq\td1\t1\nq\td2\t0\n")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "c"}\n')
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "x"}\n{"_id": "d2", "text": "y"}\n')
    data = settings(DataConfig(name="mine", reader="files", format="beir", path="elsewhere"))
    files = training_files(str(tmp_path), data, "teachers.roster[0].train")
    found = read_training_pairs(files, data, SPLITS, with_task=False)
    assert list(zip(found.rows["question"], found.rows["passage"], found.rows["label"])) == [
        ("c", "x", 1),
        ("c", "y", 0),
    ]
    with pytest.raises(DataError, match=r"let teachers\.roster\[0\]\.train be the folder, and data\.train one of"):
        read_training_pairs(
            training_files(str(tmp_path), data | {"train": "learn"}, "teachers.roster[0].train"), data, SPLITS, False
        )
