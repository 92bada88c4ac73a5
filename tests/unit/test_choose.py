"""``tmkd choose``: budgets, the front, ties, nothing that fits, and measurements that are made once."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from datasets import Dataset, load_from_disk
from typer.main import get_command
from typer.testing import CliRunner

from tmkd.cli import app
from tmkd.errors import ConfigError, DataError, ModelError
from tmkd.evaluation.metrics import evaluate
from tmkd.export.run import export_model
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.reranker import Reranker
from tmkd.results import answers, latency
from tmkd.store.artifacts import MODEL, ArtifactStore
from tmkd.store.catalogue import entries
from tmkd.use import candidate
from tmkd.use.budget import Budget, milliseconds, read_budget
from tmkd.use.candidate import Candidate, Model, candidates_of, lengths
from tmkd.use.choice import Choice, Fitting, Measured, choose, dominating, would_fit
from tmkd.use.judging import Judge, metric_of, validation_rows

MODEL_A = Model("a", Path("a"), "a", "a", 64)
GENEROUS, HOPELESS = "1000 s for 3 passages", "0.001 ms for 3 passages"


@pytest.mark.parametrize(
    ("text", "seconds", "passages"),
    [
        ("50 ms for 20 passages", 0.05, 20),
        ("50ms/20 docs", 0.05, 20),
        (" 1.5 Seconds per 100 Pairs ", 1.5, 100),
        (".2s for 1 document", 0.2, 1),
        ("2 milliseconds, 7 texts.", 0.002, 7),
        ("50 ms for 20", 0.05, 20),
    ],
)
def test_budget_is_read_in_whatever_way_it_is_written(text, seconds, passages):
    found = read_budget(text)
    assert (found.seconds, found.passages) == (pytest.approx(seconds), passages)


@pytest.mark.parametrize(
    "text", ["50 ms", "50 for 20 passages", "20 passages in 50 ms", "1,5 s for 20 pairs", "", "5 h for 2 pairs"]
)
def test_budget_that_cannot_be_read_says_how_to_write_one(text):
    with pytest.raises(ConfigError, match="expected a time and a number of passages, as in '50 ms for 20 passages'"):
        read_budget(text)


@pytest.mark.parametrize("text", ["0 ms for 20 passages", "5 ms for 0 passages"])
def test_budget_of_nothing_is_refused(text):
    with pytest.raises(ConfigError, match="expected some time and one passage at least"):
        read_budget(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.2344, "1,234 ms"), (0.0483, "48.3 ms"), (0.00072, "0.72 ms"), (0.1, "100 ms")]
)
def test_time_has_three_digits(seconds, text):
    assert milliseconds(seconds) == text


def test_lengths_are_never_shorter_than_what_a_pair_needs():
    assert lengths(64) == [64, 48, 32]
    assert lengths(12) == [12, 9, 8]
    assert lengths(6) == [6]


def measured(p95: float, *values: float) -> Measured:
    candidate = Candidate(MODEL_A, 64, None, "torch", "torch", "fp32", 1)
    return Measured(candidate, p95 / 2, p95, 60, np.array(values), 0.0, 1.0, 100)


def test_front_has_whoever_nobody_beats_in_time_and_in_the_metric():
    found = [measured(1, 0.5), measured(2, 0.7), measured(3, 0.6), measured(2, 0.7), measured(4, 0.7), measured(1, 0.4)]
    assert dominating(found) == [None, None, 1, None, 1, 0]


def test_best_within_the_budget_is_taken_and_of_equals_the_fastest():
    found = [measured(1, 0, 0.0), measured(3, 1, 0.5), measured(2, 0.5, 1), measured(9, 1, 1)]
    assert choose(found, Budget(5, 20)).best == 2
    assert choose(found, Budget(9, 20)).best == 3, "or a request of exactly the budget would be late"


def test_candidates_with_a_difference_that_may_be_chance_are_not_told_apart():
    rng = np.random.default_rng(0)
    best = rng.random(200)
    noise = best + rng.normal(-0.001, 0.3, 200)
    noise += best.mean() - noise.mean() - 0.001
    clearly_worse = best - 0.01 * rng.random(200)  # by little, but for every question: their intervals overlap
    found = [measured(1, *clearly_worse), measured(2, *noise), measured(3, *best), measured(9, *best)]
    assert choose(found, Budget(5, 20)) == Choice(best=2, alike=[1], fastest_alike=1, fastest=0)


def test_candidates_that_answer_alike_are_not_told_apart():
    found = [measured(2, 0.5, 0.7), measured(1, 0.5, 0.7), measured(3, 0.5, 0.7)]
    assert choose(found, Budget(5, 20)) == Choice(best=1, alike=[0, 2], fastest_alike=1, fastest=1)


def test_where_nothing_fits_the_fastest_is_named_and_what_would_fit():
    found = [measured(0.2, 0.9), measured(0.1, 0.5)]
    assert choose(found, Budget(0.05, 20)) == Choice(best=None, alike=[], fastest_alike=None, fastest=1)
    assert would_fit(found[1], Budget(0.05, 20), shortest=8) == Fitting(passages=10, max_length=32)
    assert would_fit(found[1], Budget(0.001, 20), shortest=8) == Fitting(passages=0, max_length=None)


def test_candidates_are_every_length_exit_and_way_to_run_a_model():
    student = Model("s", Path("s"), "s", "s", 64, exits=(1, 2))
    graph = Model("g", Path("g"), "g", "g", 32, exported=(("onnx", "onnx-int8"), ("openvino", "openvino")))
    installed = {"onnx-int8": True, "openvino": False}
    found = candidates_of([student, graph], ["fp32", "bf16"], [1, 2], installed)
    assert len(set(found)) == len(found) == 3 * 3 * 2 * 2 + 3 * 2
    assert {each.form for each in found if each.model is graph} == {"onnx-int8"}
    assert found[-1].arguments("cpu") == ["g", "--max-length", "16", "--threads", "2", "--backend", "onnx"]
    assert found[0].scores_as() == found[1].scores_as(), "or each number of threads would be judged"
    assert found[0].timed_as() != found[1].timed_as()


# A store with a task and three students, two of one architecture.


def make_home(root: Path, pairs: Dataset) -> Path:
    store = ArtifactStore(root / "artifacts")

    def task(name: str, ranking: bool) -> str:
        spec = {"data": {"name": name, "classes": ["wrong", "right"], "ranking": ranking}}

        def make(work: Path) -> dict[str, Any]:
            pairs.save_to_disk(str(work / "validation"))
            return {"pairs": {"validation": len(pairs)}}

        return store.build("task", spec, make, f"task {name}").key

    def student(key: str, layers: int, seed: int) -> None:
        def make(work: Path) -> dict[str, Any]:
            torch.manual_seed(seed)
            encoder = load_encoder(source="tiny", layers=layers, width=16, dropout=0.0)
            classifier = PairClassifier(encoder, ["gold"], ["wrong", "right"], 32)
            if layers == 2:
                classifier.add_exits([1])
            classifier.save(work / MODEL)
            return {"validation": {"accuracy": 0.5, "map": 0.5}}

        spec = {"task": key, "student": {"layers": layers, "max_length": 32}, "seed": seed}
        store.build("stage2", spec, make, f"{layers} layers, seed {seed}")

    key = task("words", True)
    for layers, seed in ((1, 1), (1, 2), (2, 1)):
        student(key, layers, seed)
    task("unused", True)
    return root


@pytest.fixture(scope="module")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ["amber", "birch", "cobalt", "dune"]
    rows = [
        (f"what is {word} {number}", f"{said} " * (1 + number), int(said == word))
        for number in range(3)
        for word in words
        for said in words
    ]
    columns = dict(zip(("question", "passage", "label"), map(list, zip(*rows))))
    ids = {"id": [str(at) for at in range(len(rows))], "question_id": columns["question"]}
    return make_home(tmp_path_factory.mktemp("choose"), Dataset.from_dict({**ids, **columns}))


@pytest.fixture(scope="module")
def measured_home(made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The store after all students were measured, and what was answered; no test looks at times."""
    home = tmp_path_factory.mktemp("measured") / "home"
    shutil.copytree(made_home, home)
    with pytest.MonkeyPatch.context() as patched:
        few_requests(patched)
        return home, as_json(home, "--within", GENEROUS)


