"""A number that changes while a model trains: α, a temperature, the weight of a term."""

from __future__ import annotations

import math

from tmkd.choices import COURSES

SCHEDULES = ("constant", *COURSES)


def scheduled(start: float, end: float, kind: str, progress: float, warm_up: float = 0.0) -> float:
    """Return the value at ``progress``, the share of the training that is done, in [0, 1].

    It is ``start`` for the share ``warm_up``. Over the rest, ``linear`` goes evenly to ``end``, ``cosine`` along half a
    wave, slowest at both ends, and ``step`` is at ``end`` at once; ``constant`` stays at ``start``.

    Raises:
        ValueError: an unknown kind, progress outside [0, 1], or a warm-up outside [0, 1).
    """
    if kind not in SCHEDULES:
        raise ValueError(f"expected a schedule out of {', '.join(SCHEDULES)}, but found {kind!r}")
    if not 0 <= progress <= 1 or not 0 <= warm_up < 1:
        raise ValueError(f"expected progress in [0, 1] and warm-up in [0, 1), but found {progress} and {warm_up}")
    if kind == "constant" or progress < warm_up:
        return start
    done = (progress - warm_up) / (1 - warm_up)
    share = {"linear": done, "cosine": (1 - math.cos(math.pi * done)) / 2, "step": 1.0}[kind]
    return (1 - share) * start + share * end
