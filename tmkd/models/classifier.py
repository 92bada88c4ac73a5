"""The pair classifier: an encoder and its heads. A teacher has the gold head alone; a student has soft heads as well.

``h1 = encoder([CLS] question [SEP] passage)``; every head is a linear map of ``h1`` (Yang et al. 2020, section 3).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase

from tmkd.choices import CUT, LONG
from tmkd.errors import DamagedArtifact
from tmkd.models.encoder import Encoder, load_encoder
from tmkd.models.exits import EXIT, Exits, check_exits, leave_at, leave_early
from tmkd.models.heads import GOLD, Heads
from tmkd.models.partial_forward import layer_outputs
from tmkd.models.states import ATTENTION_KINDS, attention_maps, pooled
from tmkd.states import State


@dataclass
class PairOutput:
    """What the classifier returns, all logits in float32.

    Attributes:
        logits: every head's, ``[batch, heads, classes]``.
        gold: the gold head's, ``[batch, classes]``, or None where the model has none (stage 1).
        soft: the soft heads', ``[batch, teachers, classes]``.
        states: the states that were asked for, by (kind, layer); see ``tmkd.states``.
        h1: what the heads read, ``[batch, width]``.
        exits: logits ``[batch, classes]`` of the exits whose states were asked for, by layer.
    """

    logits: Tensor
    gold: Tensor | None
    soft: Tensor
    states: dict[State, Tensor] = field(default_factory=dict)
    h1: Tensor | None = None
    exits: dict[int, Tensor] = field(default_factory=dict)


class PairClassifier(nn.Module):
    """An encoder with one head for each name in ``heads`` (``gold`` first, if it is there), and exits where asked.

    Attributes:
        max_length: tokens of a pair that it reads; ``long`` is what it reads of a passage that is too long. Both are
            saved with the model.
        predicting: places of the heads whose probabilities are averaged; saved with the model. All of them, unless set.
        objective: what it was trained to minimise, as JSON; saved with the model, and read by nobody but people.
    """

    def __init__(
        self,
        encoder: Encoder,
        heads: Sequence[str],
        classes: Sequence[str],
        max_length: int,
        heads_alike: bool = True,
        long: str = CUT,
    ) -> None:
        super().__init__()
        self.encoder = encoder.model
        self.tokenizer: PreTrainedTokenizerBase = encoder.tokenizer
        self.pooling = encoder.pooling
        self.trust_remote_code = encoder.trust_remote_code
        self.classes = tuple(classes)
        self.max_length = max_length
        self.long = long
        self.heads = Heads(heads, encoder.model.config.hidden_size, len(self.classes), heads_alike)
        self.predicting = list(range(len(self.heads.names)))
        self.objective: dict[str, Any] = {}
        self.exits = Exits((), encoder.model.config.hidden_size, len(self.classes))

    def add_exits(self, layers: Sequence[int]) -> None:
        """Put fresh exits after the given layers, which count from 1; none after the last (ModelError).

        Random numbers drawn later are what they would be without exits.
        """
        check_exits(self.encoder, layers)
        like = self.heads.linear.weight
        with torch.random.fork_rng(devices=[]):
            exits = Exits(layers, like.shape[1], len(self.classes))
        self.exits = exits.to(like.device)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        states: Collection[State] = (),
    ) -> PairOutput:
        """Score pairs: ``input_ids``, ``attention_mask``, ``token_type_ids`` are ``[batch, tokens]``, padded right.

        ``states`` are the inner states to return beside the logits.
        """
        inputs: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        layered = [state for state in states if state[0] not in (*ATTENTION_KINDS, EXIT)]
        if layered:
            inputs["output_hidden_states"] = True
        leaving = [layer for kind, layer in states if kind == EXIT]
        with attention_maps(self.encoder, states) as found, layer_outputs(self.encoder, leaving) as below:
            seen = self.encoder(**inputs)
        for kind, layer in layered:
            hidden = seen.hidden_states[layer]
            found[kind, layer] = hidden if kind == "hidden" else pooled(hidden, attention_mask, kind)
        exits: dict[int, Tensor] = {}
        for layer, hidden in below.items():
            found[EXIT, layer], exits[layer] = self.exits(layer, self.h1(hidden, attention_mask))
        output = self.output_of(self.h1(seen.last_hidden_state, attention_mask))
        output.states, output.exits = found, exits
        return output

    def output_of(self, h1: Tensor) -> PairOutput:
        """Return what the heads say of ``h1``, ``[batch, width]``."""
        logits = self.heads(h1)
        has_gold = self.heads.names[0] == GOLD
        return PairOutput(
            logits=logits,
            gold=logits[:, 0] if has_gold else None,
            soft=logits[:, 1:] if has_gold else logits,
            h1=h1,
        )

    def answers(self, **batch: Tensor) -> Tensor:
        """Return every head's logits, then every exit's: ``[batch, heads + exits, classes]``."""
        output = self(**batch, states=[(EXIT, layer) for layer in self.exits.layers])
        return torch.cat([output.logits, *(output.exits[layer].unsqueeze(1) for layer in self.exits.layers)], dim=1)

    @torch.inference_mode()
    def predict_exit(self, layer: int, **batch: Tensor) -> Tensor:
        """Return one exit's probabilities ``[batch, classes]``, running no layer above it.

        Args:
            layer: after which the exit stands; ModelError where there is none.
            batch: ``input_ids``, ``attention_mask`` and perhaps ``token_type_ids``, as for a call of the model.
        """
        return leave_at(self, layer, batch)

    @torch.inference_mode()
    def predict_early(
        self, threshold: float, heads: Sequence[int] | None = None, **batch: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Let each pair leave at the first exit that is sure enough of it; only the others meet the layers above.

        Args:
            threshold: what the exit's highest probability must reach. Above 1, all go to the deepest classifier.
            heads: the deepest classifier's predicting heads; None: all of them.
            batch: as for ``predict_exit``.

        Returns:
            Probabilities ``[batch, classes]``, and ``[batch]`` the layer after which each pair left.
        """
        return leave_early(self, threshold, batch, range(len(self.heads.names)) if heads is None else heads)

    def h1(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return the state that heads read, ``[batch, width]``, of a layer's ``[batch, tokens, width]``."""
        return pooled(states, mask, self.pooling)

    def save(self, folder: Path) -> None:
        """Write the encoder and tokenizer as transformers does, and beside them the heads and ``classifier.json``."""
        self.encoder.save_pretrained(folder / "encoder")
        self.tokenizer.save_pretrained(folder / "encoder")
        save_file(
            {name: tensor.contiguous() for name, tensor in self.heads.state_dict().items()},
            folder / "heads.safetensors",
        )
        if self.exits.layers:
            save_file(self.exits.state_dict(), folder / "exits.safetensors")
        facts = {
            "classes": list(self.classes),
            "heads": list(self.heads.names),
            "predicting": self.predicting,
            "pooling": self.pooling,
            "max_length": self.max_length,
            **({"long": self.long} if self.long != CUT else {}),
            **({"objective": self.objective} if self.objective else {}),
            **({"exits": list(self.exits.layers)} if self.exits.layers else {}),
            **({"trust_remote_code": True} if self.trust_remote_code else {}),
        }
        (folder / "classifier.json").write_text(json.dumps(facts, indent=1))

    @classmethod
    def load(cls, folder: Path, **loading: Any) -> PairClassifier:
        """Read what ``save`` wrote; ``loading`` goes to ``load_encoder`` (dropout, attention).

        An encoder whose own code ran when it was made runs it again: ``save`` put it beside the weights.
        """
        try:
            facts = _facts(folder)
            loading |= {"pooling": facts["pooling"], "trust_remote_code": facts.get("trust_remote_code", False)}
            encoder = load_encoder(name=str(folder / "encoder"), **loading)
            model = cls(encoder, facts["heads"], facts["classes"], facts["max_length"], long=_long(facts))
            model.heads.load_state_dict(load_file(folder / "heads.safetensors"))
            model.predicting = facts["predicting"]
            model.objective = facts.get("objective", {})
            if exits := facts.get("exits"):
                model.add_exits(exits)
                model.exits.load_state_dict(load_file(folder / "exits.safetensors"))
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise DamagedArtifact(
                f"{folder} does not hold a whole classifier: {' '.join(str(error).split())}"
            ) from None
        return model

    @property
    def parameter_count(self) -> int:
        """Of the encoder and its heads; for exits see ``tmkd.models.exits.exit_parameters``."""
        return sum(parameter.numel() for part in (self.encoder, self.heads) for parameter in part.parameters())


def encoder_config(folder: Path) -> PretrainedConfig:
    """Return the configuration of the encoder that ``PairClassifier.save`` wrote, without its weights."""
    trusted = _facts(folder).get("trust_remote_code", False)
    return AutoConfig.from_pretrained(folder / "encoder", trust_remote_code=trusted)


def load_tokenizer(folder: Path) -> tuple[PreTrainedTokenizerBase, int, str]:
    """Return the tokenizer that ``PairClassifier.save`` wrote, its model's ``max_length`` and its ``long``."""
    facts = _facts(folder)
    trusted = facts.get("trust_remote_code", False)
    tokenizer = AutoTokenizer.from_pretrained(folder / "encoder", trust_remote_code=trusted)
    return tokenizer, facts["max_length"], _long(facts)


def _facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "classifier.json").read_text())
    return facts


def _long(facts: Mapping[str, Any]) -> str:
    long = facts.get("long", CUT)
    if long not in LONG:
        raise ValueError(f"classifier.json: expected long to be one of {', '.join(LONG)}, got {long}")
    return str(long)
