"""Groups of pairs: by the words of questions and by columns, which are kept from the file to the rows."""

from pathlib import Path

import pytest
from datasets import Dataset

from tests.unit.test_readers import corpus, data
from tests.unit.written import lines
from tmkd.data.groups import groups_of
from tmkd.data.readers import read_corpus, read_task
from tmkd.data.schema import SPLITS
from tmkd.errors import DataError

QUESTIONS = ["Who wrote it?", "In what year, and how?", "Is the moon far?", "¿?", "Somehow WHERE"]


def test_groups_are_by_the_words_of_the_question() -> None:
    rows = Dataset.from_dict({"question": QUESTIONS, "source": list("abcab")})
    assert groups_of(rows, "first_word") == ["who", "in", "is", "other", "somehow"]
    assert groups_of(rows, "question_word") == ["who", "what", "other", "other", "where"]
    assert groups_of(rows, "none") == [""] * 5
    assert groups_of(rows, "source") == list("abcab")


def test_column_that_rows_lack_is_named() -> None:
    with pytest.raises(DataError, match=r"method.trust_by: expected 'source' to be one of the columns .*extra_columns"):
        groups_of(Dataset.from_dict({"question": QUESTIONS}), "source")


def written(folder: Path, **more: object) -> dict[str, str]:
    paths = {}
    for split in SPLITS:
        rows = [{"question": f"who is {split}?", "passage": f"{at}", "label": at, **more} for at in range(2)]
        paths[split] = str(lines(folder / f"{split}.jsonl", rows))
    return paths


@pytest.mark.parametrize(("value", "kept"), [("forum", "forum"), (7, "7"), (7.0, "7")])
def test_further_column_is_kept_as_text_and_only_where_it_is_asked_for(
    tmp_path: Path, value: object, kept: str
) -> None:
    paths = written(tmp_path, source=value)
    rows = read_task(data(**paths, extra_columns=["source"]), corpus()).splits["train"]
    assert rows["source"][:] == [kept, kept]
    assert "source" not in read_task(data(**paths), corpus()).splits["train"].column_names
    unlabelled = read_corpus(data(), corpus(path=paths["train"], extra_columns=["source"])).rows
    assert unlabelled["source"][:] == [kept, kept]


@pytest.mark.parametrize("more", [{}, {"source": None}, {"source": " "}])
def test_row_without_the_further_column_is_named(tmp_path: Path, more: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"train.jsonl, line 1: .*'source'"):
        read_task(data(**written(tmp_path, **more), extra_columns=["source"]), corpus())
