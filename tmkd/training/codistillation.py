"""One peer a process: torchrun starts them, gloo joins them, and they meet at refreshes and validations alone.

In each process the Trainer trains its own peer as if there were no other. All meet at the same steps, save their
checkpoints at the same steps, and go on together from the newest one that all of them have.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tmkd.distributed import Processes
from tmkd.models.classifier import PairClassifier
from tmkd.training.callbacks import WHOLE
from tmkd.training.peers import Exchange


def refresh(processes: Processes, own: PairClassifier, exchange: Exchange) -> None:
    """Bring the copies, which are of the other processes' peers in order, up to these."""
    import torch.distributed as dist

    copies = iter(exchange.copies)
    for source in range(processes.count):
        model = own if source == processes.rank else next(copies)
        # not its state dict: on a GPU that has copies of a Bi-LSTM's weights
        for tensor in (*model.parameters(), *model.buffers()):
            dist.broadcast(tensor.detach(), src=source)


def keep_common(processes: Processes, scratch: Path) -> None:
    """Remove the checkpoints that not every process has: a kill met some before they had written theirs."""
    found = {path.name for path in scratch.glob("checkpoint-*") if (path / WHOLE).exists()}
    common = set.intersection(*processes.gather(found))
    for name in found - common:
        shutil.rmtree(scratch / name)


class Meet(TrainerCallback):
    """Every few steps (``refresh`` of them): refresh, and agree whether to save a checkpoint at the end of this step.

    Args:
        seconds: training time that a kill may cost, by the first process's clock.
    """

    def __init__(self, processes: Processes, refresh: Callable[[], None], every: int, seconds: float) -> None:
        self.processes = processes
        self.refresh = refresh
        self.every = every
        self.seconds = seconds
        self.saved = time.monotonic()
        self.due = False

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step % self.every == 0:
            self.refresh()
            self.due = self.processes.broadcast_object(time.monotonic() - self.saved >= self.seconds)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        per_epoch = max(1, state.max_steps // int(args.num_train_epochs))
        if state.global_step % per_epoch:  # as CheckpointByTheClock: never before a validation
            self._save_if_due(control)

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step < state.max_steps:
            self._save_if_due(control)

    def _save_if_due(self, control: TrainerControl) -> None:
        if self.due:
            control.should_save = control.should_log = True  # as CheckpointByTheClock
            self.due, self.saved = False, time.monotonic()
