"""What a student of stage 2 minimises beside further terms, and the identity of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tmkd.config import MethodConfig
from tmkd.pipelines.arms import Lesson
from tmkd.pipelines.inputs import Inputs
from tmkd.pipelines.specs import course_spec, soft_spec, teaching_spec, weights_spec
from tmkd.pipelines.terms import amount

if TYPE_CHECKING:
    from tmkd.losses.combine import Amount, Term


def objective(inputs: Inputs, lesson: Lesson) -> list[Term]:
    """Return the paper's two terms, or their like for a student whose one head learns from both."""
    from tmkd.losses.combine import gold_term, soft_term, weighed_term

    method = inputs.config.method
    if not lesson.teachers:
        return [gold_term(1.0)]
    if method.alpha_end is None and lesson.alpha == 1 and lesson.mix == "heads":
        return [soft_term(1.0, lesson.loss, _temperature(method, lesson))]
    alpha = amount(lesson.alpha, method.alpha_end, method.schedule)
    if lesson.mix == "weigh":
        return [weighed_term(alpha, _temperature(method, lesson))]
    rest = amount(1.0 - lesson.alpha, None if method.alpha_end is None else 1.0 - method.alpha_end, method.schedule)
    head = "gold" if lesson.mix == "blend" else "soft"
    return [gold_term(rest), soft_term(alpha, lesson.loss, _temperature(method, lesson), head)]


def final_alpha(inputs: Inputs, lesson: Lesson) -> float:
    """Return α when training ends, by which the heads that predict are chosen."""
    end = inputs.config.method.alpha_end
    return lesson.alpha if end is None else end


def objective_spec(inputs: Inputs, lesson: Lesson) -> dict[str, Any]:
    """Return the identity of ``objective``; what is as the paper has it is not named."""
    method = inputs.config.method
    if not lesson.teachers:
        return {}
    spec: dict[str, Any] = {"teachers": [teacher.key for teacher in lesson.teachers], "targets": lesson.targets}
    spec |= {"alpha": float(lesson.alpha), **soft_spec(lesson.loss, lesson.temperature)}
    for teacher in lesson.teachers:
        spec |= teaching_spec(teacher.manifest.get("spec", {}))
    if lesson.mix != "heads":
        spec["mix"] = lesson.mix
    if lesson.teacher_weights != "mean":
        spec["weights"] = weights_spec(lesson.teacher_weights, method.weights)
    if course := _course(inputs, lesson):
        spec["course"] = course
    return spec


def _temperature(method: MethodConfig, lesson: Lesson) -> Amount:
    return amount(lesson.temperature, method.temperature_end, method.schedule)


def _course(inputs: Inputs, lesson: Lesson) -> dict[str, Any]:
    """Return what changes while the student learns, for its identity; squared error knows no temperature."""
    method = inputs.config.method
    cool = None if lesson.loss == "mse" else method.temperature_end
    return course_spec(
        alpha=(lesson.alpha, method.alpha_end, method.schedule),
        temperature=(lesson.temperature, cool, method.schedule),
    )
