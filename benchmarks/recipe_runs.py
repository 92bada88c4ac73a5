"""Runs of recipes: a process and a folder each, ``runs/<recipe>-<seed>/``, found again by the next command."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import timed
from benchmarks.recipe_clock import Clock
from benchmarks.recipe_list import RECIPES, TMKD
from benchmarks.recipe_material import Material


@dataclass(frozen=True)
class Done:
    """A run that is done: probabilities [pairs, 2] by split, and what it cost."""

    answers: dict[str, np.ndarray]
    costs: dict[str, Any]


def place_of(folder: Path, name: str, seed: int) -> Path:
    """Return the folder of a run."""
    return folder / "runs" / f"{name}-{seed}"


def read_run(folder: Path, name: str, seed: int) -> Done | None:
    """Return a run; None where it is not done."""
    place = place_of(folder, name, seed)
    if not (place / "done.json").exists():
        return None
    with np.load(place / "answers.npz") as stored:
        return Done(dict(stored), json.loads((place / "done.json").read_text()))


def run_once(folder: Path, name: str, seed: int, again: bool = False) -> None:
    """Train by a recipe with a seed, and write its answers and what it cost.

    Args:
        again: of tmkd: train in place of reading the store, to see what that costs.
    """
    place = place_of(folder, name, seed)
    work = place / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    recipe, clock = RECIPES[name], Clock()
    how = {"again": again} if recipe.package == TMKD else {}
    found = recipe.answer(Material.read(folder), seed, work, clock, **how)
    np.savez(place / "answers.npz", validation=found["validation"], test=found["test"])
    shutil.rmtree(work)
    _write_done(place, {"seed": seed, **clock.answer()})  # last: without it the run is done again


def run_all(folder: Path, names: Sequence[str], case: Mapping[str, Any]) -> None:
    """Do every run that is not done yet; SystemExit where one fails.

    Args:
        case: ``seeds``; ``times``, whether tmkd trains its first seed again; ``in_process``.
    """
    due = [(name, seed) for seed in case["seeds"] for name in names]
    for number, (name, seed) in enumerate(due, start=1):
        found = read_run(folder, name, seed) is not None
        print(f"{number} of {len(due)}: {RECIPES[name].title}, seed {seed}{', found' * found}", file=sys.stderr)
        if found:
            continue
        again = bool(case.get("times")) and seed == case["seeds"][0]
        if case.get("in_process") or (RECIPES[name].package == TMKD and not again):
            run_once(folder, name, seed, again)
            continue
        command = [sys.executable, "-m", "benchmarks.recipes", "--run", name, "--seeds", str(seed)]
        code, _, peak, _ = timed([*command, "--folder", str(folder), *["--times"] * again])
        if code:
            raise SystemExit(f"recipes: {name}, seed {seed}, ended with code {code}; the runs before it are kept.")
        place = place_of(folder, name, seed)
        _write_done(place, json.loads((place / "done.json").read_text()) | {"peak_bytes": peak})


def _write_done(place: Path, costs: Mapping[str, Any]) -> None:
    part = place / "done.json.part"
    part.write_text(json.dumps(costs))
    part.rename(place / "done.json")
