"""Texts to tokens, at a price that no text can drive up."""

from __future__ import annotations

from typing import Any

from tmkd.choices import CUT
from tmkd.data.batching import encode_pairs
from tmkd.data.long_passages import whole_texts

CHARACTERS = 8  # for each token that a model reads: a text with more is looked at before it is paired
SPARE = 8  # tokens that a beginning has beyond those that are read, since its own end may be tokenised otherwise


class Tokenising:
    """What turns texts into tokens as ``Reranker`` does, and knows which pairs lose some."""

    def __init__(self, tokenizer: Any, max_length: int, long: str) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.long = long

    def columns(self, questions: list[str], passages: list[str]) -> tuple[dict[str, list[Any]], list[bool]]:
        """Return the columns of the pairs, and which of them are cut."""
        columns = encode_pairs(questions, passages, self.tokenizer, self.max_length, self.long)
        cut = [length >= self.max_length for length in columns["length"]]
        texts = list({text for at, full in enumerate(cut) if full for text in (questions[at], passages[at])})
        sizes = dict(zip(texts, map(len, whole_texts(texts, self.tokenizer))))
        room = self.max_length - (self.tokenizer.num_special_tokens_to_add(pair=True) or 2)  # 2: see encode_pairs
        pairs = enumerate(zip(questions, passages))
        return columns, [cut[at] and sizes[question] + sizes[passage] > room for at, (question, passage) in pairs]

    def shown(self, questions: list[str], passages: list[str]) -> tuple[list[str], list[str]]:
        """Leave out of long texts what no pair has room for.

        Cutting a pair whose texts are both long takes tokenizers time and memory by the product of their lengths.
        """
        return self._begun(questions), self._begun(passages) if self.long == CUT else passages

    def _begun(self, texts: list[str]) -> list[str]:
        most = CHARACTERS * self.max_length
        long = list(dict.fromkeys(text for text in texts if len(text) > most)) if self.tokenizer.is_fast else []
        begun = dict(zip(long, self._first([text[:most] for text in long])))
        rest = [text for text, found in begun.items() if found is None]  # few tokens: long words, or spaces
        begun |= zip(rest, self._first(rest))
        return [begun.get(text) or text for text in texts]

    def _first(self, texts: list[str]) -> list[str | None]:
        """Return what has some more than ``max_length`` tokens of each text; None where it has no more."""
        if not texts:
            return []
        last = self.max_length + SPARE
        options = {"add_special_tokens": False, "return_attention_mask": False, "verbose": False}
        found = self.tokenizer(texts, **options)
        ends = (found.token_to_chars(at, last).start if len(found[at]) > last else None for at in range(len(texts)))
        return [None if end is None else text[:end] for text, end in zip(texts, ends)]

    def beginnings(self, texts: list[str], tokens: int) -> list[str]:
        """Return the first ``tokens`` tokens of each text, as text."""
        ids = whole_texts(texts, self.tokenizer)
        long = [at for at, found in enumerate(ids) if len(found) > tokens]
        found = list(texts)
        for at in long:
            found[at] = self.tokenizer.decode(ids[at][:tokens])
        return found
