"""Where trainings are watched while they last: TensorBoard, Weights & Biases, MLflow or Trackio.

The callbacks of transformers do the work. They read most of their settings from environment variables, which are set
here while a model trains; one that the user has set counts instead, but for TensorBoard's folder, one a training.
"""

from __future__ import annotations

import importlib
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tmkd.store.disk import written_whole

RUN = "tracked_as"  # files in a training's scratch folder: what trackers know it by
MLFLOW_RUN = "mlflow_run"
# Else the next training in this process would be logged in the same run: by wandb always, by mlflow after an error.
FINISH = {"wandb": "finish", "mlflow": "end_run"}
LONGEST = 80  # characters of a training's name in that of its folder


@dataclass(frozen=True)
class Tracking:
    """The trackers of a run.

    Attributes:
        report_to: their names, as in ``TrainingArguments``.
        project: what the trainings of the run are gathered under.
        folder: of their logs.
    """

    report_to: tuple[str, ...]
    project: str
    folder: Path

    @contextmanager
    def of(self, what: str, scratch: Path) -> Iterator[None]:
        """Set the environment of the trackers while the training ``what`` lasts.

        A training that goes on from ``scratch`` goes on in the same run.
        """
        folder, run = self.folder.absolute(), _run_id(scratch)
        usual = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
            "MLFLOW_EXPERIMENT_NAME": self.project,
            "TRACKIO_DIR": str(folder / "trackio"),
        }
        with suppress(FileNotFoundError):
            usual["MLFLOW_RUN_ID"] = (scratch / MLFLOW_RUN).read_text(encoding="utf-8")
        name = re.sub(r"[^\w-]+", "-", what)[:LONGEST].strip("-")
        own = {"TENSORBOARD_LOGGING_DIR": str(folder / "tensorboard" / self.project / f"{name}-{run[:8]}")}
        folder.mkdir(parents=True, exist_ok=True)
        before = dict(os.environ)
        os.environ.update({name: value for name, value in usual.items() if name not in before} | own)
        try:
            if "wandb" in self.report_to:  # whose own callback reads the environment once a process
                project = before.get("WANDB_PROJECT", self.project)
                importlib.import_module("wandb").init(
                    project=project, name=what, id=run, resume="allow", dir=before.get("WANDB_DIR", str(folder))
                )
            yield
        finally:
            for tracker in FINISH.keys() & set(self.report_to):
                getattr(importlib.import_module(tracker), FINISH[tracker])()
            for variable in (*usual, *own):
                os.environ.pop(variable, None)
                if variable in before:
                    os.environ[variable] = before[variable]


def _run_id(scratch: Path) -> str:
    """Return what a training is known by for as long as its scratch folder is there."""
    path = scratch / RUN
    if not path.exists():
        with written_whole(path) as temporary:
            temporary.write_text(uuid.uuid4().hex, encoding="utf-8")
    return path.read_text(encoding="utf-8")


class NoteMlflowRun(TrainerCallback):
    """Keep the name that MLflow gives to a run, which it does not let us choose."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        run = importlib.import_module("mlflow").active_run()
        if run is not None:
            with written_whole(self.scratch / MLFLOW_RUN) as path:
                path.write_text(run.info.run_id, encoding="utf-8")
