"""Losses between a student's and its teachers' inner states, as modules: which layers, which maps, how many teachers.

``TRANSFERS`` names them for ``method.terms``; the formulas are in ``feature``, ``attention`` and ``relation``.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tmkd.choices import ALWAYS_MAPPED, POOLED, SELF_ATTENTION
from tmkd.losses.all_gather import all_rows
from tmkd.losses.attention import attention_kl, neighbouring_maps, relation_kl, score_mse
from tmkd.losses.feature import Projection, cosine, hidden_mse, hint, patient
from tmkd.losses.mapping import layer_pairs
from tmkd.losses.relation import angles, distances, flow, similarity
from tmkd.states import State


@dataclass(frozen=True)
class Shape:
    """What an encoder's states look like: its number of layers, width and number of attention heads."""

    layers: int
    width: int
    heads: int


@dataclass(frozen=True)
class Transfer:
    """One way to learn from inner states.

    Attributes:
        kind: of the states, as in ``tmkd.states``: the same on both sides, whatever their heads read. Terms in
            ``POOLED`` may read another vector of a pair, by their settings.
        layers: which student layer learns from which teacher layer, where the settings do not say.
        loss: of (student states, teacher states, mask) or, without ``masked``, of the states alone.
        mapped: a learnt map stands between widths that differ (of terms in ``ALWAYS_MAPPED``, between all); without it
            they may differ as they are, or the loss itself objects.
        same_heads: attention must have the same number of heads on both sides.
        among: it compares the examples of a batch with each other, and so wants all of them from all processes.
        flows: it compares what happens from one layer of the map to the next, the embeddings being the first, and not
            the layers themselves.
    """

    kind: str
    layers: str
    loss: Callable[..., Tensor]
    masked: bool = True
    mapped: bool = False
    same_heads: bool = False
    among: bool = False
    flows: bool = False


TRANSFERS = {
    "hint": Transfer("hidden", "middle", hint, mapped=True),
    "patient": Transfer(
        "first", "skip", lambda s, t: patient(s.unsqueeze(1), t.unsqueeze(1)), masked=False, mapped=True
    ),
    "embeddings": Transfer("hidden", "embeddings", hidden_mse, mapped=True),
    "hidden": Transfer("hidden", "uniform", hidden_mse, mapped=True),
    "cosine": Transfer("hidden", "top", cosine, mapped=True),
    "scores": Transfer("scores", "uniform", score_mse, same_heads=True),
    "attention": Transfer("scores", "top", attention_kl, same_heads=True),
    "queries": Transfer("queries", "top", relation_kl),
    "keys": Transfer("keys", "top", relation_kl),
    "values": Transfer("values", "top", relation_kl),
    "distances": Transfer("first", "top", distances, masked=False, among=True),
    "angles": Transfer("first", "top", angles, masked=False, among=True),
    "similarity": Transfer("first", "top", similarity, masked=False, among=True),
    "fsp": Transfer("hidden", "uniform", flow, mapped=True, flows=True),
}


