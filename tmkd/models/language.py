"""A masked language model: an encoder, and a head that predicts the masked tokens.

The head is BERT's: a dense layer, an activation, a layer norm, and a decoder whose weights are the word embeddings
(Devlin et al. 2019). RoBERTa, DistilBERT and others have the same, so that their heads can be read from checkpoints.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM, PreTrainedModel
from transformers.activations import ACT2FN

from tmkd.errors import DamagedArtifact, ModelError
from tmkd.losses.language import UNMASKED
from tmkd.models.encoder import Encoder, load_encoder

HEAD = "language_head"


class LanguageHead(nn.Module):
    """From states ``[masked, width]`` to logits ``[masked, vocabulary]``; the decoder's weights come with each call."""

    def __init__(self, width: int, embedding: int, vocabulary: int, activation: str = "gelu", eps: float = 1e-12):
        super().__init__()
        self.facts = {
            "width": width, "embedding": embedding, "vocabulary": vocabulary, "activation": activation, "eps": eps,
        }  # fmt: skip
        self.dense = nn.Linear(width, embedding)
        nn.init.normal_(self.dense.weight, std=0.02)  # as BERT initialises its own
        nn.init.zeros_(self.dense.bias)
        self.activation = ACT2FN[activation]
        self.norm = nn.LayerNorm(embedding, eps=eps)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        """``words`` are the word embeddings ``[vocabulary, embedding]``, which the decoder shares."""
        return F.linear(self.norm(self.activation(self.dense(states))), words, self.bias)


@dataclass
class LanguageOutput:
    """``logits``: ``[masked, vocabulary]``, of the masked tokens in their order; ``hidden``: the last hidden states
    ``[batch, tokens, width]``."""

    logits: Tensor
    hidden: Tensor


class LanguageModel(nn.Module):
    """An encoder with a ``LanguageHead``, by default a fresh one."""

    def __init__(self, encoder: Encoder, head: LanguageHead | None = None) -> None:
        super().__init__()
        self.encoder = encoder.model
        self.tokenizer = encoder.tokenizer
        self.head = head or _fresh(encoder.model)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        masked: Tensor,
        token_type_ids: Tensor | None = None,
    ) -> LanguageOutput:
        """Read ``[batch, tokens]``, padded right, and predict where ``masked`` is not ``UNMASKED``, nowhere else: a
        vocabulary for every token would cost more than the encoder.
        """
        inputs: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        hidden = self.encoder(**inputs).last_hidden_state
        logits = self.head(hidden[masked != UNMASKED], self.encoder.get_input_embeddings().weight)
        return LanguageOutput(logits, hidden)

    def save(self, folder: Path) -> None:
        """Write the encoder and tokenizer as transformers does, and beside them the head."""
        self.encoder.save_pretrained(folder / "encoder")
        self.tokenizer.save_pretrained(folder / "encoder")
        save_file({name: tensor.contiguous() for name, tensor in self.head.state_dict().items()}, _weights(folder))
        _facts(folder).write_text(json.dumps(self.head.facts, indent=1))

    @classmethod
    def load(cls, folder: Path, **loading: Any) -> LanguageModel:
        """Read what ``save`` wrote; ``loading`` goes to ``load_encoder`` (attention, trust_remote_code)."""
        try:
            head = LanguageHead(**json.loads(_facts(folder).read_text()))
            head.load_state_dict(load_file(_weights(folder)))
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise DamagedArtifact(f"{folder} does not hold a whole language model: {reason}") from None
        return cls(load_encoder(name=str(folder / "encoder"), **loading), head)


def pretrained_head(encoder: PreTrainedModel, **loading: Any) -> LanguageHead | None:
    """Return the masked-language-model head of the checkpoint that an encoder was loaded from, or None if it has none.

    ``loading`` goes to ``from_pretrained`` (revision, trust_remote_code).

    Raises:
        ModelError: its head is not of BERT's kind.
    """
    place = encoder.name_or_path
    if not place or type(encoder.config) not in MODEL_FOR_MASKED_LM_MAPPING:
        return None
    model, found = AutoModelForMaskedLM.from_pretrained(
        place, use_safetensors=True, output_loading_info=True, dtype=torch.float32, **loading
    )
    if any(not name.startswith(f"{model.base_model_prefix}.") for name in found["missing_keys"]):
        return None
    return head_of(model)


@torch.no_grad()
def head_of(model: PreTrainedModel) -> LanguageHead:
    """Return a copy of the head of one of transformers' masked language models; ModelError if it is of another kind."""
    decoder, inner = model.get_output_embeddings(), set(model.base_model.modules())
    outer = [module for module in model.modules() if module not in inner and module is not decoder]
    dense = [module for module in outer if isinstance(module, nn.Linear)]
    norms = [module for module in outer if isinstance(module, nn.LayerNorm)]
    if len(dense) == 1 and len(norms) == 1 and decoder is not None:
        head = _fresh(model).eval()
        head.norm.eps = norms[0].eps
        head.facts["eps"] = norms[0].eps
        for mine, theirs in ((head.dense, dense[0]), (head.norm, norms[0])):
            mine.weight.copy_(theirs.weight)
            if theirs.bias is not None:
                mine.bias.copy_(theirs.bias)
        if decoder.bias is not None:
            head.bias.copy_(decoder.bias)
        tokens = torch.arange(min(8, len(head.bias))).unsqueeze(0)
        seen = model.eval()(input_ids=tokens, output_hidden_states=True)
        if torch.allclose(head(seen.hidden_states[-1], model.get_input_embeddings().weight), seen.logits, atol=1e-3):
            return head
    raise ModelError(
        f"The language-model head of {type(model).__name__} is not of BERT's kind (dense, activation, norm, the word "
        "embeddings); choose another encoder for stage1.kind=language."
    )


def _fresh(model: PreTrainedModel) -> LanguageHead:
    config = model.config
    words: Any = model.get_input_embeddings()
    vocabulary, embedding = words.weight.shape
    activation = getattr(config, "hidden_act", getattr(config, "activation", "gelu"))
    return LanguageHead(config.hidden_size, embedding, vocabulary, activation, getattr(config, "layer_norm_eps", 1e-12))


def _weights(folder: Path) -> Path:
    return folder / f"{HEAD}.safetensors"


def _facts(folder: Path) -> Path:
    return folder / f"{HEAD}.json"