def few_requests(patched: pytest.MonkeyPatch) -> None:
    patched.setattr(latency, "ROUNDS", 2)
    patched.setattr(latency, "WARM_UP", 0)
    patched.setattr(latency, "COUNTED", 1)
    patched.setattr(candidate, "SHARES", (1.0, 0.5))


@pytest.fixture
def home(measured_home: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to be changed."""
    few_requests(monkeypatch)
    shutil.copytree(measured_home[0], tmp_path / "home")
    return tmp_path / "home"


def tmkd(home: Path, *arguments: object) -> Result:
    options = ["--artifacts", str(home / "artifacts"), "--device", "cpu"]
    return CliRunner().invoke(app, ["choose", *map(str, arguments), *options])


def as_json(home: Path, *arguments: object, code: int = 0) -> Any:
    found = tmkd(home, *arguments, "--output", "json")
    assert found.exit_code == code, found.output
    return json.loads(found.stdout)


def named(home: Path, kind: str) -> list[str]:
    return [entry.artifact.name for entry in entries(home / "artifacts", kind)[0]]


def student(home: Path, what: str) -> Path:
    found = [entry.artifact for entry in entries(home / "artifacts", "stage2")[0]]
    return next(each.path for each in found if each.manifest["what"] == what)


def test_all_students_are_measured_at_every_length_and_exit(measured_home):
    home, found = measured_home
    assert {each["model"] for each in found["candidates"]} == set(named(home, "stage2"))
    assert {each["max_length"] for each in found["candidates"]} == {32, 16}
    assert {each["exit_at"] for each in found["candidates"]} == {None, 1}
    taken = found["candidates"][found["take"]]
    assert taken["value"] == max(each["value"] for each in found["candidates"]) and found["metric"] == "map"
    times = [each["p95_ms"] for each in found["candidates"]]
    assert times == sorted(times) and min(times) > 0
    assert found["would_fit"] is None and set(found["not_told_apart"]) <= set(range(len(times)))


def test_students_of_one_architecture_are_timed_once(measured_home):
    home, found = measured_home
    own = [student(home, f"1 layers, seed {seed}").name for seed in (1, 2)]
    times = [sorted(each["p95_ms"] for each in found["candidates"] if each["model"] == name) for name in own]
    assert times[0] == times[1]


def test_metric_is_that_of_the_student_read_at_that_length_left_at_that_layer(measured_home):
    home, found = measured_home
    folder = student(home, "2 layers, seed 1")
    rows = load_from_disk(str(next((home / "artifacts").glob("task-*")) / "validation"))
    for each in found["candidates"]:
        if each["model"] != folder.name or each["precision"] != "fp32":
            continue
        options = {"exit_at": each["exit_at"], "max_length": each["max_length"]}
        reranker = Reranker.from_pretrained(folder, device="cpu", precision="fp32", **options)
        scores = reranker.score(list(rows["question"]), list(rows["passage"]))
        expected = evaluate(scores, np.array(rows["label"]), list(rows["question_id"]), True)["map"]
        assert each["value"] == pytest.approx(expected) and each["low"] <= each["value"] <= each["high"]
        shallow = [other["parameters"] for other in found["candidates"] if other["exit_at"] == 1]
        assert each["exit_at"] == 1 or each["parameters"] > max(shallow)


def test_second_call_measures_nothing_whatever_the_budget(home, monkeypatch):
    monkeypatch.setattr(Reranker, "score", lambda *_, **__: pytest.fail("it was measured again"))
    found = as_json(home, "--within", HOPELESS, code=1)
    assert found["take"] is None and found["commands"] == []
    assert found["would_fit"] == {"passages": 0, "max_length": None}
    said = tmkd(home, "--within", HOPELESS)
    assert said.exit_code == 1 and "None of them is within 0.00 ms for 3 passages; the fastest is 1." in said.stdout
    assert "not even one passage would be in time" in said.stdout


def test_choice_is_marked_and_its_command_runs(home):
    said = tmkd(home, "--within", GENEROUS)
    assert said.exit_code == 0, said.output
    assert said.stdout.count("TAKE") == 1 and "95 % of requests take no more than" in said.stdout
    serve, rank = [line.strip() for line in said.stdout.splitlines() if line.startswith("  tmkd ")]
    assert serve.startswith("tmkd serve stage2-") and "--max-length" in serve
    arguments = shlex.split(rank)[1:-2]
    ranked = CliRunner().invoke(app, [*arguments, "what is amber", "birch", "amber", "--output", "json"])
    assert ranked.exit_code == 0, ranked.output
    assert sorted(each["text"] for each in json.loads(ranked.stdout)) == ["amber", "birch"]
    served = get_command(app).commands["serve"].make_context("serve", shlex.split(serve)[2:])
    assert served.params["max_length"] in (32, 16)


@pytest.mark.thorough
def test_killed_measurement_goes_on(home, monkeypatch):
    """The first kill is in the second round of requests, the second in the second part of the pairs."""
    for kind in ("latency", "answers"):
        for name in named(home, kind):
            shutil.rmtree(home / "artifacts" / name)
    monkeypatch.setattr(answers, "CHUNK", 20)
    calls, score = [0], Reranker.score

    def dying_at(last: int):
        def counted(self: Reranker, *arguments: Any, **options: Any) -> np.ndarray:
            calls[0] += 1
            if calls[0] == last:
                raise KeyboardInterrupt
            return score(self, *arguments, **options)

        calls[0] = 0
        monkeypatch.setattr(Reranker, "score", counted)

    one = student(home, "1 layers, seed 1").name
    whole = ["--within", GENEROUS, one]
    dying_at(-1)
    as_json(home, *whole)
    needed = calls[0]
    timed = 2 * len(as_json(home, *whole)["candidates"])  # rounds
    for kind in ("latency", "answers"):
        for name in named(home, kind):
            shutil.rmtree(home / "artifacts" / name)
    done = 0
    for last in (timed // 2 + 1, timed // 2 + 2):
        dying_at(last)
        assert tmkd(home, *whole).exit_code == 130
        done += last - 1
    dying_at(-1)
    as_json(home, *whole)
    assert calls[0] == needed - done, "what was measured before the kills was measured again"


def test_sample_draws_whole_questions(home):
    one = student(home, "1 layers, seed 1").name
    found = as_json(home, "--within", GENEROUS, one, "--sample", 3)
    assert (found["sample"], found["pairs"]) == (3, 3 * 4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--within", "soon"], "--within: expected a time and a number of passages"),
        (["--within", GENEROUS, "0000"], "'0000': expected the name or the key of an artifact"),
        (["--within", GENEROUS, "--metric", "r@0"], "--metric: expected null or one of map"),
        (["--within", GENEROUS, "--task", "stage2"], "3 artifacts begin so"),
        (["--within", GENEROUS, "--device", "moon"], "runtime.device"),
    ],
)
def test_mistake_is_one_sentence(made_home, arguments, sentence):
    options = [] if "--device" in arguments else ["--device", "cpu"]
    found = CliRunner().invoke(app, ["choose", *arguments, "--artifacts", str(made_home / "artifacts"), *options])
    assert found.exit_code == 2 and sentence in found.stderr and found.stderr.count("\n") == 1


def test_model_of_another_task_is_not_compared(home):
    spec = {"task": "0" * 12, "student": {"layers": 1}}
    source = student(home, "1 layers, seed 1")

    def make(work: Path) -> dict[str, Any]:
        shutil.copytree(source / MODEL, work / MODEL)
        return {}

    stranger = ArtifactStore(home / "artifacts").build("stage2", spec, make, "stranger").name
    found = tmkd(home, "--within", GENEROUS, source.name, stranger)
    assert found.exit_code == 2 and f"{stranger}: expected a model of the task task-" in found.stderr
    found = tmkd(home, "--within", GENEROUS, stranger)
    assert found.exit_code == 2 and "expected its task (task-000000000000) beside it" in found.stderr


def test_split_of_one_question_is_refused_before_anything_is_timed(made_home):
    task = entries(made_home / "artifacts", "task")[0][0].artifact
    with pytest.raises(DataError, match="expected two questions of validation at least to judge by, got 1"):
        Judge.of(task, validation_rows(task).select(range(4)), None, None)


def test_models_of_several_metrics_need_one_to_be_judged_by():
    ndcg = Model("b", Path("b"), "b", "b", 64, metric="ndcg@10")
    assert metric_of([ndcg]) == "ndcg@10" and metric_of([MODEL_A]) is None
    with pytest.raises(ConfigError, match=r"trained by several \(ndcg@10, the usual one\)"):
        metric_of([MODEL_A, ndcg])
    with pytest.raises(ConfigError, match=r"several \(map, the usual one\)"):
        metric_of([MODEL_A], asked=["map"])


def test_shorter_length_reads_as_a_model_of_that_length(made_home):
    folder = student(made_home, "1 layers, seed 1")
    long = ["amber " * 20, "birch " * 20]
    shorter = Reranker.from_pretrained(folder, device="cpu", precision="fp32", max_length=16)
    other = Reranker.from_pretrained(folder, device="cpu", precision="fp32")
    assert isinstance(other.model, PairClassifier)
    found = shorter.score(["what"] * 2, long)
    assert np.abs(other.score(["what"] * 2, long) - found).max() > 1e-6, "or nothing is cut"
    other.model.max_length = 16
    assert Reranker(other.model, other.runtime).score(["what"] * 2, long) == pytest.approx(found)
    for length in (7, 33):
        with pytest.raises(ModelError, match=f"expected from 8 to the 32 tokens that the model reads, got {length}"):
            Reranker.from_pretrained(folder, max_length=length)


@pytest.mark.thorough
def test_export_is_a_candidate_and_reads_shorter(home, tmp_path):
    folder = student(home, "1 layers, seed 1")
    export_model(folder, "cross-encoder", tmp_path / "out", verify=False, latency=False)
    own = {"device": "cpu", "precision": "fp32"}
    long = [("what", "amber " * 20), ("what", "birch " * 20)]
    expected = Reranker.from_pretrained(folder, max_length=16, **own).predict(long)
    assert Reranker.from_pretrained(tmp_path / "out", max_length=16).predict(long) == pytest.approx(expected, abs=1e-4)
    found = as_json(home, "--within", GENEROUS, tmp_path / "out", folder.name)
    ways = {(each["form"], each["precision"]) for each in found["candidates"]}
    assert {("torch", "fp32"), ("cross-encoder", None)} <= ways
