"""What the headline is measured on: the models of a finished comparison, one student a row, and the test split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tmkd.errors import ConfigError
from tmkd.experiment.names import ENSEMBLE
from tmkd.store.artifacts import MODEL, Artifact, open_artifact
from tmkd.use.chosen import folders_of, read_comparison, validation_of

FP32, BF16, ONNX, INT8 = "float32", "bf16", "onnx", "onnx-int8"
TRAINED = (FP32, BF16)
WEIGHTS = (".safetensors", ".onnx", ".onnx.data")


@dataclass(frozen=True)
class Contender:
    """A model, or several whose probabilities are averaged, in one form.

    Attributes:
        row: of the comparison.
        folders: of the models, trained or exported.
        parameters: of all of them together.
        validation: the best that the student had there; None of the ensemble.
    """

    row: str
    form: str
    folders: list[str]
    parameters: int
    validation: float | None

    @property
    def name(self) -> str:
        return f"{self.row}, {self.form}"

    @property
    def bytes(self) -> int:
        """The size of the files of weights: in float32 also where products are computed in bf16."""
        roots = [model if (model := Path(folder) / MODEL).is_dir() else Path(folder) for folder in self.folders]
        files = [file for root in roots for file in root.rglob("*") if file.name.endswith(WEIGHTS)]
        return sum(file.stat().st_size for file in files)


def contenders(report: Path, artifacts: Path, rows: Sequence[str], forms: Sequence[str], into: Path) -> list[Contender]:
    """Return the ensemble, the best teacher and of each row the best student on validation, in every form.

    Teachers stay as they were trained. Exports are written beneath ``into``, or found there.

    Raises:
        ConfigError: no such row; or its models are no longer in the store, or are several; or a teacher has no model.
    """
    found = {row["arm"]: row for row in read_comparison(report)["rows"]}
    folders = {name: folders_of(row, artifacts) for name, row in found.items()}
    taught = found[ENSEMBLE]["artifacts"] if ENSEMBLE in found else []
    if not taught or len(folders[ENSEMBLE]) < len(taught):  # of fewer members it would be another ensemble
        there = ", ".join(folder.name for folder in folders.get(ENSEMBLE, [])) or "none"
        raise ConfigError(
            f"{report}: expected the models of all {len(taught)} teachers in {artifacts}, got {there}; name the folder "
            "with --artifacts."
        )
    teachers = [open_artifact(folder) for folder in folders[ENSEMBLE]]
    best = max(teachers, key=lambda each: validation_of(each.path))
    made = []
    for name, members in ((ENSEMBLE, teachers), (str(best.manifest["what"]), [best])):
        made += [_as_trained(name, members, form) for form in forms if form in TRAINED]
    for name in rows:
        if not folders.get(name) or found[name]["settings"].get("targets") == "students":
            there = "; ".join(each for each in found if folders[each] and each != ENSEMBLE)
            raise ConfigError(f"{report}: expected a row of students in {artifacts}, got {name!r}; there are: {there}.")
        student = open_artifact(max(folders[name], key=validation_of))
        for form in forms:
            contender = _as_trained(name, [student], form)
            made.append(contender if form in TRAINED else replace(contender, folders=[_exported(student, form, into)]))
    return made


def _as_trained(row: str, models: Sequence[Artifact], form: str) -> Contender:
    count = sum(model.details["parameters"] for model in models)
    known = validation_of(models[0].path) if len(models) == 1 else None
    return Contender(row, form, [str(model.path) for model in models], count, known)


def _exported(model: Artifact, form: str, into: Path) -> str:
    from tmkd.export.run import export_model

    folder = into / "exports" / f"{model.name}-{form}"
    if not folder.exists():  # it appears when it is whole
        export_model(model.path, form, folder, verify=False, latency=False)
    return str(folder)


def write_pairs(task: Artifact, pairs: int, folder: Path) -> None:
    """Write ``test.jsonl``, all pairs of the test split, and ``timed.jsonl``, some drawn from it."""
    import numpy as np
    from datasets import Dataset, load_from_disk

    rows = Dataset.with_format(load_from_disk(str(task.folder("test"))), None)
    test = list(zip(rows["question"], rows["passage"]))
    drawn = np.random.default_rng(1).choice(len(test), min(pairs, len(test)), replace=False)
    _write(folder / "test.jsonl", test)
    _write(folder / "timed.jsonl", [test[place] for place in drawn])


def read_pairs(file: Path) -> list[tuple[str, str]]:
    return [(question, passage) for question, passage in map(json.loads, file.read_text(encoding="utf-8").splitlines())]


def _write(file: Path, rows: Sequence[Any]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
