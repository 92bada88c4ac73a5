"""Training a masked language model, by itself or by another one, and how many masked tokens it predicts right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tmkd.data.masking import MaskedCollator, MaskedPairs
from tmkd.losses.combine import Term, combine
from tmkd.losses.language import UNMASKED
from tmkd.models.language import LanguageModel
from tmkd.models.positions import positions_of
from tmkd.training.learner import inputs_of
from tmkd.training.predict import longest_first
from tmkd.training.runtime import Runtime


class LanguageLearner(nn.Module):
    """A masked language model with the terms of its loss, and perhaps the one that it learns from.

    The terms find what the teacher predicts of the batch in ``teacher_logits`` and ``teacher_hidden``.
    """

    accepts_loss_kwargs = False  # as in Learner

    def __init__(self, student: LanguageModel, terms: Iterable[Term], teacher: LanguageModel | None = None) -> None:
        super().__init__()
        self.student = student
        self.terms = nn.ModuleList(terms)
        # in a list, so that it is neither trained, nor switched to training, nor part of a checkpoint
        self.teachers = [teacher.eval().requires_grad_(False)] if teacher else []
        self.progress = 0.0

    def forward(self, **batch: Any) -> dict[str, Any]:
        """Return ``loss``, a scalar, and ``terms``, every term's own, unweighted value."""
        inputs: dict[str, Tensor] = {**inputs_of(batch), "masked": batch["masked"]}
        for teacher in self.teachers:
            with torch.no_grad():
                taught = teacher(**inputs)
            batch |= {"teacher_logits": taught.logits, "teacher_hidden": taught.hidden}
        loss, terms = combine(self.terms, self.student(**inputs), batch, self.progress)  # type: ignore[arg-type]
        return {"loss": loss, "terms": terms}

    def clipped_apart(self) -> list[nn.Module]:
        return [self]


class Remask(TrainerCallback):
    """Give each epoch masks of its own; by the number of steps, so that a resumed run meets the same."""

    def __init__(self, pairs: MaskedPairs) -> None:
        self.pairs = pairs

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.pairs.epoch = state.global_step // max(1, state.max_steps // int(args.num_train_epochs))


@torch.inference_mode()
def masked_accuracy(model: LanguageModel, pairs: MaskedPairs, runtime: Runtime) -> dict[str, Any]:
    """Return ``accuracy`` and ``loss`` (mean cross-entropy in nats) over the masked tokens, ``masked`` of them."""
    collate = MaskedCollator(model.tokenizer.pad_token_id, positions_of(model.encoder))

    def batch_of(chosen: np.ndarray) -> dict[str, Tensor]:
        return collate([pairs[int(place)] for place in chosen])

    right, loss, masked = 0, 0.0, 0
    for _, batch in longest_first(model, pairs.lengths, batch_of, runtime):
        wanted = batch["masked"][batch["masked"] != UNMASKED]
        with runtime.scoring():
            logits = model(**inputs_of(batch), masked=batch["masked"]).logits.float()
        right += int((logits.argmax(-1) == wanted).sum())
        loss += float(F.cross_entropy(logits, wanted, reduction="sum"))
        masked += len(wanted)
    return {"accuracy": right / max(1, masked), "loss": loss / max(1, masked), "masked": masked}
