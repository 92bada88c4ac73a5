"""What a search of settings has found: a table, Optuna's figures and the best settings as a command."""

from __future__ import annotations

import csv
import logging
import math
import shlex
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from tmkd.measures import title
from tmkd.store.disk import written_whole

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tried:
    """Settings that were tried.

    Attributes:
        place: from 1; 0 are the run's own settings.
        values: the metric on the validation split, one a seed; empty where nothing came out.
        why: nothing came out.
    """

    place: int
    settings: Mapping[str, Any]
    values: Sequence[float]
    why: str = ""

    @property
    def mean(self) -> float:
        """The mean over the seeds; −inf where nothing came out."""
        return fmean(self.values) if self.values else -math.inf

    @property
    def std(self) -> float | None:
        """The standard deviation over the seeds; None for one seed."""
        return stdev(self.values) if len(self.values) > 1 else None


def best_of(tried: Sequence[Tried]) -> Tried:
    """Return the settings with the highest mean; of equal ones the first."""
    return max(tried, key=lambda each: each.mean)


def write_trials(tried: Sequence[Tried], path: Path, metric: str, names: Sequence[str]) -> None:
    """Write a row a trial: its number, the mean and standard deviation over seeds, its settings, why there is none."""
    best = best_of(tried)
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["trial", f"{metric} (validation)", "std", *names, "best", "left out"])
        for each in tried:
            numbers = [f"{each.mean:.4f}" if each.values else "", "" if each.std is None else f"{each.std:.4f}"]
            settings = [written(each.settings[name]) for name in names]
            writer.writerow([each.place, *numbers, *settings, "yes" if each is best else "", each.why])


def summary(tried: Sequence[Tried], metric: str, command: str | None) -> str:
    """Say what the best settings have gained on the validation split, and give them as a command.

    Args:
        tried: the run's own settings first.
        command: that of the search.
    """
    own, best = tried[0], best_of(tried)
    name, count = title(metric), len(tried) - 1
    if best is own:
        return (
            f"None of {count} settings tried is better on the validation split than the run's own, "
            f"with {name} {shown(own)}.\n"
        )
    return (
        f"On the validation split the best of {count} settings tried has {name} {shown(best)}, the run's own have "
        f"{shown(own)}: a gain of {best.mean - own.mean:.4f}. They were chosen by that split, and the best of many is "
        "the luckiest, too: expect less elsewhere. The test split was not looked at; this does so, once:\n"
        f"{next_command(best.settings, command)}\n"
    )


def shown(tried: Tried) -> str:
    """Return a mean over seeds with its standard deviation, if it has one."""
    return f"{tried.mean:.4f}" + (f" ± {tried.std:.4f}" if tried.std is not None else "")


def next_command(settings: Mapping[str, Any], command: str | None) -> str:
    """Return the command of stage 3 with other settings; what the search alone reads is left out of its own."""
    words = shlex.split(command)[2:] if command else []
    kept = [each for each in words if each != "sweep=optuna" and not each.lstrip("+").startswith("tune.")]
    kept = [each for each in kept if each.lstrip("+").partition("=")[0] not in settings]
    return shlex.join(["tmkd", "stage3", *kept, *(f"{name}={written(value)}" for name, value in settings.items())])


def written(value: Any) -> str:
    """Return a value as it is written in a command."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def write_figures(study: Any, folder: Path, name: str) -> None:
    """Draw the course of an Optuna study, how much each setting matters, and the metric over each of them.

    What cannot be known from few trials is left out.

    Args:
        name: what the metric is called.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import MaxNLocator
    from optuna.visualization import matplotlib as figures

    if not any(each.value is not None for each in study.trials):
        return
    drawn: dict[str, Callable[..., Any]] = {
        "history": figures.plot_optimization_history,
        "importances": figures.plot_param_importances,
        "slices": figures.plot_slice,
    }
    for file, draw in drawn.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the interface may change
                axes = draw(study, target_name=f"{name} on validation")
        except (ValueError, RuntimeError) as error:
            log.info("tune      no %s.png: %s", file, error)
            continue
        figure = (axes.flat[0] if hasattr(axes, "flat") else axes).figure
        if file == "history":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        with written_whole(folder / f"{file}.png") as temporary:
            figure.savefig(temporary, dpi=150, bbox_inches="tight")
        pyplot.close(figure)
