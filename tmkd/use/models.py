"""The models among which one is chosen, and the task by whose validation split they are judged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tmkd.errors import ConfigError
from tmkd.export.answers import task_folder
from tmkd.export.exported import own_length, targets
from tmkd.store.artifacts import MODEL, Artifact, checksum, open_artifact
from tmkd.store.catalogue import entries, find, locate
from tmkd.store.disk import files_in, reading_from
from tmkd.use.candidate import Model, speed_of

CARD = "README.md"  # of an export: no score depends on it
STUDENT, TASK = "stage2", "task"


def find_models(
    named: Sequence[str], root: Path, task: str | None, learnt: Artifact | None = None
) -> tuple[Artifact, list[Model]]:
    """Return the task and the models.

    Args:
        named: folders, or names or keys of artifacts under ``root``; empty: all students of stage 2 of the task.
        task: the task's name or key; None: that of the models, else the only one that there is.
        learnt: the task of students that are to be trained, which ``task`` may not differ from.

    Raises:
        ConfigError: there is no such model, or they are of several tasks.
        ModelError: a folder is no model.
        DamagedArtifact: it is not whole.
    """
    folders = {name: locate(name, root) for name in named}
    trained = {name: open_artifact(folder) for name, folder in folders.items() if (folder / MODEL).is_dir()}
    chosen = learnt or find_task(task, root, list(trained.values()), students=not named)
    if task is not None and find(root, task).key != chosen.key:
        raise ConfigError(
            f"--task: expected the task that students are trained for, {chosen.name}, or none, got {task}."
        )
    if not named:
        trained = {each.name: each for each in _students(root) if task_of(each) == chosen.key}
        folders = {name: each.path for name, each in trained.items()}
    for name, each in trained.items():
        if task_of(each) != chosen.key:
            raise ConfigError(
                f"{name}: expected a model of the task {chosen.name}, got one of task-{task_of(each)}; choose among "
                "models of one task, which are judged by one validation split."
            )
    return chosen, [
        model_of(name, trained[name]) if name in trained else _of_export(folder) for name, folder in folders.items()
    ]


def find_task(named: str | None, root: Path, trained: Sequence[Artifact], students: bool) -> Artifact:
    """Return the task that is named, or that of trained models, or the only one of the store.

    Args:
        students: only tasks that a student of the store has learnt.
    """
    if named is not None:
        task = find(root, named)
        if task.manifest["stage"] != TASK:
            raise ConfigError(f"--task: expected a task, got {task.name}; `tmkd ls --kind task` lists them.")
        return task
    if trained:
        folder = task_folder(trained[0])
        if not folder.is_dir():
            raise ConfigError(
                f"{trained[0].name}: expected its task ({folder.name}) beside it, by whose validation split it is "
                "judged, but there is none; choose where it was trained."
            )
        return open_artifact(folder)
    found = [entry.artifact for entry in entries(root, TASK)[0]]
    if students:
        learnt = {task_of(each) for each in _students(root)}
        found = [each for each in found if each.key in learnt]
    if len(found) != 1:
        there = ", ".join(f"{each.name} ({each.manifest['what']})" for each in found) or "none"
        raise ConfigError(f"--task: expected the task to judge by, as {root} has {there}; name it, or train a student.")
    return found[0]


def task_of(artifact: Artifact) -> str:
    """Return the key of the task that a model has learnt."""
    return str(artifact.manifest["spec"].get("task"))


def _students(root: Path) -> list[Artifact]:
    return [entry.artifact for entry in entries(root, STUDENT)[0]]


def model_of(name: str, artifact: Artifact) -> Model:
    """Return a student or teacher as a model that can be chosen; ``name`` is what commands call it."""
    facts: dict[str, Any] = json.loads(artifact.file(f"{MODEL}/classifier.json").read_text())
    # Where the architecture is known, students that share it are timed once, whatever they have learnt.
    architecture = artifact.manifest["spec"].get("student")
    timed_as = speed_of(architecture) if architecture else artifact.key
    exits, metric = tuple(facts.get("exits", ())), artifact.manifest["spec"].get("metric")
    return Model(name, artifact.path, artifact.key, timed_as, facts["max_length"], exits, metric=metric)


def _of_export(folder: Path) -> Model:
    with reading_from(folder):
        files = {name: checksum(path) for name, path in files_in(folder).items() if path.name != CARD}
    return Model(str(folder), folder, files, files, own_length(folder), (), tuple(targets(folder).items()))
