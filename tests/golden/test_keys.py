"""Results keep their keys, or everybody's trained models would be trained once more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.golden.cases import CASES
from tests.pipeline.running import compose_at
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines.plan import planned
from tmkd.results.corpus import Corpus, Overlap
from tmkd.results.node import Result
from tmkd.store.identity import key

KNOWN = json.loads(Path(__file__).with_name("keys.json").read_text(encoding="utf-8"))


def asked_for(experiment: Experiment) -> list[Result]:
    """All results of a run, with the data that they are made from."""
    results = planned(experiment)
    used = {each for result in results for each in result.needs() if isinstance(each, Corpus)}
    read = used | ({experiment.corpus} if experiment.needs_corpus else set())
    return [*results, *read, experiment.task, *(Overlap(experiment.task, corpus) for corpus in used)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all runs: data is read once."""
    return tmp_path_factory.mktemp("golden")


@pytest.mark.parametrize("case", CASES)
def test_results_of_earlier_versions_are_found_again(case: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmkd.results.speed.machine", lambda context: {"machine": "here"})
    found = {result.name: result.spec for result in asked_for(Experiment(compose_at(home, *CASES[case])))}
    known = {name: KNOWN["specs"][name] for name in KNOWN["cases"][case]}
    for name in known.keys() - found.keys():
        kind = name.partition("-")[0]
        others = [spec for other, spec in found.items() if other.startswith(kind) and other not in known]
        assert known[name] in others, f"a {kind} of another identity; raise its version if it is computed otherwise"
    assert json.loads(json.dumps(found)) == known


def test_known_names_are_the_keys_of_their_specs() -> None:
    assert {
        name: f"{(kind := name.rpartition('-')[0])}-{key(kind, spec)}" for name, spec in KNOWN["specs"].items()
    } == {name: name for name in KNOWN["specs"]}
    kinds = {name.rpartition("-")[0] for name in KNOWN["specs"]}
    assert kinds >= {
        "task",
        "corpus",
        "overlap",
        "teacher",
        "soft_labels",
        "stage1",
        "stage2",
        "peers",
        "language",
        "speed",
    }
