"""Passages that are longer than what is read of them: which of their tokens are kept.

How many are kept does not depend on it: as many of the question and of the passage as where the pair is cut.

- ``cut``: the first ones.
- ``first_last``: the beginning and the end, two parts to one. Sun et al. 2019 ("How to Fine-Tune BERT for Text
  Classification?") found both together better than either one. They kept 128 tokens and 382, of reviews and news; a
  passage says first what it is about, so the larger part is its beginning here.
- ``best_chunk``: the window that shares most words with the question.

``best_chunk`` reads the text alone. To take the window that a model scores highest (MaxP, Dai and Callan 2019, "Deeper
Text Understanding for IR with Contextual Neural Language Modeling") would cost one score for each window at each
reading. And each model would choose another window: a student would learn scores of words that it does not read.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from tmkd.choices import FIRST_LAST

WORD_STARTS = "Ġ▁"  # how the tokens of byte-level BPE and of SentencePiece show a space before them
SENTENCE_ENDS = (".", "!", "?", "。", "！", "？")
BITS = 1 << 10  # weights are whole numbers of this part of a bit: sums are exact, and equal windows are equal


class LongPair(NamedTuple):
    """A pair whose passage is too long.

    Attributes:
        question: its ids, as they are read.
        passage: all of its ids.
        room: how many ids of the passage are read, fewer than it has.
    """

    question: Sequence[int]
    passage: Sequence[int]
    room: int


class Word(NamedTuple):
    """A token as it is compared: without case and the space before it, empty where it has neither letter nor digit."""

    text: str
    ends_sentence: bool


def shortened(pairs: Sequence[LongPair], tokenizer: PreTrainedTokenizerBase, long: str) -> list[list[int]]:
    """Return the ids that are kept of each passage, by one of the modes ``first_last`` and ``best_chunk``."""
    if long == FIRST_LAST:
        return [first_last(pair.passage, pair.room) for pair in pairs]
    words = words_of({token for pair in pairs for ids in pair[:2] for token in ids}, tokenizer)
    starts = (best_start(pair, words) for pair in pairs)
    return [list(pair.passage[start : start + pair.room]) for pair, start in zip(pairs, starts)]


def whole_texts(texts: list[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Return all ids of each text, without tokens that stand for no text."""
    if not texts:
        return []
    options: dict[str, bool] = {"return_attention_mask": False, "return_token_type_ids": False, "verbose": False}
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False, truncation=False, **options)["input_ids"]
    return ids


def first_last(passage: Sequence[int], room: int) -> list[int]:
    """Return the beginning and the end of a passage, two parts to one: ``room`` ids."""
    last = room // 3
    return [*passage[: room - last], *passage[len(passage) - last :]]


def best_start(pair: LongPair, words: Mapping[int, Word]) -> int:
    """Return where the window of ``room`` ids starts that shares most with the question; the first one of equals.

    Windows start at sentences, and so that the last one ends with the passage. A word of the question counts once in a
    window, and where its sentence is whole there: what answers stands beside it. It counts by its information in the
    passage, ``-log2(times / words)``: the more often the passage has it, the less it says about any part of it.

    Args:
        words: of all ids of the pair.
    """
    _, passage, room = pair
    last = len(passage) - room
    asked = {words[token].text for token in pair.question} - {""}
    times = Counter(text for token in passage if (text := words[token].text) in asked)
    sentences = _sentences([words[token].ends_sentence for token in passage], room)
    change = [0] * (last + 2)  # of the score from one start to the next
    until: dict[str, int] = {}  # the first start whose window does not have the word already
    for begin, end in sentences:
        first, after = max(0, end - room), min(begin, last) + 1
        for text in {words[token].text for token in passage[begin:end]} & asked:
            start = max(first, until.get(text, 0))
            if start < after:
                weight = round(BITS * math.log2(len(passage) / times[text]))
                change[start] += weight
                change[after] -= weight
                until[text] = after
    scores = list(accumulate(change))
    starts = [begin for begin, _ in sentences if begin < last]
    best: int = max([*starts, last], key=scores.__getitem__)
    return best


def _sentences(ends: Sequence[bool], room: int) -> list[tuple[int, int]]:
    """Return where each sentence begins and ends; one that is longer than ``room`` is divided at every half of it."""
    found, begin = [], 0
    for place, ends_here in enumerate(ends, start=1):
        if ends_here or place == len(ends):
            step = max(1, room // 2) if place - begin > room else place - begin
            found += [(part, min(part + step, place)) for part in range(begin, place, step)]
            begin = place
    return found


def words_of(ids: Iterable[int], tokenizer: PreTrainedTokenizerBase) -> dict[int, Word]:
    """Return how each id is compared."""
    known = list(ids)
    return {token: _word(str(text)) for token, text in zip(known, tokenizer.convert_ids_to_tokens(known))}


def _word(token: str) -> Word:
    text = token.lstrip(WORD_STARTS)
    said = any(letter.isalnum() for letter in text)
    return Word(text.lower() if said else "", text.endswith(SENTENCE_ENDS))
