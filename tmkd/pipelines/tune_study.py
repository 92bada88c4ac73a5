"""A search of settings as a study of Optuna, in SQLite: killed and resumed, it tries what it would have tried anyway.

Whoever works on a trial holds a lock, which the kernel frees when the process ends, however it ends. So a trial without
a holder is known at once, and tried again by the next process that asks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from tmkd.config import Choice, Interval
from tmkd.errors import ConfigError, DataError
from tmkd.report.tuning import Tried

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

VALUES, WHY, OWN = "values", "why", "own"  # what is noted of a trial: per seed, why it is left out, the run's own
WAIT = 60  # seconds for another process that writes


def import_optuna() -> Any:
    """Return the package; ConfigError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            "tmkd tune: expected the package optuna but it is not installed; run: pip install -c constraints.txt "
            '-e ".[tune]"'
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@contextmanager
def _opening(file: Path) -> Iterator[None]:
    """Turn what SQLite may answer into a sentence."""
    from sqlalchemy.exc import DBAPIError  # comes with Optuna

    try:
        yield
    except DBAPIError as error:
        raise DataError(
            f"{file}: expected the database of a search that can be read and written, got '{error.orig}'; make room on "
            "its disk, or remove the file if it is damaged: students that were trained are found again."
        ) from None


class Search:
    """The trials of one search.

    Args:
        folder: of ``study.db``, in which several searches may be.
        name: of this one.
        seed: of the sampler, TPE (Bergstra et al. 2011).
    """

    def __init__(self, folder: Path, name: str, space: Mapping[str, Interval | Choice], seed: int) -> None:
        self.optuna = import_optuna()
        self.folder, self.name, self.space, self.seed = folder, name, space, seed
        self.lock = FileLock(folder / ".study.lock")
        file = folder / "study.db"
        with self.lock, _opening(file):
            storage = self.optuna.storages.RDBStorage(
                f"sqlite:///{file.absolute()}", engine_kwargs={"connect_args": {"timeout": WAIT}}
            )
            self.study = self.optuna.create_study(
                study_name=name, storage=storage, direction="maximize", load_if_exists=True
            )
        self.distributions: dict[str, BaseDistribution] = {key: self._distribution(each) for key, each in space.items()}

    def begin(self, own: Mapping[str, Any], values: list[float]) -> None:
        """Put the run's own settings first, where they lie within the space: the sampler learns from them, too."""
        with self.lock:
            if not self.study.trials and all(self.space[name].holds(value) for name, value in own.items()):
                self.study.add_trial(
                    self.optuna.create_trial(
                        params=dict(own),
                        distributions=self.distributions,
                        value=fmean(values),
                        user_attrs={OWN: True, VALUES: values},
                    )
                )

    def ask(self, wanted: int) -> Attempt | None:
        """Return what to try next; None where ``wanted`` trials are done or under way."""
        with self.lock:
            self._retry_dead()
            before = len(self._counted())
            if before >= wanted:
                return None
            # from the number of trials, so that a process that goes on draws what the killed one would have drawn
            seed = (self.seed * 1_000_003 + before) % 2**32
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", self.optuna.exceptions.ExperimentalWarning)
                self.study.sampler = self.optuna.samplers.TPESampler(seed=seed)
            trial = self.study.ask(self.distributions)
            return Attempt(self, trial, before + 1, self._hold(trial.number))

    def tried(self, own: Mapping[str, Any], values: list[float]) -> list[Tried]:
        """Return all trials that are done, the run's own settings first if they are given."""
        found = [Tried(0, dict(own), values)] if values else []
        for place, trial in enumerate(self._counted(), start=1):
            settings = {name: self.space[name].plain(value) for name, value in trial.params.items()}
            if trial.state.is_finished():
                known = trial.user_attrs
                found.append(Tried(place, settings, known.get(VALUES, []), known.get(WHY, "")))
        return found

    def numbered(self) -> Any:
        """Return a study in memory whose numbers are places of trials; 0 is the run's own, if it is known."""
        study, create = self.optuna.create_study(direction="maximize"), self.optuna.create_trial
        missing = create(state=self.optuna.trial.TrialState.FAIL)
        own = [each for each in self.study.trials if OWN in each.user_attrs]
        for trial in (*(own or [missing]), *self._counted()):
            study.add_trial(trial if trial.state.is_finished() else missing)
        return study

    def _counted(self) -> list[FrozenTrial]:
        """Return the trials that are done or under way: without those of killed processes, and the run's own."""
        State = self.optuna.trial.TrialState  # noqa: N806
        counted = (State.COMPLETE, State.PRUNED, State.RUNNING)
        return [each for each in self.study.get_trials(states=counted) if OWN not in each.user_attrs]

    def _retry_dead(self) -> None:
        State = self.optuna.trial.TrialState  # noqa: N806
        for trial in self.study.get_trials(states=(State.RUNNING,)):
            try:
                held = self._hold(trial.number)
            except Timeout:
                continue
            self.study.tell(trial.number, state=State.FAIL)
            if trial.params.keys() == self.space.keys():
                self.study.enqueue_trial(trial.params)
            self.release(trial.number, held)

    def _hold(self, number: int) -> FileLock:
        held = FileLock(self._path(number), timeout=0)
        held.acquire()
        return held

    def release(self, number: int, held: Any) -> None:
        """Free the lock of a trial that is done with."""
        held.release()
        self._path(number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self.folder / f".{self.name}-{number}.lock"

    def _distribution(self, values: Interval | Choice) -> BaseDistribution:
        known = self.optuna.distributions
        if isinstance(values, Choice):
            return known.CategoricalDistribution(values.values)  # type: ignore[no-any-return]
        kind = known.IntDistribution if values.whole else known.FloatDistribution
        return kind(values.low, values.high, log=values.log)  # type: ignore[no-any-return]


class Attempt:
    """A trial under way, which this process holds.

    Attributes:
        params: what the sampler chose, by setting.
        place: which of the trials it is, from 1.
    """

    def __init__(self, search: Search, trial: Trial, place: int, held: FileLock) -> None:
        self.search, self.trial, self.place, self.held = search, trial, place, held
        self.params = trial.params

    def tell(self, values: list[float]) -> None:
        """Note what came out, a value a seed."""
        self._end({VALUES: values}, fmean(values))

    def refuse(self, why: str) -> None:
        """Note that nothing came out; the sampler takes the settings for the worst."""
        self._end({WHY: why}, None)

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, *_: Any) -> None:
        self.held.release()  # without an end: the next process that asks tries it again

    def _end(self, noted: dict[str, Any], value: float | None) -> None:
        state = self.search.optuna.trial.TrialState
        with self.search.lock:
            for name, each in noted.items():
                self.trial.set_user_attr(name, each)
            self.search.study.tell(self.trial, value, state=state.COMPLETE if value is not None else state.PRUNED)
            self.search.release(self.trial.number, self.held)
