"""How a ``CrossEncoder`` is loaded: with all of its own weights, or not at all.

``sentence_transformers`` gives a checkpoint without a head a random one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.cross_encoder.modules import LogitScore
from sentence_transformers.util import load_file_path
from torch import nn
from transformers import PretrainedConfig
from transformers.utils import logging as transformers_logging

from tmkd.errors import ConfigError, ModelError
from tmkd.models.checkpoint import any_config, read_tokenizer
from tmkd.models.encoder import check_vocabulary
from tmkd.models.hub import first_sentence
from tmkd.models.positions import positions_of
from tmkd.models.unreadable import unreadable
from tmkd.models.weights import check_loaded
from tmkd.teachers.checkpoint import SECTION, Checkpoint

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


def config_of(checkpoint: Checkpoint) -> PretrainedConfig:
    """Return its config; ModelError where there is none."""
    return any_config(*checkpoint.place(), checkpoint.trust_remote_code, SECTION)


def load_cross_encoder(
    checkpoint: Checkpoint, max_length: int | None, dtype: torch.dtype, device: str, attention: str | None
) -> CrossEncoder:
    """Return the model with its own weights and length; on the device ``meta`` it has their shapes alone."""
    place, commit = checkpoint.place()
    config_of(checkpoint)  # which explains what cannot be read, as does the next; a made-up tokenizer reads no word
    tokenizer = read_tokenizer(place, commit, checkpoint.trust_remote_code, "teacher")
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
    check_vocabulary(transformer_of(model), tokenizer, place, "teacher")
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


def transformer_of(model: CrossEncoder) -> Any:
    """Return the model of transformers in it."""
    return model[0].model


def _check_weights(model: CrossEncoder, place: str, folder: str, found: dict[str, Any]) -> None:
    """Raise ModelError where any weight would be a random one: a library warns of it at most."""
    own = transformer_of(model)
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
    most = positions_of(transformer_of(model))
    if max_length is not None:
        if most is not None and max_length > most:
            raise ConfigError(
                f"{SECTION}: expected a max_length of at most {most} for {place} (its positions), got {max_length}."
            )
        model.max_seq_length = max_length
    elif most is not None:
        model.max_seq_length = min(model.max_seq_length or most, most)


def _render(model: CrossEncoder, place: str) -> None:
    """Raise ModelError where pairs cannot be put into its tokenizer or chat template."""
    try:
        model.preprocess([("a", "b")])
    except Exception as error:  # of templates, in a language of their own
        raise ModelError(f"teacher {place}: it cannot read a pair of texts: {first_sentence(error)}") from None
