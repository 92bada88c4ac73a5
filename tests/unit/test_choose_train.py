"""``tmkd choose --train``: what it refuses before it trains, which students it leaves out, and that it trains once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
from click.testing import Result
from datasets import Dataset
from typer.testing import CliRunner

from tmkd.cli import app
from tmkd.cli.compose import compose_sweep
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines import calibration
from tmkd.results import latency
from tmkd.store.catalogue import entries
from tmkd.use import candidate, measuring
from tmkd.use.budget import Budget
from tmkd.use.candidate import Candidate, Model, speed_of
from tmkd.use.choice import Timed
from tmkd.use.loading import Loader
from tmkd.use.untrained import Asked, shape_of, too_slow

ROOT = Path(__file__).parents[2]
SMALL = ("experiment=smoke", "method=kd", "teachers.count=1", "teachers.roster.0.epochs=1", "stage2.epochs=1")
SMALL = (*SMALL, "student.seeds=[1]", "runtime.threads=1", "runtime.precision=fp32")
GENEROUS, ONE_LAYER, HOPELESS = "1000 s for 3 passages", "32 ms for 3 passages", "0.001 ms for 3 passages"


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # conf/data/smoke.yaml names its files from there


@pytest.fixture
def by_size(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Candidate]]:
    """Let a request take a microsecond for each parameter, on two threads; the list has each candidate timed."""
    asked: list[Candidate] = []

    def timer(loader: Loader, candidates: Sequence[Candidate], rows: Dataset, passages: int) -> Callable[..., float]:
        asked.extend(candidates)
        sizes = [loader.load(each).model.parameter_count for each in candidates]
        return lambda at, number: 1e-6 * sizes[at]

    monkeypatch.setattr(measuring, "timer", timer)
    monkeypatch.setattr(latency, "ROUNDS", 1)
    monkeypatch.setattr(candidate, "SHARES", (1.0,))
    monkeypatch.setattr(calibration, "SECONDS", 0.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield asked
    torch.set_num_threads(threads)


def tmkd(store: Path, *arguments: str, within: str = GENEROUS) -> Result:
    options = ["--within", within, "--artifacts", str(store), "--device", "cpu"]
    return CliRunner().invoke(app, ["choose", *options, *arguments])


def names(store: Path, kind: str) -> list[str]:
    return [entry.artifact.name for entry in entries(store, kind)[0]]


def test_values_with_commas_are_tried_in_every_combination(tmp_path):
    found = compose_sweep(
        ["experiment=smoke", "student.layers=1,2", "student.seeds=[1,2],[3]"], paths__artifacts="/my, a"
    )
    settings = [each.settings for each in found]
    assert settings == [f"student.layers={n} student.seeds={seeds}" for n in (1, 2) for seeds in ("[1,2]", "[3]")]
    assert [each.config.student.layers for each in found] == [1, 1, 2, 2]
    assert {each.config.paths.artifacts for each in found} == {"/my, a"}


def test_settings_of_a_project_are_found_in_its_folder(tmp_path):
    folder = tmp_path / "my conf, 1" / "experiment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("# @package _global_\nname: mine\nstudent: {layers: 2}\n")
    [found] = compose_sweep(["experiment=mine"], folder.parent)
    assert (found.settings, found.config.name, found.config.student.layers) == ("the student", "mine", 2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--train"], "--train: expected the settings of the students to train, as in --train student.layers=1,2,3"),
        (["student.layers=1,2"], "student.layers=1,2: expected a model, or --train before settings"),
        (
            ["--train", "student.layers=1", "paths.artifacts=a"],
            "paths.artifacts=a: no setting of --train; use --artifacts.",
        ),
        (["--train", "student.layers=1", "launcher=joblib"], "use `tmkd stage2 --multirun launcher=...` first"),
        (
            ["--train", "student.layers=1", "hydra.run.dir=a"],
            "hydra.run.dir=a: no setting of --train; use `tmkd stage2`",
        ),
        (["--train", "student.layers=1", "--config-dir", "nowhere"], "--config-dir: expected a folder of settings"),
        (["--config-dir", "."], "--config-dir: expected a folder of settings, together with --train"),
        (["--train", "student=glob(*)"], "'student=glob(*)': expected values with commas between them"),
        (["--train", "student.layers=1,two"], "Value 'two' of type 'str' could not be converted to Integer"),
        (["--train", "student.layers=0,1"], "student.layers: expected at least 1, got 0"),
    ],
)
def test_settings_that_cannot_be_are_one_sentence_and_make_no_store(tmp_path, arguments, sentence):
    found = tmkd(tmp_path / "store", *arguments)
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1) and sentence in found.stderr
    assert not (tmp_path / "store").exists()


@pytest.fixture(scope="module")
def untrained_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that nothing may be trained in."""
    return tmp_path_factory.mktemp("untrained") / "store"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["student=bottom1,bottom2"], "but student=bottom1 and student=bottom2 lead to the same; another setting, or"),
        (["student.layers=9"], "student.layers: expected at most 6 (the encoder's layers), got 9"),
        (["data.name=a,b", "data.ranking=true,false"], "expected students of one task, but those of data.name=a data"),
        (["metric=map,ndcg@10"], "--metric: expected the metric to judge by, as models are trained by several"),
        (["student.layers=1", "--metric", "r@0"], "--metric: expected null or one of map"),
        (["student.layers=1", "0000"], "'0000': expected the name or the key of an artifact"),
        (["data=unlabelled"], "--train: expected data with labels to judge students by"),
    ],
)
def test_students_that_cannot_be_are_refused_before_anything_is_trained(untrained_store, by_size, arguments, sentence):
    found = tmkd(untrained_store, "--train", *SMALL, *arguments)
    assert found.exit_code == 2 and sentence in found.stderr, found.output
    assert not names(untrained_store, "teacher") and not by_size


