"""Stage 2 of students that are trained together: one training, then an ordinary result of stage 2 for each.

The training is one artifact, ``peers``: its checkpoints hold all students, and it is there when all of them are. The
best epoch is that of the mean of their validation metrics.
"""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.config import OnlineConfig, settings
from tmkd.distributed import Processes, init
from tmkd.errors import ConfigError
from tmkd.evaluation.metrics import main_metric
from tmkd.pipelines.arms import Arm
from tmkd.pipelines.classifiers import validator
from tmkd.pipelines.context import tokenizer_digest
from tmkd.pipelines.online import ensemble_name, members, online_spec, peer_name
from tmkd.pipelines.student_spec import PreparedStudent, StudentSpec, prepare, student_spec, write_student
from tmkd.store.artifacts import SCRATCH, Artifact
from tmkd.store.provenance import COMPUTED_ON, note_machines

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from tmkd.training.peers import Exchange, PeerLearner
    from tmkd.training.runtime import Runtime

APART = 10_007  # between the seeds of two processes: more than a run has seeds


def peers(arm: Arm, seed: int) -> list[Artifact]:
    """Return an arm's students of one seed, in the order of its peers."""
    [objective] = arm.objectives
    specs = [student_spec(context, objective, arm.trained, seed) for context in members(arm.context)]
    online, what = arm.context.config.method.online, f"{arm.name}, seed {seed}"
    spec = {"online": online_spec(online), "peers": [each.spec for each in specs], "seed": seed}
    # a process a peer, or all peers in each process of one training
    ranks = init(apart=True) if online.processes else None

    def make(work: Path) -> dict[str, Any]:
        return _train(specs, online, what, work, ranks)

    trained = arm.context.build("peers", spec, make, f"all of {what}", ranks)
    return [_student(arm, trained, each, number, what) for number, each in enumerate(specs, start=1)]


def arm_rows(arm: Arm, made: Sequence[Sequence[Artifact]]) -> dict[str, list[list[Artifact]]]:
    """Return the rows of an arm by name: for each seed the students whose probabilities are averaged.

    Where students are trained together the arm's own row is the first one, fixed beforehand; then come those that are
    of another architecture, and the ensemble of all that learnt from each other.

    Args:
        made: for each seed what ``stage2.students`` returned.
    """
    online = arm.context.config.method.online
    if online.kind == "none":
        return {arm.name: [list(seed) for seed in made]}
    built = [student.manifest["spec"]["student"] for student in made[0]]
    rows = {arm.name: [[seed[0]] for seed in made]}
    for place in range(1, len(built)):
        if built[place] not in built[:place]:
            rows[peer_name(arm.name, online, place + 1)] = [[seed[place]] for seed in made]
    return rows if online.kind == "together" else {**rows, ensemble_name(arm.name): [list(seed) for seed in made]}


def _student(arm: Arm, trained: Artifact, made_of: StudentSpec, number: int, what: str) -> Artifact:
    """Return one peer as a result of its own, which all later stages read like any other's."""
    spec = {**made_of.spec, "peers": trained.key, "peer": number}

    def make(work: Path) -> dict[str, Any]:
        source = trained.folder(_folder(number))
        note_machines(work / SCRATCH, trained.manifest.get(COMPUTED_ON, []))  # which this process only links
        shutil.copytree(source, work, copy_function=_link, dirs_exist_ok=True)
        return {**trained.details["peers"][number - 1], "training": trained.details["training"]}

    return arm.context.store.build("stage2", spec, make, f"{what}, peer {number}")


def _folder(number: int) -> str:
    return f"peer-{number}"


