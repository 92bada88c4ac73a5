"""``tmkd rank``, ``score`` and ``evaluate``: the library's numbers in every format, resumed, and bad input named."""

import csv
import gzip
import io
import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from scipy.special import softmax
from typer.testing import CliRunner

from tests.unit.small_store import write_lines
from tmkd.cli import app
from tmkd.data import formats
from tmkd.errors import ConfigError
from tmkd.evaluation.ensemble import log_odds
from tmkd.evaluation.metrics import evaluate
from tmkd.evaluation.score_calibration import ScoreCalibration, Split, calibrate_scores
from tmkd.export.calibrated import write_calibration
from tmkd.export.run import export_model
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.reranker import Reranker
from tmkd.store.artifacts import MODEL, ArtifactStore, open_artifact
from tmkd.use import score_file as scoring
from tmkd.use.formats import pair_file
from tmkd.use.job import score_job
from tmkd.use.pair_files import Fields

QUESTION = "what is amber"
PASSAGES = ["birch", "amber is a resin", "😀 fjord", "a\x00b", 'dune, "ember"', "grove grove grove"]
ROWS = [{"id": at, "question": QUESTION, "passage": passage, "note": None} for at, passage in enumerate(PASSAGES)]


@pytest.fixture(scope="module")
def student(small_store: Path) -> Path:
    found = [path for path in (small_store / "artifacts").glob("stage2-*") if "TMKD, seed 1" in
             (path / "manifest.json").read_text()]  # fmt: skip
    return found[0]


@pytest.fixture
def odds(student: Path) -> list[float]:
    reranker = Reranker.from_pretrained(student, device="cpu", precision="fp32")
    return reranker.predict([(QUESTION, passage) for passage in PASSAGES]).tolist()


def tmkd(*arguments: object, input: str | None = None) -> Result:
    precise = ["--device", "cpu", "--precision", "fp32"] if arguments[0] in ("rank", "score", "evaluate") else []
    return CliRunner().invoke(app, [*map(str, arguments), *precise], input=input)


def test_rank_is_the_order_of_the_library(student, small_store, odds):
    key = student.name.partition("-")[2][:6]
    found = tmkd("rank", key, QUESTION, *PASSAGES, "--output", "json", "--artifacts", small_store / "artifacts")
    assert found.exit_code == 0, found.output
    ranked = json.loads(found.stdout)
    assert [each["text"] for each in ranked] == [PASSAGES[at] for at in sorted(range(6), key=lambda at: -odds[at])]
    assert [each["score"] for each in ranked] == pytest.approx(sorted(odds, reverse=True), abs=1e-5)


@pytest.mark.parametrize("name", ["lines.txt", "lines.jsonl", "none", "marked.txt"])
def test_rank_reads_passages_of_a_file(student, tmp_path, name):
    said = "amber\nbirch\n" if name == "lines.txt" else '{"passage": "amber"}\n{"passage": "birch"}\n'
    said = f"\ufeff\n{said}" if name == "marked.txt" else said  # UTF-8's mark, and an empty line
    (tmp_path / name).write_text(said)
    found = tmkd("rank", student, QUESTION, "--passages", tmp_path / name, "--top-k", 1, "--output", "json")
    assert found.exit_code == 0, found.output
    (best,) = json.loads(found.stdout)
    assert best["text"] in ("amber", "birch")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([QUESTION], "Expected passages as arguments or a file"),
        ([QUESTION, "a", " "], "passage 2: expected text but it is ' '"),
        ([QUESTION, "a", "--exit-at", "2"], "exit_at: expected a layer with an early exit, one of [1], got 2"),
        ([QUESTION, "a", "--device", "moon"], "runtime.device"),
    ],
)
def test_mistake_of_rank_is_one_sentence(student, arguments, sentence):
    found = CliRunner().invoke(app, ["rank", str(student), *arguments])
    assert found.exit_code == 2
    assert found.stderr.startswith("tmkd: ") and sentence in found.stderr and found.stderr.count("\n") == 1


