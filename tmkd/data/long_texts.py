"""Pairs of long texts for programs that cut pairs themselves, by the product of the texts' lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tmkd.data.long_passages import whole_texts

CHARACTERS = 8  # for each token that is read: only texts with more are looked at
SPARE = 8  # tokens that a text keeps beyond those that are read, since its new end may be tokenised otherwise


def without_ends(
    questions: Sequence[str], passages: Sequence[str], tokenizer: Any, max_length: int
) -> tuple[list[str], list[str]]:
    """Leave out of pairs whose texts are both long what their tokens, cut to ``max_length``, say nothing of.

    The tokens of a pair are the same as before: a text whose beginning would be tokenised otherwise stays as it is, and
    the longer text stays the longer one, since an odd token is its. See ``tmkd.data.encoding`` for what it costs else.
    """
    found = list(questions), list(passages)
    most = CHARACTERS * max_length
    if not tokenizer.is_fast or tokenizer.truncation_side != "right":
        return found
    pairs = list(zip(questions, passages, strict=True))
    rows = [row for row, pair in enumerate(pairs) if min(map(len, pair)) > most]
    texts = list(dict.fromkeys(text for row in rows for text in pairs[row]))
    if not texts:
        return found
    encoded = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)
    places = {text: place for place, text in enumerate(texts)}
    begun: dict[tuple[str, int], str | None] = {}
    for row in rows:
        sizes = [len(encoded["input_ids"][places[text]]) for text in pairs[row]]
        if min(sizes) <= max_length + 2 * SPARE:
            continue
        kept = [max_length + SPARE * (2 if more else 1) for more in (sizes[0] > sizes[1], sizes[0] <= sizes[1])]
        for text, size in zip(pairs[row], kept):
            if (text, size) not in begun:
                begun[text, size] = _begun(text, size, encoded, places[text], tokenizer, max_length)
        question, passage = (begun[each] for each in zip(pairs[row], kept))
        if question is not None and passage is not None:
            found[0][row], found[1][row] = question, passage
    return found


def _begun(text: str, size: int, encoded: Any, place: int, tokenizer: Any, max_length: int) -> str | None:
    """Return what has the first ``size`` tokens of a text; None where it would be tokenised otherwise by itself."""
    begun = text[: encoded.token_to_chars(place, size).start]
    (ids,) = whole_texts([begun], tokenizer)
    same = ids[:max_length] == encoded["input_ids"][place][:max_length]
    return begun if same and abs(len(ids) - size) < SPARE / 2 else None
