"""From pairs to the tokens of a prompt, and from its answers to one token each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tmkd.data.encoding import fitting
from tmkd.errors import ConfigError, ModelError
from tmkd.models.hub import first_sentence
from tmkd.teachers.causal.prompts import PLACES, Prompt
from tmkd.teachers.checkpoint import SECTION

LEAST = 8  # tokens that query and document must have together


class Asking:
    """A prompt in the tokens of one model.

    Attributes:
        length: tokens of a prompt with its pair.
        answers: ids of the tokens that answer.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, prompt: Prompt, length: int, place: str) -> None:
        if not tokenizer.is_fast:  # whose tokens have no places in the text
            raise ModelError(
                f"teacher {place}: expected a tokenizer of the library tokenizers (tokenizer.json), got "
                f"{type(tokenizer).__name__}; documents could not be cut to max_length with it."
            )
        self.tokenizer = tokenizer
        self.length = length
        self.place = place
        chat = tokenizer.chat_template is not None if prompt.chat is None else prompt.chat
        self.prompt = self._in_template(prompt) if chat else prompt
        self.start = [] if chat else self._start()
        self.answers = self._answers()
        fixed = len(self.encode([("", "")])[0][0])
        if fixed + LEAST > length:
            raise ConfigError(
                f"{SECTION}: expected a max_length of at least {fixed + LEAST} for {place}, whose prompt has {fixed} "
                f"tokens without its pair, got {length}."
            )

    def encode(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[list[int]], list[bool]]:
        """Return the ids of each pair's prompt, and whether its text was cut.

        A pair that is too long loses the end of its document; a query that is longer than half of the room that the
        prompt leaves, and than its document, loses its own, too.
        """
        filled = [self.prompt.fill(*pair) for pair in pairs]
        found = self._tokens([text for text, *_ in filled], return_offsets_mapping=True)
        kept = [
            self._cut(ids, offsets, spans)
            for ids, offsets, (_, *spans) in zip(found["input_ids"], found["offset_mapping"], filled)
        ]
        return [[*self.start, *ids] for ids in kept], [
            len(ids) < len(whole) for ids, whole in zip(kept, found["input_ids"])
        ]

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """Return input_ids, attention_mask and position_ids ``[batch, tokens]``, padded on the left.

        So the last position is that of the answer; and the position of a token does not depend on its padding.
        """
        width = max(map(len, rows))
        padding = self.tokenizer.pad_token_id
        ids = torch.tensor([[padding] * (width - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        return {"input_ids": ids, "attention_mask": mask, "position_ids": (mask.cumsum(dim=1) - 1).clamp(min=0)}

    def _tokens(self, texts: list[str], **more: Any) -> dict[str, Any]:
        return dict(self.tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False, **more))

    def _cut(self, ids: list[int], offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[int]:
        room = self.length - len(self.start)
        if len(ids) <= room:
            return ids
        query, document = (_within(offsets, span) for span in spans)
        left = fitting(query, document, room - (len(ids) - len(query) - len(document)))
        gone = {*query[len(left[0]) :], *document[len(left[1]) :]}
        return [token for at, token in enumerate(ids) if at not in gone]

    def _start(self) -> list[int]:
        """Return the token that the tokenizer puts before every text, unless the prompt has it already."""
        first = self.tokenizer.bos_token_id
        usual = self.tokenizer("a", verbose=False)["input_ids"]
        own = self.tokenizer.bos_token and self.prompt.text.startswith(self.tokenizer.bos_token)
        return [first] if first is not None and usual[:1] == [first] and not own else []

    def _in_template(self, prompt: Prompt) -> Prompt:
        """Return the prompt as the text of a chat, to which the model replies."""
        if self.tokenizer.chat_template is None:
            raise ConfigError(
                f"{SECTION}: prompt 'chat: …' expects a chat template, but the tokenizer of {self.place} has none; "
                "write the whole text of the prompt, without chat:."
            )
        try:
            text = self.tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt.text}],
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=False,  # Qwen3's: the answer follows at once
            )
        except Exception as error:  # of templates, in a language of their own
            raise ModelError(f"teacher {self.place}: its chat template fails: {first_sentence(error)}") from None
        if any(str(text).count(each) != 1 for each in PLACES):
            raise ModelError(
                f"teacher {self.place}: expected a chat template that holds a user's message, but it leaves it out, as "
                "those of rerankers do; use kind: ready, or name its prompt (qwen3, for example)."
            )
        return replace(prompt, text=str(text))

    def _answers(self) -> list[int]:
        found = [self._token(answer) for answer in self.prompt.answers]
        for answer, token in zip(self.prompt.answers, found):
            if token is None:
                raise ConfigError(self._no_token(answer))
        if len({*found}) < len(found):
            raise ConfigError(
                f"{SECTION}: the answers {list(self.prompt.answers)} are one token to {self.place}; choose others."
            )
        return [token for token in found if token is not None]

    def _token(self, answer: str) -> int | None:
        """Return the one token that an answer adds to the prompt; None: it adds several, or changes the last one."""
        text = self.prompt.fill("a", "b")[0]
        before, after = self._tokens([text, text + answer])["input_ids"]
        known = len(after) == len(before) + 1 and after[:-1] == before and after[-1] != self.tokenizer.unk_token_id
        return int(after[-1]) if known else None

    def _no_token(self, answer: str) -> str:
        word = answer.strip()
        near = [f"{space}{each}" for space in ("", " ") for each in (word.lower(), word.capitalize(), word.upper())]
        single = [each for each in dict.fromkeys([*near, "1", "0"]) if self._token(each) is not None]
        those = f"; these are: {', '.join(map(repr, single))}" if single else ""
        return (
            f"{SECTION}: the answer '{answer}' is not one token after the prompt of {self.place}{those}; set answers."
        )


def _within(offsets: Sequence[tuple[int, int]], span: tuple[int, int]) -> range:
    """Return the places of the tokens that lie within a span of the text, and reach into nothing else."""
    inside = [at for at, (start, end) in enumerate(offsets) if span[0] <= start < end <= span[1]]
    return range(inside[0], inside[-1] + 1) if inside else range(0)
