"""What happens between steps: checkpoints by the clock, the best weights kept, early stopping, a bar with time left."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tmkd.distributed import Processes
from tmkd.store.disk import written_whole

LOOK_EVERY = 5  # steps
WHOLE = "whole"  # a checkpoint without this file was cut off while it was written


class CheckpointByTheClock(TrainerCallback):
    """Ask for a checkpoint at an interval in seconds: what a kill may cost is time, not steps.

    Several processes go by the first one's clock, and look at it every few steps.
    """

    def __init__(self, seconds: float, processes: Processes | None = None) -> None:
        self.seconds = seconds
        self.processes = processes
        self.saved = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        per_epoch = max(1, state.max_steps // int(args.num_train_epochs))
        # Not at an epoch's last step: its validation comes after, and a run resumed from there would skip it.
        look = self.processes is None or state.global_step % LOOK_EVERY == 0
        if state.global_step % per_epoch and look and self._due():
            control.should_save = control.should_log = True  # a run that goes on knows no step's loss from before

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        control.should_log = True  # so that each entry of the log is of one epoch
        # The validation comes first. Without this, epochs of one step would never leave a checkpoint.
        if state.global_step < state.max_steps and self._due():
            control.should_save = True

    def _due(self) -> bool:
        due = time.monotonic() - self.saved >= self.seconds
        return due if self.processes is None else self.processes.broadcast_object(due)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.processes is not None:
            self.processes.gather()
        if state.is_world_process_zero:
            (Path(str(args.output_dir)) / f"checkpoint-{state.global_step}" / WHOLE).touch()
        self.saved = time.monotonic()


def last_whole_checkpoint(folder: Path) -> str | None:
    """Return the newest checkpoint that was written to its end; remove those that were not."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    whole = [path for path in found if (path / WHOLE).exists()]
    for path in set(found) - set(whole):
        shutil.rmtree(path)
    return str(whole[-1]) if whole else None


def loss_of_epochs(history: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the mean loss of the steps of each epoch.

    Args:
        history: the entries of ``TrainerState.log_history``: each is the mean of the steps since the one before, and
            none is of two epochs.
    """
    sums: dict[int, float] = {}
    steps: dict[int, int] = {}
    last = 0
    for entry in history:
        if "loss" in entry:
            epoch = math.ceil(entry["epoch"] - 1e-6)
            sums[epoch] = sums.get(epoch, 0.0) + entry["loss"] * (entry["step"] - last)
            steps[epoch] = steps.get(epoch, 0) + entry["step"] - last
            last = entry["step"]
    return [sums[epoch] / steps[epoch] for epoch in sums]


class KeepBest(TrainerCallback):
    """Keep the weights of the best epoch, and stop after ``patience`` epochs without a better one (0: never).

    It holds no state of its own: the history of evaluations travels with the checkpoint.
    """

    def __init__(self, model: torch.nn.Module, folder: Path, metric: str, patience: int) -> None:
        self.model = model
        self.folder = folder
        self.metric = f"eval_{metric}"
        self.patience = patience

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        values = self.values(state)
        best = values.index(max(values))
        if best == len(values) - 1 and state.is_world_process_zero:
            # A file an epoch: a run that goes on from before a kill must never find the weights of after it.
            with written_whole(self._path(best)) as path:
                save_model(self.model, str(path))
        if self.patience and len(values) - 1 - best >= self.patience:
            control.should_training_stop = True
            control.should_save = False  # whoever went on from there would learn an epoch more

    def values(self, state: TrainerState) -> list[float]:
        """Return the metric after each epoch so far."""
        return [entry[self.metric] for entry in state.log_history if self.metric in entry]

    def restore(self, state: TrainerState) -> int:
        """Load the best epoch's weights; return its index."""
        values = self.values(state)
        best = values.index(max(values))
        load_model(self.model, str(self._path(best)))
        return best

    def _path(self, epoch: int) -> Path:
        return self.folder / f"best-{epoch}.safetensors"


class Progress(TrainerCallback):
    """One bar for the whole training, with the loss, the last validation metric and the time left."""

    def __init__(self, what: str, metric: str) -> None:
        self.what = what
        self.metric = metric
        self.bar: tqdm | None = None
        self.shown: dict[str, str] = {}

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.bar = tqdm(
            disable=not state.is_world_process_zero,
            total=state.max_steps,
            initial=state.global_step,
            desc=self.what,
            unit="step",
            dynamic_ncols=True,
            mininterval=1,
        )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        logs = kwargs.get("logs") or {}
        for name in ("loss", f"eval_{self.metric}"):
            if name in logs:
                self.shown[name.removeprefix("eval_")] = f"{logs[name]:.3f}"
        if self.bar is not None:
            self.bar.set_postfix(self.shown, refresh=False)

    def close(self) -> None:
        """End the bar's line, however the training ended: an error must not be written behind it."""
        if self.bar is not None:
            self.bar.close()
