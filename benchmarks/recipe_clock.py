"""How long a recipe takes: wall time, and the process's own processor time, which other work hardly moves."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Measures what is done within ``with clock``; None where nothing was.

    Attributes:
        seconds: wall time.
        cpu_seconds: of all threads of this process.
        stage1_seconds: wall time of the stage 1 that the student started from, when that was trained.
    """

    seconds: float | None = None
    cpu_seconds: float | None = None
    stage1_seconds: float | None = None
    _began: tuple[float, float] = field(default=(0.0, 0.0), repr=False)

    def __enter__(self) -> Clock:
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began[0]
        self.cpu_seconds = time.process_time() - self._began[1]

    def answer(self) -> dict[str, float | None]:
        """Return the times, as JSON's types."""
        return {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "stage1_seconds": self.stage1_seconds}