def test_model_that_is_none_is_named(tmp_path, small_store):
    found = tmkd("rank", tmp_path, QUESTION, "a")
    assert (found.exit_code, f"but {tmp_path} is neither" in found.stderr) == (2, True)
    found = tmkd("rank", "0000", QUESTION, "a", "--artifacts", small_store / "artifacts")
    assert (found.exit_code, "'0000': expected the name or the key of an artifact" in found.stderr) == (2, True)
    found = tmkd("rank", "stage2", QUESTION, "a", "--artifacts", small_store / "artifacts")
    assert (found.exit_code, "3 artifacts begin so" in found.stderr) == (2, True)


def test_damaged_model_ends_with_1(student, tmp_path):
    shutil.copytree(student, tmp_path / "model")
    (tmp_path / "model" / "model" / "heads.safetensors").write_bytes(b"short")
    found = tmkd("rank", tmp_path / "model", QUESTION, "a")
    assert found.exit_code == 1 and "has 5 bytes, expected" in found.stderr


def read(path: Path) -> list[dict]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    if ".jsonl" in path.name:
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if ".tsv" in path.name else ","))


def written(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        write_lines(path, rows)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".tsv", ".parquet", ".jsonl.gz"])
def test_scored_file_has_the_same_rows_and_their_scores_whatever_the_chunk(
    student, tmp_path, odds, ending, monkeypatch
):
    monkeypatch.setattr(scoring.score_file, "__defaults__", (2, False))  # rows a chunk
    file = written(tmp_path / f"in{ending.removesuffix('.gz')}", ROWS)
    found = tmkd("score", student, file, "--into", tmp_path / f"out{ending}")
    assert found.exit_code == 0, found.output
    rows = read(tmp_path / f"out{ending}")
    assert [float(row["score"]) for row in rows] == pytest.approx(odds, abs=1e-5)
    assert all(0 < float(row["probability"]) < 1 for row in rows)
    kept = [{name: value for name, value in row.items() if name not in ("score", "probability")} for row in rows]
    assert kept == read(file)
    assert [path.name for path in tmp_path.iterdir() if "parts" in path.name] == []


def test_run_is_scored_into_a_run_best_first_within_each_question(student, tmp_path, odds):
    write_lines(tmp_path / "q.jsonl", [{"query_id": "q1", "query": QUESTION}, {"query_id": "q2", "query": QUESTION}])
    write_lines(tmp_path / "d.jsonl", [{"document_id": f"d{at}", "document": text} for at, text in enumerate(PASSAGES)])
    lines = [f"q{1 + at // 3} Q0 d{at} 1 0.5 bm25\n" for at in range(6)]
    (tmp_path / "run.txt").write_text("".join(lines))
    more = ["--queries", tmp_path / "q.jsonl", "--documents", tmp_path / "d.jsonl", "--into", tmp_path / "out.txt"]
    assert tmkd("score", student, tmp_path / "run.txt", *more).exit_code == 0
    fields = [line.split() for line in (tmp_path / "out.txt").read_text().splitlines()]
    best = [sorted(range(start, start + 3), key=lambda at: -odds[at]) for start in (0, 3)]
    assert [(each[0], each[2], each[3]) for each in fields] == [
        (f"q{1 + group}", f"d{at}", str(rank)) for group, order in enumerate(best) for rank, at in enumerate(order, 1)
    ]
    (tmp_path / "mixed.txt").write_text("".join([lines[0], lines[3], lines[1]]))
    found = tmkd("score", student, tmp_path / "mixed.txt", *more[:4], "--into", tmp_path / "other.txt")
    assert found.exit_code == 2 and "mixed.txt, line 3: the question q1 came before" in found.stderr


class Killed(BaseException):
    """What ends a scoring in place of a kill."""


