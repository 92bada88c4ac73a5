"""How ``Ready`` loads a ``CrossEncoder`` and scores with it: logits, whatever activation its config has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.cross_encoder.modules import LogitScore
from sentence_transformers.util import load_file_path
from torch import nn
from tqdm import tqdm
from transformers import PretrainedConfig
from transformers.utils import logging as transformers_logging

from tmkd.errors import ConfigError, ModelError
from tmkd.models.checkpoint import any_config, unreadable
from tmkd.models.hub import first_sentence
from tmkd.models.positions import positions_of
from tmkd.models.weights import check_loaded
from tmkd.teachers.checkpoint import SECTION, Checkpoint
from tmkd.teachers.named_classes import places_of
from tmkd.teachers.scoring import UNBOUNDED, Cuts, dtype_for, finite, try_out
from tmkd.teachers.source import margin_logits
from tmkd.training.predict import longest_first
from tmkd.training.runtime import Runtime

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
WHOLE: dict[str, Any] = {"text": {"truncation": False, "padding": False}, "common": {"return_tensors": None}}


class CrossEncoderScorer:
    """A ``Scorer`` of a loaded cross-encoder.

    Attributes:
        length: tokens of a pair that are read.
        cuts: how many pairs had more.
    """

    def __init__(
        self, model: CrossEncoder, places: Sequence[int] | None, prompt: str | None, what: str, runtime: Runtime
    ) -> None:
        self.model = model
        self.places = places
        self.what = what
        self.runtime = runtime
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
        return margin_logits(scores[:, 0]) if self.places is None else scores[:, self.places]


def check_cross_encoder(checkpoint: Checkpoint, classes: Sequence[str], max_length: int | None) -> None:
    """Raise ConfigError or ModelError for what is known without the values of its weights."""
    model = _load(checkpoint, max_length, torch.float32, "meta", None)
    _places(model, classes, checkpoint.name)


def open_cross_encoder(
    checkpoint: Checkpoint, classes: Sequence[str], prompt: str | None, max_length: int | None, runtime: Runtime
) -> CrossEncoderScorer:
    """Load it, and let it read two made-up pairs; ConfigError or ModelError where it cannot be this teacher."""
    dtype = dtype_for(_config(checkpoint), runtime)
    model = _load(checkpoint, max_length, dtype, str(runtime.device), runtime.attention)
    what = f"teacher {checkpoint.name}"
    scorer = CrossEncoderScorer(model, _places(model, classes, checkpoint.name), prompt, what, runtime)
    try_out(scorer, what, scorer.length)
    scorer.cuts = Cuts()
    return scorer


def _config(checkpoint: Checkpoint) -> PretrainedConfig:
    return any_config(*checkpoint.place(), checkpoint.trust_remote_code, SECTION)


def _load(
    checkpoint: Checkpoint, max_length: int | None, dtype: torch.dtype, device: str, attention: str | None
) -> CrossEncoder:
    """Return the model with its own weights and length; on the device ``meta`` it has their shapes alone."""
    place, commit = checkpoint.place()
    _config(checkpoint)  # which explains what cannot be read
    found: dict[str, Any] = {"revision": commit, "local_files_only": commit is None}
    reading: dict[str, Any] = {"use_safetensors": True, "dtype": dtype}
    try:
        model: CrossEncoder = CrossEncoder(
            place,
            **found,
            trust_remote_code=checkpoint.trust_remote_code,
            device=None if device == "meta" else device,
            activation_fn=nn.Identity(),
            model_kwargs=reading
            | ({"device_map": "meta"} if device == "meta" else {})
            | ({"attn_implementation": attention} if attention else {}),
        )
    except Exception as error:  # of whatever kind: each family's code checks itself
        raise ModelError(f"teacher {place}: {unreadable(place, error)}") from None
    modules = load_file_path(place, "modules.json", **found)
    _check_architecture(model, place, modules is not None)
    cast(Transformer, model[0]).unpad_inputs = False  # a row a pair, whatever the attention kernel
    folder = json.loads(Path(modules).read_text("utf-8"))[0]["path"] if modules else ""
    _check_weights(model, place, folder, found | {"trust_remote_code": checkpoint.trust_remote_code})
    _set_length(model, max_length, place)
    _render(model, place)
    return model


def _check_architecture(model: CrossEncoder, place: str, own_modules: bool) -> None:
    first, last = model[0], model[-1]
    if not isinstance(first, Transformer):
        raise ModelError(
            f"teacher {place}: expected a cross-encoder that begins with a Transformer, got {type(first).__name__}."
        )
    if isinstance(last, LogitScore) and not own_modules and "message" not in model.modalities:
        raise ModelError(
            f"teacher {place}: expected a reranker, got a language model, which needs a prompt to judge pairs; use "
            "kind: causal and its setting prompt."
        )
    if isinstance(last, Dense) and not isinstance(last.activation_function, nn.Identity):
        raise ModelError(
            f"teacher {place}: expected scores that are logits, but its last layer ends in "
            f"{type(last.activation_function).__name__}; set activation_function to torch.nn.modules.linear.Identity "
            "in a copy of that layer's config.json."
        )


def _transformer(model: CrossEncoder) -> Any:
    """Return the model of transformers in it."""
    return model[0].model


def _check_weights(model: CrossEncoder, place: str, folder: str, found: dict[str, Any]) -> None:
    """Raise ModelError where any weight would be a random one: a library warns of it at most."""
    own = _transformer(model)
    for pickled in sorted(Path(place).glob("**/pytorch_model.bin")) if found["revision"] is None else ():
        if not list(pickled.parent.glob("*.safetensors")):
            raise ModelError(
                f"teacher {place}: expected weights in safetensors but found {pickled.relative_to(place)} alone; save "
                "the model again: CrossEncoder(FOLDER).save_pretrained(OTHER)."
            )
    _, loaded = type(own).from_pretrained(
        place,
        config=own.config,
        subfolder=folder,
        use_safetensors=True,
        device_map="meta",  # names and shapes alone
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        **found,
    )
    encoder = f"{own.base_model_prefix}."
    missing = {name.startswith(encoder) and ".pooler." not in name: name for name in sorted(loaded["missing_keys"])}
    if model[0].transformer_task == "sequence-classification" and {*missing} == {False}:
        raise ModelError(
            f"teacher {place}: expected a model that scores pairs, but its head ({missing[False]}, …) is not "
            "among its weights and would be a random one; choose a reranker or a classifier, or fine-tune this one "
            "first."
        )
    check_loaded(own, loaded, place, "teacher")


def _set_length(model: CrossEncoder, max_length: int | None, place: str) -> None:
    most = positions_of(_transformer(model))
    if max_length is not None:
        if most is not None and max_length > most:
            raise ConfigError(
                f"{SECTION}: expected a max_length of at most {most} for {place} (its positions), got {max_length}."
            )
        model.max_seq_length = max_length
    elif most is not None:
        model.max_seq_length = min(model.max_seq_length or most, most)


def _places(model: CrossEncoder, classes: Sequence[str], place: str) -> list[int] | None:
    """Return the place of each class among its logits; None: it has one logit, which counts for the last class."""
    if model.num_labels == 1:
        if len(classes) != 2:
            raise ModelError(
                f"teacher {place}: expected a logit for each of the classes {list(classes)}, got one score a pair, "
                "which can only tell two classes apart."
            )
        return None
    config = _transformer(model).config
    if config.problem_type == "multi_label_classification":
        raise ModelError(
            f"teacher {place}: expected labels of which one is right, got a multi-label classifier, whose labels do "
            "not exclude each other."
        )
    labels = [str(config.id2label.get(at, f"LABEL_{at}")) for at in range(model.num_labels)]
    return places_of(classes, labels, f"teacher {place}")


def _render(model: CrossEncoder, place: str) -> None:
    """Raise ModelError where pairs cannot be put into its tokenizer or chat template."""
    try:
        model.preprocess([("a", "b")])
    except Exception as error:  # of templates, in a language of their own
        raise ModelError(f"teacher {place}: it cannot read a pair of texts: {first_sentence(error)}") from None
