"""The group that a pair belongs to: by the words of its question, or by a column of the data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tmkd.choices import FIRST_WORD, NOTHING, QUESTION_WORD
from tmkd.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

BATCH = 10_000  # rows that are read together
OTHER = "other"
NO_GROUP = ""  # of a pair that counts among all pairs alone
QUESTION_WORDS = ("who", "what", "when", "where", "why", "how", "which")  # English


def groups_of(rows: Dataset, by: str) -> list[str]:
    """Return the group of each row.

    Args:
        by: first_word, the question's first word; question_word, the first of its words that is in ``QUESTION_WORDS``;
            none, ``NO_GROUP``; else a column.

    Raises:
        DataError: there is no such column.
    """
    if by == NOTHING:
        return [NO_GROUP] * len(rows)
    if by not in (FIRST_WORD, QUESTION_WORD):
        if by not in rows.column_names:
            raise DataError(
                f"method.trust_by: expected '{by}' to be one of the columns that the pairs have, but found only "
                f"{rows.column_names}; add it to data.extra_columns (of stage 1, corpus.extra_columns)."
            )
        return list(rows[by])
    pattern = r"\w+" if by == FIRST_WORD else rf"\b(?:{'|'.join(QUESTION_WORDS)})\b"
    word = re.compile(pattern, re.IGNORECASE)
    return [
        found.group().casefold() if (found := word.search(question)) else OTHER
        for batch in rows.select_columns("question").iter(BATCH)
        for question in batch["question"]
    ]
