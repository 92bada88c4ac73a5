"""The teacher of kind ``served``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.teachers.served.check import check, key_of, refuse_secrets
from tmkd.teachers.served.price import Price
from tmkd.teachers.served.settings import Settings
from tmkd.teachers.source import Scorer, Source

if TYPE_CHECKING:
    from tmkd.training.runtime import Runtime


@dataclass(frozen=True)
class Served(Settings, Source):
    """A reranker or a chat model that is asked over HTTP: see ``Settings`` for its fields, ``Source`` for its methods.

    Raises:
        ConfigError: a key stands where its variable's name, or a URL, is expected.
    """

    kind: ClassVar[str] = "served"
    paid: ClassVar[bool] = True

    def __post_init__(self) -> None:
        refuse_secrets(self)
        if self.answers is not None:
            object.__setattr__(self, "answers", tuple(self.answers))  # a list of the settings has no hash

    def identity(self) -> dict[str, Any]:
        """Return what shapes the scores. The URL is a place, not a model: it counts where no name is given."""
        identity: dict[str, Any] = {"kind": self.kind, "api": self.api, "name": self.name, "scale": self.scores_are}
        if self.name is None:
            identity["url"] = self.url.rstrip("/")
        if self.api == "openai":
            identity |= {"prompt": self.instruction, "answers": list(self.words)}
        return identity

    def check(self, classes: Sequence[str]) -> None:
        check(self, classes)

    def price(self, pairs: int, questions: int, tokens: int) -> Price:
        """Return what scoring costs where no answer is there yet; requests are exact for questions of equal size.

        Args:
            tokens: of the question and the passage of every pair, together.
        """
        requests = questions * ceil(pairs / questions / self.together) if questions else 0
        money = self.tariff.money(requests, tokens + requests * self.prompt_tokens)
        return Price(requests, money if self.tariff.known else None)

    @contextmanager
    def open(self, runtime: Runtime, classes: Sequence[str], answers: Path) -> Iterator[Scorer]:
        self.check(classes)  # the extra, too
        from tmkd.teachers.served.answers import Answers, Budget
        from tmkd.teachers.served.asking import Asker
        from tmkd.teachers.served.endpoint import Endpoint

        endpoint = Endpoint(
            self.endpoint,
            key_of(self),
            timeout=self.timeout,
            retries=self.retries,
            rate=self.requests_per_second,
            connections=self.concurrency,
        )
        with closing(endpoint), closing(Answers(answers)) as kept:
            yield Asker(
                self.what,
                self.shape,
                endpoint,
                kept,
                Budget(self.budget_requests, self.budget_money),
                self.tariff,
                self.scores_are,
                self.together,
                self.concurrency,
                self.prompt_tokens,
                len(classes),
            )
