"""The settings of a teacher of kind ``served``, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tmkd.teachers.served.api import Api
from tmkd.teachers.served.chat import WORDS, Chat, default_prompt
from tmkd.teachers.served.price import Tariff, tokens_of
from tmkd.teachers.served.rerank import rerank


@dataclass(frozen=True)
class Settings:
    """A reranker or a chat model that is asked over HTTP.

    Attributes:
        url: the server's, without the API's path (which may be there).
        api: its shape, one of ``APIS``.
        name: the model that is asked for. A TEI server has one: there the name says which.
        prompt: openai: the instruction, with ``{query}`` and ``{document}``.
        answers: openai: two words, for relevant and not; their log-odds are the score. ``[]``: a score in JSON instead.
        scale: what the scores are, one of ``SCALES``. Default: margins from TEI and from answer words, else
            probabilities, whose logit is the margin.
        api_key: the name of the environment variable that holds the key.
        concurrency: requests under way at a time.
        requests_per_second: at most.
        timeout: seconds.
        retries: after the first attempt of a request.
        texts_a_request: pairs of one question in a request, at most; a chat model gets one.
        budget_requests, budget_money: at most, counted over all runs with this identity.
        price_per_request, price_per_1000_tokens: in the currency of ``budget_money``.
    """

    url: str
    api: str
    name: str | None = None
    prompt: str | None = None
    answers: Sequence[str] | None = None
    scale: str | None = None
    api_key: str | None = None
    concurrency: int = 8
    requests_per_second: float | None = None
    timeout: float = 60.0
    retries: int = 6
    texts_a_request: int = 32
    budget_requests: int | None = None
    budget_money: float | None = None
    price_per_request: float | None = None
    price_per_1000_tokens: float | None = None

    @property
    def what(self) -> str:
        """The teacher in a few words."""
        return f"served {self.name or self.url} ({self.api})"

    @property
    def words(self) -> tuple[str, ...]:
        """The two words of a chat model's answer; none where it is asked for a score in JSON."""
        return WORDS if self.answers is None else tuple(self.answers)

    @property
    def instruction(self) -> str:
        """``prompt``, or the default for these words; empty for an API that takes none."""
        if self.api != "openai":
            return ""
        return default_prompt(self.words) if self.prompt is None else self.prompt

    @property
    def scores_are(self) -> str:
        """``scale``, or the default of the API."""
        margins = self.api == "tei" or (self.api == "openai" and bool(self.words))
        return self.scale or ("margin" if margins else "probability")

    @property
    def together(self) -> int:
        """Pairs of one question in a request, at most."""
        return 1 if self.api == "openai" else self.texts_a_request

    @property
    def shape(self) -> Api:
        """The API, by which requests are written and answers are read."""
        if self.api == "openai":
            return Chat(self.name, self.instruction, self.words)
        return rerank(self.api, self.name)

    @property
    def endpoint(self) -> str:
        """The URL of the API; ``url`` may have a part of its path already, as https://api.openai.com/v1 does."""
        base, path = self.url.rstrip("/"), self.shape.path
        parts = path.split("/")
        begun = ("/".join(parts[:end]) for end in range(len(parts), 1, -1))
        return base + path.removeprefix(next((each for each in begun if base.endswith(each)), ""))

    @property
    def tariff(self) -> Tariff:
        return Tariff(self.price_per_request, self.price_per_1000_tokens)

    @property
    def prompt_tokens(self) -> float:
        """Tokens of a request beside the pair's, about."""
        return tokens_of(self.instruction)