def timed(model: Model, p95: float, length: int = 64) -> Timed:
    return Timed(Candidate(model, length, None, "torch", "torch", "fp32", 1), p95 / 2, p95, 60)


def test_student_is_left_out_where_not_even_its_fastest_candidate_is_within_the_budget():
    small, large = (Model(name, Path(), name, name, 64) for name in ("small", "large"))
    found = [timed(small, 9), timed(small, 5, 32), timed(large, 9), timed(large, 5.1, 32)]
    shapes = {"s": small, "l": large}
    assert too_slow(found, shapes, Budget(5, 20)) == {"l": found[3]}
    assert too_slow(found, shapes, Budget(6, 20)) == {}


def test_students_that_differ_in_whose_layers_they_started_from_are_timed_once():
    assert speed_of({"layers": 1, "init": "teacher-1"}) == speed_of({"layers": 1})


@pytest.mark.thorough
@pytest.mark.parametrize(
    "asked",
    [["method=kd", "stage2.average_seeds=2"], ["method=stage1_alone", "stage1.average_seeds=2"], ["method=mutual"]],
)
def test_mean_of_several_students_and_a_peer_take_the_time_of_one(tmp_path, asked):
    # means ended the command in a traceback
    alone, made = (
        Asked("", Experiment(each.config))
        for words in (["method=kd"], asked)
        for each in compose_sweep(["experiment=smoke", *words], paths__artifacts=str(tmp_path))
    )
    assert {shape_of(student) for student in made.students} == {shape_of(student) for student in alone.students}


def test_where_all_are_too_slow_nothing_is_trained(tmp_path, by_size):
    said = tmkd(tmp_path, "--train", *SMALL, "student.layers=1,2", within=HOPELESS)
    assert said.exit_code == 1 and "There is no other student to choose." in said.stdout
    for layers in (1, 2):
        assert f"student.layers={layers}: not trained, as p95 would be" in said.stdout
    assert not names(tmp_path, "teacher") and not names(tmp_path, "stage2")
    found = tmkd(tmp_path, "--train", *SMALL, "student.layers=1,2", "--output", "json", within=HOPELESS)
    answer = json.loads(found.stdout)
    assert (found.exit_code, answer["take"], answer["train"]["students"]) == (1, None, {})


@pytest.mark.thorough
def test_what_can_be_within_the_budget_is_trained_once_timed_once_and_chosen(tmp_path, by_size):
    arguments = ["--train", *SMALL, "student.layers=1,2", "student.exits=[]"]
    said = tmkd(tmp_path, *arguments, within=ONE_LAYER)
    assert said.exit_code == 0, said.output
    assert "Plan of student.layers=1 " in said.stderr and "Time: about" in said.stderr
    [student] = names(tmp_path, "stage2")
    assert f"{student}: student.layers=1, KD (1-o-1)" in said.stdout
    assert "student.layers=2: not trained, as p95 would be" in said.stdout
    assert said.stdout.count("TAKE") == 1 and f"tmkd serve {student} " in said.stdout
    there, timed = names_of_all(tmp_path), len(by_size)

    again = tmkd(tmp_path, *arguments, "--output", "json", within=ONE_LAYER)
    found = json.loads(again.stdout)
    assert again.exit_code == 0 and "Plan of" not in again.stderr
    assert names_of_all(tmp_path) == there and len(by_size) == timed, "it was trained or timed again"
    assert {each["model"] for each in found["candidates"]} == set(found["train"]["students"]) == {student}
    assert [each["settings"] for each in found["train"]["left_out"]] == ["student.layers=2"]
    assert {each["threads"] for each in found["candidates"]} == {1, 2}, "runtime.threads=1 is of the training alone"


def names_of_all(store: Path) -> set[str]:
    return {path.name for path in store.glob("[!.]*")}
