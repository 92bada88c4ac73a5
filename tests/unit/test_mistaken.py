"""What users name instead of a table, or what is in it instead of rows: the sentence says what it is."""

import bz2
import gzip
import json
import lzma
import zipfile

import pytest
from datasets import Dataset, DatasetDict

from tmkd.data.files import file_hash
from tmkd.data.formats import open_file
from tmkd.errors import DataError

NEED = ("question", "passage", "label")
ROWS = b"question\tpassage\tlabel\nq\tp\tright\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123\n"


def refused(path, said, need=NEED):
    with pytest.raises(DataError, match=said) as caught:
        list(open_file(path, need).records)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LFS, "Git LFS pointer.*git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html>", "web page.*download"),
        (gzip.compress(ROWS, mtime=0), "gzip file.*end in .gz"),
        (bz2.compress(ROWS), "bzip2 file; unpack"),
        (lzma.compress(ROWS), "xz file; unpack"),
        (b"\x28\xb5\x2f\xfd rest", "zstandard file; unpack"),
        (b"ARROW1\0\0 rest", "Arrow file"),
        (b"\xd0\xcf\x11\xe0 rest", "Excel.*save the table as CSV"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_content_of_another_kind_is_called_by_its_name(tmp_path, name, content, said):
    # gzip under .tsv was "the byte 0x8b", and a pointer a column that is not there
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, said)


def test_zip_and_parquet_under_a_texts_name_are_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.csv", "w") as file:
        file.writestr("xl/workbook.xml", "<x/>")
    refused(tmp_path / "a.csv", "zip file, as those of Excel are too")
    Dataset.from_dict({"question": ["q"]}).to_parquet(tmp_path / "a.jsonl")
    refused(tmp_path / "a.jsonl", "Parquet file; let its name end in .parquet")


def test_utf16_without_its_mark_is_told(tmp_path):
    (tmp_path / "a.tsv").write_bytes(ROWS.decode().encode("utf-16-le"))
    refused(tmp_path / "a.tsv", "UTF-16 or UTF-32; save the file as UTF-8")


def test_folder_address_and_pattern_in_a_files_place_are_told(tmp_path):
    DatasetDict({"train": Dataset.from_dict({"question": ["q"]})}).save_to_disk(tmp_path / "saved")
    (tmp_path / "plain").mkdir()
    (tmp_path / "a.tsv").write_bytes(ROWS)
    for path, said in {
        tmp_path / "saved": "folder of the library datasets; set data.reader=hub",
        tmp_path / "saved/train": "folder of the library datasets; set data.reader=hub",
        tmp_path / "plain": "found an empty folder; name a file",
        tmp_path / "*.tsv": "one file but got a pattern",
        "https://example.org/a.tsv": "on this machine but got an address",
    }.items():
        with pytest.raises(DataError, match=said):
            file_hash(path)  # which is how a run first meets it


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("q1\tp1\tright", r"no column 'question'.*a table's first line names its columns: add it"),
        ("Question\tpassage\tlabel", r"'Question' is another name: letters and spaces count\); rename"),
        ("question\tpassage \tlabel", r"'passage ' is another name.*set its name: data.question"),
        ("sep=,", "line 1: .*Excel's note on the separator; remove that line"),
        ("sep=\t", "Excel's note on the separator"),
    ],
)
def test_first_line_that_names_no_columns_is_told_with_what_to_do(tmp_path, header, said):
    (tmp_path / "a.tsv").write_text(f"{header}\nq\tp\tright\n")
    refused(tmp_path / "a.tsv", said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps({"question": "q"}, indent=1), "line 1: .*one over several lines"),
        ("\n \n[{}]", "line 3: .*JSON array"),
    ],
)
def test_json_that_is_no_json_lines_is_told(tmp_path, content, said):
    (tmp_path / "a.jsonl").write_text(content)
    refused(tmp_path / "a.jsonl", said)