def test_killed_scoring_goes_on_and_ends_with_the_same_bytes(student, tmp_path, monkeypatch):
    monkeypatch.setattr(scoring.score_file, "__defaults__", (2, False))
    file, whole = write_lines(tmp_path / "in.jsonl", ROWS), tmp_path / "whole.jsonl"
    assert tmkd("score", student, file, "--into", whole).exit_code == 0
    calls = []
    score = scoring.write_scores

    def until(chunks):
        def call(reranker, source, rows, to, calibrated):
            if len(calls) == chunks:
                to.write(b"torn")
                raise Killed
            calls.append(rows.passages)
            score(reranker, source, rows, to, calibrated)

        return call

    monkeypatch.setattr(scoring, "write_scores", until(2))
    with pytest.raises(Killed):
        CliRunner().invoke(app, ["score", str(student), str(file), "--into", str(tmp_path / "out.jsonl"),
                                 "--device", "cpu", "--precision", "fp32"], catch_exceptions=False)  # fmt: skip
    (tmp_path / "out.jsonl.parts" / "part-000000000000006.writing").write_text("torn")  # as of kill -9
    monkeypatch.setattr(scoring, "write_scores", until(9))
    found = tmkd("score", student, file, "--into", tmp_path / "out.jsonl")
    assert found.exit_code == 0 and "6 pairs, 4 of them by an earlier run" in found.stderr
    assert calls[2:] == [PASSAGES[4:]]  # the rest alone
    assert (tmp_path / "out.jsonl").read_bytes() == whole.read_bytes()


def test_kill_as_the_parts_are_removed_costs_the_next_output_no_rows(tmp_path, monkeypatch):
    file, out, remove = write_lines(tmp_path / "in.jsonl", ROWS), tmp_path / "out.jsonl", shutil.rmtree

    def killed(folder):
        (folder / "part-000000000000002").unlink()
        raise Killed

    def score(model):
        monkeypatch.setattr(scoring, "write_scores", lambda _, rows, chunk, to, *more: rows.write(
            chunk, [model] * len(chunk.questions), None, to))  # fmt: skip
        scoring.score_file(None, pair_file(file, Fields()), file, out, {"model": model}, chunk=2)

    for model in (1, 1, 2):
        monkeypatch.setattr(shutil, "rmtree", killed)
        with pytest.raises(Killed):
            score(model)
        out.unlink()
    monkeypatch.setattr(shutil, "rmtree", remove)
    score(2)  # rows would lack, or have scores of the first model, if what is left were gone on from
    assert [(row["id"], row["score"]) for row in read(out)] == [(at, 2) for at in range(6)]


@pytest.mark.parametrize(("stream", "name"), [("stdin", "input"), ("stdout", "output")])
def test_closed_standard_stream_is_told_before_the_model_is_loaded(tmp_path, monkeypatch, stream, name):
    monkeypatch.setattr(sys, stream, None)  # as by `<&-` and `>&-`
    with pytest.raises(ConfigError, match=f"Standard {name} is closed; name a file as "):
        score_job(Path("-"), Path("-"), Fields())


