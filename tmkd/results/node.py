"""What all kinds of result have in common: identity, needs, building and cost, read off the fields of a dataclass.

A field counts: its value is part of the identity under the field's name, and a result among the fields is one that this
one needs. What differs says so where the field is declared: ``outside``, ``unless``, ``merged``, ``spelled_out``.
"""

from __future__ import annotations

import dataclasses
import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.config.marks import HOW
from tmkd.errors import DataError
from tmkd.store.artifacts import SCRATCH, Artifact
from tmkd.store.identity import key
from tmkd.store.provenance import note_machines

if TYPE_CHECKING:
    from tmkd.distributed import Processes
    from tmkd.results.context import RunContext
    from tmkd.results.work import Work


def outside(**default: Any) -> Any:
    """Declare a field that shapes no result: a name for the log, or where something is found that counts elsewhere."""
    return field(metadata={HOW: "outside"}, **default)


def unless(value: Any) -> Any:
    """Declare a field, ``value`` by default, that is left out of the identity where it is that."""
    return field(default=value, metadata={HOW: "unless"})


def merged(**default: Any) -> Any:
    """Declare a field whose own entries stand in the identity, beside those of the other fields."""
    return field(metadata={HOW: "merged"}, **default)


def spelled_out(**default: Any) -> Any:
    """Declare a field of results whose whole specs stand in the identity, not their keys."""
    return field(metadata={HOW: "spelled out"}, **default)


def identity(value: Any) -> Any:
    """Return what a value is known by, JSON-able: a result by its key, another dataclass by its fields."""
    if isinstance(value, Result):
        return value.key
    if hasattr(value, "identity"):
        return value.identity()
    if dataclasses.is_dataclass(value):
        return fields_identity(value)
    if isinstance(value, Mapping):
        return {name: identity(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [identity(each) for each in value]
    return value


def fields_identity(node: Any) -> dict[str, Any]:
    """Return the identity of a dataclass, field by field."""
    found: dict[str, Any] = {}
    for each in dataclasses.fields(node):
        how, value = each.metadata.get(HOW), getattr(node, each.name)
        if how == "outside" or (how == "unless" and value == each.default):
            continue
        if how == "merged":
            found |= value.spec if isinstance(value, Result) else identity(value)
        elif how == "spelled out":
            found[each.name] = [other.spec for other in value]
        else:
            found[each.name] = identity(value)
    return found


def check_unchanged(what: str, known: Any, now: Any) -> None:
    """Raise DataError where what a result is read from is another than it is known by: it would be found for that."""
    if now != known:
        raise DataError(
            f"{what}: expected files that stay as they are until a run has read them, but some have changed since it "
            "began; run the same command again."
        )


def results_in(value: Any) -> Iterator[Result]:
    """Yield the results among a value's fields and entries, at any depth but that of other results."""
    if isinstance(value, Result):
        yield value
    elif dataclasses.is_dataclass(value):
        yield from _among(value)
    elif isinstance(value, Mapping | list | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from results_in(each)


def _among(node: Any) -> Iterator[Result]:
    for each in dataclasses.fields(node):
        how, value = each.metadata.get(HOW), getattr(node, each.name)
        if how == "outside":
            continue
        spelled = how == "spelled out" or (how == "merged" and isinstance(value, Result))
        for result in results_in(value):
            if spelled:  # its spec stands in the identity; it is not made itself
                yield from result.needs()
            else:
                yield result


@dataclasses.dataclass(frozen=True, eq=False)
class Result(ABC):
    """A result of a run: known before it is made, by all that shapes it.

    Attributes:
        kind: the stage of its key and of its folder.
        alone: one process makes it, and others wait; otherwise all processes of a run make it together.
    """

    kind: ClassVar[str]
    alone: ClassVar[bool] = False

    @functools.cached_property
    def spec(self) -> dict[str, Any]:
        """The identity, spelled out; the manifest holds it."""
        return fields_identity(self)

    @functools.cached_property
    def key(self) -> str:
        return key(self.kind, self.spec)

    @property
    def name(self) -> str:
        """The name of its folder in the store."""
        return f"{self.kind}-{self.key}"

    @property
    @abstractmethod
    def what(self) -> str:
        """The result in a few words, for the log."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def needs(self) -> list[Result]:
        """Return the results that it is made from: those among its fields."""
        return list(dict.fromkeys(_among(self)))

    def reads(self, context: RunContext) -> list[Result]:
        """Return what else is read while it is made, and follows from its fields: soft labels of its teachers."""
        return []

    @abstractmethod
    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        """Fill the folder ``work`` (see ``ArtifactStore.build``); return the details for the manifest."""

    def cost(self, context: RunContext) -> list[Work]:
        """Return what making it takes; LookupError where that is not known."""
        raise LookupError(self.kind)

    def find(self, context: RunContext) -> Artifact | None:
        """Return the published result, or None (DamagedArtifact: see ``ArtifactStore.find``)."""
        return context.store.find(self.kind, self.spec)

    def together(self, context: RunContext) -> Processes | None:
        """Return the processes that make it together; None where this one does."""
        return None if self.alone else context.processes

    def computed_here(self, context: RunContext) -> bool:
        """Return whether it takes long, so that a killed run's machine is noted beside that of the run that ends it."""
        return not self.alone

    def build(self, context: RunContext) -> Artifact:
        """Return the published result; what is missing of it, and of all that it is made from, is made first."""
        processes = self.together(context)
        missing = self.find(context) is None
        # One answer, or some would wait for others: who needs what all make asks all, even if it is made by one.
        asked = next((who for each in (self, *self.needs()) if (who := each.together(context))), None)
        if asked.broadcast_object(missing) if asked else missing:
            for other in (*self.needs(), *self.reads(context)):
                other.build(context)
        if not self.alone:
            context.check_due(lambda: self.find(context) is None)
        make = functools.partial(self._make, context, processes)
        if processes is None:
            return context.store.build(self.kind, self.spec, make, self.what)
        return processes.build(lambda making: context.store.build(self.kind, self.spec, making, self.what), make)

    def _make(self, context: RunContext, processes: Processes | None, work: Path) -> dict[str, Any]:
        """Make it, and note which machines do."""
        check_unchanged(self.what, self.spec, fields_identity(self))  # an encoder's folder, hours after the run began
        if processes is not None:
            machines = processes.gather(context.machine())
            if processes.is_main_process:  # now, so that a run after a kill knows of this one
                note_machines(work / SCRATCH, machines)
            return self.make(context, work)
        if self.computed_here(context):
            note_machines(work / SCRATCH, [context.machine()])
        # The others wait for this one's lock: nobody could answer, and all that it asks for is there.
        others, context.processes = context.processes, None
        try:
            return self.make(context, work)
        finally:
            context.processes = others
