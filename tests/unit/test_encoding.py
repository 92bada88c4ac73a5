"""The tokens of a pair are those that its tokenizer makes of both texts at once, where that takes no minutes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import ByT5Tokenizer, CanineTokenizer, PreTrainedTokenizerFast

from tests.unit.test_long_passages import gpt2
from tmkd.data.encoding import encode_and_count, encode_pairs, shares
from tmkd.data.long_texts import without_ends
from tmkd.models.encoder import load_encoder
from tmkd.models.tiny import letter_tokenizer

NAMES = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>", "eos_token": "</s>"}
SPECIAL = ["<s>", "</s>", "<pad>", "<unk>"]


def byte_pairs() -> Any:
    """As RoBERTa's: two separators between the texts, and no token types."""
    pieces = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), "ab", "Ġa"]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("a", "b"), ("Ġ", "a")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **NAMES)


def unigram() -> Any:
    """As T5's: a separator after each text, and none before."""
    pieces = [*((each, 0.0) for each in SPECIAL), ("▁", -2.0), ("ab", -2.5), *((letter, -3.0) for letter in "abcdx")]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **NAMES)


def bert() -> Any:
    tokenizer = letter_tokenizer()
    ids = tokenizer.get_vocab()
    processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    tokenizer.backend_tokenizer.post_processor = processor  # type: ignore[attr-defined]
    return tokenizer


def embedded() -> Any:
    return load_encoder(source="embedded").tokenizer


def drawn(pairs: int) -> tuple[list[str], list[str]]:
    """Texts of no letter to 40, of which many have a length in common."""
    rng = random.Random(0)
    texts = ["".join(rng.choices("abcdx  .", k=rng.choice((0, 1, 3, 5, 8, 12, 20, 40)))) for _ in range(2 * pairs)]
    return texts[:pairs], texts[pairs:]


@pytest.mark.parametrize(
    "make",
    [
        letter_tokenizer,
        bert,
        embedded,
        byte_pairs,
        unigram,
        ByT5Tokenizer,
        pytest.param(CanineTokenizer, marks=pytest.mark.thorough),
    ],
)
def test_pair_has_the_tokens_that_its_tokenizer_cuts_it_to(make: Callable[[], Any]) -> None:
    tokenizer = make()
    questions, passages = drawn(40)
    for side, length in (("right", 15), ("right", 16), ("left", 15)):  # both texts share an odd number, or an even one
        tokenizer.truncation_side = side
        if side == "left":  # of an empty one, transformers' own code forgets a separator
            passages = [passage or "a" for passage in passages]
        cut = {"truncation": "longest_first", "max_length": length, "return_attention_mask": False}
        expected = dict(tokenizer(questions, passages, **cut))
        found, lost = encode_and_count(questions, passages, tokenizer, length)
        assert found == {**expected, "length": [len(ids) for ids in expected["input_ids"]]}
        assert lost == [len(ids) > length for ids in tokenizer(questions, passages)["input_ids"]]
        assert {True, False} == {*lost}


def test_both_ends_of_text_count_where_there_are_no_other_separators() -> None:
    pairs = ["abc", "abcd", "abcde"], ["xyz", "wxyz", "wxyz"]
    found, lost = encode_and_count(*pairs, gpt2(), 10)
    assert found["length"] == [8, 10, 10]
    assert lost == [False, False, True]


@pytest.mark.parametrize(
    ("question", "passage", "to_longer", "read"),
    [
        (3, 4, False, (3, 4)),
        (3, 9, False, (3, 4)),
        (9, 3, False, (4, 3)),
        (9, 10, False, (4, 3)),  # the larger half is the question's
        (9, 10, True, (3, 4)),  # or the longer text's
        (10, 9, True, (4, 3)),
        (9, 9, True, (3, 4)),
        (4, 4, True, (3, 4)),
        (0, 9, True, (0, 7)),
    ],
)
def test_shares_of_two_texts_are_those_worked_out_by_hand(
    question: int, passage: int, to_longer: bool, read: tuple[int, int]
) -> None:
    assert shares(question, passage, 7, to_longer) == read


def test_no_pairs_have_no_tokens() -> None:
    assert encode_pairs([], [], letter_tokenizer(), 8) == {"input_ids": [], "length": []}


@pytest.mark.parametrize("make", [letter_tokenizer, embedded, byte_pairs, unigram])
def test_texts_without_their_ends_have_the_same_tokens(make: Callable[[], Any]) -> None:
    tokenizer = make()
    long = ["ab cd " * 60, "ab cd " * 61, "x" * 400, " " * 400, " " * 300 + "ab " * 80, "b" * 399 + "a", "ab", ""]
    questions, passages = ([pair[place] for pair in ((a, b) for a in long for b in long)] for place in (0, 1))
    short = without_ends(questions, passages, tokenizer, 15)
    shorter = [
        (len(a) < len(question), len(b) < len(passage)) for a, b, question, passage in zip(*short, questions, passages)
    ]
    assert (True, True) in shorter and (True, False) not in shorter and (False, True) not in shorter
    for length in (14, 15):
        assert encode_pairs(*short, tokenizer, length) == encode_pairs(questions, passages, tokenizer, length)