def test_file_that_changed_between_two_runs_is_refused(student, tmp_path, monkeypatch):
    file = write_lines(tmp_path / "in.jsonl", ROWS)
    monkeypatch.setattr(scoring, "write_scores", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert tmkd("score", student, file, "--into", tmp_path / "out.jsonl").exit_code == 130
    write_lines(file, ROWS[1:])
    found = tmkd("score", student, file, "--into", tmp_path / "out.jsonl")
    assert found.exit_code == 2 and "another run, which differs in: input; remove that folder" in found.stderr


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jsonl", '{"question": "q", "passage": "p"}\n{oops\n', "a.jsonl, line 2: expected one JSON object"),
        ("a.jsonl", '{"question": "q", "passage": ""}\n', "a.jsonl, line 1: field 'passage' must be text but is ''"),
        ("a.jsonl", '{"question": "q", "passage": "p", "score": 1}\n', "a field 'score' already; name the new one"),
        ("a.jsonl", "", "expected at least one pair but found none"),
        ("a.csv", "question,text\nq,p\n", "there is no column 'passage' but only ['question', 'text']"),
        ("a.csv", "question,passage,,\nq,p,a,b\n", "has 2 columns without a name, which cannot be told apart; name"),
        ("a.parquet", "no parquet", "expected a Parquet file but it is broken"),
        ("a.docx", "", "expected a name that ends in .jsonl, .csv, .tsv or .parquet"),
    ],
)
def test_bad_input_of_score_is_named_and_nothing_is_left_behind(student, tmp_path, name, content, sentence):
    (tmp_path / name).write_text(content)
    found = tmkd("score", student, tmp_path / name, "--into", tmp_path / f"out{Path(name).suffix}")
    assert found.exit_code == 2 and sentence in found.stderr and "Traceback" not in found.output
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_missing_file_and_existing_output_are_named(student, tmp_path):
    found = tmkd("score", student, tmp_path / "none.jsonl", "--into", tmp_path / "out.jsonl")
    assert found.exit_code == 2 and "none.jsonl cannot be read (No such file or directory)" in found.stderr
    file = write_lines(tmp_path / "in.jsonl", ROWS)
    found = tmkd("score", student, file, "--into", file)
    assert found.exit_code == 2 and "expected a new name but it exists" in found.stderr


def test_bad_rows_are_left_out_and_counted_where_that_is_asked_for(student, tmp_path, odds):
    file = write_lines(tmp_path / "in.jsonl", [ROWS[0], {"question": QUESTION, "passage": ""}, *ROWS[1:]])
    found = tmkd("score", student, file, "--into", tmp_path / "out.jsonl", "--skip-bad-rows")
    assert found.exit_code == 0 and "6 pairs; 1 bad rows were left out" in found.stderr
    assert [row["score"] for row in read(tmp_path / "out.jsonl")] == pytest.approx(odds, abs=1e-5)


def test_parquet_with_bytes_that_are_no_text_is_named_and_loses_that_row_alone(student, tmp_path):
    texts = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"p\xe9"))
    pq.write_table(pa.table({"question": ["q", "q"], "passage": texts}), tmp_path / "in.parquet")
    found = tmkd("score", student, tmp_path / "in.parquet", "--into", tmp_path / "out.parquet")
    assert found.exit_code == 2 and "in.parquet, row 2: expected UTF-8 but found the byte 0xe9" in found.stderr
    found = tmkd("score", student, tmp_path / "in.parquet", "--into", tmp_path / "out.parquet", "--skip-bad-rows")
    assert found.exit_code == 0, found.output
    assert [row["passage"] for row in read(tmp_path / "out.parquet")] == ["p"]


def test_half_a_character_beside_the_texts_is_kept(student, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"question": "q", "passage": "ä", "note": "\\ud800"}\n')
    assert tmkd("score", student, tmp_path / "in.jsonl", "--into", tmp_path / "out.jsonl").exit_code == 0
    assert read(tmp_path / "out.jsonl")[0]["note"] == "\ud800"


def test_output_that_is_a_dash_is_standard_output(student, tmp_path, odds):
    found = tmkd("score", student, write_lines(tmp_path / "in.jsonl", ROWS), "--into", "-")
    assert found.exit_code == 0
    assert [json.loads(line)["score"] for line in found.stdout.splitlines()] == pytest.approx(odds, abs=1e-5)


