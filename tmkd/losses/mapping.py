"""Which teacher layer each student layer learns from."""

from __future__ import annotations

from tmkd.choices import LAYER_MAPS


def layer_pairs(kind: str, student_layers: int, teacher_layers: int) -> list[tuple[int, int]]:
    """Return pairs (student layer, teacher layer), counted from 1, as in ``hidden_states``, where 0 is the embeddings.

    With M student and N teacher layers:

    - ``last``: m with N − M + m, for m < M: the teacher's last layers (PKD-Last, Sun et al. 2019, section 3.2);
    - ``skip``: m with m N / M, for m < M: every (N / M)th (PKD-Skip, the same section);
    - ``uniform``: the same, for m ≤ M (TinyBERT, Jiao et al. 2020, section 3.1);
    - ``top``: M with N alone (MiniLM, Wang et al. 2020, section 3);
    - ``middle``: the middle of each, of two the lower: the guided and the hint layer of FitNets (Romero et al. 2015,
      section 2.2);
    - ``embeddings``: 0 with 0.

    PKD leaves the final pair out: those states feed the classifiers, whose logits are learnt already.

    Raises:
        ValueError: an unknown kind. But for ``middle`` and ``embeddings``, a teacher shallower than the student, a
            depth that ``skip`` and ``uniform`` cannot divide evenly, or a student of one layer with ``last`` or
            ``skip``, which leave it nothing to learn.
    """
    if kind not in LAYER_MAPS:
        raise ValueError(f"expected a layer map out of {', '.join(LAYER_MAPS)}, but found {kind!r}")
    if kind == "embeddings":
        return [(0, 0)]
    if kind == "middle":
        return [(-(-student_layers // 2), -(-teacher_layers // 2))]
    if not 1 <= student_layers <= teacher_layers:
        raise ValueError(
            f"expected a student of at least 1 layer and a teacher at least as deep, but found {student_layers} "
            f"student and {teacher_layers} teacher layers"
        )
    if kind in ("skip", "uniform") and teacher_layers % student_layers:
        raise ValueError(
            f"expected a student depth that divides the teacher's for {kind!r}, but found {student_layers} student and "
            f"{teacher_layers} teacher layers"
        )
    if kind in ("last", "skip") and student_layers == 1:
        raise ValueError(f"expected a student of at least 2 layers for {kind!r}, which leaves the final one out")
    if kind == "top":
        return [(student_layers, teacher_layers)]
    if kind == "last":
        return [(m, teacher_layers - student_layers + m) for m in range(1, student_layers)]
    step, final = teacher_layers // student_layers, int(kind == "uniform")
    return [(m, m * step) for m in range(1, student_layers + final)]
