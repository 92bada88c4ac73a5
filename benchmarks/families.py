"""What each arm of ``experiment=families`` costs to train, in time and memory, beside the student alone.

The documentation task with fewer questions and the experiment's three epochs. Teachers, soft labels and stage 1, which
the arms share, are made beforehand. Seconds are those of training with its validations, all of them where an arm takes
several; memory is the peak of the arm's own process. Equal: pairs, batches, epochs, seed; checked: the steps, three
times as many for three generations alone.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.common import HEADER, Bench, Benchmark, Outcome, main, must_agree, raw, row

PREPARE = "prepare"
ALONE = "gold"
SHARED = ["mkd", "tmkd"]  # between them they need all that is shared
TRAININGS = {"born_again": 3}  # of an arm, each as long as one of the student alone; one for all others
BENCHMARK = Benchmark(
    name="families",
    question="What each arm of `experiment=families` costs to train",
    aim="none: to know it",
    sizes={
        "tiny": {
            "settings": ["experiment=[smoke,families]", "encoder.layers=6", "student.layers=3"],
            "arms": [ALONE, "born_again", "snapshots", "mutual"],
            "rounds": 1,
            "in_process": True,
        },
        "short": {"questions": 32, "arms": [ALONE, "kd", "rkd", "mutual", "tmkd"], "rounds": 1},
        "full": {"questions": 84, "rounds": 2},
    },
)


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train the students of one arm afresh; return the seconds and the steps of its trainings."""
    from tmkd.pipelines import stage2

    artifacts = folder / "artifacts"
    for made in [*artifacts.glob("stage2-*"), *artifacts.glob("peers-*")]:
        shutil.rmtree(made)
    config = _config(case, folder)
    names = SHARED if contender == PREPARE else [contender]
    config.method.arms = {name: config.method.arms[name] for name in names}
    stage2.run(config)
    trained = list(map(_training, [*artifacts.glob("stage2-*"), *artifacts.glob("peers-*")]))
    costs = [one for one in trained if one]
    return {"seconds": sum(one["cost"]["seconds"] for one in costs), "steps": sum(one["steps"] for one in costs)}


def _config(case: dict[str, Any], folder: Path) -> Any:
    from benchmarks.simulated import checked

    few = [f"data.questions=[{case['questions']},20,20]", "corpus.questions=40"] if "questions" in case else []
    return checked(folder, [*case.get("settings", ["experiment=families"]), "student.seeds=[1]", *few])


def _training(artifact: Path) -> dict[str, Any] | None:
    """Return what is known of the training that made a student; None for one of several that were trained together."""
    manifest = json.loads((artifact / "manifest.json").read_text())
    return None if "peer" in manifest["spec"] else manifest["details"]["training"]


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Make what the arms share, then train each in a process of its own, in turn."""
    arms = case.get("arms") or list(_config(case, bench.folder).method.arms)
    bench.once(PREPARE, case)
    runs = bench.measure(arms, case)
    steps = runs[ALONE][0].answer["steps"]
    checked = must_agree(
        "steps of every training",
        [of[0].answer["steps"] / TRAININGS.get(name, 1) for name, of in runs.items()],
        [steps] * len(runs),
        0,
    )
    rows = [row(name, of, runs[ALONE]) for name, of in runs.items()]
    times = sorted(float(line[2]) for line in rows)
    return Outcome(
        f"{times[0]:.2f} to {times[-1]:.2f} times the student alone", None, HEADER, rows, [checked], [], raw(runs)
    )


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