def test_evaluation_has_the_metrics_and_those_of_chance(student, tmp_path, odds):
    labelled = [{**row, "label": ("wrong", "right")[at == 1]} for at, row in enumerate(ROWS)]
    found = tmkd("evaluate", student, write_lines(tmp_path / "in.jsonl", labelled), "--output", "json")
    assert found.exit_code == 0, found.output
    judged = json.loads(found.stdout)
    rank = 1 + sum(each > odds[1] for each in odds)
    assert judged["metrics"]["mrr"] == pytest.approx(1 / rank)
    assert judged["metrics"]["auc"] == pytest.approx((6 - rank) / 5)
    assert judged["chance"]["mrr"] == pytest.approx(sum(1 / at for at in range(1, 7)) / 6)
    assert judged["chance"]["accuracy"] == pytest.approx(5 / 6)
    assert "MRR" in tmkd("evaluate", student, tmp_path / "in.jsonl").stdout


def test_evaluation_warns_of_ids_that_stand_for_several_questions(student, tmp_path, caplog):
    # Their passages are ranked together: where files that count from 1 were joined, every metric is another.
    rows = [{"question": q, "question_id": 1, "passage": p, "label": int(p == "a")} for q in "xy" for p in "ab"]
    found = tmkd("evaluate", student, write_lines(tmp_path / "in.jsonl", rows))
    assert found.exit_code == 0 and "1 question ids stand for questions with different texts" in caplog.text


def test_cutoffs_of_a_file_keep_what_they_say(student, tmp_path):
    rows = [
        {"question": f"q{letter}", "passage": f"{word} {letter}", "label": int(word == "amber")}
        for letter in "abcdefgh"
        for word in ("amber", "birch")
    ]
    file = write_lines(tmp_path / "in.jsonl", rows)
    found = tmkd("evaluate", student, file, "--cutoffs", "--output", "json")
    assert found.exit_code == 0, found.output
    judged = json.loads(found.stdout)
    scores = Reranker.from_pretrained(student, device="cpu", precision="fp32").predict(
        [(row["question"], row["passage"]) for row in rows]
    )
    for each in judged["cutoffs"]:  # on all pairs, the highest score that keeps enough of eight right answers
        kept = sum(score >= each["score"] for score, row in zip(scores, rows) if row["label"])
        assert kept == math.ceil(8 * each["target"])
    errors = [1 / (1 + math.exp(-score)) - row["label"] for score, row in zip(scores, rows)]
    assert judged["brier"] == pytest.approx(sum(each**2 for each in errors) / 16, abs=1e-5) and judged["ece"] > 0
    shown = tmkd("evaluate", student, file, "--cutoffs").stdout
    assert "score at least" in shown and f"{judged['cutoffs'][0]['score']:.10g}" in shown
    assert "score at least" not in tmkd("evaluate", student, file).stdout


def test_evaluation_reads_formats_of_other_projects(student, tmp_path):
    file = write_lines(tmp_path / "in.jsonl", [{"query": QUESTION, "pos": ["amber"], "neg": ["birch", "dune"]}])
    found = tmkd("evaluate", student, file, "--format", "flag_embedding", "--output", "json")
    assert found.exit_code == 0 and json.loads(found.stdout)["pairs"] == 3
    found = tmkd("evaluate", student, file, "--format", "flag_embedding", "--label", "grade")
    assert found.exit_code == 2 and "--label: expected label, as flag_embedding has names of its own" in found.stderr
    found = tmkd("evaluate", student, file)
    assert found.exit_code == 2 and "in.jsonl" in found.stderr


def test_pipe_is_scored_as_it_comes(student, tmp_path, odds, monkeypatch):
    monkeypatch.setattr(formats, "POLL", 2)  # records between two looks at the place in a file, which a pipe lacks
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=write_lines, args=(tmp_path / "pipe", ROWS))
    writer.start()
    out = io.BytesIO()
    reranker = Reranker.from_pretrained(student, device="cpu", precision="fp32")
    assert scoring.score_stream(reranker, pair_file(tmp_path / "pipe", Fields(), format="jsonl"), out, 4) == 6
    writer.join()
    scores = [json.loads(line)["score"] for line in out.getvalue().decode().splitlines()]
    assert scores == pytest.approx(odds, abs=1e-5)


