"""How a causal language model is loaded: with all of its own weights, or not at all."""

from __future__ import annotations

from typing import Any

import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from tmkd.errors import ModelError
from tmkd.models.checkpoint import any_config
from tmkd.models.encoder import is_causal
from tmkd.models.unreadable import unreadable
from tmkd.models.weights import check_loaded
from tmkd.teachers.checkpoint import SECTION, Checkpoint

LANGUAGE_MODELS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


def causal_config(checkpoint: Checkpoint) -> PretrainedConfig:
    """Return the config of a causal language model; ModelError for any other."""
    place, commit = checkpoint.place()
    config = any_config(place, commit, checkpoint.trust_remote_code, SECTION)
    names = config.architectures or []
    named = any(name.endswith(LANGUAGE_MODELS) for name in names) if names else is_causal(config)
    known = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING or "AutoModelForCausalLM" in getattr(config, "auto_map", {})
    if config.is_encoder_decoder or not (named and known):
        raise ModelError(
            f"teacher {place}: expected a causal language model, got {', '.join(names) or config.model_type}, which "
            "predicts no next token; use kind: ready for a reranker or classifier."
        )
    return config


def load_language_model(
    checkpoint: Checkpoint, dtype: torch.dtype, attention: str | None, device_map: str | None = None
) -> PreTrainedModel:
    """Return the model with its own weights; ModelError where it has others."""
    config = causal_config(checkpoint)
    place, commit = checkpoint.place()
    extra: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            place,
            config=config,
            revision=commit,
            trust_remote_code=checkpoint.trust_remote_code,
            use_safetensors=True,
            dtype=dtype,
            device_map=device_map,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # and named below
            **extra,
        )
    except Exception as error:  # of whatever kind: each family's code checks itself
        raise ModelError(f"teacher {place}: {unreadable(place, error)}") from None
    model: PreTrainedModel = loaded[0]
    check_loaded(model, loaded[1], place, "teacher")
    return model
