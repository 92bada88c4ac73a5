"""Why a request has no answer that can be used. The texts of these are shown to users: no key is in them."""

from __future__ import annotations


class Failure(Exception):
    """Base of them.

    Args:
        charged: whether the server may have done the work, so that it counts as paid.
    """

    def __init__(self, sentence: str, charged: bool = True) -> None:
        super().__init__(sentence)
        self.charged = charged


class Again(Failure):
    """It may go well the next time.

    Args:
        wait: seconds, where the server says how long (``Retry-After``).
    """

    def __init__(self, sentence: str, charged: bool = True, wait: float | None = None) -> None:
        super().__init__(sentence, charged)
        self.wait = wait


class StrangeAnswer(Again):
    """The answer came, and is not what the API promises."""


class TooLong(Failure):
    """The server refuses what it was sent: the texts of the request, or one of them, are too long.

    Args:
        said: whether the server says so; else it may have other reasons.
    """

    def __init__(self, sentence: str, charged: bool = True, said: bool = True) -> None:
        super().__init__(sentence, charged)
        self.said = said


class Spent(Exception):
    """The budget does not allow a further request."""


class Halted(Exception):
    """Another request has failed for good, so this one is not sent."""
