"""What programs hand over as lists of texts: generators, columns of pandas, and what is no text."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.test_reranker import PASSAGES, QUESTIONS, load, student
from tmkd.data.given import list_of_pairs
from tmkd.errors import DataError
from tmkd.models.encoder import Encoder


def test_pairs_of_a_generator_are_scored(tmp_path: Path, encoder: Encoder) -> None:
    # it was read to its end by the check, and no pair was left to score
    reranker = load(student(tmp_path, encoder).path)
    pairs = list(zip(QUESTIONS, PASSAGES, strict=True))
    assert reranker.predict(zip(QUESTIONS, PASSAGES, strict=True)) == pytest.approx(reranker.predict(pairs))
    assert reranker.score(iter(QUESTIONS), iter(PASSAGES)) == pytest.approx(reranker.score(QUESTIONS, PASSAGES))
    assert reranker.rank("what is amber", iter(PASSAGES)) == reranker.rank("what is amber", PASSAGES)


def test_texts_of_a_column_with_numbers_of_its_own_are_those_that_were_ranked(tmp_path: Path, encoder: Encoder) -> None:
    # its row 0 need not be its first: the text of another passage was returned beside the score
    reranker = load(student(tmp_path, encoder).path)
    column = pd.Series(PASSAGES, index=[2, 0, 1])
    expected = reranker.rank("what is amber", PASSAGES, return_documents=True)
    assert reranker.rank("what is amber", column, return_documents=True) == expected


@pytest.mark.parametrize("pair", [None, 7, {"question": "a", "passage": "b"}])
def test_what_is_no_pair_is_named(pair: object) -> None:
    with pytest.raises(DataError, match=r"pairs\[1\]: expected a question and a passage"):
        list_of_pairs([("a", "b"), pair])


def test_pairs_of_an_array_are_pairs() -> None:
    assert len(list_of_pairs(np.array([["a", "b"], ["c", "d"]]))) == 2


def test_half_a_character_is_named(tmp_path: Path, encoder: Encoder) -> None:
    # a traceback of the tokenizer, which does not say where
    reranker = load(student(tmp_path, encoder).path)
    with pytest.raises(DataError, match=r"documents\[1\]: expected a text, got one with half a character"):
        reranker.rank("what is amber", ["birch", "amber \ud83d"])
    with pytest.raises(DataError, match="query: expected a text, got one with half a character"):
        reranker.rank("\udcff", ["birch"])
    assert reranker.rank("\U0001f600", ["é"])
