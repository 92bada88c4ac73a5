"""Students that are trained together: one module, one batch a step for all of them, one Trainer.

Peers may have tokenizers of their own: a batch then holds the same pairs once for each. What they learn from each other
is in ``Exchange``; without one they only share the training, and each ends as it would alone.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset as TorchDataset
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tmkd.data.batching import Collator, PairDataset
from tmkd.errors import DataError
from tmkd.losses.combine import Amount, at, combine
from tmkd.models.classifier import PairClassifier
from tmkd.training.learner import Learner, inputs_of


class PeerPairs(TorchDataset[Any]):
    """The same pairs, in the same order, as each of several tokenizers cuts them; ``views`` is not empty.

    Raises:
        DataError: views of different pairs.
    """

    def __init__(self, views: Sequence[PairDataset]) -> None:
        ids = list(views[0].tokens["id"])
        for number, view in enumerate(views[1:], start=2):
            other = list(view.tokens["id"])
            if other != ids:
                same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(ids, other)))
                raise DataError(
                    f"Peers learn from the same pairs, but from row {same + 1} on view {number} has others than view 1 "
                    f"({len(other)} pairs, not {len(ids)}); give every peer the tokens of one split."
                )
        self.views = views
        self.lengths = np.max([view.lengths for view in views], axis=0)
        self.questions = views[0].questions
        self.states = self if any(view.states is not None for view in views) else None  # for ``plan``

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> list[dict[str, Any]]:
        return [view[index] for view in self.views]

    def plan(self, order: Sequence[int]) -> None:
        """Pass the order of the coming epoch on to the sources of teachers' states."""
        for view in self.views:
            if view.states is not None:
                view.states.plan(order)


class PeerCollator:
    """Make ``{"views": [batch, ...]}`` of the rows of PeerPairs, with one Collator a view."""

    def __init__(self, collators: Sequence[Collator]) -> None:
        self.collators = collators

    def __call__(self, rows: Sequence[list[dict[str, Any]]]) -> dict[str, Any]:
        return {"views": [collate(view) for collate, view in zip(self.collators, zip(*rows), strict=True)]}


class Exchange(nn.Module):
    """What peers learn from each other's gold heads.

    Args:
        loss: of (my logits [batch, classes], the others' [batch, peers, classes]), as in ``tmkd.losses.online``.
        weight: of that loss; a function of progress can be 0 while a burn-in lasts, and nothing is computed then.
        sources: for each peer the places of those that it learns from, in the list of peers or of copies.
        copies: classifiers that stand for the peers; without them the peers themselves are learnt from as they are.
        copy_views: which view each copy reads.

    Copies are part of the state dict, so a checkpoint holds them.
    """

    def __init__(
        self,
        loss: Callable[[Tensor, Tensor], Tensor],
        weight: Amount,
        sources: Sequence[Sequence[int]],
        copies: Sequence[PairClassifier] = (),
        copy_views: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.loss = loss
        self.weight = weight
        self.sources = sources
        self.copies = nn.ModuleList(copies).requires_grad_(False).eval()
        self.copy_views = copy_views

    def train(self, mode: bool = True) -> Exchange:
        super().train(mode)
        self.copies.eval()  # what they predict is no matter of chance
        return self

    def forward(self, own: Sequence[Tensor], views: Sequence[dict[str, Any]], progress: float) -> list[Tensor | None]:
        """Return each peer's weighted loss; None where it learns from nobody (now).

        Args:
            own: the peers' logits, ``[batch, classes]`` each.
        """
        weight = at(self.weight, progress)
        if not weight:
            return [None] * len(own)
        seen = {place: self._seen(place, own, views) for place in {at for each in self.sources for at in each}}
        return [
            weight * self.loss(mine, torch.stack([seen[place] for place in places], dim=1)) if places else None
            for mine, places in zip(own, self.sources, strict=True)
        ]

    @torch.no_grad()
    def _seen(self, place: int, own: Sequence[Tensor], views: Sequence[dict[str, Any]]) -> Tensor:
        if not self.copies:
            return own[place].detach()
        return self.copies[place](**inputs_of(views[self.copy_views[place]])).gold

    def refresh(self, peers: Sequence[PairClassifier]) -> None:
        """Bring every copy up to its peer."""
        for stale, peer in zip(self.copies, peers, strict=True):
            stale.load_state_dict(peer.state_dict())


def copies_of(peers: Sequence[PairClassifier]) -> list[PairClassifier]:
    """Return a copy of each, with weights of its own."""
    return [copy.deepcopy(peer) for peer in peers]


class PeerLearner(nn.Module):
    """Several learners side by side; the loss is the sum of theirs and of what they learn from each other.

    Args:
        peers: each a student with the terms of its own loss.
        views: which of the batch's views each of them reads.
    """

    accepts_loss_kwargs = False  # as in Learner

    def __init__(self, peers: Sequence[Learner], views: Sequence[int], exchange: Exchange | None = None) -> None:
        super().__init__()
        self.peers = nn.ModuleList(peers)
        self.exchange = exchange
        self.views = views
        self.progress = 0.0

    @property
    def student(self) -> list[PairClassifier]:
        """The students, in order."""
        return [peer.student for peer in self.peers]  # type: ignore[misc]

    def clipped_apart(self) -> list[nn.Module]:
        return list(self.peers)

    def forward(self, views: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return ``loss``, a scalar, and ``terms``, every term's unweighted value, by peer and name."""
        costs: list[Tensor] = []
        terms: dict[str, Tensor] = {}
        outputs = [peer.read(views[view]) for peer, view in zip(self.peers, self.views)]  # type: ignore[operator]
        for number, (peer, view, output) in enumerate(zip(self.peers, self.views, outputs), start=1):
            cost, values = combine(peer.terms, output, views[view], self.progress)  # type: ignore[arg-type]
            costs.append(cost)
            terms |= {f"peer {number} {name}": value for name, value in values.items()}
        if self.exchange is not None:
            learnt = self.exchange([output.gold for output in outputs], views, self.progress)
            for number, cost in enumerate(learnt, start=1):
                if cost is not None:
                    costs.append(cost)
                    terms[f"peer {number} others"] = cost.detach()
        return {"loss": sum(costs), "terms": terms}


class RefreshCopies(TrainerCallback):
    """Renew the copies before the first step and every few steps after it."""

    def __init__(self, refresh: Callable[[], None], every: int) -> None:
        self.refresh = refresh
        self.every = every

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        # By the number of the step, so that a run that goes on from a checkpoint does it where any other does.
        if state.global_step % self.every == 0:
            self.refresh()
