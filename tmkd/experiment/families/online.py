"""Students that are trained together, as peers (``tmkd.results.peers``): what that is called, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tmkd.config import ArmConfig, Config, OnlineConfig
from tmkd.distributed import init
from tmkd.errors import ConfigError
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.families.family import Family, RowMembers
from tmkd.results.classifier import Classifier
from tmkd.results.peers import Online, Peers, TrainedPeer
from tmkd.results.student import Student

NAMES = {"mutual": "deep mutual learning", "codistillation": "codistillation", "together": "students together"}
FIRST = ": peer 1"


class OnlineFamily(Family):
    """Students that are trained together."""

    setting = "method.online.kind"
    usual = "none"

    def asked(self, config: Config) -> bool:
        return config.method.online.kind != "none"

    def members(self, experiment: Experiment) -> list[Experiment]:
        return [experiment.varied({"student": changes}) for changes in _changes(experiment.config.method.online)]

    def check_arm(self, experiment: Experiment, name: str, arm: ArmConfig) -> None:
        method = experiment.config.method
        kind, where = method.online.kind, f"method.arms.{name}"
        if arm.targets == "students" or arm.generations > 1:
            raise ConfigError(
                f"{where}: expected one student a peer where method.online.kind is {kind}, got targets {arm.targets} "
                f"and {arm.generations} generations; list the students in method.online.peers instead."
            )
        alpha = method.alpha if arm.alpha is None else arm.alpha
        if kind != "together" and arm.targets != "none" and alpha == 1 and method.mix == "heads":
            raise ConfigError(
                f"{where}: expected α below 1 where method.online.kind is {kind}: peers learn from each other's gold "
                "heads, which predict nothing at α = 1."
            )
        if (count := experiment.config.stage2.average_seeds) > 1:
            raise ConfigError(
                f"stage2.average_seeds, for the arm {name}: expected 1 where method.online.kind is {kind}, since peers "
                f"are trained together, got {count}."
            )
        self.members(experiment)  # checks each peer's settings
        if method.online.processes:
            init(apart=True)  # before the Trainer sees that there are several processes

    def facts(self, config: Config) -> dict[str, Any]:
        online = config.method.online
        return {"online": Online(online).identity() | {"peers": _changes(online)}}

    def named(self, alone: str, taught: bool, config: Config) -> str:
        return online_name(alone if taught else None, config.method.online)

    def suffix(self, config: Config) -> str:
        return FIRST

    def students(
        self, experiment: Experiment, arm: str, seed: int, alone: Callable[[Experiment], Student]
    ) -> list[TrainedPeer]:
        """Return the students of one seed, in the order of the peers."""
        each = tuple(alone(member) for member in self.members(experiment))
        together = Peers(Online(experiment.config.method.online), seed, each, arm)
        return [TrainedPeer(together, number, student) for number, student in enumerate(each, start=1)]

    def rows(self, arm: str, config: Config, made: Sequence[Sequence[Classifier]]) -> RowMembers:
        """Return the arm's own row, the first peer's, which is fixed beforehand; then those of peers of another
        architecture, and that of the ensemble of all that learnt from each other."""
        online = config.method.online
        built = [student.timed_as for student in made[0]]
        rows: RowMembers = {arm: [[seed[0]] for seed in made]}
        for place in range(1, len(built)):
            if built[place] not in built[:place]:
                rows[peer_name(arm, online, place + 1)] = [[seed[place]] for seed in made]
        ensemble = arm.replace(FIRST, ": ensemble of the peers")
        return rows if online.kind == "together" else {**rows, ensemble: [list(seed) for seed in made]}


def online_name(alone: str | None, online: OnlineConfig) -> str:
    """Return the name of an arm whose students are trained together, without the peer.

    ``alone`` is what it is called without that; None where nobody but the gold labels would teach.
    """
    changes = _changes(online)
    peers = (
        f"{len(changes)} peers" if not any(changes) else " | ".join(_described(each) or "student" for each in changes)
    )
    parts = [peers]
    usual = OnlineConfig()
    for name, sign in (("weight", "weight"), ("temperature", "T"), ("burn_in", "burn-in"), ("refresh", "refresh")):
        if name in Online(online).identity() and getattr(online, name) != getattr(usual, name):
            parts.append(f"{sign} = {getattr(online, name):g}")
    if online.direction != usual.direction:
        parts.append(online.direction)
    if online.processes:
        parts.append("a process each")
    return " + ".join(filter(None, [alone, f"{NAMES[online.kind]} ({'; '.join(parts)})"]))


def peer_name(arm: str, online: OnlineConfig, number: int) -> str:
    """Return the name of a peer's row, from the arm's, which is the first peer's; peers are numbered from 1."""
    described = _described(_changes(online)[number - 1])
    return arm.replace(FIRST, f": peer {number}" + (f" ({described})" if described else ""))


def _changes(online: OnlineConfig) -> list[dict[str, Any]]:
    return [{} for _ in range(online.peers)] if isinstance(online.peers, int) else list(online.peers)


def _described(changes: dict[str, Any]) -> str:
    """Return what a peer sets, in one line."""
    parts = []
    for name, value in changes.items():
        value = "all" if name == "layers" and value is None else value
        parts.append(_described(value) if isinstance(value, dict) else f"{name} = {value}")
    return ", ".join(filter(None, parts))
