"""The peers of an arm: whose students are trained together, what that is called, and what cannot be."""

from __future__ import annotations

from typing import Any

from tmkd.config import ArmConfig, OnlineConfig
from tmkd.distributed import init
from tmkd.errors import ConfigError
from tmkd.experiment.experiment import Experiment
from tmkd.results.peers import Online

NAMES = {"mutual": "deep mutual learning", "codistillation": "codistillation", "together": "students together"}
FIRST = ": peer 1"


def members(experiment: Experiment) -> list[Experiment]:
    """Return the experiment of each student that an arm trains together, in order; its own where there is one."""
    if experiment.config.method.online.kind == "none":
        return [experiment]
    return [experiment.varied({"student": changes}) for changes in _changes(experiment.config.method.online)]


def online_facts(online: OnlineConfig) -> dict[str, Any]:
    """What a row's settings say of it; nothing where students are trained alone."""
    return {} if online.kind == "none" else {"online": Online(online).identity() | {"peers": _changes(online)}}


def online_name(alone: str | None, online: OnlineConfig) -> str:
    """Return the name of an arm whose students are trained together.

    Args:
        alone: what the arm is called without that; None where nobody but the gold labels would teach.
    """
    changes = _changes(online)
    peers = f"{len(changes)} peers" if not any(changes) else " | ".join(_told(each) or "student" for each in changes)
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


def check_peers(experiment: Experiment, name: str, arm: ArmConfig) -> None:
    """Raise ConfigError for an arm whose students cannot be trained together."""
    method = experiment.config.method
    kind, where = method.online.kind, f"method.arms.{name}"
    if kind == "none":
        return
    if arm.targets == "students" or arm.generations > 1:
        raise ConfigError(
            f"{where}: expected one student a peer where method.online.kind is {kind}, got targets {arm.targets} and "
            f"{arm.generations} generations; list the students in method.online.peers instead."
        )
    alpha = method.alpha if arm.alpha is None else arm.alpha
    if kind != "together" and arm.targets != "none" and alpha == 1 and method.mix == "heads":
        raise ConfigError(
            f"{where}: expected α below 1 where method.online.kind is {kind}: peers learn from each other's gold "
            "heads, which predict nothing at α = 1."
        )
    members(experiment)  # checks each peer's settings
    if method.online.processes:
        init(apart=True)  # before the Trainer sees that there are several processes


def _changes(online: OnlineConfig) -> list[dict[str, Any]]:
    return [{} for _ in range(online.peers)] if isinstance(online.peers, int) else list(online.peers)


def _told(changes: dict[str, Any]) -> str:
    """Return what a peer sets, in one line."""
    parts = []
    for name, value in changes.items():
        value = "all" if name == "layers" and value is None else value
        parts.append(_told(value) if isinstance(value, dict) else f"{name} = {value}")
    return ", ".join(filter(None, parts))


def peer_name(arm: str, online: OnlineConfig, number: int) -> str:
    """Return the name of a peer's row, from the arm's, which is the first peer's; peers are numbered from 1."""
    told = _told(_changes(online)[number - 1])
    return arm.replace(FIRST, f": peer {number}" + (f" ({told})" if told else ""))


def ensemble_name(arm: str) -> str:
    """Return the name of the row of all peers' mean."""
    return arm.replace(FIRST, ": ensemble of the peers")
