"""How students are trained: the two stages, and the trainer of all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from tmkd.choices import RANKING_LOSSES
from tmkd.config import validators
from tmkd.config.marks import ELSEWHERE, UNLESS_USUAL
from tmkd.config.method import TEACHER_WEIGHTS, check_soft

SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup")


@dataclass
class Stage1Config:
    # what is learnt: soft (the paper: the teachers' soft labels) | terms (the method.terms of stage 1 alone, as FitNets
    # and FSP) | language (as DistilBERT: the section `language`)
    kind: str = "soft"
    teacher_weights: str = "mean"  # as method.teacher_weights, but for agreement: there are no gold labels
    share: float = 1.0  # share of the corpus to use; a smaller share is part of a larger one
    targets: str = "average"  # average (one head, the teachers' mean logits) | heads (one a teacher, the paper)
    # soft loss: mse (on logits, the paper) | kl | ce; over a question's passages, with stage1.group_size: margin_mse |
    # listwise_kl | ranknet | adr_mse
    loss: str = "mse"
    temperature: float = 1.0  # of kl, ce, listwise_kl and adr_mse
    learning_rate: float = 2e-4  # peak learning rate
    batch_size: int = 16  # pairs a step, of all processes together
    # what a batch is made of: null (pairs) | 0 (questions with all their passages) | n (questions with n passages at
    # most, drawn in every epoch)
    group_size: Optional[int] = field(default=None, metadata=UNLESS_USUAL)
    # questions a step where group_size is set; null: as many as have about batch_size pairs
    batch_questions: Optional[int] = field(default=None, metadata=UNLESS_USUAL)
    epochs: int = 1  # passes over the corpus; the last state is kept
    # train this many students with different seeds, from one start, and go on with the mean of their weights
    average_seeds: int = 1


@dataclass
class Stage2Config:
    learning_rate: float = 2e-4  # peak learning rate
    batch_size: int = 16  # pairs a step, of all processes together
    # what a batch is made of: null (pairs) | 0 (questions with all their passages) | n (questions with n passages at
    # most: the right ones, and wrong ones that are drawn in every epoch); needs data.ranking
    group_size: Optional[int] = field(default=None, metadata=UNLESS_USUAL)
    # questions a step where group_size is set; null: as many as have about batch_size pairs
    batch_questions: Optional[int] = field(default=None, metadata=UNLESS_USUAL)
    epochs: int = 5  # at most; the best epoch by the validation metric is kept
    patience: int = 2  # stop after this many epochs without a better one; 0: never
    # train this many students with different seeds, from one start, and keep the mean of their weights
    average_seeds: int = field(default=1, metadata=ELSEWHERE)


@dataclass
class TrainerConfig:
    warmup: float = 0.1  # share of the steps over which the learning rate rises
    weight_decay: float = 0.01  # of AdamW
    max_grad_norm: float = 1.0  # gradients with a larger norm are scaled down to it
    schedule: str = "linear"  # of the learning rate: linear | cosine | constant | constant_with_warmup


def check_stage1(stage1: Stage1Config) -> None:
    """What stage 1 learns, and for how long."""
    validators.positive("stage1", stage1, ("learning_rate", "batch_size", "epochs", "average_seeds"))
    validators.that(0 < stage1.share <= 1, "stage1.share", "more than 0, at most 1", stage1.share)
    validators.one_of("stage1.kind", stage1.kind, ("soft", "terms", "language"))
    alone = stage1.kind != "language" or stage1.average_seeds == 1
    validators.that(alone, "stage1.average_seeds", "1 where stage1.kind is language", stage1.average_seeds)
    validators.one_of("stage1.targets", stage1.targets, ("average", "heads"))
    validators.one_of("stage1.teacher_weights", stage1.teacher_weights, TEACHER_WEIGHTS[:-1])
    check_soft("stage1", stage1.loss, stage1.temperature)
    validators.groups("stage1", stage1.group_size, stage1.batch_questions)
    if stage1.group_size is not None:
        text = stage1.kind == "language"  # whose masks are drawn pair by pair
        expected = "null where stage1.kind is language"
        validators.that(not text, "stage1.group_size", expected, stage1.group_size)
        expected = "1 where stage1.group_size is set, since a share is drawn pair by pair"
        validators.that(stage1.share == 1, "stage1.share", expected, stage1.share)
    if stage1.kind == "soft" and stage1.loss in RANKING_LOSSES:
        validators.over_questions("stage1.loss", stage1.loss, "stage1.group_size", stage1.group_size)


def check_stage2(stage2: Stage2Config) -> None:
    """For how long stage 2 trains."""
    validators.positive("stage2", stage2, ("learning_rate", "batch_size", "epochs", "average_seeds"))
    validators.groups("stage2", stage2.group_size, stage2.batch_questions)
    validators.that(stage2.patience >= 0, "stage2.patience", "0 (never) or more", stage2.patience)


def check_trainer(trainer: TrainerConfig) -> None:
    """The steps of every training."""
    validators.fraction("trainer.warmup", trainer.warmup)
    validators.one_of("trainer.schedule", trainer.schedule, SCHEDULES)
    validators.positive("trainer", trainer, ("max_grad_norm",))
    validators.not_negative("trainer.weight_decay", trainer.weight_decay)
