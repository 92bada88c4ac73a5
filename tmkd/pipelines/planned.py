"""The results that a run asks for, found by walking its pipelines while nothing is trained.

The pipelines are given a store that reads task, corpus and tokens for real, since all else depends on their sizes (and
says what task and corpus share), and only writes down what else it is asked for: what is not there yet is stood in for
by an empty result under its true key. So there is one list of what a run needs, the pipelines themselves.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmkd.config import Config, check, vary
from tmkd.errors import TmkdError
from tmkd.pipelines.arms import arms
from tmkd.pipelines.context import CORPUS, RunContext
from tmkd.pipelines.scoring import soft_labels
from tmkd.pipelines.speed import speed
from tmkd.pipelines.stage3 import student_entries, teacher_entries
from tmkd.store.artifacts import Artifact, ArtifactStore
from tmkd.store.identity import key

READ = ("task", "corpus", "overlap", "tokens", "encoder")  # made for real
LEARNS_FROM = {"teacher": "train", "stage1": CORPUS, "stage2": "train"}  # the split


class NotMadeYet(TmkdError):
    """A plan would need what is in a result that is not there yet."""


class Missing(Artifact):
    """Stands in for a result that is not there yet: it has its key, its spec, and nothing else."""

    def file(self, name: str) -> Path:
        raise NotMadeYet(f"what follows from {self.manifest['what']} can be planned once that is there")

    def folder(self, name: str = "") -> Path:
        return self.file(name)


@dataclass(frozen=True)
class Item:
    """A result that the run asks for; ``context`` are those that it is made from."""

    stage: str
    artifact: Artifact
    context: RunContext

    @property
    def missing(self) -> bool:
        return isinstance(self.artifact, Missing)

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.artifact.manifest["spec"]
        return spec


class PlanningStore(ArtifactStore):
    """Writes down in ``items``, by name, what it is asked for, instead of making it."""

    def __init__(self, root: str | Path, items: dict[str, Item], context: RunContext) -> None:
        super().__init__(root, lambda: context.machine())
        self.items = items
        self.context = context

    def build(
        self, stage: str, spec: Mapping[str, Any], make: Callable[[Path], Mapping[str, Any]], what: str
    ) -> Artifact:
        if stage in READ:
            return super().build(stage, spec, make, what)
        name = f"{stage}-{key(stage, spec)}"
        if name not in self.items:
            found = self.find(stage, spec) or _missing(self.root / name, stage, spec, what)
            self.items[name] = Item(stage, found, self.context)
        return self.items[name].artifact


def _missing(path: Path, stage: str, spec: Mapping[str, Any], what: str) -> Missing:
    # Worse than any teacher that is there: of those that are, the best is known; among equals it is the first.
    details = {"validation": defaultdict(lambda: -math.inf), "pairs_per_second": math.nan}
    return Missing(path, {"key": key(stage, spec), "stage": stage, "what": what, "spec": spec, "details": details})


class PlannedContext(RunContext):
    """RunContext whose store, and that of all that are varied from them, writes down what it is asked for."""

    def __init__(self, config: Config, items: dict[str, Item] | None = None) -> None:
        super().__init__(config)
        self.items: dict[str, Item] = {} if items is None else items
        self.store = PlanningStore(config.paths.artifacts, self.items, self)

    def varied(self, changes: dict[str, Any]) -> RunContext:
        told = json.dumps(changes, sort_keys=True)
        if changes and told not in self._varied:
            self._varied[told] = PlannedContext(check(vary(self.config, changes)), self.items)
        return super().varied(changes)


def walk(context: PlannedContext) -> list[str]:
    """Ask for all that the stages ask for, so that it is in ``context.items``; return what the plan could not tell.

    What a stage asks for only while it computes is asked for here: soft labels, and measurements of speed.
    """
    settled = arms(context)
    notes = []
    for arm in settled:  # as stage 1 does, before it trains
        if any(objective.pretrain for objective in arm.objectives) and arm.context.config.stage1.kind == "soft":
            for teacher in arm.trained:
                soft_labels(arm.context, teacher, CORPUS)
    entries = []
    for arm in settled:
        try:
            entries += student_entries([arm])
        except NotMadeYet as error:
            notes.append(f"Of {arm.name}, {error}.")
    for entry in [*entries, *teacher_entries(context)]:
        for member in entry.members[0]:
            speed(context, member, entry.predictor)
    unsized = False
    by_key = {item.artifact.key: item.artifact for item in context.items.values()}
    for item in list(context.items.values()):  # a training reads the soft labels of those that it learns from
        if item.missing and item.stage in LEARNS_FROM and item.spec.get("objective") != "terms":
            for teacher_key in item.spec.get("teachers", []):
                soft_labels(item.context, by_key[teacher_key], LEARNS_FROM[item.stage])
        if item.missing and item.spec.get("terms") and item.context.config.runtime.store_states:
            unsized = True
    if any(item.missing for item in context.items.values() if item.stage == "teacher"):
        notes.append(
            "Which teacher is the best on validation is not known yet: where it matters, the plan takes the best of "
            "those that are there, or teacher 1; the time hardly depends on it."
        )
    if unsized:
        notes.append("Teachers' states that are stored (runtime.store_states) are not in what the disk needs.")
    return notes
