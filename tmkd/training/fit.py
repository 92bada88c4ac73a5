"""Train one classifier, or several together, from where an earlier, killed run left off if there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, ProgressCallback, TrainerCallback, TrainingArguments

from tmkd.data.batching import Collator, PairDataset
from tmkd.data.masking import MaskedPairs
from tmkd.distributed import Processes
from tmkd.errors import TmkdError
from tmkd.losses.combine import Term
from tmkd.models.classifier import PairClassifier
from tmkd.models.positions import positions_of
from tmkd.training.callbacks import CheckpointByTheClock, KeepBest, Progress, last_whole_checkpoint, loss_of_epochs
from tmkd.training.cost import measured
from tmkd.training.language import LanguageLearner
from tmkd.training.learner import Learner
from tmkd.training.peers import PeerLearner, PeerPairs
from tmkd.training.runtime import Runtime
from tmkd.training.tracking import NoteMlflowRun
from tmkd.training.trainer import DistillationTrainer


def fit(model: PairClassifier, pairs: PairDataset, terms: Sequence[Term], **how: Any) -> dict[str, Any]:
    """Train ``model`` in place on its terms; the settings and what is returned are those of ``train``."""
    return train(
        Learner(model, terms), pairs, Collator(model.tokenizer.pad_token_id, positions_of(model.encoder)), **how
    )


def train(
    learner: Learner | PeerLearner | LanguageLearner,
    pairs: PairDataset | PeerPairs | MaskedPairs,
    collate: Callable[[Sequence[Any]], dict[str, Any]],
    *,
    scratch: Path,
    runtime: Runtime,
    what: str,
    seed: int,
    learning_rate: float,
    batch_size: int,
    epochs: int,
    warmup: float,
    weight_decay: float,
    max_grad_norm: float,
    schedule: str,
    group_size: int | None = None,
    batch_questions: int | None = None,
    validate: Callable[[Any], dict[str, float]] | None = None,
    metric: str = "map",
    patience: int = 0,
    start_competes: bool = False,
    callbacks: Sequence[TrainerCallback] = (),
) -> dict[str, Any]:
    """Train what ``learner`` holds in place and leave it with its best weights (the last ones, without ``validate``).

    Args:
        scratch: folder of checkpoints; what it holds is gone on from.
        group_size: None: a batch is ``batch_size`` pairs. Else a batch is whole questions, with at most this many pairs
            of each (0: all of them), and ``pairs`` has their questions.
        batch_questions: questions of a batch; None: as many as have about ``batch_size`` pairs.
        metric: what ``validate`` returns that decides which epoch is best; higher is better.
        start_competes: the weights that training starts from may be the best, as epoch 0.

    Returns:
        ``steps``, ``cost`` (``seconds`` and ``peak_bytes`` of the last run), ``loss`` (its mean in each epoch), and
        with ``validate`` also ``validation`` (the metric after each epoch), ``best_epoch`` from 1, or 0 for the start,
        and with ``start_competes`` ``validation_before``, its metric.

    Raises:
        TrainingDiverged: the loss or a weight is no longer a number.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    runtime.hold(learner)
    processes = runtime.processes
    resumed = _last_checkpoint(scratch, processes)
    start_competes = start_competes and validate is not None
    best = KeepBest(learner, scratch, metric, patience) if validate else None
    arguments = TrainingArguments(
        output_dir=str(scratch),
        per_device_train_batch_size=-(-batch_size // (processes.count if processes else 1)),
        num_train_epochs=epochs,
        learning_rate=learning_rate,
        lr_scheduler_type=schedule,
        warmup_steps=warmup,  # below 1: a share of all steps
        weight_decay=weight_decay,
        max_grad_norm=max_grad_norm,
        optim="adamw_torch_fused",
        bf16=runtime.bf16,
        use_cpu=runtime.device.type == "cpu",
        seed=seed,
        eval_strategy="epoch" if validate else "no",
        eval_on_start=start_competes and resumed is None,  # else it is in the checkpoint's history
        save_strategy="no",  # by the clock instead
        save_total_limit=2,
        logging_steps=10,
        logging_nan_inf_filter=False,  # it would wait for a GPU in each step
        disable_tqdm=True,
        report_to=[],
        run_name=what,
        remove_unused_columns=False,
        dataloader_pin_memory=runtime.device.type != "cpu",
    )
    # the main process alone, whether the others train the same model or peers of it
    tracking = runtime.tracking if arguments.process_index == 0 else None
    if tracking is not None:
        arguments.report_to, arguments.project = list(tracking.report_to), tracking.project
        arguments.logging_first_step = True  # short trainings may have no tenth step
        if "mlflow" in tracking.report_to:
            callbacks = (*callbacks, NoteMlflowRun(scratch))
    progress = Progress(what, metric)
    arguments._n_gpu = min(arguments.n_gpu, 1)  # several GPUs are torchrun's business, not DataParallel's
    if runtime.device.type == "cuda":  # a process that trains a peer by itself would take the first GPU, as all would
        arguments.__dict__["_setup_devices"] = runtime.device
        torch.cuda.set_device(runtime.device)
    with tracking.of(what, scratch) if tracking else nullcontext():
        trainer = _trainer(
            learner,
            runtime,
            args=arguments,
            train_dataset=pairs,
            eval_dataset=pairs if validate else None,  # asked for, never read: ``validate`` brings its own
            data_collator=collate,
            validate=validate,
            batch_size=batch_size,
            group_size=group_size,
            batch_questions=batch_questions,
            processes=processes,
            callbacks=[
                CheckpointByTheClock(runtime.checkpoint_seconds, processes),
                progress,
                *([best] if best else []),
                *callbacks,
            ],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        try:
            with measured(runtime.device) as cost:
                trainer.train(resume_from_checkpoint=resumed)
        except torch.OutOfMemoryError:
            big = f"a batch of {batch_size}" if group_size is None else "a batch of whole questions"
            lower = "batch_size" if group_size is None else "batch_questions or batch_size, or set a lower group_size"
            raise TmkdError(f"{what}: the device has no memory for {big}; lower {lower}.") from None
        finally:
            progress.close()
            for name in ("forward", "_original_forward"):  # accelerate's, which refer to the learner: it would stay
                learner.__dict__.pop(name, None)
    trainer.check_weights()  # the last step's loss was computed before it
    loss = loss_of_epochs(trainer.state.log_history)
    facts: dict[str, Any] = {"steps": trainer.state.global_step, "cost": cost, "loss": loss}
    if processes:
        processes.gather()  # the first one may still be writing the best weights
    if best:
        values = best.values(trainer.state)
        facts["best_epoch"] = best.restore(trainer.state) + (0 if start_competes else 1)
        if start_competes:
            facts["validation_before"] = values.pop(0)
        facts["validation"] = values
    return facts


def _trainer(learner: Any, runtime: Runtime, **how: Any) -> DistillationTrainer:
    if not runtime.fsdp:
        return DistillationTrainer(model=learner, **how)
    from tmkd.training.sharding import ShardedTrainer, sharded

    assert runtime.processes is not None
    return ShardedTrainer(model=sharded(learner, runtime.processes, runtime.device), whole=learner, **how)


def _last_checkpoint(scratch: Path, processes: Processes | None) -> str | None:
    if processes is None:
        return last_whole_checkpoint(scratch)
    found: str | None = processes.broadcast_object(
        last_whole_checkpoint(scratch) if processes.is_main_process else None
    )
    return found
