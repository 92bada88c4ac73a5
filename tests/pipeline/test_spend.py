"""A dear teacher is asked for a part of the corpus: which part, what is kept, and what the curve says."""

from __future__ import annotations

import csv
import json
import zlib
from collections import Counter
from pathlib import Path

import pytest

from tests.pipeline.running import compose_at
from tests.unit.served.server import Handler, Server, margin, serving, status
from tests.unit.test_ready import bert
from tmkd.config import Config
from tmkd.errors import BudgetSpent, ConfigError, DataError, ModelError
from tmkd.experiment.arms import resolve_arms
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import students
from tmkd.pipelines import pairs, plan, spend

SMALL = ("experiment=smoke", "data=unlabelled", "student.seeds=[1]", "runtime.threads=1", "runtime.precision=fp32")
SMALL = (*SMALL, "corpus.pairs=null", "label.right=top", "stage2.epochs=1", "student.layers=1")
Row = dict[str, object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the corpus read, and two files of scores for it."""
    home = tmp_path_factory.mktemp("spend")
    folder = pairs.run(compose_at(home, *SMALL, "method=tmkd", "teachers.roster=[{kind: scores, path: x}]"))
    rows = read(folder / "corpus.jsonl")
    for name in ("words", "chance"):
        with (home / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows:
                text = f"{row['question']} {row['passage']}"
                common = len(set(str(row["question"]).split()) & set(str(row["passage"]).split()))
                score = common if name == "words" else zlib.crc32(text.encode()) % 97
                file.write(json.dumps(row | {"score": score}) + "\n")
    return home


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def composed(home: Path, *overrides: str, dear: str) -> Config:
    cheap = ", ".join(f"{{kind: scores, path: '{home}/{name}.jsonl'}}" for name in ("words", "chance"))
    sizes = ("spend.held_out=24", "spend.pairs=12", "spend.rounds=2", "spend.stop=null")
    return compose_at(home, *SMALL, *sizes, f"teachers.roster=[{cheap}, {dear}]", *overrides)


def served(server: Server, more: str = "", name: str = "dear") -> str:
    return f"{{kind: served, url: '{server.url}', name: {name}, texts_a_request: 4, price_per_request: 0.5{more}}}"


def asked(folder: Path) -> dict[str, set[object]]:
    return {path.stem: {row["question_id"] for row in read(path)} for path in (folder.parent / "asked").glob("*.jsonl")}


def curve(folder: Path) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.thorough
def test_spending_that_was_stopped_goes_on_and_asks_for_no_pair_twice(
    made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving() as server:
        server.trouble = [lambda *_: False] * 7 + [status(401)]  # in the first round; what came before it is kept
        with pytest.raises(ModelError, match="401"):
            spend.run(composed(made, dear=served(server, ", concurrency: 1")))
        assert 24 <= len(server.scored) < 36
        folder = spend.run(composed(made, dear=served(server, ", budget_requests: 10")))
        assert any("the budget is spent" in each.getMessage() for each in caplog.records)
        assert [row["pairs"] for row in curve(folder)] == ["12"], "whole rounds alone count"
        folder = spend.run(composed(made, dear=served(server)))
        assert len(server.scored) == 24 + 2 * 12 and set(server.scored.values()) == {1}
        sent = len(server.requests)
        assert spend.run(composed(made, dear=served(server))) == folder
        assert len(server.requests) == sent, "or a finished run would pay again"
    rows = {split: read(folder / f"{split}.jsonl") for split in ("train", "validation", "test")}
    assert {split: len(found) for split, found in rows.items()} == {"train": 24, "validation": 12, "test": 12}
    parts = asked(folder)
    assert {row["question_id"] for split in ("validation", "test") for row in rows[split]} == parts.pop("held_out")
    assert {row["question_id"] for row in rows["train"]} == set.union(*parts.values()) and len(parts) == 2
    for row in (row for found in rows.values() for row in found):
        assert row["score"] == pytest.approx(margin(str(row["question"]), str(row["passage"])), rel=1e-5)
    best = Counter(row["question_id"] for row in rows["train"] if row["label"] == "right")
    assert set(best.values()) == {1} and len(best) == 6
    prices = [(row["asked"], row["requests"], row["money"]) for row in curve(folder)]
    assert prices == [("36", "9", "4.5000"), ("48", "12", "6.0000")]
    assert not trained_anew(made, folder)


def trained_anew(home: Path, folder: Path) -> bool:
    """Whether the command that is printed trains another student than that of the last round."""
    files = [f"data.{split}={folder}/{split}.jsonl" for split in ("train", "validation", "test")]
    roster = f"teachers.roster=[{{kind: scores, path: '{folder}/*.jsonl'}}]"
    experiment = Experiment(
        compose_at(home, *SMALL, "data=files", *files, roster, "teachers.calibration=none", "method=kd")
    )
    [arm] = resolve_arms(experiment, Experiment.best_so_far)
    [student] = students(arm, 1)
    return student.find(experiment.context) is None


@pytest.mark.thorough
def test_choice_decides_what_a_reranker_is_asked_for_and_seed_what_is_held_out(made: Path, tmp_path: Path) -> None:
    dear = f"{{kind: ready, name: '{bert(tmp_path / 'dear', num_labels=1)}', max_length: 32}}"

    def chosen(*overrides: str) -> dict[str, set[object]]:
        return asked(spend.run(composed(made, "spend.rounds=1", *overrides, dear=dear)))

    usual = chosen()
    assert chosen("name=again") == usual
    by_chance = chosen("spend.by=random")
    assert by_chance["held_out"] == usual["held_out"], "or the two could not be compared"
    assert by_chance["round_1"] != usual["round_1"]


def test_plan_says_what_asking_costs_and_asks_for_nothing(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as server:
        plan.run(composed(made, dear=served(server, name="planned")))
        assert not server.requests
    said = capsys.readouterr().out.replace("\n", " ").replace("  ", " ")
    assert "asks teacher 3 (served planned (tei)) for about 48 pairs: 12 requests at a price of about 6.0" in said


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("teachers.count=2",), "spend.by: expected two teachers or more beside the dear one .* got 1"),
        (("data=smoke",), "data.reader: expected none for `tmkd spend`, got files; set data=unlabelled"),
        (("spend.by=margin",), "spend.by: expected one of disagreement, random, got margin"),
        (("spend.teacher=4",), "spend.teacher: expected a number of a teacher of the roster, from 1 to 3, got 4"),
        (("spend.pairs=0",), "spend.pairs: expected more than 0, got 0"),
        (("student.init=teacher",), "student.init: expected encoder"),
    ],
)
def test_spending_that_makes_no_sense_is_one_sentence(made: Path, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        spend.run(composed(made, *overrides, dear=f"{{kind: scores, path: '{made}/chance.jsonl', queries: null}}"))


def test_corpus_without_a_pair_to_learn_from_is_refused(made: Path) -> None:
    with pytest.raises(DataError, match=r"more than 80 pairs, .* got 20 questions with 80 pairs"):
        spend.run(
            composed(
                made, "spend.held_out=80", "spend.by=random", dear=f"{{kind: scores, path: '{made}/chance.jsonl'}}"
            )
        )


def test_held_out_pairs_of_one_class_are_found_before_a_round_is_paid_for(made: Path) -> None:
    def never(handler: Handler, body: dict[str, list[str]]) -> bool:
        handler.reply([{"index": at, "score": -1.0 - at} for at in range(len(body["texts"]))])
        return True

    with serving() as server:
        server.always = never
        with pytest.raises(
            DataError, match=r"validation\.jsonl: expected pairs of both classes, got 12 wrong, 0 right"
        ):
            spend.run(composed(made, "label.right=positive", dear=served(server, name="never")))
        assert len(server.requests) == 6


def test_budget_that_ends_before_the_first_round_ends_the_run(made: Path) -> None:
    with serving() as server:
        poor = served(server, ", budget_requests: 7", name="poor")
        with pytest.raises(BudgetSpent, match="raise budget_requests"):
            spend.run(composed(made, dear=poor))
