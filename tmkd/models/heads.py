"""The heads on ``h1``: the gold head ``W_g`` and a soft head ``W_si`` a teacher, all in one matrix product."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

GOLD = "gold"
AVERAGE = "average"


class Heads(nn.Module):
    """Linear heads, one for each name; ``gold``, if it is there, comes first.

    Args:
        alike: all heads start from one random draw. The first gradient that reaches the encoder from K soft heads is
            then the one of a single head on the teachers' average. With a draw each they pull in random directions, and
            their mean gradient has 1/√K of that length.
    """

    def __init__(self, names: Sequence[str], width: int, classes: int, alike: bool = True) -> None:
        super().__init__()
        if not names or len(set(names)) != len(names) or GOLD in names[1:]:
            raise ValueError(f"expected distinct head names with {GOLD} first, but found {list(names)}")
        self.names = tuple(names)
        self.classes = classes
        self.linear = nn.Linear(width, len(names) * classes)
        drawn = torch.empty(classes if alike else len(names) * classes, width)
        nn.init.normal_(drawn, std=0.02)  # as BERT initialises its own heads
        with torch.no_grad():
            self.linear.weight.copy_(drawn.repeat(len(names), 1) if alike else drawn)
        nn.init.zeros_(self.linear.bias)

    def forward(self, h1: Tensor) -> Tensor:
        """``[batch, width]`` to logits ``[batch, heads, classes]``, float32.

        The product runs in float32 under autocast too: logits rounded to bfloat16 make ties between passages.
        """
        with torch.autocast(h1.device.type, enabled=False):
            logits: Tensor = self.linear(h1.to(self.linear.weight.dtype))
        return logits.float().unflatten(-1, (len(self.names), self.classes))

    @torch.no_grad()
    def move(self, head: int, slope: float, shift: Sequence[float]) -> None:
        """Let one head's logits be ``slope · z + shift``, ``shift: [classes]``, from now on."""
        rows = slice(head * self.classes, (head + 1) * self.classes)
        self.linear.weight[rows] *= slope
        self.linear.bias[rows] *= slope
        self.linear.bias[rows] += self.linear.bias.new_tensor(shift)

    @torch.no_grad()
    def carry_over(self, earlier: Heads) -> None:
        """Start from the heads of stage 1: each from its own teacher's where there is one, else from their mean.

        The mean of linear heads is the head of the mean logits, so a head that learnt the teachers' average serves as
        the start of every teacher's head, and of the gold head. The class sets must agree (ValueError).
        """
        if earlier.classes != self.classes or earlier.linear.in_features != self.linear.in_features:
            raise ValueError(
                f"expected stage-1 heads of {self.linear.in_features} × {self.classes}, but found "
                f"{earlier.linear.in_features} × {earlier.classes}"
            )
        for mine, theirs in [(self.linear.weight, earlier.linear.weight), (self.linear.bias, earlier.linear.bias)]:
            source = theirs.unflatten(0, (len(earlier.names), self.classes))
            target = mine.unflatten(0, (len(self.names), self.classes))
            for index, name in enumerate(self.names):
                target[index] = source[earlier.names.index(name)] if name in earlier.names else source.mean(0)


def prediction_heads(names: Sequence[str], alpha: float) -> list[int]:
    """Return the places of the heads that predict: those that the loss still teaches when training ends.

    Args:
        names: of the heads, ``gold`` first if it is there.
        alpha: the weight of the soft labels at the end of the training. At 1 the soft heads predict, as in the paper,
            at 0 the gold head, in between all of them.
    """
    gold = [index for index, name in enumerate(names) if name == GOLD]
    soft = [index for index, name in enumerate(names) if name != GOLD]
    if not gold or not soft:
        return [*gold, *soft]
    return soft if alpha == 1 else gold if alpha == 0 else [*gold, *soft]
