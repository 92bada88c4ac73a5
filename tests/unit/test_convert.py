"""``tmkd convert``: what two formats can both say is carried, and what is lost is counted."""

import itertools
import json
import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.unit.written import lines, pairs, write
from tmkd.choices import FORMATS, JOINED_FORMATS, SCORE_FORMATS
from tmkd.cli import app
from tmkd.data.conversion import convert
from tmkd.errors import ConfigError, DataError
from tmkd.shipped import EXAMPLES
from tmkd.store.disk import alone

FOLDERS = ("pylate", "beir", "trec", "msmarco")
TRIPLES = {(q, p, right) for q, p, right, _ in pairs("train")}
QUADS = set(pairs("train"))
PAIRS_FILE, NAMES = (
    {"pylate": "scores.jsonl", "trec": "qrels.txt", "msmarco": "qrels.tsv"},
    {"msmarco": "collection.tsv"},
)


def texts(form, folder):
    """The files of texts beside what was converted."""
    if form not in JOINED_FORMATS:
        return {}
    ending = ".tsv" if form == "msmarco" else ".jsonl"
    return {
        "queries": str(folder / f"queries{ending}"),
        "documents": str(folder / NAMES.get(form, "documents.jsonl")),
    }


def there(form, out, pairs_file=None):
    """What of a conversion's output is the input of the next one, and its files of texts."""
    inside = out / (pairs_file or PAIRS_FILE[form]) if form in JOINED_FORMATS else out
    return {"input": inside, **texts(form, out)}


def out_of(form, folder, name="out"):
    return folder / (name if form in FOLDERS else f"{name}.jsonl")


def own(folder, rows):
    return lines(folder / "own.jsonl", rows)


def everything(folder):
    named = zip(itertools.count(), pairs("train"))
    return own(
        folder,
        [
            {"question": q, "passage": p, "question_id": f"q{at // 3}", "label": ("wrong", "right")[r], "score": s}
            for at, (q, p, r, s) in named
        ],
    )


