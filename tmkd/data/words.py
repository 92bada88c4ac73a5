"""What the search takes for words: those of a language, less its stop words, or runs of characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tmkd.data.schema import Settings
from tmkd.errors import ConfigError

WORD = r"(?u)\b\w\w+\b"  # two letters, digits or underscores, or more


@dataclass(frozen=True)
class Words:
    """How texts become words.

    Attributes:
        stop_words: the language whose stop words are left out, by its code in ``tmkd.choices``; or the words
            themselves, in small letters; None: no word is left out.
        stemmer: the Snowball algorithm that brings words to their stems, by its name in PyStemmer (english, german);
            None: words stay as they are.
        characters: texts without spaces: each run of this many characters counts as a word; 0: words.
    """

    stop_words: str | tuple[str, ...] | None = "en"
    stemmer: str | None = None
    characters: int = 0

    def read(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the words of each text, in their order (ConfigError: the stemmer is not installed)."""
        import bm25s

        pattern = rf"(?=(\w{{{self.characters}}}))" if self.characters else WORD  # looks ahead: runs overlap
        left_out: Any = list(self.stop_words) if isinstance(self.stop_words, tuple) else self.stop_words
        found: list[list[str]] = bm25s.tokenize(
            list(texts),
            token_pattern=pattern,
            stopwords=left_out,
            stemmer=self._stemmer(),
            return_ids=False,
            show_progress=False,
        )
        return found

    def _stemmer(self) -> Any:
        if self.stemmer is None:
            return None
        try:
            from Stemmer import Stemmer
        except ImportError:
            raise ConfigError(
                f"corpus.stemmer is {self.stemmer} but PyStemmer is not installed; run: pip install 'tmkd[stemmer]'"
            ) from None
        return Stemmer(self.stemmer)


ENGLISH = Words()


def words_of(corpus: Settings) -> Words:
    """Return how the settings ``corpus`` read texts."""
    left_out = corpus["stop_words"]
    return Words(
        tuple(left_out) if isinstance(left_out, list) else left_out, corpus["stemmer"] or None, corpus["characters"]
    )
