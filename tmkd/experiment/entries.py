"""The rows of a comparison: each arm's, each teacher's, and the teacher ensemble's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tmkd.choices import FINE_TUNED
from tmkd.config import TeacherConfig, kind_settings
from tmkd.errors import ConfigError
from tmkd.experiment.arms import Arm
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.families import asked
from tmkd.experiment.names import ENSEMBLE, teacher_row, with_count
from tmkd.experiment.students import arm_rows, students
from tmkd.results.classifier import Classifier
from tmkd.results.comparison import Entry
from tmkd.results.exits import DEEPEST


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


def teacher_entries(experiment: Experiment, best: Callable[[Experiment, Sequence[Classifier]], int]) -> list[Entry]:
    """Return a row for each teacher, and one for the ensemble of them all (for each number of teachers compared).

    A teacher that has no score of the test split (of a file, maybe) has no row, and is not in the ensemble's.

    ``best`` is as for ``resolve_arms``: the row of the best teacher on the validation split says so.
    """
    config = experiment.config
    counts = config.comparison.teacher_counts or [config.teachers.size]
    teachers = experiment.teachers(max(counts))
    chosen_by_validation = best(experiment, teachers)
    entries = []
    answering = [_answers(experiment, teacher) for teacher in teachers]
    for index, (teacher, chosen) in enumerate(zip(teachers, config.teachers.roster)):
        if not answering[index]:
            continue
        facts = {**_facts(config.teachers.settled(chosen)), "best_on_validation": index == chosen_by_validation}
        entries.append(Entry(teacher_row(index + 1), [], facts, [chosen.seed], [[teacher]]))
    for count in counts:
        name = with_count(ENSEMBLE, count, len(counts) > 1)
        members = [teacher for teacher, answers in zip(teachers[:count], answering) if answers]
        if members:
            facts = {"count": count} | ({} if len(members) == count else {"members": len(members)})
            seeds = [config.teachers.roster[0].seed]
            entries.append(Entry(name, [ENSEMBLE], facts, seeds, [members], is_ensemble=True))
    return entries


def _answers(experiment: Experiment, teacher: Classifier) -> bool:
    """Return whether a teacher has predicted the test split, or will."""
    made = teacher.find(experiment.context)
    return made is None or "test" in made.details.get("predicted", ["test"])


def _facts(teacher: TeacherConfig) -> dict[str, Any]:
    """Return what the report says of a teacher: its settings."""
    return ({} if teacher.kind == FINE_TUNED else {"kind": teacher.kind}) | kind_settings(teacher)


def table_names(arms: Sequence[Arm], teachers: Sequence[Entry]) -> dict[str, str]:
    """Return the comparison's name of each arm, of the best teacher and of the ensemble, by what a table calls them."""
    names = {arm.key: arm.name for arm in arms}
    for entry in teachers:
        if entry.is_ensemble:
            names["ensemble"] = entry.arm
        elif entry.settings["best_on_validation"]:
            names["teacher"] = entry.arm
    return names
