"""One student whose weights are the mean of several that differ in their seed (Wortsman et al. 2022).

All members start from the same weights, heads too, and learn the same; the order of the pairs and dropout are their
own. Each has its own best epoch. The mean is as fast and as large as one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from tmkd.results.architecture import DerivedStudent, StudentClassifier
from tmkd.results.context import RunContext
from tmkd.results.node import Result, merged
from tmkd.results.stage1 import Stage1Student
from tmkd.results.student import Student
from tmkd.results.trained import load_classifier, training_cost
from tmkd.results.work import Work

MEMBERS_APART = 100_003  # between the seeds of two members: more than the seeds of a run, and of an m-o-m's students
SEEDS = 2**32
Trained = TypeVar("Trained", Stage1Student, Student)


@dataclass(frozen=True, eq=False)
class AveragedStudent(DerivedStudent):
    """The mean of several students of stage 2.

    Attributes:
        members: the first is the student that there would be without a mean.
        student: that one, whose settings are those of the mean.
    """

    kind: ClassVar[str] = "stage2"
    alone: ClassVar[bool] = True

    members: tuple[StudentClassifier, ...]
    student: StudentClassifier = merged()

    @property
    def what(self) -> str:
        return f"{self.student.what}, mean of {len(self.members)} students"

    def reads(self, context: RunContext) -> list[Result]:
        return self.student.reads(context)

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        from tmkd.models.averaging import average_weights

        made = [member.build(context) for member in self.members]
        mean = average_weights(load_classifier(each, context) for each in made)
        validation = {each.name: each.details["validation"] for each in made}
        training = {"cost": training_cost(made)}
        return {"training": training, "members": validation, **self.student.write(context, mean, work)}

    def cost(self, context: RunContext) -> list[Work]:
        learnt, *predicted = self.student.cost(context)[:3]  # as ``learning`` has them
        # nothing is learnt, but its weights take as much of the disk
        return [replace(learnt, passes=0.0), *(replace(each, passes=1.0) for each in predicted)]


@dataclass(frozen=True, eq=False)
class AveragedStage1(AveragedStudent):
    """The mean of several students of stage 1."""

    kind: ClassVar[str] = "stage1"


def seeds_apart(first: Trained, count: int) -> Sequence[Trained]:
    """Return a student and others of its kind that differ from it in the seed of their training alone.

    Its fresh heads are theirs as well. Means of different seeds share no member, as long as these are less than
    ``MEMBERS_APART`` apart.
    """
    students = [first]
    for number in range(1, count):
        students.append(replace(first, seed=(first.seed + number * MEMBERS_APART) % SEEDS, heads_seed=first.seed))
    return students
