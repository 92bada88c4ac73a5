"""A transformers.Trainer for a learner, whose validation is a function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Sampler
from transformers import Trainer

from tmkd.data.batching import LengthBuckets
from tmkd.errors import TrainingDiverged
from tmkd.training.learner import Learner
from tmkd.training.peers import PeerLearner

CHECK_EVERY = 20  # steps between looks at the loss on a GPU, where each look waits for the device


class DistillationTrainer(Trainer):
    """Trainer of a Learner over a PairDataset, or of a PeerLearner over PeerPairs.

    Args:
        validate: called with the student (with peers: the list of them) after each epoch, returns metrics; None where
            there is nothing to validate on.
    """

    def __init__(self, *args: Any, validate: Callable[[Any], dict[str, float]] | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pairs = kwargs["train_dataset"]
        self.learner: Learner | PeerLearner = kwargs["model"]
        self.validate = validate

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *_: Any, **__: Any) -> Tensor:
        self.learner.progress = self.state.global_step / max(1, self.state.max_steps)
        output = model(**inputs)
        loss, parts = output["loss"], output["parts"]
        step = self.state.global_step + 1
        if (loss.device.type == "cpu" or step % CHECK_EVERY == 0) and not math.isfinite(loss.item()):
            values = ", ".join(f"{name} {value.item():g}" for name, value in parts.items())
            raise TrainingDiverged(
                f"The loss is {loss.item():g} at step {step} ({values}); try a lower learning rate, a longer warm-up "
                "(trainer.warmup) or runtime.precision=fp32."
            )
        return loss

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        # one by one, or a peer whose gradient is large would slow down the others
        parts = self.learner.clipped_apart()
        clip, limit = self.accelerator.clip_grad_norm_, self.args.max_grad_norm
        return torch.stack([clip(part.parameters(), limit) for part in parts]).max()

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        assert self.validate is not None
        metrics = {f"eval_{name}": value for name, value in self.validate(self.learner.student).items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        sampler = LengthBuckets(self.pairs.lengths, self.args.train_batch_size, self.args.seed)
        if self.pairs.states is not None:
            sampler.tell = self.pairs.states.plan
        return sampler