def _link(source: str, target: str) -> None:
    """Published files never change, so one may have two names; copy it where the disk has no such links."""
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _train(
    specs: Sequence[StudentSpec], online: OnlineConfig, what: str, work: Path, ranks: Processes | None = None
) -> dict[str, Any]:
    import torch

    from tmkd.data.batching import Collator
    from tmkd.models.positions import positions_of
    from tmkd.training.fit import train
    from tmkd.training.learner import Learner
    from tmkd.training.peers import PeerCollator, PeerLearner, PeerPairs

    started = ranks.count if ranks else 1
    if online.processes and started != len(specs):
        raise ConfigError(
            f"method.online.processes: expected a process for each of {len(specs)} peers, got {started}; start the "
            f"stage with torchrun --nproc-per-node {len(specs)} -m stages.stage2."
        )
    context, seed = specs[0].context, specs[0].seed
    mine = [ranks.rank] if ranks else list(range(len(specs)))
    torch.manual_seed(seed)  # the first student starts as it would alone
    ready: list[PreparedStudent] = []
    for made_of in specs:
        ready.append(prepare(made_of, known=ready[0].pairs if ready else None))
    views = _views(ready)
    shown = [ready[views.index(view)] for view in range(max(views) + 1)]
    fewest = min((most for each in ready if (most := positions_of(each.model.encoder))), default=None)
    exchange = _exchange(ready, views, online, mine)
    learner = PeerLearner(
        [Learner(ready[at].model, ready[at].terms) for at in mine], [views[at] for at in mine], exchange
    )
    runtime, scratch, meetings = _meetings(context.runtime, work / SCRATCH, learner, online, ranks)
    facts = train(
        learner,
        PeerPairs([each.pairs for each in shown]),
        PeerCollator([Collator(each.model.tokenizer.pad_token_id, fewest) for each in shown]),
        scratch=scratch,
        runtime=runtime,
        what=what,
        seed=seed + APART * (ranks.rank if ranks else 0),  # a process has an order of its own
        **settings(context.config.stage2),
        **settings(context.config.trainer),
        validate=_judge([specs[at] for at in mine], [ready[at] for at in mine], ranks),
        metric=main_metric(context.config.data.ranking),
        callbacks=meetings,
    )
    written = []
    for at in mine:
        (work / _folder(at + 1)).mkdir(exist_ok=True)
        written.append(write_student(specs[at].context, ready[at], work / _folder(at + 1)))
    return {"training": facts, "peers": list(itertools.chain(*ranks.gather(written))) if ranks else written}


def _meetings(
    runtime: Runtime, scratch: Path, learner: PeerLearner, online: OnlineConfig, ranks: Processes | None
) -> tuple[Runtime, Path, list[TrainerCallback]]:
    """Return when copies are renewed, and what else several processes need: a folder each, checkpoints agreed on."""
    from tmkd.training.codistillation import Meet, keep_common, refresh
    from tmkd.training.peers import RefreshCopies

    exchange = learner.exchange
    if exchange is None or not exchange.copies:
        return runtime, scratch, []
    if ranks is None:
        own = functools.partial(exchange.refresh, learner.student)
        return runtime, scratch, [RefreshCopies(own, online.refresh)]
    scratch = scratch / _folder(ranks.rank + 1)
    keep_common(ranks, scratch)
    copies = functools.partial(refresh, ranks, learner.student[0], exchange)
    meet = Meet(ranks, copies, online.refresh, runtime.checkpoint_seconds)
    return replace(runtime, checkpoint_seconds=sys.maxsize), scratch, [meet]


def _views(ready: Sequence[PreparedStudent]) -> list[int]:
    """Return which view of a batch each student reads: one for each tokenizer, and for each source of states."""
    known: dict[Any, int] = {}
    views = []
    for each in ready:
        tokens = tokenizer_digest(each.model.tokenizer), each.model.max_length
        views.append(known.setdefault((tokens, id(each.pairs.states) if each.pairs.states else None), len(known)))
    return views


def _exchange(
    ready: Sequence[PreparedStudent], views: list[int], online: OnlineConfig, mine: Sequence[int]
) -> Exchange | None:
    """Return what the peers at the places ``mine`` learn from the others; those elsewhere are there as copies."""
    from tmkd.losses.online import ONLINE_LOSSES
    from tmkd.training.peers import Exchange, copies_of

    if online.kind == "together":
        return None
    places = range(len(ready))
    down = online.direction == "down"
    sources = [[other for other in places if other != place and not (down and other > place)] for place in places]
    loss = functools.partial(ONLINE_LOSSES[online.kind], temperature=online.temperature)

    def weight(progress: float) -> float:
        return online.weight if progress >= online.burn_in else 0.0

    if online.kind == "mutual":
        return Exchange(loss, weight, sources)
    if len(mine) == len(ready):
        return Exchange(loss, weight, sources, copies_of([each.model for each in ready]), views)
    others = [place for place in places if place not in mine]
    copies = [ready[place].model for place in others]  # nobody trains these here: they can be the copies themselves
    return Exchange(loss, weight, [list(range(len(others)))], copies, [views[place] for place in others])


def _judge(
    specs: Sequence[StudentSpec], ready: Sequence[PreparedStudent], ranks: Processes | None
) -> Callable[[Any], dict[str, float]]:
    """Return what gives the mean of all students' validation metrics, the same in every process."""
    each = [validator(made_of.context, one.model) for made_of, one in zip(specs, ready)]

    def validate(_: Any) -> dict[str, float]:
        found = [judge(None) for judge in each]
        if ranks:
            found = list(itertools.chain(*ranks.gather(found)))
        return {name: sum(metrics[name] for metrics in found) / len(found) for name in found[0]}

    return validate
