"""One peer a process: torchrun starts them, gloo joins them, and they meet at refreshes and validations alone.

In each process the Trainer trains its own peer as if there were no other. All meet at the same steps, save their
checkpoints at the same steps, and go on together from the newest one that all of them have.
"""

from __future__ import annotations

import datetime
import functools
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tmkd.models.classifier import PairClassifier
from tmkd.training.callbacks import WHOLE
from tmkd.training.peers import Exchange

DAYS = datetime.timedelta(days=30)  # another run may be making what they wait for


@dataclass(frozen=True)
class Ranks:
    """This process among those that torchrun started; ``rank`` counts from 0."""

    rank: int
    count: int

    def tell(self, what: Any = None) -> Any:
        """Return what the first process says; the others' argument is not looked at."""
        import torch.distributed as dist

        said = [what]
        dist.broadcast_object_list(said, src=0)
        return said[0]

    def gather(self, what: Any) -> list[Any]:
        """Return what each process says, in order."""
        import torch.distributed as dist

        said: list[Any] = [None] * self.count
        dist.all_gather_object(said, what)
        return said

    def refresh(self, own: PairClassifier, exchange: Exchange) -> None:
        """Bring the copies, which are of the other processes' peers in order, up to these."""
        import torch.distributed as dist

        copies = iter(exchange.copies)
        for source in range(self.count):
            model = own if source == self.rank else next(copies)
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, src=source)

    def keep_common(self, scratch: Path) -> None:
        """Remove the checkpoints that not every process has: a kill met some before they had written theirs."""
        found = {path.name for path in scratch.glob("checkpoint-*") if (path / WHOLE).exists()}
        common = set.intersection(*self.gather(found))
        for name in found - common:
            shutil.rmtree(scratch / name)


@functools.cache
def joined() -> Ranks | None:
    """Join the processes that torchrun started; None where there is this one alone.

    To be called before anything is trained: afterwards nothing in the environment tells the Trainer of the other
    processes, which it would take for data parallelism.
    """
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        return None
    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=DAYS)
    ranks = Ranks(dist.get_rank(), count)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        os.environ.pop(name, None)
    return ranks


class Meet(TrainerCallback):
    """Every so many steps: refresh, and agree whether to save a checkpoint at the end of this step.

    Args:
        seconds: training time that a kill may cost, by the first process's clock.
    """

    def __init__(self, ranks: Ranks, refresh: Callable[[], None], every: int, seconds: float) -> None:
        self.ranks = ranks
        self.refresh = refresh
        self.every = every
        self.seconds = seconds
        self.saved = time.monotonic()
        self.due = False

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step % self.every == 0:
            self.refresh()
            self.due = self.ranks.tell(time.monotonic() - self.saved >= self.seconds)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        per_epoch = max(1, state.max_steps // int(args.num_train_epochs))
        if self.due and state.global_step % per_epoch:  # as CheckpointByTheClock: never before a validation
            control.should_save = True
            self.due, self.saved = False, time.monotonic()
