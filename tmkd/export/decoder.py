"""``hf`` of a decoder: transformers' classifier reads the last token that is no padding, by a linear map without bias.

The student's bias goes into that of the layer norm below it: W(h + δ) = Wh + b where Wδ = b, exactly. Decoders whose
last norm has no bias (RMSNorm: Llama, Qwen) cannot hold one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

NORMS = {"gpt2": "ln_f", "gpt_neox": "final_layer_norm"}  # by family: its last layer norm, which has a bias
PAD = "<|pad|>"


def pad_apart(tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a tokenizer that pads with the token at a pair's end another one, or the classifier would read before it."""
    if tokenizer("a", "b")["input_ids"][-1] == tokenizer.pad_token_id:
        tokenizer.add_special_tokens({"pad_token": PAD})


@torch.no_grad()
def hold_last(weight: Tensor, bias: Tensor, classifier: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Let a classifier of ``NORMS`` compute a linear map, in place; a new padding token gets a row of its own.

    Args:
        weight, bias: of the map, ``[scores, width]`` and ``[scores]``, whose rows are independent of each other.
    """
    norm = classifier.base_model.get_submodule(NORMS[classifier.config.model_type])
    apart = torch.linalg.pinv(weight.double()) @ bias.double()
    norm.bias.copy_(norm.bias.double() + apart)  # type: ignore[operator]
    classifier.get_parameter("score.weight").copy_(weight)
    if len(tokenizer) > classifier.config.vocab_size:
        classifier.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    classifier.config.pad_token_id = tokenizer.pad_token_id
