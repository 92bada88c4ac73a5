"""``tmkd ls``, ``show``, ``gc`` and ``report``: what is listed, what it came from, and what may go."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from filelock import FileLock
from typer.testing import CliRunner

from tmkd.cli import app
from tmkd.cli.answers import ARTIFACTS, REPORTS
from tmkd.config.run import PathsConfig
from tmkd.store.catalogue import entries


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    """A copy of the small store, to be changed."""
    shutil.copytree(small_store, tmp_path / "home")
    return tmp_path / "home"


def tmkd(home: Path, name: str, *arguments: str) -> Result:
    folders = [] if name == "report" else ["--artifacts", str(home / "artifacts")]
    folders += [] if name in ("ls", "show") else ["--reports", str(home / "reports")]
    return CliRunner().invoke(app, [name, *arguments, *folders])


class _Listed:
    """What ``os.scandir`` returns, of a folder as it was."""

    def __init__(self, found: list[os.DirEntry]) -> None:
        self._found = iter(found)

    def __enter__(self) -> "_Listed":
        return self

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[os.DirEntry]:
        return self._found

    def __next__(self) -> os.DirEntry:
        return next(self._found)


def names(home: Path) -> dict[str, str]:
    return {entry.artifact.manifest["what"]: entry.artifact.name for entry in entries(home / "artifacts")[0]}


def test_folders_are_those_of_the_settings_by_default():
    paths = PathsConfig()
    assert (str(ARTIFACTS), str(REPORTS)) == (paths.artifacts, paths.reports)


def test_list_has_the_kind_the_metric_and_the_size_of_each_result(small_store):
    rows = json.loads(tmkd(small_store, "ls", "--kind", "stage2", "--sort", "metric", "--output", "json").stdout)
    assert [(row["what"], row["metric"], row["value"]) for row in rows] == [
        ("alone", "map", 0.6), ("TMKD, seed 2", "map", 0.7), ("TMKD, seed 1", "map", 0.8),
    ]  # fmt: skip
    folder = small_store / "artifacts" / rows[0]["name"]
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    assert rows[0]["size"] == sum(files)
    said = tmkd(small_store, "ls").stdout
    assert "map 0.800" in said and "task words" in said and "7 results" in said


def test_damaged_result_is_named_and_the_list_ends_with_1(store):
    (store / "artifacts" / names(store)["alone"] / "model" / "heads.safetensors").write_bytes(b"short")
    found = tmkd(store, "ls")
    assert found.exit_code == 1 and "has 5 bytes" in found.stderr and "TMKD, seed 1" in found.stdout
    assert tmkd(store, "show", names(store)["TMKD, seed 1"]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ls", "--kind", "stage9"], "--kind: expected one of task"),
        (["show", "0000"], "'0000': expected the name or the key"),
        (["show", "stage2"], "3 artifacts begin so"),
        (["gc", "--older-than", "soon"], "--older-than: expected a number"),
        (["report", "nothing"], "expected a finished comparison but there is none; there are only: default"),
    ],
)
def test_mistake_is_one_sentence(small_store, arguments, sentence):
    found = tmkd(small_store, *arguments)
    assert found.exit_code == 2
    assert found.stderr.startswith("tmkd: ") and sentence in found.stderr and found.stderr.count("\n") == 1


def test_folder_that_is_no_store_is_named(tmp_path):
    found = tmkd(tmp_path, "ls")
    assert found.exit_code == 2 and "expected a folder of results" in found.stderr


def test_lineage_leads_back_to_the_teachers_and_the_data(small_store):
    name = names(small_store)["TMKD, seed 1"]
    shown = json.loads(tmkd(small_store, "show", name[:-4], "--output", "json").stdout)
    task, teacher = shown["lineage"]["sources"]
    assert (task["what"], task["sources"]) == ("task words", [])
    assert teacher["what"] == "teacher 1" and [each["what"] for each in teacher["sources"]] == ["task words"]
    said = tmkd(small_store, "show", name).stdout
    assert "└── teacher-" in said and "heads.safetensors" in said and "map: 0.8" in said


def test_nothing_is_deleted_where_nobody_can_answer(store):
    before = names(store)
    found = tmkd(store, "gc")
    assert found.exit_code == 2 and "Nothing was deleted" in found.stderr and before["alone"] in found.stdout
    assert names(store) == before


def test_what_a_comparison_leads_to_stays_and_the_rest_goes(store):
    before = names(store)
    for path in (".building/stage1-0123456789ab/scratch/step", ".deleting/stage1-0123456789ac/part"):
        (store / "artifacts" / path).parent.mkdir(parents=True)
        (store / "artifacts" / path).write_bytes(bytes(10))
    looked = tmkd(store, "gc", "--dry-run", "--output", "json")
    assert looked.exit_code == 0 and names(store) == before
    found = tmkd(store, "gc", "--yes", "--output", "json")
    assert found.exit_code == 0
    gone = {Path(path).name for path in json.loads(found.stdout)["deleted"]}
    assert gone >= {before["alone"], "stage1-0123456789ab", "stage1-0123456789ac", f"{before['task words']}.lock"}
    assert set(before) - set(names(store)) == {"alone"}  # tokens of a task that stays do so too
    assert not list((store / "artifacts" / ".building").iterdir())
    assert not list((store / "artifacts" / ".locks").iterdir())


def test_what_a_report_or_keep_names_stays(store):
    before = names(store)
    shutil.rmtree(store / "artifacts" / before["comparison"])
    assert tmkd(store, "gc", "--yes", "--keep", before["alone"]).exit_code == 0
    assert set(before) - set(names(store)) == {"comparison"}
    shutil.rmtree(store / "reports")
    assert tmkd(store, "gc", "--yes").exit_code == 0
    assert names(store) == {}


def test_damaged_comparison_still_leads_to_its_students(store):
    before = names(store)
    shutil.rmtree(store / "reports")
    manifest = store / "artifacts" / before["comparison"] / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"files": {}', '"files": {"comparison.md": {"size": 1}}'))
    assert tmkd(store, "gc", "--yes").exit_code == 0
    assert set(before) - set(names(store)) == {"alone", "comparison"} and manifest.exists()


def test_young_results_stay(store):
    before = names(store)
    assert tmkd(store, "gc", "--yes", "--older-than", "1h").exit_code == 0
    assert names(store) == before
    old = time.time() - 7200
    os.utime(store / "artifacts" / before["alone"] / "manifest.json", (old, old))
    assert tmkd(store, "gc", "--yes", "--older-than", "1h").exit_code == 0
    assert set(before) - set(names(store)) == {"alone"}


def test_nothing_is_deleted_while_a_run_makes_something(store):
    before = names(store)
    with FileLock(store / "artifacts" / ".locks" / f"{before['alone']}.lock"):
        found = tmkd(store, "gc", "--yes")
    assert found.exit_code == 2 and f"A run is making {before['alone']}" in found.stderr
    assert names(store) == before


def test_report_prints_the_table_again_and_where_its_page_is(small_store):
    found = tmkd(small_store, "report", "default")
    assert found.exit_code == 0
    assert "TMKD" in found.stdout and "teacher ensemble" in found.stdout
    assert found.stdout.strip().endswith("index.html")
    assert json.loads(tmkd(small_store, "report", "--output", "json").stdout)["experiment"] == "default"


def test_broken_report_is_named(store):
    (store / "reports/default/comparison.json").write_text("{")
    found = tmkd(store, "report")
    assert found.exit_code == 2 and "expected the JSON of a comparison but it is broken" in found.stderr


def test_result_that_was_moved_elsewhere_and_linked_loses_its_link_alone(store, tmp_path):
    folder = store / "artifacts" / names(store)["alone"]
    moved = folder.rename(tmp_path / folder.name)
    folder.symlink_to(moved)
    assert tmkd(store, "gc", "--yes").exit_code == 0
    assert not folder.is_symlink() and (moved / "manifest.json").exists()


def test_what_a_run_deletes_meanwhile_does_not_end_the_list(store, monkeypatch):
    checkpoint = store / "artifacts" / ".building" / "stage1-0123456789ab" / "scratch" / "checkpoint-1"
    checkpoint.mkdir(parents=True)
    (checkpoint / "whole").touch()

    def seen(path: Path | int, real=os.scandir):
        with real(path) as entries:
            found = list(entries)
        if str(path) == str(checkpoint.parent):
            shutil.rmtree(checkpoint)
        return _Listed(found)

    monkeypatch.setattr(os, "scandir", seen)
    found = tmkd(store, "gc", "--dry-run")
    assert found.exit_code == 0 and "unfinished" in found.stdout
