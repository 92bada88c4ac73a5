"""What the corpus shares with the task: counted once for the two, said, and refused where it gives the test away."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from tmkd.data.fields import shown
from tmkd.data.schema import SPLITS
from tmkd.errors import DataError
from tmkd.pipelines.context import CORPUS, RunContext
from tmkd.report.data_notes import overlap_text
from tmkd.store.artifacts import Artifact

log = logging.getLogger(__name__)
SHOWN_AFTER = 3  # seconds: a small corpus is through before there is a bar to look at


def corpora(context: RunContext) -> list[RunContext]:
    """Return context for each corpus that an arm is pre-trained on: those of the run, of arms that set their own."""
    arms = [arm.set for arm in context.config.method.arms.values() if arm.pretrain]
    each = [context.varied(changes) if "corpus" in changes else context for changes in arms]
    return list({own.corpus.key: own for own in each}.values())


def check_overlaps(context: RunContext) -> None:
    """Say what each corpus shares with the splits, before anything is trained.

    Raises:
        DataError: a corpus has questions of the test split, and ``corpus.test_questions`` does not allow it.
    """
    for own in corpora(context):
        found = corpus_overlap(own).details
        if context.is_main_process:
            judged = any(found["splits"][split]["held_out"]["pairs"] for split in ("validation", "test"))
            log.log(logging.WARNING if judged else logging.INFO, "%s", overlap_text(found))
        test, corpus = found["splits"]["test"], own.config.corpus
        held_out, example = test["held_out"], test["held_out"]["example"]
        # the task's own text comes from the training split alone; what else it shares, that split shares
        if held_out["pairs"] and corpus.test_questions == "refuse" and corpus.reader != "task":
            raise DataError(
                f"corpus: expected no question of the test split but {held_out['pairs']:,} of {found['pairs']:,} pairs "
                f"have one ({held_out['questions']:,} of {test['of']:,} test questions), for example row "
                f"{example['row']} of the corpus, {shown(example['question'])}; take them out, or set "
                "corpus.test_questions=allow."
            )


def corpus_overlap(context: RunContext) -> Artifact:
    """Return the counts of ``tmkd.data.overlap`` for the corpus, in the details of a result of their own."""

    def make(_: Path) -> dict[str, Any]:
        from tqdm import tqdm

        from tmkd.data.overlap import overlap

        corpus = context.rows(CORPUS)
        style = {"unit": "pair", "dynamic_ncols": True, "mininterval": 1, "delay": SHOWN_AFTER}
        with tqdm(
            total=len(corpus), desc="compare corpus and splits", disable=not context.is_main_process, **style
        ) as bar:
            found = overlap(corpus, {split: context.rows(split) for split in SPLITS}, bar.update)
        return {"pairs": len(corpus), "splits": found}

    spec = {"task": context.task.key, "corpus": context.corpus.key}
    return context.store.build("overlap", spec, make, "what corpus and splits share")
