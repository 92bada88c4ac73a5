"""Chat models as teachers: one question and one passage a request, in the shape of OpenAI's chat completions.

The score is the log-odds of the two words that the model may answer with, summed over the tokens that spell them (as in
Nogueira et al., "Document Ranking with a Pretrained Sequence-to-Sequence Model", 2020). Where a server gives no
log-probabilities, the model is asked for a score from 0 to 100 in JSON; which of the two is a setting, since scores of
both kinds in one teacher would not be comparable.

API: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tmkd.errors import ModelError
from tmkd.teachers.served.api import number, shown
from tmkd.teachers.served.failures import StrangeAnswer

WORDS = ("yes", "no")
VARIABLES = re.compile(r"\{(query|document)\}")
PAIR = "Query: {query}\n\nPassage: {document}\n\n"
ANSWER_TOKENS = 512  # for a score in JSON: some models think before it
TOP_LOGPROBS = 20  # the most that the API gives


def default_prompt(words: Sequence[str]) -> str:
    """Return the instruction for answers in two words; without words, for a score in JSON."""
    if words:
        return f'{PAIR}Does the passage answer the query? Reply with one word, "{words[0]}" or "{words[1]}".'
    return f'{PAIR}How well does the passage answer the query? Reply in JSON: {{"score": a number from 0 to 100}}.'


@dataclass(frozen=True)
class Chat:
    """A chat model.

    Attributes:
        model: what the server calls it.
        prompt: the instruction, with ``{query}`` and ``{document}``.
        words: what it answers where the passage is relevant, and where not; empty: a score in JSON.
    """

    model: str | None
    prompt: str
    words: tuple[str, ...] = WORDS
    path: str = "/v1/chat/completions"

    def body(self, question: str, passages: Sequence[str]) -> dict[str, Any]:
        (passage,) = passages
        texts = {"query": question, "document": passage}
        prompt = VARIABLES.sub(lambda found: texts[found[1]], self.prompt)  # at once: a text may have braces
        asked = {"model": self.model, "messages": [{"role": "user", "content": prompt}], "temperature": 0}
        if self.words:
            return {**asked, "max_completion_tokens": 1, "logprobs": True, "top_logprobs": TOP_LOGPROBS}
        return {**asked, "max_completion_tokens": ANSWER_TOKENS, "response_format": {"type": "json_object"}}

    def scores(self, answer: Any, asked: int) -> list[float]:
        try:
            choice = answer["choices"][0]
            content = choice["message"]["content"]
        except (TypeError, KeyError, IndexError):
            raise StrangeAnswer(f"expected a chat completion, got {shown(answer)}") from None
        return [self._log_odds(choice) if self.words else _score(content)]

    def _log_odds(self, choice: Any) -> float:
        """Return log p(yes) - log p(no) of the first token."""
        logprobs = choice.get("logprobs")
        if not (isinstance(logprobs, dict) and logprobs.get("content")):
            raise ModelError(
                f"{self.model}: the server gives no log-probabilities, so there are no odds of "
                f"'{self.words[0]}' and '{self.words[1]}'; set answers: [] to ask for a score in JSON instead."
            )
        try:
            top = [(each["token"], each["logprob"]) for each in logprobs["content"][0]["top_logprobs"]]
            found = [(str(token).strip(" \n\t▁Ġ").casefold(), number(value, "a logprob")) for token, value in top]
        except (TypeError, KeyError, IndexError):
            raise StrangeAnswer(f"expected top_logprobs, got {shown(logprobs)}") from None
        odds = [[value for token, value in found if token == word.casefold()] for word in self.words]
        if not any(odds):
            raise StrangeAnswer(
                f"expected '{self.words[0]}' or '{self.words[1]}' among the likely answers, got {shown(top)}; a "
                "clearer prompt, or other words in answers, may help"
            )
        least = min(value for _, value in found)  # a word that is not among them is no likelier than the last of them
        yes, no = (_log_sum(values) if values else least for values in odds)
        return yes - no


def _score(content: Any) -> float:
    """Return a score from 0 to 1, out of an answer that has ``{"score": 0..100}`` in it."""
    found = re.search(r"\{.*\}", content, re.DOTALL) if isinstance(content, str) else None
    try:
        answer = json.loads(found[0]) if found else None
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or "score" not in answer:
        raise StrangeAnswer(f'expected JSON as {{"score": 0..100}}, got {shown(content)}')
    score = number(answer["score"], "'score'")
    if not 0 <= score <= 100:
        raise StrangeAnswer(f"expected a score from 0 to 100, got {score:g}")
    return score / 100


def _log_sum(values: Sequence[float]) -> float:
    """Return log Σ exp of the values."""
    most = max(values)
    return most + math.log(sum(math.exp(value - most) for value in values))
