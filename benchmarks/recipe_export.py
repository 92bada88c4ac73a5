"""Writing what every recipe learns from, out of tmkd's store."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recipe_material import JUDGED, SPLITS, Material
from tmkd.config import Config, encoder_of
from tmkd.experiment.experiment import Experiment


def write_material(config: Config, settings: Sequence[str], folder: Path) -> Material:
    """Write the files unless they are there; teachers and soft labels that the store lacks are made first.

    Raises:
        SystemExit: the folder holds those of other settings, or the task is none of ranking by right and wrong.
    """
    from tmkd.pipelines.arms import build_arms

    experiment = Experiment(config)
    if not (experiment.task.ranking and len(experiment.task.classes) == 2):
        raise SystemExit("recipes: expected a task of passages that are right or wrong, to be ranked; choose another.")
    case = {"settings": list(settings), "made_from": _identity(experiment)}
    known = folder / "material.json"
    if known.exists():
        if (found := json.loads(known.read_text()))["made_from"] != case["made_from"]:
            raise SystemExit(
                f"recipes: {folder} holds what was made by {found['settings']}, not by {list(settings)}; name another "
                "folder with --folder."
            )
        _write_case(known, found | case)  # the arms may be others
        return Material.read(folder)
    build_arms(experiment)  # with every check of a stage; it trains teachers that are missing
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        _write_rows(experiment, split, folder)
    _write_ensemble(experiment, folder)
    _write_student(config, folder / "student")
    pairs = len(experiment.task.rows("train").read(experiment.context))
    _write_case(known, case | _training(experiment, pairs))  # last: without it all is written again
    return Material.read(folder)


def _write_case(path: Path, case: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(case, indent=1))
    part.rename(path)


def _identity(experiment: Experiment) -> str:
    """Return what runs of a folder share: the task, the teachers, the student, and how tmkd's arms train it."""
    config, corpus = experiment.config, [experiment.corpus.key] if experiment.needs_corpus else []
    own = [experiment.task.key, *corpus, *(teacher.key for teacher in experiment.teachers())]
    own += [repr(experiment.architecture().timed_as)]
    own += [repr(section) for section in (config.method, config.stage1, config.stage2, config.trainer)]
    return hashlib.sha256("\n".join(own).encode()).hexdigest()[:12]


def _write_rows(experiment: Experiment, split: str, folder: Path) -> None:
    from tmkd.results.soft_labels import SoftLabels
    from tmkd.store.soft_labels import read_soft_labels

    rows = experiment.task.rows(split)
    read = rows.read(experiment.context)
    columns = {name: list(read[name]) for name in ("question_id", "question", "passage", "label")}
    if split == "train":
        stores = [SoftLabels.of(each, rows).build(experiment.context).folder() for each in experiment.teachers()]
        columns["teachers"] = np.stack([read_soft_labels(one, read["id"]) for one in stores], axis=1).tolist()
    lines = [json.dumps(dict(zip(columns, values)), ensure_ascii=False) + "\n" for values in zip(*columns.values())]
    (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


def _write_ensemble(experiment: Experiment, folder: Path) -> None:
    from tmkd.results.exits import DEEPEST, probabilities

    made = [teacher.build(experiment.context) for teacher in experiment.teachers()]
    mean = {split: np.mean([probabilities(one, split, DEEPEST) for one in made], axis=0) for split in JUDGED}
    np.savez(folder / "ensemble.npz", **mean)


def _write_student(config: Config, folder: Path) -> None:
    """Write the bottom layers as a user would cut them, with the pooler that transformers' classifiers read."""
    from transformers import AutoModel, AutoTokenizer

    from tmkd.models.checkpoint import place_of
    from tmkd.models.encoder import load_encoder

    own, layers = encoder_of(config.student, config), config.student.layers
    if own.source == "tiny":
        tiny = load_encoder(source="tiny", layers=own.layers, width=own.width, seed=own.seed, keep=layers)
        model, tokenizer = tiny.model, tiny.tokenizer
    else:
        place, cut = place_of(own.source, own.name), {} if layers is None else {"num_hidden_layers": layers}
        model = AutoModel.from_pretrained(place, revision=own.revision or "main", **cut)
        tokenizer = AutoTokenizer.from_pretrained(place, revision=own.revision or "main")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _training(experiment: Experiment, pairs: int) -> dict[str, Any]:
    stage2, trainer = experiment.config.stage2, experiment.config.trainer
    return {
        "steps": math.ceil(pairs / stage2.batch_size) * stage2.epochs,
        "epochs": stage2.epochs,
        "batch_size": stage2.batch_size,
        "learning_rate": stage2.learning_rate,
        "warmup": trainer.warmup,
        "weight_decay": trainer.weight_decay,
        "max_grad_norm": trainer.max_grad_norm,
        "max_length": experiment.architecture().max_length,
        "bf16": experiment.context.runtime.bf16,
    }
