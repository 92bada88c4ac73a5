"""The splits of a task and of a corpus, as they were read and as tokens: once a tokenizer and length, kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.choices import CUT
from tmkd.results.context import RunContext
from tmkd.results.cuts import warn_of_cuts
from tmkd.results.node import Result, outside, unless
from tmkd.store.artifacts import SCRATCH

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from tmkd.models.classifier import PairClassifier

CORPUS = "corpus"  # the one split of a corpus
SHOWN = 60  # characters of a text that a message has


@dataclass(frozen=True)
class Rows:
    """A split: train, validation or test of a task, or all of a corpus."""

    owner: Result
    split: str

    def identity(self) -> str:
        """Name the split by the result that holds it: what its tokens and soft labels are known by."""
        return f"{self.owner.key}/{self.split}"

    def read(self, context: RunContext) -> Dataset:
        """Return the rows as they were read."""
        return _load(self.owner.build(context).folder(self.split))

    def named(self, context: RunContext, at: int) -> str:
        """Return a pair by its row, from 1, and the beginning of its texts: its id says nothing to who scores it."""
        row = self.read(context)[at]
        return f"row {at + 1} of {self.split}: '{row['question'][:SHOWN]}' with '{row['passage'][:SHOWN]}'"

    def tokens(
        self, context: RunContext, tokenizer: PreTrainedTokenizerBase, max_length: int, long: str = CUT
    ) -> Dataset:
        """Return the split tokenised."""
        made = Tokens.of(self, tokenizer, max_length, long).build(context)
        if context.is_main_process:
            warn_of_cuts(context, made)
        return _load(made.folder("tokens"))

    def read_by(self, context: RunContext, model: PairClassifier) -> Dataset:
        """Return the split as a model reads it."""
        return self.tokens(context, model.tokenizer, model.max_length, model.long)

    def lengths(self, context: RunContext, model: PairClassifier) -> Sequence[int]:
        """Return how many tokens of each pair a model reads."""
        lengths: Sequence[int] = self.read_by(context, model)["length"]
        return lengths


@dataclass(frozen=True, eq=False)
class Tokens(Result):
    """A split tokenised by one tokenizer, cut at one length.

    Attributes:
        tokenizer: its digest; ``token_types`` are whether it has any.
        long: what is kept of a passage that is too long.
        by: the tokenizer itself.
    """

    kind: ClassVar[str] = "tokens"
    alone: ClassVar[bool] = True

    rows: Rows
    tokenizer: str
    max_length: int
    token_types: bool = unless(True)
    long: str = unless(CUT)
    by: Any = outside(default=None)

    @classmethod
    def of(cls, rows: Rows, tokenizer: PreTrainedTokenizerBase, max_length: int, long: str = CUT) -> Tokens:
        types = "token_type_ids" in tokenizer.model_input_names
        return cls(rows, tokenizer_digest(tokenizer), max_length, types, long, tokenizer)

    @property
    def what(self) -> str:
        return f"tokens of {self.rows.split}"

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        from tmkd.data.batching import lengths_of, tokenise
        from tmkd.data.cutting import count_cut
        from tmkd.store.memmap import letting_go, save_rows

        rows = self.rows.read(context)
        tokens = tokenise(rows, self.by, self.max_length, self.long, cache=work / SCRATCH)
        save_rows(tokens, work / "tokens")
        cut = count_cut(rows, tokens, self.by, self.max_length)
        with letting_go(tokens):
            return {"pairs": len(tokens), "mean_tokens": float(lengths_of(tokens).mean()), "cut": cut}


def _load(folder: Path) -> Dataset:
    from datasets import load_from_disk

    return load_from_disk(str(folder))


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Name a tokenizer after what it does, so that encoders that share one share its tokens."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:  # a tokenizer written in Python: known by its class and vocabulary
        content = json.dumps([type(tokenizer).__name__, tokenizer.get_vocab()], sort_keys=True)
    else:
        state = json.loads(backend.to_str())
        content = json.dumps({**state, "padding": None, "truncation": None, "eos": tokenizer.eos_token}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]