@pytest.fixture(scope="module")
def with_map(student: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ScoreCalibration]:
    """An export with a map from scores to probabilities, and that map."""
    folder = tmp_path_factory.mktemp("with_map") / "export"
    logits = np.random.default_rng(0).normal(size=(200, 2))
    labels = (logits[:, 1] - logits[:, 0] + np.random.default_rng(1).normal(size=200) > 1).astype(int)
    split = Split(softmax(logits, axis=1), labels, [f"q{at // 4}" for at in range(200)])
    found = calibrate_scores(split, split)
    export_model(student, "cross-encoder", folder, verify=False, latency=False, threads=1)
    write_calibration(found, open_artifact(student), folder)
    return folder, found


def test_calibrated_probabilities_are_those_of_the_map_and_scores_stay(with_map, tmp_path):
    export, found = with_map
    reranker = Reranker.from_pretrained(export)
    rows = [{"question": QUESTION, "passage": passage} for passage in ("birch", "amber is a resin", "cedar")]
    texts = [row["passage"] for row in rows]
    plain = reranker.score([QUESTION] * 3, texts)
    expected = found.apply(plain)[:, 1]
    assert not np.allclose(expected, plain[:, 1])
    path, out = write_lines(tmp_path / "pairs.jsonl", rows), tmp_path / "out.jsonl"
    assert tmkd("score", export, path, "--into", out, "--calibrated").exit_code == 0
    assert [row["probability"] for row in read(out)] == pytest.approx(expected, abs=1e-6)
    assert [row["score"] for row in read(out)] == pytest.approx(log_odds(plain)[:, 1], abs=1e-5)
    ranked = json.loads(tmkd("rank", export, QUESTION, *texts, "--calibrated", "--output", "json").stdout)
    assert {row["corpus_id"]: row["probability"] for row in ranked} == pytest.approx(dict(enumerate(expected)))
    assert [row["score"] for row in ranked] == sorted((row["score"] for row in ranked), reverse=True)
    assert f"{expected.max():8.3f}  " in tmkd("rank", export, QUESTION, *texts, "--calibrated").stdout


def test_missing_map_is_one_sentence_before_anything_is_scored(of_grades, with_map, tmp_path):
    path, out = write_lines(tmp_path / "pairs.jsonl", [{"question": "q", "passage": "p"}]), tmp_path / "out.jsonl"
    export = shutil.copytree(with_map[0], tmp_path / "export")
    (export / "calibration.json").unlink()
    for model, said in ((export, "expected calibration.json"), (of_grades, "expected the task")):
        for command in (("score", model, path, "--into", out), ("rank", model, QUESTION, "a passage")):
            found = tmkd(*command, "--calibrated")
            assert found.exit_code == 2 and said in found.stderr and found.stderr.count("\n") == 1
    assert not out.exists() and not (tmp_path / "out.jsonl.parts").exists()


def test_calibrated_scores_do_not_go_on_from_others(tmp_path):
    scoring._check_job(tmp_path, {"input": "a"}, {"input": "a"})
    for noted, now in (({"calibrated": True}, {}), ({}, {"calibrated": True})):
        with pytest.raises(ConfigError, match="differs in: calibrated"):
            scoring._check_job(tmp_path, {"input": "a", **noted}, {"input": "a", **now})


@pytest.mark.thorough
def test_scoring_survives_kill_9(student, tmp_path):
    command = [sys.executable, "-m", "tmkd", "score", student, "--device", "cpu", "--precision", "fp32"]
    file = write_lines(tmp_path / "in.jsonl", [{**ROWS[at % 6], "id": at} for at in range(9000)])
    run = subprocess.Popen([*command, file, "--into", tmp_path / "out.jsonl"], stderr=subprocess.DEVNULL)
    parts = tmp_path / "out.jsonl.parts"
    while not list(parts.glob("part-*[0-9]")) and run.poll() is None:
        time.sleep(0.02)
    run.kill()
    run.wait()
    done = len(list(parts.glob("part-*[0-9]")))
    assert done and not (tmp_path / "out.jsonl").exists()
    again = subprocess.run([*command, file, "--into", tmp_path / "out.jsonl"], capture_output=True, text=True)
    assert again.returncode == 0 and f"{done * 4096} of them by an earlier run" in again.stderr
    assert [row["id"] for row in read(tmp_path / "out.jsonl")] == list(range(9000))


