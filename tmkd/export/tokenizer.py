"""The student's tokenizer as other programs use it: pairs come out as the student reads them."""

from __future__ import annotations

import copy

from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

from tmkd.models.classifier import PairClassifier


def portable_tokenizer(model: PairClassifier) -> PreTrainedTokenizerBase:
    """Return a copy that cuts pairs at the student's ``max_length``, and puts its separators between texts itself.

    A tokenizer without separators of its own (GPT-2) gets those of ``tmkd.data.encoding``: the end-of-text token after
    the question and after the passage.
    """
    tokenizer = copy.deepcopy(model.tokenizer)
    tokenizer.model_max_length = model.max_length
    tokenizer.init_kwargs["model_max_length"] = model.max_length
    tokenizer.init_kwargs.pop("max_length", None)  # of whoever made the checkpoint
    if (backend := getattr(tokenizer, "backend_tokenizer", None)) is None:
        return tokenizer
    backend.no_truncation()
    backend.no_padding()
    if tokenizer.num_special_tokens_to_add(pair=True) == 0:
        end = str(tokenizer.eos_token)
        backend.post_processor = TemplateProcessing(
            single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, tokenizer.eos_token_id)]
        )
    return tokenizer
