"""sentence-transformers: its CrossEncoder, with the weights of one of tmkd's classifiers, scoring and being trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.utils.data import BatchSampler

from benchmarks import material
from benchmarks.contenders import handed
from tmkd.models.classifier import PairClassifier

POOLINGS = {"first": "cls", "mean": "mean"}


def cross_encoder(classifier: PairClassifier, folder: Path, attention: str | None) -> Any:
    """Return a CrossEncoder that computes what ``classifier`` does: its encoder, its pooling, its one head.

    Args:
        attention: kernel; None leaves it to transformers, as sentence-transformers does.
    """
    from sentence_transformers import CrossEncoder
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    place = folder / "as-cross-encoder"
    classifier.encoder.save_pretrained(place)
    classifier.tokenizer.save_pretrained(place)
    kernel = {"attn_implementation": attention} if attention else {}
    transformer = Transformer(
        str(place), model_kwargs={"add_pooling_layer": False, **kernel}, max_seq_length=classifier.max_length
    )
    width, classes = classifier.heads.linear.in_features, classifier.heads.linear.out_features
    head = Dense(width, classes, activation_function=None, module_output_name="scores")
    head.linear.load_state_dict(classifier.heads.linear.state_dict())
    modules = [transformer, Pooling(width, POOLINGS[classifier.pooling]), head]
    return CrossEncoder(modules=modules, device="cpu", activation_fn=torch.nn.Identity())


def fit(case: dict[str, Any], folder: Path, rows: Any, model: Any, bf16: bool, same_batches: bool) -> list[float]:
    """Train with CrossEncoderTrainer and MSELoss on ``rows`` (question, passage, label); return every step's loss.

    Args:
        same_batches: give it tmkd's batches in tmkd's order; else it draws its own.
    """
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
    from sentence_transformers.cross_encoder.losses import MSELoss

    losses: list[torch.Tensor] = []
    learnt = MSELoss(model)
    learnt.register_forward_hook(lambda *seen: losses.append(seen[-1].detach()))
    ours: dict[str, Any] = {}
    if same_batches:
        lengths = material.PairDataset(material.tokens(folder)).lengths
        ours["batch_sampler"] = lambda dataset, batch_size, drop_last, **_: BatchSampler(
            material.EveryEpoch(lengths, batch_size, seed=1), batch_size, drop_last
        )
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(folder / "sentence-transformers"),
        **handed.trainer_settings(case),
        bf16=bf16,
        **ours,
    )
    CrossEncoderTrainer(model=model, args=arguments, train_dataset=rows, loss=learnt).train()
    model.save_pretrained(str(folder / "sentence-transformers" / "model"))
    return [loss.item() for loss in losses]
