"""Where the results of a run are kept, and what computes them: the store, the runtime and the processes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.collector import loading
from tmkd.config import RuntimeConfig, settings
from tmkd.distributed import Processes
from tmkd.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from tqdm import tqdm

    from tmkd.training.runtime import Runtime


class RunContext:
    """What results are made with; nothing here is part of any identity.

    Args:
        artifacts: the store's folder.
        how: the settings ``runtime``.
        processes: those that make each result together; None: this one alone, or each has a peer of its own to train.
        project, runs: the run's name and the folder of its logs, for what trainings are watched with.

    Attributes:
        before_making: checks that are due once something is to be computed.
        lengths: for a number of tokens the settings that it comes from, for warnings of pairs that are cut.
    """

    def __init__(
        self,
        artifacts: str | Path,
        how: RuntimeConfig,
        processes: Processes | None = None,
        project: str = "tmkd",
        runs: str | Path = "runs",
    ) -> None:
        self.how = how
        self.processes = processes
        self.project = project
        self.runs = Path(runs)
        self.store = ArtifactStore(artifacts, self.machine)
        self.before_making: list[Callable[[], None]] = []
        self._told: set[Hashable] = set()
        self.lengths: dict[int, list[str]] = {}

    @functools.cached_property
    def runtime(self) -> Runtime:
        with loading():  # torch comes with it
            from tmkd.training.runtime import resolve_runtime

        tracking = None
        if names := tuple(self.how.report_to):
            from tmkd.training.tracking import Tracking  # it loads the models of transformers, which few commands need

            tracking = Tracking(names, self.project, self.runs)
        return resolve_runtime(**settings(self.how), processes=self.processes, tracking=tracking)

    def machine(self) -> dict[str, Any]:
        """Return what this process computes on, as manifests record it."""
        return self.runtime.machine()

    @property
    def is_main_process(self) -> bool:
        """Whether this process writes what all make together."""
        return self.processes is None or self.processes.is_main_process

    def once(self, *what: Hashable) -> bool:
        """Return whether the log is to say something now: once a run, in the main process alone."""
        if what in self._told or not self.is_main_process:
            return False
        self._told.add(what)
        return True

    def bar(self, total: int, what: str, **shown: Any) -> tqdm:
        """Return a bar of pairs, which the main process alone shows; ``shown`` goes to tqdm."""
        from tqdm import tqdm

        style = {"unit": "pair", "dynamic_ncols": True, "mininterval": 1, "disable": not self.is_main_process}
        return tqdm(total=total, desc=what, **style, **shown)

    def check_due(self, missing: Callable[[], bool]) -> None:
        """Where a result is still to be computed, do the checks in ``before_making``; each is done once."""
        while self.before_making and missing():
            self.before_making[0]()
            self.before_making.pop(0)
