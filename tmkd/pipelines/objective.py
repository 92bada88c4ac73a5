"""What a student of stage 2 minimises beside further terms, and the identity of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tmkd.config import MethodConfig
from tmkd.pipelines.arms import StudentObjective
from tmkd.pipelines.context import RunContext
from tmkd.pipelines.specs import course_spec, soft_spec, teaching_spec, weights_spec
from tmkd.pipelines.terms import amount

if TYPE_CHECKING:
    from tmkd.losses.combine import Amount, Term


def objective_terms(context: RunContext, objective: StudentObjective) -> list[Term]:
    """Return the paper's two terms, or their like for a student whose one head learns from both."""
    from tmkd.losses.combine import gold_term, soft_term, weighed_term

    method = context.config.method
    if not objective.teachers:
        return [gold_term(1.0)]
    if method.alpha_end is None and objective.alpha == 1 and objective.mix == "heads":
        return [soft_term(1.0, objective.loss, _temperature(method, objective))]
    alpha = amount(objective.alpha, method.alpha_end, method.schedule)
    if objective.mix == "weigh":
        return [weighed_term(alpha, _temperature(method, objective))]
    rest = amount(1.0 - objective.alpha, None if method.alpha_end is None else 1.0 - method.alpha_end, method.schedule)
    head = "gold" if objective.mix == "blend" else "soft"
    return [gold_term(rest), soft_term(alpha, objective.loss, _temperature(method, objective), head)]


def final_alpha(context: RunContext, objective: StudentObjective) -> float:
    """Return α when training ends, by which the heads that predict are chosen."""
    end = context.config.method.alpha_end
    return objective.alpha if end is None else end


def objective_spec(context: RunContext, objective: StudentObjective) -> dict[str, Any]:
    """Return the identity of ``objective_terms``; what is as the paper has it is not named."""
    method = context.config.method
    if not objective.teachers:
        return {}
    spec: dict[str, Any] = {"teachers": [teacher.key for teacher in objective.teachers], "targets": objective.targets}
    spec |= {"alpha": float(objective.alpha), **soft_spec(objective.loss, objective.temperature)}
    for teacher in objective.teachers:
        spec |= teaching_spec(teacher.manifest.get("spec", {}))
    if objective.mix != "heads":
        spec["mix"] = objective.mix
    if objective.teacher_weights != "mean":
        spec["weights"] = weights_spec(objective.teacher_weights, method.weights)
    if course := _course(context, objective):
        spec["course"] = course
    return spec


def _temperature(method: MethodConfig, objective: StudentObjective) -> Amount:
    return amount(objective.temperature, method.temperature_end, method.schedule)


def _course(context: RunContext, objective: StudentObjective) -> dict[str, Any]:
    """Return what changes while the student learns, for its identity; squared error knows no temperature."""
    method = context.config.method
    cool = None if objective.loss == "mse" else method.temperature_end
    return course_spec(
        alpha=(objective.alpha, method.alpha_end, method.schedule),
        temperature=(objective.temperature, cool, method.schedule),
    )
