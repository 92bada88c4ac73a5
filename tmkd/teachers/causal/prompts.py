"""Prompts under which a causal language model judges pairs: known ones, and texts of the user's own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tmkd.errors import ConfigError

PLACES = ("{query}", "{document}")
CHAT = "chat:"  # before a text that is a user's message of the model's chat template


@dataclass(frozen=True)
class Prompt:
    """A text with one ``{query}`` and one ``{document}``, and the answers that may follow it.

    Attributes:
        answers: the one for relevant pairs, and the one for others. Without the second, a score is the first's logit.
        chat: the text is a user's message of the chat template; None: where the tokenizer has one.
    """

    text: str
    answers: tuple[str, ...] = ("yes", "no")
    chat: bool | None = False

    def fill(self, query: str, document: str) -> tuple[str, tuple[int, int], tuple[int, int]]:
        """Return the whole text, and where in it, in characters, query and document begin and end."""
        values = dict(zip(PLACES, (query, document)))
        text, spans = "", {}
        for part in re.split(f"({'|'.join(map(re.escape, PLACES))})", self.text):
            added = values.get(part, part)
            spans[part] = (len(text), len(text) + len(added))
            text += added
        return text, spans["{query}"], spans["{document}"]


PROMPTS = {
    # what is asked where nobody says what to ask
    "relevance": Prompt(
        "Query: {query}\n\nDocument: {document}\n\nDoes the document answer the query? Reply with yes or no alone.\n",
        chat=None,
    ),
    # the card of Qwen/Qwen3-Reranker-0.6B, -4B and -8B, with its own instruction
    "qwen3": Prompt(
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
        'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
        "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n"
        "<Query>: {query}\n<Document>: {document}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    ),
    # the card of BAAI/bge-reranker-v2-gemma, whose score is the logit of Yes alone
    "bge_gemma": Prompt(
        "A: {query}\nB: {document}\nGiven a query A and a passage B, determine whether the passage contains an answer "
        "to the query by providing a prediction of either 'Yes' or 'No'.",
        answers=("Yes",),
    ),
    # what the package mxbai-rerank gives mixedbread-ai/mxbai-rerank-base-v2 and -large-v2 to read
    "mxbai": Prompt(
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nquery: {query}\ndocument: {document}\nYou are a search relevance expert who evaluates how "
        "well documents match search queries. For each query-document pair, carefully analyze the semantic "
        "relationship between them, then provide your binary relevance judgment (0 for not relevant, 1 for relevant).\n"
        "Relevance:<|im_end|>\n<|im_start|>assistant\n",
        answers=("1", "0"),
    ),
}


def prompt_of(setting: str | None, answers: list[str] | None) -> Prompt:
    """Return the prompt that an entry of the roster means, with its answers.

    Args:
        setting: a name of ``PROMPTS``, or a text with both places, perhaps after ``chat:``; None: ``relevance``.
        answers: instead of the prompt's own.

    Raises:
        ConfigError: neither a name nor such a text, or answers that are none.
    """
    prompt = PROMPTS.get(setting or "relevance") or _own(str(setting))
    if answers is None:
        return prompt
    if not 1 <= len(answers) <= 2 or not all(answers) or len({*answers}) < len(answers):
        raise ConfigError(
            "teachers.roster: expected answers to be two texts, of which the first means relevant, such as [yes, no], "
            f"or the first alone, got {answers}."
        )
    return Prompt(prompt.text, tuple(answers), prompt.chat)


def _own(setting: str) -> Prompt:
    if any(setting.count(place) != 1 for place in PLACES):
        raise ConfigError(
            f"teachers.roster: expected prompt to be one of {', '.join(PROMPTS)}, or a text with {{query}} and "
            f"{{document}}, each once, got '{setting}'."
        )
    return Prompt(
        setting.removeprefix(CHAT).lstrip() if setting.startswith(CHAT) else setting, chat=setting.startswith(CHAT)
    )
