"""Students that are trained together: one training, then an ordinary result of stage 2 for each.

The training is one result, ``peers``: its checkpoints hold all students, and it is there when all of them are. The best
epoch is that of the mean of their validation metrics.
"""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.config import OnlineConfig, settings
from tmkd.distributed import Processes, init
from tmkd.errors import ConfigError
from tmkd.results.architecture import DerivedStudent
from tmkd.results.context import RunContext
from tmkd.results.node import Result, merged, outside, spelled_out
from tmkd.results.rows import tokenizer_digest
from tmkd.results.student import PreparedStudent, Student
from tmkd.results.trained import validator
from tmkd.results.work import Work
from tmkd.store.artifacts import SCRATCH
from tmkd.store.provenance import COMPUTED_ON, note_machines

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from tmkd.training.peers import Exchange, PeerLearner
    from tmkd.training.runtime import Runtime

APART = 10_007  # between the seeds of two processes: more than a run has seeds
SHAPING = {
    "mutual": ("weight", "temperature", "burn_in", "direction"),
    "codistillation": ("weight", "temperature", "burn_in", "refresh"),
    "together": (),
}


@dataclass(frozen=True)
class Online:
    """How peers learn from each other."""

    settings: OnlineConfig

    def identity(self) -> dict[str, Any]:
        """Return the settings that shape a training of their kind."""
        own = self.settings
        spec = {name: getattr(own, name) for name in ("kind", *SHAPING[own.kind])}
        return spec | ({"processes": True} if own.kind == "codistillation" and own.processes else {})


@dataclass(frozen=True, eq=False)
class Peers(Result):
    """The training of several students together; ``called`` is their arm's name, for the log."""

    kind: ClassVar[str] = "peers"

    online: Online
    seed: int
    peers: tuple[Student, ...] = spelled_out()
    called: str = outside(default="peers")

    @property
    def what(self) -> str:
        return f"all of {self.called}, seed {self.seed}"

    def reads(self, context: RunContext) -> list[Result]:
        return list(dict.fromkeys(each for peer in self.peers for each in peer.reads(context)))

    def together(self, context: RunContext) -> Processes | None:
        """Return the processes that each train a peer, or those that train all of them."""
        return self._apart or context.processes

    @property
    def _apart(self) -> Processes | None:
        return init(apart=True) if self.online.settings.processes else None

    def cost(self, context: RunContext) -> list[Work]:
        return [work for peer in self.peers for work in peer.cost(context)]

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import torch

        from tmkd.data.batching import Collator
        from tmkd.models.positions import positions_of
        from tmkd.training.fit import train
        from tmkd.training.learner import Learner
        from tmkd.training.peers import PeerCollator, PeerLearner, PeerPairs

        specs, online, seed, ranks = self.peers, self.online.settings, self.seed, self._apart
        started = ranks.count if ranks else 1
        if online.processes and started != len(specs):
            raise ConfigError(
                f"method.online.processes: expected a process for each of {len(specs)} peers, got {started}; start the "
                f"stage with torchrun --nproc-per-node {len(specs)} -m stages.stage2."
            )
        mine = [ranks.rank] if ranks else list(range(len(specs)))
        torch.manual_seed(seed)  # the first student starts as it would alone
        ready: list[PreparedStudent] = []
        for made_of in specs:
            ready.append(made_of.prepare(context, known=ready[0].pairs if ready else None))
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
            what=f"{self.called}, seed {seed}",
            seed=seed + APART * (ranks.rank if ranks else 0),  # a process has an order of its own
            **settings(specs[0].training),
            **asdict(specs[0].trainer),
            validate=_judge(context, [specs[at] for at in mine], [ready[at] for at in mine], ranks),
            metric=specs[0].task.judged_by(specs[0].metric),
            callbacks=meetings,
        )
        written = []
        for at in mine:
            (work / _folder(at + 1)).mkdir(exist_ok=True)
            written.append(specs[at].write(context, ready[at].model, work / _folder(at + 1)))
        return {"training": facts, "peers": list(itertools.chain(*ranks.gather(written))) if ranks else written}


@dataclass(frozen=True, eq=False)
class TrainedPeer(DerivedStudent):
    """One peer as a result of its own, which all later stages read like any other student's; ``peer`` is from 1."""

    kind: ClassVar[str] = "stage2"
    alone: ClassVar[bool] = True

    peers: Peers
    peer: int
    student: Student = merged()

    @property
    def what(self) -> str:
        return f"{self.peers.called}, seed {self.peers.seed}, peer {self.peer}"

    def cost(self, context: RunContext) -> list[Work]:
        return []  # its files are there once all are trained

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        trained = self.peers.find(context)  # not built: the others wait for this one's lock, and would not take part
        assert trained is not None
        note_machines(work / SCRATCH, trained.manifest.get(COMPUTED_ON, []))  # which this process only links
        shutil.copytree(trained.folder(_folder(self.peer)), work, copy_function=_link, dirs_exist_ok=True)
        return {**trained.details["peers"][self.peer - 1], "training": trained.details["training"]}


def _folder(number: int) -> str:
    return f"peer-{number}"


def _link(source: str, target: str) -> None:
    """Published files never change, so one may have two names; copy it where the disk has no such links."""
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


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
        tokens = tokenizer_digest(each.model.tokenizer), each.model.max_length, each.model.long
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
    context: RunContext, specs: Sequence[Student], ready: Sequence[PreparedStudent], ranks: Processes | None
) -> Callable[[Any], dict[str, float]]:
    """Return what gives the mean of all students' validation metrics, the same in every process."""
    each = [
        validator(context, made_of.task, one.model, made_of.metric, relative=made_of.objective.relative)
        for made_of, one in zip(specs, ready)
    ]

    def validate(_: Any) -> dict[str, float]:
        found = [judge(None) for judge in each]
        if ranks:
            found = list(itertools.chain(*ranks.gather(found)))
        return {name: sum(metrics[name] for metrics in found) / len(found) for name in found[0]}

    return validate
