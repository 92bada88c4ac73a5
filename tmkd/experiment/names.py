"""An arm's settings with those of ``method`` where it has none, and its name in the table.

Names are made from settings alone, so they are known before anything is trained. Arms with one name stand once in a
table: whatever makes two of them differ must be in their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tmkd.choices import TEMPERED, WITHOUT_TEACHER
from tmkd.config import ArmConfig, Config, MethodConfig
from tmkd.experiment.families import asked

ENSEMBLE = "teacher ensemble"
TOLD_APART = ("student.exits", "student.exit_threshold", "method.online")  # these have their own place in names


@dataclass(frozen=True)
class ResolvedArm:
    """An arm's settings, and ``method``'s where it has none.

    Attributes:
        targets: as the arm's; none where α is 0 all the time, since nobody teaches.
        soft: whether stage 2 has soft labels to learn from, those of an earlier generation among them.
        gold_loss: of stage 2; None where it has no gold labels to learn from.
        terms: names in ``method.terms``; of those that an arm does not name itself, one without teachers has what needs
            none; and of all of them what is part of a stage that it has.
    """

    targets: str
    soft: bool
    alpha: float
    gold_loss: str | None
    loss: str
    temperature: float
    terms: tuple[str, ...]


def settle(arm: ArmConfig, method: MethodConfig) -> ResolvedArm:
    """Fill in what an arm leaves to ``method``."""
    alpha = method.alpha if arm.alpha is None else arm.alpha
    counts = not arm.fine_tune or max(alpha, method.alpha_end or 0.0) > 0  # α is of stage 2
    targets = arm.targets if counts else "none"
    terms = arm.terms
    if terms is None:
        terms = [name for name, term in method.terms.items() if targets != "none" or term.loss in WITHOUT_TEACHER]
    # students in a row begin with one that has no teacher but those of the targets
    gold = arm.fine_tune and (
        targets == "none" or min(alpha, alpha if method.alpha_end is None else method.alpha_end) < 1
    )
    own = {stage for stage, has in ((1, arm.pretrain), (2, arm.fine_tune)) if has}
    terms = [name for name in terms if own & set(method.terms[name].stages)]
    return ResolvedArm(
        targets,
        arm.fine_tune and counts and (targets != "none" or arm.generations > 1),
        alpha,
        (arm.gold_loss or method.gold_loss) if gold else None,
        _loss(method, arm.loss),
        method.temperature if arm.temperature is None else arm.temperature,
        tuple(terms),
    )


def _loss(method: MethodConfig, own: str | None = None) -> str:
    """One target that is mixed of both kinds of labels is learnt by cross-entropy, whatever ``loss`` says."""
    return "ce" if method.mix == "weigh" else own or method.loss


def row_name(arm: ArmConfig, config: Config, teachers: int) -> str:
    """Return the name of an arm's row.

    Args:
        config: with the arm's own settings.
        teachers: how many there are.
    """
    method, settled = config.method, settle(arm, config.method)
    suffix = f", taught by {arm.taught_by}" if arm.taught_by else ""
    suffix += (_differing(method, settled) if settled.soft else "") + _set(arm.set)
    if settled.gold_loss not in (None, method.gold_loss):
        suffix = f", gold {settled.gold_loss}" + suffix
    suffix += "".join(f" + {term}" for term in settled.terms)
    if arm.pretrain and config.stage1.kind != "soft" and "kind" not in arm.set.get("stage1", {}):
        suffix += f", stage1.kind = {config.stage1.kind}"
    families = asked(config)
    suffix += "".join(family.suffix(config) for family in families)
    if not arm.fine_tune:
        return _stage1_name(settled.targets, teachers, arm.teacher) + suffix
    name = _paper_name(arm.pretrain, settled.targets, teachers, arm.teacher)
    for family in families:
        name = family.named(name, settled.targets != "none" or arm.pretrain, config)
    row = "" if arm.generations == 1 else f", {arm.generations} {'snapshots' if arm.continues else 'generations'}"
    return name + row + suffix


def teacher_row(number: int) -> str:
    """Return the name of a teacher's own row; teachers are numbered from 1."""
    return f"teacher {number}"


def with_count(name: str, teachers: int, several: bool) -> str:
    """Add the number of teachers to a row's name where rows of ``several`` numbers stand in one table."""
    return f"{name}, N = {teachers}" if several else name


def _set(changes: dict[str, Any], path: str = "") -> str:
    """Return what an arm sets in other sections, as it stands in the arm's name."""
    parts = []
    for name, value in changes.items():
        where = f"{path}.{name}" if path else name
        suffix = where.removeprefix("method.")
        if where in TOLD_APART:
            continue
        parts.append(_set(value, where) if isinstance(value, dict) else f", {suffix} = {value}")
    return "".join(parts)


def _differing(method: MethodConfig, settled: ResolvedArm) -> str:
    """Return the settings in which an arm differs from the method, as they stand in the arm's name."""
    parts = []
    if settled.alpha != method.alpha:
        parts.append(f", α = {settled.alpha:g}")
    if settled.loss != _loss(method):
        parts.append(f", {settled.loss}")
    if settled.loss in TEMPERED and settled.temperature != method.temperature:
        parts.append(f", T = {settled.temperature:g}")
    return "".join(parts)


def _stage1_name(targets: str, teachers: int, teacher: int | None) -> str:
    """Return the name of a row whose students have had stage 1 alone: from all teachers, where it says nothing else."""
    if targets == "one":
        return "stage 1 alone (1-o-1)" + (f", teacher {teacher}" if teacher else "")
    return "stage 1 alone (1avg-o-1)" if targets == "average" and teachers > 1 else "stage 1 alone"


def _paper_name(pretrain: bool, targets: str, teachers: int, teacher: int | None) -> str:
    """Return the paper's name for an arm (its section 4.2), or a plain one where the paper has none."""
    if targets == "none":
        return "stage 1, then gold labels alone" if pretrain else "student without distillation"
    one = "TKD" if pretrain else "KD"
    if targets == "one" or teachers == 1:
        return f"{one} (1-o-1)" + (f", teacher {teacher}" if teacher else "")
    if targets == "average":
        return f"{one} (1avg-o-1)"
    if targets == "students":
        return "m-o-m after stage 1" if pretrain else "m-o-m"
    return "TMKD" if pretrain else "MKD"
