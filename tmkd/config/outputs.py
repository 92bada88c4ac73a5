"""What a task whose labels are grades or numbers rules out: its models have one logit, and no probabilities."""

from __future__ import annotations

from tmkd.choices import CLASSES, ONLINE_LOSSES, SCORE_LOSSES, SCORE_WEIGHTS
from tmkd.config import validators
from tmkd.config.method import MethodConfig
from tmkd.config.models import StudentConfig
from tmkd.config.stages import Stage1Config


def check_outputs(kind: str, method: MethodConfig, stage1: Stage1Config, student: StudentConfig) -> None:
    """Refuse what compares probabilities of classes, where ``kind``, ``data.label_kind``, has none."""
    if kind == CLASSES:
        return
    where = f"where data.label_kind is {kind}"
    losses = {"method": method.loss, "stage1": stage1.loss}
    losses |= {f"method.arms.{name}": arm.loss for name, arm in method.arms.items() if arm.loss is not None}
    for owner, loss in losses.items():
        validators.that(loss in SCORE_LOSSES, f"{owner}.loss", f"{' or '.join(SCORE_LOSSES)} {where}", loss)
    for owner, weights in (("method", method.teacher_weights), ("stage1", stage1.teacher_weights)):
        expected = f"{' or '.join(SCORE_WEIGHTS)} {where}"
        validators.that(weights in SCORE_WEIGHTS, f"{owner}.teacher_weights", expected, weights)
    validators.that(method.mix != "weigh", "method.mix", f"heads or blend {where}", method.mix)
    online = method.online.kind
    validators.that(online not in ONLINE_LOSSES, "method.online.kind", f"none or together {where}", online)
    validators.that(not student.exits, "student.exits", f"none {where}", student.exits)
