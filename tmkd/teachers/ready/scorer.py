"""How ``Ready`` scores with a ``CrossEncoder``: logits, whatever activation its config has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import CrossEncoder
from tqdm import tqdm

from tmkd.errors import ConfigError, ModelError
from tmkd.teachers.causal.prompts import PROMPTS
from tmkd.teachers.checkpoint import Checkpoint
from tmkd.teachers.ready.loading import config_of, load_cross_encoder, transformer_of
from tmkd.teachers.ready.named_classes import places_of
from tmkd.teachers.scoring import UNBOUNDED, Cuts, dtype_for, finite, try_out
from tmkd.teachers.source import margin_logits
from tmkd.training.predict import longest_first
from tmkd.training.runtime import Runtime

WHOLE: dict[str, Any] = {"text": {"truncation": False, "padding": False}, "common": {"return_tensors": None}}


class CrossEncoderScorer:
    """A ``Scorer`` of a loaded cross-encoder.

    Attributes:
        outputs: of the task: 2 classes, or 1 where its labels are grades or numbers; for a model with one logit.
        length: tokens of a pair that are read.
        cuts: how many pairs had more.
    """

    def __init__(
        self,
        model: CrossEncoder,
        places: Sequence[int] | None,
        prompt: str | None,
        what: str,
        runtime: Runtime,
        outputs: int = 2,
    ) -> None:
        self.model = model
        self.places = places
        self.what = what
        self.runtime = runtime
        self.outputs = outputs
        self.length = model.max_seq_length or UNBOUNDED
        self.cuts = Cuts()
        name = model.default_prompt_name if prompt is None else prompt
        self.prompt = prompt if name is None else model.prompts.get(name) or prompt

    @torch.inference_mode()
    def __call__(self, rows: Dataset, bar: tqdm) -> np.ndarray:
        pairs = list(zip(rows["question"], rows["passage"]))
        whole = self.model.preprocess(pairs, prompt=self.prompt, processing_kwargs=WHOLE)
        lengths = np.array([len(ids) for ids in whole["input_ids"]])
        scores = np.empty((len(pairs), self.model.num_labels), dtype=np.float32)

        def batch_of(chosen: np.ndarray) -> dict[str, Any]:
            batch = self.model.preprocess([pairs[at] for at in chosen], prompt=self.prompt)
            read = batch["attention_mask"].sum(dim=1).numpy()
            self.cuts.cut += int((read < lengths[chosen]).sum())
            return batch

        for chosen, batch in longest_first(self.model, lengths, batch_of, self.runtime, bar):
            with self.runtime.scoring():
                found = self.model(batch)["scores"]
            scores[chosen] = finite(found, self.what)
        self.cuts.pairs += len(pairs)
        return margin_logits(scores[:, 0], self.outputs) if self.places is None else scores[:, self.places]


def check_cross_encoder(
    checkpoint: Checkpoint, classes: Sequence[str], prompt: str | None, max_length: int | None
) -> None:
    """Raise ConfigError or ModelError for what is known without the values of its weights."""
    model = load_cross_encoder(checkpoint, max_length, torch.float32, "meta", None)
    _places(model, classes, checkpoint.name)
    if prompt in PROMPTS and prompt not in model.prompts:  # which would be read as an instruction
        brought = f"one that the model brings ({', '.join(model.prompts)})" if model.prompts else "none"
        raise ConfigError(
            f"teacher {checkpoint.name}: expected prompt to be an instruction, or {brought}, got {prompt}, which is a "
            "prompt of kind: causal; take that kind, or leave prompt out."
        )


def open_cross_encoder(
    checkpoint: Checkpoint, classes: Sequence[str], prompt: str | None, max_length: int | None, runtime: Runtime
) -> CrossEncoderScorer:
    """Load it, and let it read two made-up pairs; ConfigError or ModelError where it cannot be this teacher."""
    dtype = dtype_for(config_of(checkpoint), runtime)
    model = load_cross_encoder(checkpoint, max_length, dtype, str(runtime.device), runtime.attention)
    what = f"teacher {checkpoint.name}"
    places = _places(model, classes, checkpoint.name)
    scorer = CrossEncoderScorer(model, places, prompt, what, runtime, len(classes))
    try_out(scorer, what, scorer.length)
    scorer.cuts = Cuts()
    return scorer


def _places(model: CrossEncoder, classes: Sequence[str], place: str) -> list[int] | None:
    """Return the place of each class among its logits; None: it has one logit, which counts for the last class."""
    if model.num_labels == 1:
        if len(classes) > 2:
            raise ModelError(
                f"teacher {place}: expected a logit for each of the classes {list(classes)}, got one score a pair, "
                "which can only tell two classes apart."
            )
        return None
    if len(classes) == 1:
        raise ModelError(
            f"teacher {place}: expected a reranker, which gives one score a pair, as labels are grades or numbers, got "
            f"a classifier of {model.num_labels} classes; choose another model."
        )
    config = transformer_of(model).config
    if config.problem_type == "multi_label_classification":
        raise ModelError(
            f"teacher {place}: expected labels of which one is right, got a multi-label classifier, whose labels do "
            "not exclude each other."
        )
    labels = [str(config.id2label.get(at, f"LABEL_{at}")) for at in range(model.num_labels)]
    return places_of(classes, labels, f"teacher {place}")
