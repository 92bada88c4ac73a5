"""How a corpus without labels becomes a task whose labels are the teachers'."""

from __future__ import annotations

from dataclasses import dataclass

from tmkd.config import validators

RIGHT = ("positive", "top")


@dataclass
class LabelConfig:
    """For `tmkd label` alone."""

    # which pairs are right: positive (the teachers' mean probability is above one half) | top (each question's best)
    right: str = "positive"
    validation: float = 0.1  # share of the questions that validate
    test: float = 0.1  # share of the questions that are for the table


def check_label(label: LabelConfig) -> None:
    """What the labels are, and how the questions are divided."""
    validators.one_of("label.right", label.right, RIGHT)
    for name, share in (("validation", label.validation), ("test", label.test)):
        validators.that(0 < share < 1, f"label.{name}", "more than 0 and less than 1", share)
    both = label.validation + label.test
    validators.that(both < 1, "label.validation", "less than 1 together with label.test", both)
