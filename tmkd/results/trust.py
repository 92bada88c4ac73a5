"""Whom to follow on which kind of question: teachers' weights, learnt on the validation split."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.choices import FIRST_WORD, NOTHING, QUESTION_WORD
from tmkd.data.groups import NO_GROUP, OTHER, groups_of
from tmkd.errors import DataError
from tmkd.results.classifier import Classifier
from tmkd.results.context import RunContext
from tmkd.results.node import Result, unless
from tmkd.results.rows import Rows
from tmkd.store.predictions import predictions

if TYPE_CHECKING:
    import numpy as np

    from tmkd.evaluation.trust import Trust

log = logging.getLogger(__name__)
FEWEST = 20  # validation questions of a group that has weights of its own
GROUPED = {FIRST_WORD: " by question type", QUESTION_WORD: " by question word", NOTHING: ""}
SHOWN = 5  # groups that the log names
BATCH = 10_000  # rows that are read together


@dataclass(frozen=True, eq=False)
class TeacherTrust(Result):
    """How much each of several teachers counts, by the group of a pair (``tmkd.data.groups``).

    Attributes:
        by: what groups are: first_word, question_word, none, or a column of the task.
    """

    kind: ClassVar[str] = "trust"
    alone: ClassVar[bool] = True

    teachers: tuple[Classifier, ...]
    by: str = unless(FIRST_WORD)

    @property
    def what(self) -> str:
        return f"weights of {len(self.teachers)} teachers{GROUPED.get(self.by, f' by {self.by}')}"

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import numpy as np

        from tmkd.evaluation.ensemble import teaching_logits
        from tmkd.evaluation.trust import Trust

        rows = self.teachers[0].own_task.rows("validation").read(context)
        logits = []
        for teacher in self.teachers:
            made = teacher.build(context)
            if made.details["validation"] is None:
                raise DataError(
                    f"{teacher.what}: expected scores of the whole validation split, on which weights are learnt, but "
                    "some are missing; score that split too, or choose other method.teacher_weights."
                )
            logits.append(teaching_logits(predictions(made, "validation").transpose(1, 0, 2)))
        found, ids = groups_of(rows, self.by), rows["question_id"]
        asked = Counter(group for _, group in set(zip(ids, found)))
        # the rare first words are much like questions that begin with no word; rare sources have nothing in common
        rare = OTHER if self.by == FIRST_WORD else NO_GROUP
        groups = [group if asked[group] >= FEWEST else rare for group in found]
        return Trust.fit(np.stack(logits), np.asarray(rows["label"]), groups, ids).to_json()

    def weights(self, context: RunContext) -> Trust:
        """Return the weights, learnt if they are not yet."""
        from tmkd.evaluation.trust import Trust

        return Trust.from_json(self.build(context).details)


class Trusted:
    """The weights that were learnt on validation, by the ids of pairs.

    Attributes:
        facts: for the manifest of who learns with them: ``by``, the names of ``teachers``, the fields of
            ``tmkd.evaluation.trust.Trust``, and of the split's ``rows`` how many there are, and how many have no group
            with weights of its own (``overall_rows``).
    """

    def __init__(self, context: RunContext, teachers: Sequence[Classifier], rows: Rows, by: str) -> None:
        import numpy as np

        from tmkd.store.shards import as_numbers, pack

        read = rows.read(context)
        self.groups = np.array(groups_of(read, by), dtype=object)
        self.trust = TeacherTrust(tuple(teachers), by).weights(context)
        numbers = np.concatenate([as_numbers(pack(batch["id"])) for batch in read.select_columns("id").iter(BATCH)])
        self.order = np.argsort(numbers)
        self.numbers = numbers[self.order]
        counts = Counter(self.groups.tolist())
        unknown = {group: count for group, count in counts.items() if group not in self.trust.groups}
        self.facts = {
            "by": by,
            "teachers": [teacher.what for teacher in teachers],
            **self.trust.to_json(),
            "rows": len(self.groups),
            "overall_rows": sum(unknown.values()),
        }
        self._log(context, rows.split, {group: count for group, count in unknown.items() if group != NO_GROUP})

    def _log(self, context: RunContext, split: str, unknown: dict[str, int]) -> None:
        if unknown and context.once("trust", split, self.facts["by"]):
            names = ", ".join(sorted(unknown)[:SHOWN]) + (", …" if len(unknown) > SHOWN else "")
            log.info(
                "%s: %d of %d pairs are of groups with too few validation questions for weights of their own (%s); "
                "teachers count for them as for all pairs",
                split, sum(unknown.values()), len(self.groups), names,
            )  # fmt: skip

    def weights(self, ids: np.ndarray) -> np.ndarray:
        """Return the weights ``[pairs, teachers]`` of packed ids ``[pairs, 16]``."""
        import numpy as np

        from tmkd.store.shards import as_numbers

        places = self.order[np.searchsorted(self.numbers, as_numbers(ids))]
        return self.trust.weights(self.groups[places].tolist())
