"""The processes that ``torchrun`` or ``accelerate launch`` started, and how they make one result together.

Every process runs the same stage. What one of them can make (a task, tokens, a table) the first to come makes, and the
others wait for its lock as any other run would. What takes all of them (a training, a teacher's soft labels) the first
process begins and publishes, and calls the others to. A process that dies ends the run; the same command goes on.
"""

from __future__ import annotations

import datetime
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Made = TypeVar("Made")
DAYS = datetime.timedelta(days=30)  # another run may be making what they wait for
STARTED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")  # what the launcher sets


@dataclass(frozen=True)
class Processes:
    """This process among those that were started together: ``rank`` of ``count``, ``local`` on its machine, from 0."""

    rank: int
    count: int
    local: int

    @property
    def is_main_process(self) -> bool:
        """Whether this is the one that writes what all have made."""
        return self.rank == 0

    def broadcast_object(self, what: Any = None) -> Any:
        """Return the first process's object; the others' argument is not looked at."""
        import torch.distributed as dist

        objects = [what]
        dist.broadcast_object_list(objects, src=0)
        return objects[0]

    def gather(self, what: Any = None) -> list[Any]:
        """Return each process's object, in order, when all of them have called it."""
        import torch.distributed as dist

        objects: list[Any] = [None] * self.count
        dist.all_gather_object(objects, what)
        return objects

    def build(
        self, build: Callable[[Callable[[Path], dict[str, Any]]], Made], make: Callable[[Path], dict[str, Any]]
    ) -> Made:
        """Return what all processes make together; the first one holds the lock, publishes, and calls the others.

        Args:
            build: ``ArtifactStore.build`` but for its ``make``.
            make: is called in every process with the one folder; it is published when all have finished.
        """

        def together(work: Path) -> dict[str, Any]:
            details = make(work)
            self.gather()
            return details

        if self.is_main_process:
            made = build(lambda work: together(Path(self.broadcast_object(str(work)))))
            self.broadcast_object(None)
            return made
        while (work := self.broadcast_object()) is not None:
            together(Path(work))
        return build(together)  # it is there


@functools.cache
def init(apart: bool = False) -> Processes | None:
    """Join the processes that were started together; None where there is this one alone.

    Args:
        apart: each process trains something of its own. The others are removed from the environment, or
            the Trainer would assume data parallelism; so this must come before anything is trained.
    """
    count = int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        return None
    import torch
    import torch.distributed as dist

    local = int(os.environ.get("LOCAL_RANK", 0))
    if local < torch.cuda.device_count():  # a machine with fewer GPUs: runtime.device says what is missing, or cpu
        torch.cuda.set_device(local)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=DAYS)
    processes = Processes(dist.get_rank(), count, local)
    if apart:
        for name in STARTED:
            os.environ.pop(name, None)
    return processes
