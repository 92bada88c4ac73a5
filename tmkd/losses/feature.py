"""Feature losses: what a student's hidden states learn from a teacher's.

Shapes: ``student`` and ``teacher`` are hidden states ``[batch, tokens, width]`` of one width; where widths differ, the
student's go through a ``Projection`` first. ``mask`` is ``[batch, tokens]``, 1 where a token is real. Each function
returns the mean over the batch of what one example costs on its own real tokens, a scalar: neither padding nor the
rest of the batch changes an example's cost. No gradient reaches the teacher.
"""

from __future__ import annotations

from torch import Size, Tensor, nn
from torch.nn import functional as F


class Projection(nn.Module):
    """The learnt linear map ``r`` from the student's width to the teacher's; nothing where they agree.

    ``W_h`` and ``W_e`` of TinyBERT (Jiao et al. 2020, section 3.1), without a bias, and the regressor of FitNets
    (Romero et al. 2015, section 2.2), which is a convolution there. From ``[..., student_width]`` to
    ``[..., teacher_width]``.

    Args:
        always: learnt where widths agree, too; it then starts as the identity.
    """

    def __init__(self, student_width: int, teacher_width: int, always: bool = False) -> None:
        super().__init__()
        same = student_width == teacher_width
        learnt = nn.Linear(student_width, teacher_width, bias=False) if always or not same else None
        if same and learnt is not None:
            nn.init.eye_(learnt.weight)
        self.map: nn.Module = learnt or nn.Identity()

    def forward(self, states: Tensor) -> Tensor:
        mapped: Tensor = self.map(states)
        return mapped


def hint(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """``½ ‖u_h − r(v_g)‖²`` (Romero et al. 2015, equation 3), as a mean over real tokens and width.

    The source's sum grows with both, so that every width and length would need its own weight. There the hint is all
    that the first of two trainings learns; here it is a term, beside the others of its stage.
    """
    return 0.5 * hidden_mse(student, teacher, mask)


def hidden_mse(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over real tokens and width, of embeddings or of hidden states (Jiao et al. 2020, 3.1)."""
    student, teacher, real = _checked(student, teacher, mask)
    return token_mean((student - teacher).square().mean(-1), real)


def cosine(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """``1 − cos`` of hidden states, mean over real tokens (Sanh et al. 2019, section 2)."""
    student, teacher, real = _checked(student, teacher, mask)
    return token_mean(1 - F.cosine_similarity(student, teacher, dim=-1), real)


def patient(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared error of L2-normalised first-token states (Sun et al. 2019, section 3.2), over layers and width.

    The paper writes a squared distance, a sum over the width. Its authors train with the mean, and so their β of 100
    to 1000 belongs to the mean, at width 768.

    Args:
        student, teacher: ``[batch, layers, width]``, the first token's state in each pair of layers.
    """
    if student.shape != teacher.shape or student.dim() != 3:
        raise ValueError(
            f"expected student and teacher states of one shape [batch, layers, width], but found "
            f"{list(student.shape)} and {list(teacher.shape)}"
        )
    return F.mse_loss(F.normalize(student.float(), dim=-1), F.normalize(teacher.detach().float(), dim=-1))


def token_mean(costs: Tensor, real: Tensor) -> Tensor:
    """Mean of ``costs: [batch, tokens]`` over each example's real tokens, then over the batch. ``real`` is boolean."""
    return (costs.masked_fill(~real, 0).sum(-1) / real.sum(-1)).mean()


def real_tokens(mask: Tensor, shape: Size | tuple[int, int]) -> Tensor:
    """Return the mask as booleans; raise ``ValueError`` if it is not of ``shape`` or an example has no real token."""
    if tuple(mask.shape) != tuple(shape):
        raise ValueError(f"expected a mask [batch, tokens] of shape {list(shape)}, but found {list(mask.shape)}")
    real = mask.bool()
    if not real.any(-1).all():
        raise ValueError(f"expected a real token in each of {len(real)} examples, but found a mask with a row of zeros")
    return real


def _checked(student: Tensor, teacher: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if student.shape != teacher.shape or student.dim() != 3:
        raise ValueError(
            f"expected student and teacher states of one shape [batch, tokens, width], but found "
            f"{list(student.shape)} and {list(teacher.shape)}"
        )
    real = real_tokens(mask, student.shape[:2])
    # Padding may hold anything, NaN too, which would survive a multiplication by zero in the backward pass.
    padding = ~real.unsqueeze(-1)
    return student.float().masked_fill(padding, 0), teacher.detach().float().masked_fill(padding, 0), real
