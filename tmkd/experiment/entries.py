"""The rows of a comparison: each arm's, each teacher's, and the teacher ensemble's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tmkd.config import settings
from tmkd.errors import ConfigError
from tmkd.experiment.arms import Arm
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.families import asked
from tmkd.experiment.names import ENSEMBLE, teacher_row, with_count
from tmkd.experiment.students import arm_rows, students
from tmkd.results.classifier import Classifier
from tmkd.results.comparison import Entry
from tmkd.results.exits import DEEPEST
from tmkd.results.teacher import Teacher


def student_entries(arms: Sequence[Arm]) -> list[Entry]:
    """Return a row for each arm; arms of one run share a row.

    Where students have exits, the rows of these stand below the arm's; where several are trained together, those of the
    others and of their ensemble.

    Raises:
        ConfigError: two arms of one name have other students.
    """
    entries: dict[str, Entry] = {}
    known: dict[str, tuple[Arm, list[Sequence[Classifier]]]] = {}
    for arm in arms:
        student = arm.experiment.config.student
        made = [students(arm, seed) for seed in student.seeds]
        first, same = known.setdefault(arm.name, (arm, made))
        if [[each.key for each in seed] for seed in made] != [[each.key for each in seed] for seed in same]:
            raise ConfigError(
                f"method.arms.{arm.key}: expected other students than those of method.arms.{first.key} to have another "
                f"name, got {arm.name} for both; compare one of the two in an experiment of its own."
            )
        below = [part for family in asked(arm.experiment.config) for part in family.predictors(arm.experiment.config)]
        for predictor in (DEEPEST, *below):
            called = arm.name + predictor.suffix
            if called not in entries:
                facts = {**arm.settings, "count": arm.count, **predictor.identity()}
                for shown, members in arm_rows(arm, made).items():
                    name = shown + predictor.suffix
                    entries[name] = Entry(name, [], facts, list(student.seeds), members, predictor)
            entries[called].series.append(arm.series + predictor.suffix)
    return list(entries.values())


def teacher_entries(experiment: Experiment, best: Callable[[Experiment, Sequence[Teacher]], int]) -> list[Entry]:
    """Return a row for each teacher, and one for the ensemble of them all (for each number of teachers compared).

    ``best`` is as for ``resolve_arms``: the row of the best teacher on the validation split says so.
    """
    config = experiment.config
    counts = config.comparison.teacher_counts or [config.teachers.count]
    teachers = experiment.teachers(max(counts))
    chosen_by_validation = best(experiment, teachers)
    entries = []
    for index, (teacher, chosen) in enumerate(zip(teachers, config.teachers.roster)):
        facts = {**settings(chosen), "best_on_validation": index == chosen_by_validation}
        entries.append(Entry(teacher_row(index + 1), [], facts, [chosen.seed], [[teacher]]))
    for count in counts:
        name = with_count(ENSEMBLE, count, len(counts) > 1)
        entries.append(Entry(name, [ENSEMBLE], {"count": count}, [config.teachers.roster[0].seed], [teachers[:count]]))
    return entries


def table_names(arms: Sequence[Arm], teachers: Sequence[Entry]) -> dict[str, str]:
    """Return the comparison's name of each arm, of the best teacher and of the ensemble, by what a table calls them."""
    best = next(entry.arm for entry in teachers if entry.settings.get("best_on_validation"))
    return {**{arm.key: arm.name for arm in arms}, "teacher": best, "ensemble": teachers[-1].arm}
