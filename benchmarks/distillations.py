"""Whole distillations, by contender: what ``three_teachers`` and ``arms_and_seeds`` compare.

A contender's name is ``<project>[ <mode>]``. All start from teachers and tokens on disk and end with every student on
disk; loading models, scoring, training and saving are in their time, imports are not.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

TMKD = "tmkd"
LIVE = "TextBrewer, live teachers"
CACHED = "TextBrewer, cached logits"
OWN = ", its own batches"  # as they are drawn, of any length: what its user has; without it, tmkd's batches
LIVE_OWN, CACHED_OWN = LIVE + OWN, CACHED + OWN
TEXTBREWER = (LIVE, CACHED, LIVE_OWN, CACHED_OWN)
TRAINER = "transformers Trainer, live teachers"
TORCHDISTILL = "torchdistill, live teachers"
SHAPES = [[12, 768], [12, 768], None]  # two teachers of MPNet's and BERT-base's layers and width, and MiniLM itself
TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2}  # of the loss; bf16 has 8 bits


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train every arm of the case with every seed; return ``seconds`` and the losses of each training."""
    from benchmarks import material
    from benchmarks.contenders import with_textbrewer, with_tmkd, with_torchdistill, with_trainer

    if contender in TEXTBREWER:
        import textbrewer  # noqa: F401
    material.runtime(case)
    here = folder / f"run-{len(list(folder.glob('run-*')))}"
    here.mkdir()
    for made in folder.iterdir():
        if made.name.startswith(("tokens", "teacher-")):
            (here / made.name).symlink_to(made)
    trainings = [(targets, alpha, seed) for targets, alpha in case["arms"] for seed in case["seeds"]]
    started = time.perf_counter()
    if contender == TMKD:
        soft = with_tmkd.score(case, here)
        losses = [with_tmkd.fit(case, here, *training, soft) for training in trainings]
    else:
        live = material.teachers(case, here)
        losses = []
        for training in trainings:
            if contender in TEXTBREWER:
                how: dict[str, Any] = {"cached": CACHED in contender, "buckets": OWN not in contender}
                losses.append(with_textbrewer.fit(case, here, *training, live, **how))
            elif contender == TRAINER:
                losses.append(with_trainer.fit(case, here, *training, live))
            elif contender == TORCHDISTILL:
                losses.append(with_torchdistill.fit(case, here, *training, live))
            else:
                raise ValueError(f"no contender is called {contender}")
    return {"seconds": time.perf_counter() - started, "losses": losses}


def check(bench: Any, case: dict[str, Any], contenders: list[str]) -> list[str]:
    """Let every contender train for two epochs of 20 steps on the same batches; return how well the losses agree.

    A case whose teachers take long has fewer ``check_steps``. Of TextBrewer with cached logits it is the first epoch:
    in the second its order is its own.
    """
    from benchmarks import material
    from benchmarks.common import must_agree

    steps = case.get("check_steps", 20)
    small = case | {"pairs": steps * case["batch_size"], "epochs": 2, "seeds": case["seeds"][:1], "check": True}
    folder = bench.folder / f"check-{case['precision']}-{len(list(bench.folder.glob('check-*')))}"
    folder.mkdir()
    material.make(small, folder)
    losses = {name: bench.once(name, small, folder).answer["losses"] for name in contenders}
    said = []
    for at, (targets, alpha) in enumerate(case["arms"]):
        what = (
            f"losses of {contenders[0]} and {'; '.join(contenders[1:])} ({targets}, α = {alpha}, {case['precision']})"
        )
        ours, theirs = [], []
        for name in contenders[1:]:
            until = steps if name == CACHED else 2 * steps
            ours += losses[contenders[0]][at][:until]
            theirs += losses[name][at][:until]
        said.append(must_agree(what, ours, theirs, TOLERANCE[case["precision"]]))
    return said