class StateLoss(nn.Module):
    """The loss of one term: the teachers' mean of the layers' mean.

    Args:
        name: in ``TRANSFERS``.
        student, teachers: shapes of the encoders.
        layers: a layer map; None: the transfer's own.
        shares: how much each teacher counts; None: all alike.
        relation_heads: for relations of queries, keys or values: heads to compare in; None: those that there are.
        pooling: first, mean or last: which vector of a pair a term reads that reads one.

    Raises:
        ValueError: layers or heads that do not go together.
    """

    def __init__(
        self,
        name: str,
        student: Shape,
        teachers: Sequence[Shape],
        layers: str | None = None,
        shares: Sequence[float] | None = None,
        relation_heads: int | None = None,
        pooling: str = "first",
    ) -> None:
        super().__init__()
        self.transfer = TRANSFERS[name]
        self.kind = pooling if name in POOLED else self.transfer.kind
        relations = self.transfer.loss is relation_kl
        self.extra = {"relation_heads": relation_heads} if relations and relation_heads else {}
        layers = layers or self.transfer.layers
        self.pairs = [layer_pairs(layers, student.layers, teacher.layers) for teacher in teachers]
        if self.transfer.flows:
            if layers == "embeddings":
                raise ValueError(f"expected a map of layers other than embeddings for '{name}': nothing flows in them")
            self.pairs = [[(0, 0), *pairs] for pairs in self.pairs]
        self.shares = [share / sum(shares) for share in shares] if shares else [1 / len(teachers)] * len(teachers)
        if (relations or self.transfer.kind == "scores") and any((0, 0) in pairs for pairs in self.pairs):
            raise ValueError(f"expected a map of layers other than {layers} for '{name}': embeddings have no attention")
        for teacher in teachers:
            if self.transfer.same_heads and teacher.heads != student.heads:
                raise ValueError(
                    f"expected as many attention heads in the student as in its teacher for '{name}', but found "
                    f"{student.heads} and {teacher.heads}"
                )
            if relations and relation_heads and math.gcd(student.width, teacher.width) % relation_heads:
                raise ValueError(
                    f"expected relation_heads that divide the widths of student ({student.width}) and teacher "
                    f"({teacher.width}) for '{name}', but found {relation_heads}"
                )
            if relations and not relation_heads and teacher.heads != student.heads:
                raise ValueError(
                    f"expected as many attention heads in the student as in its teacher, or relation_heads, for "
                    f"'{name}', but found {student.heads} and {teacher.heads}"
                )
        self.maps = nn.ModuleList(
            nn.ModuleList(
                Projection(student.width, teacher.width, name in ALWAYS_MAPPED)
                if self.transfer.mapped
                else nn.Identity()
                for _ in pairs
            )
            for teacher, pairs in zip(teachers, self.pairs, strict=True)
        )

    @property
    def student_states(self) -> set[State]:
        return {(self.kind, mine) for pairs in self.pairs for mine, _ in pairs}

    @property
    def teacher_states(self) -> list[set[State]]:
        """What it reads of each teacher."""
        return [{(self.kind, theirs) for _, theirs in pairs} for pairs in self.pairs]

    def forward(self, output: Any, batch: Mapping[str, Any], progress: float = 0.0) -> Tensor:
        """``output.states`` and ``batch["teacher_states"]`` hold tensors by (kind, layer)."""
        kind = self.kind
        mask = (batch["attention_mask"],) if self.transfer.masked else ()
        rows = functools.partial(all_rows, batch=batch) if self.transfer.among else lambda state: state
        total = output.logits.new_zeros(())
        for share, pairs, maps, states in zip(self.shares, self.pairs, self.maps, batch["teacher_states"], strict=True):
            compared = [
                (rows(learnt(output.states[kind, mine])), rows(states[kind, theirs]))
                for (mine, theirs), learnt in zip(pairs, maps, strict=True)  # type: ignore[call-overload]
            ]
            if self.transfer.flows:
                compared = [
                    (_between(lower[0], upper[0]), _between(lower[1], upper[1]))
                    for lower, upper in itertools.pairwise(compared)
                ]
            each = [self.transfer.loss(mine, theirs, *mask, **self.extra) for mine, theirs in compared]
            total = total + share * torch.stack(each).mean()
        return total


def _between(lower: Tensor, upper: Tensor) -> Tensor:
    """Two layers' states ``[batch, tokens, width]`` as ``[batch, 2, tokens, width]``, float32."""
    return torch.stack([lower.float(), upper.float()], dim=1)  # teachers' are half precision, which autocast refuses


class SelfAttention(nn.Module):
    """Each layer's attention learns from the layer above (``attention.neighbouring_maps``)."""

    def __init__(self, student: Shape) -> None:
        super().__init__()
        if student.layers < 2:
            raise ValueError(f"expected a student of at least 2 layers for '{SELF_ATTENTION}', but found 1")
        self.layers = range(1, student.layers + 1)

    @property
    def student_states(self) -> set[State]:
        return {("scores", layer) for layer in self.layers}

    def forward(self, output: Any, batch: Mapping[str, Any], progress: float = 0.0) -> Tensor:
        scores = torch.stack([output.states["scores", layer] for layer in self.layers], dim=1)
        return neighbouring_maps(scores, batch["attention_mask"])