@pytest.fixture
def of_grades(tmp_path: Path) -> Path:
    """A student with one logit."""

    def make(work: Path) -> dict:
        model = PairClassifier(load_encoder(source="tiny", layers=1, width=16, dropout=0.0), ["gold"], ["score"], 24)
        model.save(work / MODEL)
        return {"validation": {"spearman": 0.5}}

    return ArtifactStore(tmp_path / "artifacts").build("stage2", {"seed": 1}, make, "TMKD, seed 1").path


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_score_of_a_model_of_grades_is_its_logit_without_a_probability(of_grades, tmp_path, ending):
    path, out = tmp_path / f"pairs{ending}", tmp_path / f"out{ending}"
    rows = [{"question": QUESTION, "passage": passage} for passage in ("birch", "amber is a resin")]
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        fields = "question,passage\n" + "".join(f"{row['question']},{row['passage']}\n" for row in rows)
        path.write_text(fields) if ending == ".csv" else write_lines(path, rows)
    found = tmkd("score", of_grades, path, "--into", out)
    assert found.exit_code == 0, found.output
    reranker = Reranker.from_pretrained(of_grades, device="cpu", precision="fp32")
    expected = reranker.score([QUESTION] * 2, [row["passage"] for row in rows])[:, 0]
    scored = read(out)
    assert [set(row) for row in scored] == [{"question", "passage", "score"}] * 2
    assert [float(row["score"]) for row in scored] == pytest.approx(expected, rel=1e-5)
    ranked = json.loads(tmkd("rank", of_grades, QUESTION, "birch", "amber is a resin", "--output", "json").stdout)
    assert [each["score"] for each in ranked] == pytest.approx(sorted(expected, reverse=True), rel=1e-5)


def test_model_of_grades_is_judged_by_grades_or_numbers(of_grades, student, tmp_path):
    rows = [{"question": QUESTION, "passage": "birch " * at, "label": at % 4} for at in range(1, 7)]
    path = write_lines(tmp_path / "graded.jsonl", rows)
    reranker = Reranker.from_pretrained(of_grades, device="cpu", precision="fp32")
    answers = reranker.score([QUESTION] * 6, [row["passage"] for row in rows])
    labels = np.array([row["label"] for row in rows], dtype=float)
    for kind, options in (("graded", ()), ("float", ("--label-kind", "float"))):
        found = tmkd("evaluate", of_grades, path, "--output", "json", *options)
        assert found.exit_code == 0, found.output
        judged = json.loads(found.stdout)
        assert judged["metrics"] == pytest.approx(evaluate(answers, labels, [1] * 6, True, kind=kind), abs=1e-5)
        assert (judged["ranking"], judged["questions"], judged["chance"]["spearman"]) == (True, 1, 0)
    path = write_lines(tmp_path / "numbers.jsonl", [{**row, "label": row["label"] - 0.5} for row in rows])
    found = tmkd("evaluate", of_grades, path)
    assert found.exit_code == 2 and "line 1: field 'label' must be a grade, a whole number from 0 to 30" in found.stderr
    judged = json.loads(tmkd("evaluate", of_grades, path, "--label-kind", "float", "--output", "json").stdout)
    assert (judged["ranking"], set(judged["metrics"])) == (False, {"mse", "spearman"})
    found = tmkd("evaluate", student, path, "--label-kind", "float")
    assert found.exit_code == 2 and "--label-kind: expected nothing, as the model tells classes apart" in found.stderr
