"""Losses between a student's and its teachers' inner states, as modules: which layers, which maps, how many teachers.

``TRANSFERS`` names them for ``method.terms``; the formulas are in ``feature``, ``attention`` and ``relation``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tmkd.losses.attention import attention_kl, neighbouring_maps, score_mse, value_relation_kl
from tmkd.losses.feature import Projection, cosine, hidden_mse, hint, patient
from tmkd.losses.mapping import LAYER_MAPS, layer_pairs
from tmkd.losses.relation import angles, distances, similarity
from tmkd.losses.together import all_rows

State = tuple[str, int]
MAPS = (*LAYER_MAPS, "middle", "embeddings")


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
        kind: of the states, as in ``tmkd.models.states``.
        layers: which student layer learns from which teacher layer, where the settings do not say.
        loss: of (student states, teacher states, mask) or, without ``masked``, of the states alone.
        mapped: a learnt map stands between widths that differ; without it they may differ as they are, or the loss
            itself objects.
        same_heads: attention must have the same number of heads on both sides.
        among: it compares the examples of a batch with each other, and so wants all of them from all processes.
    """

    kind: str
    layers: str
    loss: Callable[..., Tensor]
    masked: bool = True
    mapped: bool = False
    same_heads: bool = False
    among: bool = False


TRANSFERS = {
    "hint": Transfer("hidden", "middle", hint, mapped=True),
    "patient": Transfer("h1", "skip", lambda s, t: patient(s.unsqueeze(1), t.unsqueeze(1)), masked=False, mapped=True),
    "embeddings": Transfer("hidden", "embeddings", hidden_mse, mapped=True),
    "hidden": Transfer("hidden", "uniform", hidden_mse, mapped=True),
    "cosine": Transfer("hidden", "top", cosine, mapped=True),
    "scores": Transfer("scores", "uniform", score_mse, same_heads=True),
    "attention": Transfer("scores", "top", attention_kl, same_heads=True),
    "values": Transfer("values", "top", value_relation_kl),
    "distances": Transfer("h1", "top", distances, masked=False, among=True),
    "angles": Transfer("h1", "top", angles, masked=False, among=True),
    "similarity": Transfer("h1", "top", similarity, masked=False, among=True),
}
SELF_ATTENTION = "self_attention"  # learns from the student's own upper layers: no teacher
NAMES = (*TRANSFERS, SELF_ATTENTION)


def pairs_of_layers(layers: str, student: Shape, teacher: Shape) -> list[tuple[int, int]]:
    """Return (student layer, teacher layer); ``middle`` and ``embeddings`` beside what ``layer_pairs`` knows.

    ``middle`` is the guided and the hint layer of FitNets (Romero et al. 2015, section 2.2).
    """
    if layers == "embeddings":
        return [(0, 0)]
    if layers == "middle":
        return [(-(-student.layers // 2), -(-teacher.layers // 2))]
    return layer_pairs(layers, student.layers, teacher.layers)


class StateLoss(nn.Module):
    """The loss of one term: the teachers' mean of the layers' mean.

    Args:
        name: in ``TRANSFERS``.
        student, teachers: shapes of the encoders.
        layers: a layer map; None: the transfer's own.
        shares: how much each teacher counts; None: all alike.
        relation_heads: for ``values``, where numbers of heads differ.

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
    ) -> None:
        super().__init__()
        self.transfer = TRANSFERS[name]
        self.extra = {"relation_heads": relation_heads} if name == "values" and relation_heads else {}
        self.pairs = [pairs_of_layers(layers or self.transfer.layers, student, teacher) for teacher in teachers]
        self.shares = [share / sum(shares) for share in shares] if shares else [1 / len(teachers)] * len(teachers)
        if self.transfer.kind in ("scores", "values") and any((0, 0) in pairs for pairs in self.pairs):
            raise ValueError(f"expected a map of layers other than {layers} for '{name}': embeddings have no attention")
        for teacher in teachers:
            if self.transfer.same_heads and teacher.heads != student.heads:
                raise ValueError(
                    f"expected as many attention heads in the student as in its teacher for '{name}', but found "
                    f"{student.heads} and {teacher.heads}"
                )
            if name == "values" and relation_heads and math.gcd(student.width, teacher.width) % relation_heads:
                raise ValueError(
                    f"expected relation_heads that divide the widths of student ({student.width}) and teacher "
                    f"({teacher.width}) for '{name}', but found {relation_heads}"
                )
            if name == "values" and not relation_heads and teacher.heads != student.heads:
                raise ValueError(
                    f"expected as many attention heads in the student as in its teacher, or relation_heads, for "
                    f"'{name}', but found {student.heads} and {teacher.heads}"
                )
        self.maps = nn.ModuleList(
            nn.ModuleList(
                Projection(student.width, teacher.width) if self.transfer.mapped else nn.Identity() for _ in pairs
            )
            for teacher, pairs in zip(teachers, self.pairs, strict=True)
        )

    @property
    def student_states(self) -> set[State]:
        return {(self.transfer.kind, mine) for pairs in self.pairs for mine, _ in pairs}

    @property
    def teacher_states(self) -> list[set[State]]:
        """What it reads of each teacher."""
        return [{(self.transfer.kind, theirs) for _, theirs in pairs} for pairs in self.pairs]

    def forward(self, output: Any, batch: Mapping[str, Any], progress: float = 0.0) -> Tensor:
        """``output.states`` and ``batch["teacher_states"]`` hold tensors by (kind, layer)."""
        kind, masked = self.transfer.kind, self.transfer.masked
        mask = (batch["attention_mask"],) if masked else ()
        rows = functools.partial(all_rows, batch=batch) if self.transfer.among else lambda state: state
        total = output.logits.new_zeros(())
        for share, pairs, maps, states in zip(self.shares, self.pairs, self.maps, batch["teacher_states"], strict=True):
            each = [
                self.transfer.loss(
                    rows(learnt(output.states[kind, mine])), rows(states[kind, theirs]), *mask, **self.extra
                )
                for (mine, theirs), learnt in zip(pairs, maps, strict=True)  # type: ignore[call-overload]
            ]
            total = total + share * torch.stack(each).mean()
        return total


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