def read_own(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("form", FORMATS)
def test_labels_of_pairs_come_back_from_every_format(form, tmp_path):
    out = out_of(form, tmp_path)
    losses = convert("pairs", form, own(tmp_path, [
        {"question": q, "passage": p, "label": int(r)} for q, p, r, _ in pairs("train")
    ]), out)  # fmt: skip
    assert losses.pairs == len(TRIPLES) and not sum(losses.left_out.values()) + sum(losses.lost.values())
    convert(form, "pairs", output=tmp_path / "back.jsonl", **there(form, out))
    back = read_own(tmp_path / "back.jsonl")
    assert {(row["question"], row["passage"], row["label"] in ("right", 1)) for row in back} == TRIPLES


@pytest.mark.parametrize("form", SCORE_FORMATS)
def test_scores_of_pairs_come_back_from_every_format_that_holds_them(form, tmp_path):
    out = out_of(form, tmp_path)
    convert("pairs", form, everything(tmp_path), out)
    convert(form, "pairs", output=tmp_path / "back.jsonl", **there(form, out, "run.txt" if form == "trec" else None))
    back = read_own(tmp_path / "back.jsonl")
    assert {(row["question"], row["passage"], row["score"]) for row in back} == {(q, p, s) for q, p, _, s in QUADS}


@pytest.mark.parametrize("form", ["pairs", "tevatron", "pylate"])
def test_labels_scores_and_question_ids_come_back_together(form, tmp_path):
    out = out_of(form, tmp_path)
    losses = convert("pairs", form, everything(tmp_path), out)
    assert not sum(losses.lost.values())
    convert(form, "pairs", output=tmp_path / "back.jsonl", **there(form, out))
    back = read_own(tmp_path / "back.jsonl")
    assert {(r["question"], r["passage"], r["label"] == "right", r["score"]) for r in back} == QUADS
    assert {(row["question"], row["question_id"]) for row in back} == {
        (f"train question {at}?", f"q{at}") for at in range(3)
    }


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", ["flag_embedding", "tevatron", "beir", "msmarco"])
def test_what_a_project_wrote_is_the_same_in_any_other_format(source, target, tmp_path):
    settings = write(source, tmp_path / "in")
    path = Path(settings["path"] if source == "beir" else settings["train"])
    out = out_of(target, tmp_path)
    convert(source, target, path, out, **{key: settings[key] for key in ("queries", "documents") if key in settings})
    convert(target, "pairs", output=tmp_path / "back.jsonl", **there(target, out))
    back = read_own(tmp_path / "back.jsonl")
    if target == "sentence_transformers" and source in SCORE_FORMATS:  # its one column holds the scores
        assert {(row["question"], row["passage"], row["score"]) for row in back} == {(q, p, s) for q, p, _, s in QUADS}
    else:
        assert {(row["question"], row["passage"], row["label"] in ("right", 1)) for row in back} == TRIPLES


def test_conversion_of_nothing_is_refused_and_says_why(tmp_path):
    path = own(tmp_path, [{"question": "q", "passage": "p", "score": 1}])
    with pytest.raises(DataError, match=r"expected at least one pair .* but found none \(1 pairs without a label\)"):
        convert("pairs", "beir", path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["out.tsv", "out.csv.gz", "out.parquet", "out.jsonl.gz"])
def test_our_own_pairs_are_written_as_the_name_ends(name, tmp_path):
    convert("flag_embedding", "pairs", Path(write("flag_embedding", tmp_path)["train"]), tmp_path / name)
    convert("pairs", "pairs", tmp_path / name, tmp_path / "back.jsonl")
    back = read_own(tmp_path / "back.jsonl")
    assert {(row["question"], row["passage"], row["label"] == "right", row["score"]) for row in back} == QUADS


@pytest.mark.parametrize("form", ["flag_embedding", "tevatron"])
def test_lists_are_written_to_parquet(form, tmp_path):
    convert("pairs", form, everything(tmp_path), tmp_path / "out.parquet")
    convert(form, "pairs", tmp_path / "out.parquet", tmp_path / "back.jsonl")
    back = read_own(tmp_path / "back.jsonl")
    assert {(row["question"], row["passage"], row["label"] == "right", row["score"]) for row in back} == QUADS


def test_what_is_lost_is_counted(tmp_path):
    path = own(
        tmp_path,
        [
            {"question": "q", "passage": "a", "label": 1, "question_id": "q1", "score": 2, "note": "x"},
            {"question": "q", "passage": "b", "label": 0, "question_id": "q1"},
            {"question": "q", "passage": "c", "question_id": "q1"},
        ],
    )
    losses = convert("pairs", "flag_embedding", path, tmp_path / "out.jsonl")
    assert losses.pairs == 2
    assert +losses.left_out == {"pairs without a label": 1}
    assert +losses.lost == {"scores": 1, "question ids": 2, "fields 'note'": 1}
    assert read_own(tmp_path / "out.jsonl") == [{"query": "q", "pos": ["a"], "neg": ["b"]}]


GRADES = {"a": 0, "b": 1, "c": 2, "d": 4, "e": -1}


def qrels(folder, grades):
    """A BEIR folder with one question, whose passages have these grades."""
    lines(folder / "queries.jsonl", [{"_id": "q", "text": "what?"}])
    lines(folder / "corpus.jsonl", [{"_id": name, "title": "", "text": f"text {name}"} for name in grades])
    (folder / "qrels").mkdir()
    rows = ["query-id\tcorpus-id\tscore", *(f"q\t{name}\t{grade}" for name, grade in grades.items())]
    (folder / "qrels/train.tsv").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return folder


@pytest.mark.parametrize("target", ["beir", "trec", "msmarco", "pairs", "sentence_transformers"])
def test_grades_stay_where_the_format_can_hold_them(target, tmp_path):
    out = out_of(target, tmp_path)
    losses = convert("beir", target, qrels(tmp_path / "in", GRADES), out)
    assert losses.pairs == 5 and not any("grades" in what for what in +losses.lost)
    if target in ("pairs", "sentence_transformers"):
        assert {row["passage"]: row["label"] for row in read_own(out)} == {f"text {n}": g for n, g in GRADES.items()}
        return
    files = {"beir": "qrels/train.tsv", "trec": "qrels.txt", "msmarco": "qrels.tsv"}
    found = [line.split() for line in (out / files[target]).read_text().splitlines()][target == "beir" :]
    assert {fields[-2]: int(fields[-1]) for fields in found} == GRADES


@pytest.mark.parametrize("target", ["flag_embedding", "tevatron", "pylate"])
def test_grades_that_a_format_cannot_hold_are_folded_and_counted(target, tmp_path):
    out = out_of(target, tmp_path)
    losses = convert("beir", target, qrels(tmp_path / "in", GRADES), out)
    assert losses.lost["grades (above 0 is right, the others are wrong)"] == 3  # 2, 4 and -1
    if target == "flag_embedding":
        assert read_own(out) == [
            {"query": "what?", "pos": ["text b", "text c", "text d"], "neg": ["text a", "text e"]},
        ]


def test_qrels_without_grades_become_names_of_classes(tmp_path):
    convert("beir", "pairs", qrels(tmp_path / "in", {"a": 0, "b": 1}), tmp_path / "out.jsonl")
    assert [row["label"] for row in read_own(tmp_path / "out.jsonl")] == ["wrong", "right"]


def test_whole_numbers_of_our_own_pairs_are_grades_unless_classes_are_named(tmp_path):
    rows = [{"question": "q", "passage": str(at), "label": at, "question_id": "q"} for at in (0, 1, 3)]
    convert("pairs", "trec", own(tmp_path, rows), tmp_path / "out")
    found = (tmp_path / "out/qrels.txt").read_text().splitlines()
    assert [line.split()[-1] for line in found] == ["0", "1", "3"]
    with pytest.raises(DataError, match=r"line 3: field 'label' must be one of \['no', 'yes'\] .* but is 3"):
        convert("pairs", "trec", tmp_path / "own.jsonl", tmp_path / "other", classes=("no", "yes"))


def test_grade_that_is_no_whole_number_is_named_by_its_row(tmp_path):
    with pytest.raises(DataError, match=r"train.tsv, line 3: the grade, 'score', must be a whole number but is '0\.5'"):
        convert("beir", "trec", qrels(tmp_path / "in", {"a": 0, "b": 0.5}), tmp_path / "out")


def test_texts_that_a_line_cannot_hold_are_left_out_and_counted(tmp_path):
    rows = [{"question": "q", "passage": each, "label": 1} for each in ("a", "b\tc", "d\ne")]
    losses = convert("pairs", "msmarco", own(tmp_path, rows), tmp_path / "out")
    assert losses.pairs == 1 and +losses.left_out == {"pairs with tabs or line ends in a text": 2}
    losses = convert("pairs", "trec", own(tmp_path, rows), tmp_path / "out2")
    assert losses.pairs == 3


def test_ids_of_two_texts_are_left_out_and_counted(tmp_path):
    rows = [{"question": each, "passage": "p", "label": 1, "question_id": 1} for each in ("a", "b")]
    losses = convert("pairs", "pylate", own(tmp_path, rows), tmp_path / "out")
    assert losses.pairs == 1 and +losses.left_out == {"pairs with an id that another text has": 1}


def test_run_is_in_the_order_of_its_scores(tmp_path):
    rows = [{"question": "q", "passage": str(at), "question_id": 1, "score": at / 3} for at in range(4)]
    convert("pairs", "trec", own(tmp_path, rows), tmp_path / "out")
    found = [line.split() for line in (tmp_path / "out/run.txt").read_text().splitlines()]
    assert [line[3] for line in found] == ["1", "2", "3", "4"]
    assert [float(line[4]) for line in found] == [1, 2 / 3, 1 / 3, 0]
    assert not (tmp_path / "out/qrels.txt").exists()


@pytest.mark.parametrize("target", ["flag_embedding", "tevatron"])
def test_truth_values_go_by_the_names_of_the_classes(target, tmp_path):
    # The column says whether a passage is wrong: true had come out as right, though the last class is false.
    rows = [{"question": "q", "passage": name, "label": name == "bad"} for name in ("good", "bad")]
    convert("pairs", target, own(tmp_path, rows), tmp_path / "out.jsonl", classes=("true", "false"))
    convert(target, "pairs", tmp_path / "out.jsonl", tmp_path / "back.jsonl")
    assert {row["passage"]: row["label"] for row in read_own(tmp_path / "back.jsonl")} == {
        "good": "right",
        "bad": "wrong",
    }


def test_truth_values_stay_names_where_both_formats_have_classes(tmp_path):
    rows = [{"question": "q", "passage": name, "label": name == "bad"} for name in ("good", "bad")]
    convert("pairs", "pairs", own(tmp_path, rows), tmp_path / "out.csv", classes=("true", "false"))
    assert (tmp_path / "out.csv").read_text() == "question,passage,label\nq,good,False\nq,bad,True\n"


def test_label_with_a_fraction_is_not_cut_in_parquet(tmp_path):
    # Of the first label, 1, Arrow made a column of whole numbers, and 0 of 0.5.
    rows = [{"question": "q", "passage": f"p{label}", "label": label} for label in (0.5, 1, 0.25)]
    convert("pairs", "pairs", own(tmp_path, rows), tmp_path / "out.parquet")
    assert pd.read_parquet(tmp_path / "out.parquet")["label"].tolist() == [0.5, 1, 0.25]
    with pytest.raises(DataError, match=r"row 2: has the label 0\.5 but that of the first is whole; write JSON lines"):
        convert("pairs", "pairs", own(tmp_path, [rows[1], rows[0]]), tmp_path / "cut.parquet")
    assert not (tmp_path / "cut.parquet").exists()


def test_labels_go_by_the_names_of_the_classes(tmp_path):
    rows = [{"question": "q", "passage": str(at), "label": label} for at, label in enumerate(("no", "yes"))]
    path = own(tmp_path, rows)
    with pytest.raises(DataError, match=r"line 1: field 'label' must be one of \['wrong', 'right'\]"):
        convert("pairs", "flag_embedding", path, tmp_path / "out.jsonl")
    convert("pairs", "flag_embedding", path, tmp_path / "out.jsonl", classes=("no", "yes"))
    assert read_own(tmp_path / "out.jsonl") == [{"query": "q", "pos": ["1"], "neg": ["0"]}]


@pytest.mark.parametrize("target", ["pairs", "pylate"])
def test_nothing_is_written_where_a_row_is_bad(target, tmp_path):
    path = own(tmp_path, [{"question": "q", "passage": "p", "label": 1}, {"question": "q", "passage": ""}])
    out = out_of(target, tmp_path)
    with pytest.raises(DataError, match=r"line 2: field 'passage' must be text .*; --skip-bad-rows leaves them out"):
        convert("pairs", target, path, out)
    assert [each.name for each in tmp_path.iterdir()] == ["own.jsonl"]
    losses = convert("pairs", target, path, out, skip=True)
    assert losses.pairs == 1 and +losses.left_out == {f"rows of {path}: no text": 1}


def test_split_names_the_qrels_of_what_is_written(tmp_path):
    convert("pairs", "beir", everything(tmp_path), tmp_path / "out", split="dev")
    assert (tmp_path / "out/qrels/dev.tsv").exists()


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "out.jsonl").write_text("precious")
    with pytest.raises(ConfigError, match="expected a new name but it exists"):
        convert("pairs", "pairs", everything(tmp_path), tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "precious"


@pytest.mark.parametrize(("target", "name"), [("pairs", "out.jsonl"), ("beir", "out")])
def test_second_conversion_into_one_output_leaves_that_of_the_first_alone(target, name, tmp_path):
    source = everything(tmp_path)
    convert("pairs", target, source, tmp_path / "before" / name)
    with alone(tmp_path / name), pytest.raises(ConfigError, match="another process writes it now"):
        convert("pairs", target, source, tmp_path / name)
    assert not [path for path in tmp_path.iterdir() if name in path.name]


@pytest.mark.parametrize(
    ("source", "target", "name", "more", "told"),
    [
        ("csv", "pairs", "o.jsonl", {}, "--from: expected one of pairs, flag_embedding"),
        ("pairs", "csv", "o.jsonl", {}, "--to: expected one of"),
        ("trec", "pairs", "o.jsonl", {}, "--queries: expected a file, to which the ids lead, where --from is trec"),
        ("pairs", "beir", "o", {"documents": "d"}, "--documents: expected nothing where --from is pairs, got d"),
        (
            "pairs",
            "trec",
            "o",
            {"split": "dev"},
            "--split: expected nothing where neither .* is beir, .* dev",
        ),
        ("pairs", "flag_embedding", "o.tsv", {}, "ends in .jsonl, .json, .parquet"),
    ],
)
def test_what_cannot_be_converted_is_refused(source, target, name, more, told, tmp_path):
    with pytest.raises(ConfigError, match=told):
        convert(source, target, everything(tmp_path), tmp_path / name, **more)


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_text_with_an_old_line_end_is_one_text_of_a_table(ending, tmp_path):
    rows = [{"question": "q", "passage": p, "label": label} for p, label in (("one\rtwo", "right"), ("p", "wrong"))]
    convert("pairs", "pairs", own(tmp_path, rows), tmp_path / f"out.{ending}")
    read = pd.read_csv(tmp_path / f"out.{ending}", sep=None, engine="python")
    assert list(read["passage"]) == ["one\rtwo", "p"]
    assert (tmp_path / f"out.{ending}").read_bytes().count(b"\r") == 1, "lines end in \\n alone"
    convert("pairs", "pairs", tmp_path / f"out.{ending}", tmp_path / "back.jsonl")
    assert read_own(tmp_path / "back.jsonl") == rows


def test_rows_that_no_table_holds_are_refused(tmp_path):
    rows = [{"question": "q", "passage": "p", "label": 1}, {"question": "q", "passage": "r", "label": 0, "score": 1}]
    with pytest.raises(DataError, match=r"row 2: has the fields .* but the first has .*; write JSON lines"):
        convert("pairs", "pairs", own(tmp_path, rows), tmp_path / "out.tsv")


def test_command_says_what_it_wrote_and_what_it_lost(tmp_path):
    arguments = ["convert", "--from", "pairs", "--to", "sentence_transformers", str(everything(tmp_path))]
    said = CliRunner().invoke(app, [*arguments, str(tmp_path / "out.csv")])
    assert said.exit_code == 0, said.output
    assert f"{tmp_path / 'out.csv'}: 9 pairs" in said.output
    assert "not carried: 9 labels" in said.output and "not carried: 9 question ids" in said.output
    again = CliRunner().invoke(app, [*arguments, str(tmp_path / "out.csv")])
    assert again.exit_code == 2 and "tmkd: " in again.output and "it exists" in again.output


def test_commands_of_the_page_run_one_after_the_other(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"^tmkd (convert .*)$", page, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLES / "train.tsv", tmp_path)
    count = len((tmp_path / "train.tsv").read_text().splitlines()) - 1
    for command in commands:
        said = CliRunner().invoke(app, shlex.split(command))
        assert said.exit_code == 0 and f": {count} pairs" in said.output, (command, said.output)
    assert len(commands) == len(FORMATS)
