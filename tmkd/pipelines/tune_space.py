"""Before the first trial of `tmkd tune`: its arm is one row, and no end of its space is refused."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

from tmkd.config import Choice, Interval, check, with_settings
from tmkd.errors import ConfigError, ModelError
from tmkd.experiment.arms import resolve_arms
from tmkd.experiment.check import check_arms
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import arm_rows, students

MOST = 64  # combinations of ends that are looked at; of more, so many at random


def check_space(experiment: Experiment, space: Mapping[str, Interval | Choice]) -> None:
    """Look at combinations of the ends of all settings.

    Raises:
        ConfigError: several arms, rows or processes; settings that are refused; a setting that changes no student.
    """
    if experiment.context.processes:
        raise ConfigError("tmkd tune: expected one process, got several; start it without torchrun.")
    arms, counts = list(experiment.config.method.arms), experiment.config.comparison.teacher_counts
    if len(arms) != 1 or len(counts) > 1:
        several = f"the numbers of teachers {counts}" if len(counts) > 1 else ", ".join(arms)
        raise ConfigError(f"tmkd tune: expected one arm, such as method=tmkd, got {several}.")
    corners = list(_corners(space))
    known: dict[str, frozenset[str]] = {}

    def trained(corner: dict[str, Any]) -> frozenset[str]:
        named = json.dumps(corner, sort_keys=True)
        if named not in known:
            known[named] = _trained(experiment, corner)
        return known[named]

    for corner in corners:
        trained(corner)
    for name, values in space.items():
        changes = (len({trained({**corner, name: end}) for end in values.ends}) > 1 for corner in corners)
        if not any(changes):
            raise ConfigError(
                f"tune.space, {name}: expected a setting that changes the students of {arms[0]}, but they are the same "
                "whatever it is; the arm may set it itself, or another setting leaves it unused."
            )


def _corners(space: Mapping[str, Interval | Choice]) -> Iterator[dict[str, Any]]:
    ends = [values.ends for values in space.values()]
    if math.prod(map(len, ends)) <= MOST:
        yield from (dict(zip(space, each)) for each in itertools.product(*ends))
        return
    draw = random.Random(0)
    for _ in range(MOST):
        yield {name: draw.choice(values) for name, values in zip(space, ends)}


def _trained(experiment: Experiment, corner: dict[str, Any]) -> frozenset[str]:
    """Return the students that settings lead to, by their names in the store; nothing is trained."""
    try:
        own = Experiment(check(with_settings(experiment.config, corner)), of=experiment)
        check_arms(own)
        [arm] = resolve_arms(own, Experiment.best_so_far)
    except (ConfigError, ModelError) as error:
        told = ", ".join(f"{name}={value}" for name, value in corner.items())
        raise ConfigError(f"tune.space: expected settings that may go together, but with {told}: {error}") from None
    made = [students(arm, seed) for seed in own.config.student.seeds]
    rows = arm_rows(arm, made)
    if len(rows) != 1:
        raise ConfigError(f"tmkd tune: expected an arm that is one row of the comparison, got {', '.join(rows)}.")
    return frozenset(each.name for members in made for each in members)
