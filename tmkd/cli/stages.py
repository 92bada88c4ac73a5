"""The stages that can be run, by name: ``tmkd NAME``, ``make NAME`` or ``python -m stages.NAME``."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tmkd.config import Config


@dataclass(frozen=True)
class Stage:
    """What a stage does, in one sentence, and which stages come next; of a run without labels, maybe others.

    What comes next has the settings of the stage itself, unless ``settings`` says which.
    """

    what: str
    following: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    settings: str = ""
    module: str | None = None  # of tmkd.pipelines; None: called like the stage

    def run(self, name: str, config: Config) -> Any:
        """Run the stage of this name; what it needs is loaded now, and not before."""
        return importlib.import_module(f"tmkd.pipelines.{self.module or name}").run(config)

    def then(self, by: str, labels: bool = True, set_any: bool = False) -> str:
        """Return the command that comes next.

        Args:
            by: what runs one: make or tmkd.
            set_any: whether any setting was typed, without which the next command would be another run's.
        """
        names = self.following if labels else self.unlabelled or self.following
        if not names:
            return "read the table, or change a setting and run again"
        together = by == "make"  # which runs several in one call
        command = f"make {' '.join(names)}" if together else " && ".join(f"{by} {name}" for name in names)
        settings = self.settings or ("the same settings" if set_any else "")
        return f"{command}, with {settings}" if settings else command


ABOVE = "the settings above"  # in the log: the stage has told them
STAGES = {
    "plan": Stage(
        "Before a run: what it will compute, what is cached, and an estimate of time, disk and memory.",
        ("stage1", "stage2", "stage3"),
        ("label",),
    ),
    "teachers": Stage("Stage 0: fine-tune the teachers.", ("stage1",), module="stage0"),
    "stage1": Stage(
        "Stage 1: score the corpus with every teacher and pre-train the student on the soft labels.", ("stage2",)
    ),
    "stage2": Stage("Stage 2: fine-tune the students of every arm with the multi-head loss.", ("stage3",)),
    "stage3": Stage("Stage 3: evaluate every arm on the test split and write the comparison."),
    "pairs": Stage(
        "Write every pair that the teachers score to files, to be scored elsewhere.",
        ("stage3",),
        settings="the files of scores as a teacher",
    ),
    "label": Stage(
        "Without gold labels: let the teachers label a corpus, which is then a task.", ("stage3",), settings=ABOVE
    ),
    "spend": Stage(
        "Without gold labels: ask a dear teacher for the questions that help most, in rounds, and say when to stop.",
        ("stage3",),
        settings=ABOVE,
    ),
    "mine": Stage(
        "Add hard negatives to the training pairs: a teacher drops those that are likely right.",
        ("stage3",),
        settings=ABOVE,
    ),
    "tune": Stage(
        "Search settings of an arm by the validation split (sweep=optuna: the usual ones), and say which are best.",
        ("stage3",),
        settings=ABOVE,
    ),
    "verify": Stage("Check every file of every artifact against its manifest.", ("stage3",)),
}
