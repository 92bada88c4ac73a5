"""A transformers.Trainer for a learner, whose validation is a function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from transformers import Trainer

from tmkd.data.batching import LengthBuckets
from tmkd.data.distributed_batch_sampler import Shares
from tmkd.data.question_batch_sampler import QuestionBatches
from tmkd.distributed import Processes
from tmkd.errors import REMEDY, TrainingDiverged
from tmkd.losses.all_gather import SHARE
from tmkd.training.learner import Learner
from tmkd.training.peers import PeerLearner

CHECK_EVERY = 20  # steps between looks at the loss on a GPU, where each look waits for the device


class DistillationTrainer(Trainer):
    """Trainer of a Learner over a PairDataset, or of a PeerLearner over PeerPairs.

    Args:
        validate: called with the student (with peers: the list of them) after each epoch, returns metrics; None where
            there is nothing to validate on.
        batch_size: examples a step, of all processes together.
        group_size: None: pairs by themselves; else batches are of whole questions (``QuestionBatches``).
        batch_questions: questions a step, where batches are of whole questions.
        processes: those that train it together, each on its share of every batch.
    """

    def __init__(
        self,
        *args: Any,
        validate: Callable[[Any], dict[str, float]] | None,
        batch_size: int,
        group_size: int | None = None,
        batch_questions: int | None = None,
        processes: Processes | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.batch_size = batch_size
        self.group_size = group_size
        self.batch_questions = batch_questions
        self.processes = processes
        self.shares: Shares | QuestionBatches | None = None
        self.pairs = kwargs["train_dataset"]
        self.learner: Learner | PeerLearner = kwargs["model"]
        self.validate = validate
        self.seen: dict[str, list[Tensor]] = {}  # of every term, since the last log, where somebody watches

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *_: Any, **__: Any) -> Tensor:
        self.learner.progress = self.state.global_step / max(1, self.state.max_steps)
        # the Trainer's processes average their gradients, and each has its share of the batch
        share = self.shares.weight(self.state.global_step) if self.shares else None
        if share is not None:
            inputs = _with_share(inputs, share)
        output = model(**inputs)
        loss, terms = output["loss"], output["terms"]
        if self.args.report_to:
            for name, value in terms.items():
                self.seen.setdefault(name, []).append(value)
        step = self.state.global_step + 1
        if (loss.device.type == "cpu" or step % CHECK_EVERY == 0) and not math.isfinite(loss.item()):
            values = ", ".join(f"{name} {value.item():g}" for name, value in terms.items())
            raise TrainingDiverged(f"The loss is {loss.item():g} at step {step} ({values}); {REMEDY}.")
        return loss if share is None else loss * share

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log, beside the loss, the unweighted mean of every term since the last time, of this process's share."""
        if "loss" in logs:
            logs |= {f"terms/{name}": torch.stack(values).mean().item() for name, values in self.seen.items()}
            self.seen.clear()
        super().log(logs, *args, **kwargs)

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        # one by one, or a peer whose gradient is large would slow down the others
        modules = self.learner.clipped_apart()
        clip, limit = self.accelerator.clip_grad_norm_, self.args.max_grad_norm
        return torch.stack([clip(module.parameters(), limit) for module in modules]).max()

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        assert self.validate is not None
        metrics = {f"eval_{name}": value for name, value in self.validate(self.learner.student).items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        self.check_weights()  # whoever went on from such weights would never leave them
        super()._save_checkpoint(*args, **kwargs)

    def check_weights(self) -> None:
        """Raise TrainingDiverged where a weight is no number: on a GPU the loss is not looked at in each step."""
        # of a divided model each process sees those that it holds
        held = (weight.to_local() if hasattr(weight, "to_local") else weight for weight in self.learner.parameters())
        finite = all(bool(weight.isfinite().all()) for weight in held)
        if not (finite if self.processes is None else all(self.processes.gather(finite))):
            steps = self.state.global_step
            raise TrainingDiverged(
                f"{self.args.run_name}: the weights are no longer finite after {steps} steps; {REMEDY}."
            )

    def get_train_dataloader(self) -> DataLoader[Any]:
        if self.processes is None and self.group_size is None:
            return super().get_train_dataloader()
        batches = self._batches()
        if self.processes is not None:
            self.shares = batches
        if (states := self.pairs.states) is not None:
            batches.before_epoch(states.plan)
        # not handed to accelerate, which would fill up the last batch with rows of the first
        return DataLoader(
            self.pairs,
            batch_sampler=batches,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def _batches(self) -> Shares | QuestionBatches:
        rank, count = (self.processes.rank, self.processes.count) if self.processes else (0, 1)
        if self.group_size is None:
            return Shares(LengthBuckets(self.pairs.lengths, self.batch_size, self.args.seed), rank, count)
        if self.pairs.questions is None:
            raise ValueError("expected pairs whose questions are known, for batches of whole questions")
        return QuestionBatches(
            self.pairs.questions,
            self.pairs.lengths,
            self.args.seed,
            group_size=self.group_size,
            batch_size=self.batch_size,
            batch_questions=self.batch_questions,
            rank=rank,
            count=count,
        )

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        sampler = LengthBuckets(self.pairs.lengths, self.batch_size, self.args.seed)
        if self.pairs.states is not None:
            sampler.on_order = self.pairs.states.plan
        return sampler


def _with_share(batch: dict[str, Any], share: float) -> dict[str, Any]:
    """Return the batch, or each of the peers' views of it, with what ``losses.together`` wants to know."""
    if "views" in batch:
        return {"views": [_with_share(view, share) for view in batch["views"]]}
    return {**batch, SHARE: share}
