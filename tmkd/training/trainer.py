"""A transformers.Trainer whose loss is a list of terms and whose validation is a function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils.data import Sampler
from transformers import Trainer

from tmkd.data.batching import LengthBuckets
from tmkd.errors import TrainingDiverged
from tmkd.losses.combine import Term, combine

CHECK_EVERY = 20  # steps between looks at the loss on a GPU, where each look waits for the device


class DistillationTrainer(Trainer):
    """Trainer over a PairDataset.

    Args:
        terms: the loss, see ``losses.combine``.
        validate: called with the model after each epoch, returns metrics; None where there is nothing to validate on.
    """

    def __init__(
        self, *args: Any, terms: Sequence[Term], validate: Callable[[nn.Module], dict[str, float]] | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.lengths = kwargs["train_dataset"].lengths
        self.terms = terms
        self.validate = validate

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], *_: Any, **__: Any) -> Tensor:
        names = ("input_ids", "attention_mask", "token_type_ids")
        output = model(**{name: inputs[name] for name in names if name in inputs})
        loss, parts = combine(self.terms, output, inputs)
        step = self.state.global_step + 1
        if (loss.device.type == "cpu" or step % CHECK_EVERY == 0) and not math.isfinite(loss.item()):
            values = ", ".join(f"{name} {value.item():g}" for name, value in parts.items())
            raise TrainingDiverged(
                f"The loss is {loss.item():g} at step {step} ({values}); try a lower learning rate, a longer warm-up "
                "(trainer.warmup) or runtime.precision=fp32."
            )
        return loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        assert self.validate is not None
        assert isinstance(self.model, nn.Module)
        metrics = {f"eval_{name}": value for name, value in self.validate(self.model).items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return LengthBuckets(self.lengths, self.args.train_batch_size, self.args.seed)
