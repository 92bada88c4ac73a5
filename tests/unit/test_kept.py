"""Scores that were computed already: looked up by the pair, whatever split, run or process asks for it."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from tqdm import tqdm

from tmkd.data.schema import pair_id
from tmkd.errors import DataError
from tmkd.teachers.kept import KeptScores


class Counting:
    """A scorer of three classes that knows what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, rows: Dataset, bar: tqdm) -> np.ndarray:
        self.asked += rows["passage"]
        bar.update(len(rows))
        return np.array([logits(passage) for passage in rows["passage"]])


def logits(passage: str) -> np.ndarray:
    return np.array([1 / 3, -int(passage), np.pi * int(passage)], dtype=np.float32)


def pairs(*passages: int) -> Dataset:
    texts = [str(passage) for passage in passages]
    return Dataset.from_dict(
        {"id": [pair_id("q", text) for text in texts], "question": ["q"] * len(texts), "passage": texts}
    )


@pytest.fixture
def bar() -> Iterator[tqdm]:
    with tqdm(disable=True) as shown:
        yield shown


def test_pair_is_scored_once_and_its_logits_come_back_bit_by_bit_in_order(tmp_path: Path, bar: tqdm) -> None:
    scorer = Counting()
    with closing(KeptScores(tmp_path)) as kept:
        kept.scored(pairs(3, 1), scorer, bar)
        assert kept.reused == 0
    with closing(KeptScores(tmp_path)) as kept:  # of another run
        found = kept.scored(pairs(1, 5, 3, 4), scorer, bar)
        assert kept.reused == 2
        again = kept.scored(pairs(5, 4, 3), scorer, bar)
    assert scorer.asked == ["3", "1", "5", "4"]
    assert found.dtype == np.float32 and again.dtype == np.float32
    np.testing.assert_array_equal(found, [logits(text) for text in "1534"])
    np.testing.assert_array_equal(again, [logits(text) for text in "543"])


def test_every_pair_moves_the_bar_on_once(tmp_path: Path) -> None:
    with closing(KeptScores(tmp_path)) as kept, tqdm(total=5, file=io.StringIO()) as shown:
        kept.scored(pairs(1, 2), Counting(), shown)
        kept.scored(pairs(2, 1, 3), Counting(), shown)
        assert shown.n == 5


def test_scores_of_a_part_that_fails_are_not_kept_and_those_before_it_are(tmp_path: Path, bar: tqdm) -> None:
    def fails(rows: Dataset, bar: tqdm) -> np.ndarray:
        raise KeyboardInterrupt

    kept = KeptScores(tmp_path)
    kept.scored(pairs(1), Counting(), bar)
    with pytest.raises(KeyboardInterrupt):
        kept.scored(pairs(2), fails, bar)
    other, scorer = KeptScores(tmp_path), Counting()  # the first one was never closed
    other.scored(pairs(1, 2), scorer, bar)
    assert scorer.asked == ["2"]


def test_several_may_score_the_same_pairs_at_once(tmp_path: Path) -> None:
    found: list[np.ndarray] = []

    def run() -> None:
        with closing(KeptScores(tmp_path)) as kept, tqdm(disable=True) as shown:
            found.append(np.stack([kept.scored(pairs(*range(at, at + 20)), Counting(), shown) for at in range(20)]))

    together = [threading.Thread(target=run) for _ in range(3)]
    for each in together:
        each.start()
    for each in together:
        each.join()
    assert len(found) == 3, "or one found the database locked"
    expected = [[logits(str(number)) for number in range(at, at + 20)] for at in range(20)]
    np.testing.assert_array_equal(np.stack(found), np.array([expected] * 3))


def test_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "scores.sqlite").write_bytes(b"something else" * 100)
    with pytest.raises(DataError, match=r"scores\.sqlite: expected a database of answers.*move the file away"):
        KeptScores(tmp_path)
