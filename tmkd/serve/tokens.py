"""Texts to tokens, at a price that no text can drive up."""

from __future__ import annotations

from typing import Any

from tmkd.data.encoding import encode_and_count
from tmkd.data.long_passages import whole_texts


class Tokenising:
    """What turns texts into tokens as ``Reranker`` does, and knows which pairs lose some."""

    def __init__(self, tokenizer: Any, max_length: int, long: str) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.long = long

    def columns(self, questions: list[str], passages: list[str]) -> tuple[dict[str, list[Any]], list[bool]]:
        """Return the columns of the pairs, and which of them are cut."""
        return encode_and_count(questions, passages, self.tokenizer, self.max_length, self.long)

    def beginnings(self, texts: list[str], tokens: int) -> list[str]:
        """Return the first ``tokens`` tokens of each text, as text."""
        ids = whole_texts(texts, self.tokenizer)
        long = [at for at, found in enumerate(ids) if len(found) > tokens]
        found = list(texts)
        for at in long:
            found[at] = self.tokenizer.decode(ids[at][:tokens])
        return found
