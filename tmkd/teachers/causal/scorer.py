"""How ``Causal`` reads the logits of its answers from a language model."""

from __future__ import annotations

import inspect
from typing import cast

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm
from transformers import PreTrainedModel

from tmkd.errors import ConfigError, ModelError
from tmkd.models.checkpoint import read_tokenizer
from tmkd.teachers.causal.asking import Asking
from tmkd.teachers.causal.loading import causal_config, load_language_model
from tmkd.teachers.causal.prompts import Prompt
from tmkd.teachers.checkpoint import SECTION, Checkpoint
from tmkd.teachers.scoring import UNBOUNDED, Cuts, dtype_for, finite, try_out
from tmkd.teachers.source import margin_logits
from tmkd.training.predict import longest_first
from tmkd.training.runtime import Runtime


class AnswerHead(nn.Module):
    """The rows of a language model's head that are the answers', in float32: bf16 would round their difference.

    Caps and scales that a model puts on its logits are computed by the model, after its head.
    """

    def __init__(self, head: nn.Linear, tokens: list[int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(head.weight[tokens].float().clone(), requires_grad=False)
        self.bias = None if head.bias is None else nn.Parameter(head.bias[tokens].float().clone(), requires_grad=False)

    def forward(self, states: Tensor) -> Tensor:
        with torch.autocast(states.device.type, enabled=False):
            return F.linear(states.float(), self.weight, self.bias)


class LanguageModelScorer:
    """A ``Scorer`` of a loaded language model.

    Attributes:
        asking: the prompt in its tokens.
        outputs: of the task: 2 classes, or 1 where its labels are grades or numbers.
        cuts: how many pairs had more than are read.
    """

    def __init__(self, model: PreTrainedModel, asking: Asking, what: str, runtime: Runtime, outputs: int = 2) -> None:
        self.model = model
        self.asking = asking
        self.what = what
        self.runtime = runtime
        self.outputs = outputs
        self.cuts = Cuts()
        takes = inspect.signature(model.forward).parameters
        self.last_alone = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
        self.has_positions = "position_ids" in takes
        self.columns = _keep_answers(model, asking.answers)

    @property
    def length(self) -> int:
        """Tokens of a prompt with its pair."""
        return self.asking.length

    @torch.inference_mode()
    def __call__(self, rows: Dataset, bar: tqdm) -> np.ndarray:
        prompts, cut = self.asking.encode(list(zip(rows["question"], rows["passage"])))
        scores = np.empty(len(prompts), dtype=np.float32)

        def batch_of(chosen: np.ndarray) -> dict[str, Tensor]:
            batch = self.asking.batch([prompts[at] for at in chosen])
            return batch if self.has_positions else {name: batch[name] for name in ("input_ids", "attention_mask")}

        lengths = np.array([len(ids) for ids in prompts])
        for chosen, batch in longest_first(self.model, lengths, batch_of, self.runtime, bar):
            with self.runtime.scoring():
                logits = self.model(**batch, **self.last_alone, use_cache=False).logits[:, -1]
            answers = logits[:, self.columns].float()
            scores[chosen] = finite(
                answers[:, 0] - answers[:, 1] if len(self.columns) > 1 else answers[:, 0], self.what
            )
        self.cuts.pairs += len(prompts)
        self.cuts.cut += sum(cut)
        return margin_logits(scores, self.outputs)


def check_language_model(checkpoint: Checkpoint, prompt: Prompt, max_length: int | None) -> None:
    """Raise ConfigError or ModelError for what is known without the values of its weights."""
    model = load_language_model(checkpoint, torch.float32, None, device_map="meta")
    _asking(model, checkpoint, prompt, max_length)


def open_language_model(
    checkpoint: Checkpoint, prompt: Prompt, max_length: int | None, runtime: Runtime, outputs: int = 2
) -> LanguageModelScorer:
    """Load it, and let it read two made-up pairs; ConfigError or ModelError where it cannot be this teacher."""
    model = load_language_model(checkpoint, dtype_for(causal_config(checkpoint), runtime), runtime.attention)
    what = f"teacher {checkpoint.name}"
    asking = _asking(model, checkpoint, prompt, max_length)
    runtime.hold(model)
    scorer = LanguageModelScorer(model, asking, what, runtime, outputs)
    try_out(scorer, what, scorer.length)
    scorer.cuts = Cuts()
    return scorer


def _asking(model: PreTrainedModel, checkpoint: Checkpoint, prompt: Prompt, max_length: int | None) -> Asking:
    place, commit = checkpoint.place()
    tokenizer = read_tokenizer(place, commit, checkpoint.trust_remote_code, "teacher")
    if tokenizer.pad_token_id is None:  # padded positions are masked, so that any token serves
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if max_length is not None and most is not None and max_length > most:
        raise ConfigError(
            f"{SECTION}: expected a max_length of at most {most} for {place} (its positions), got {max_length}."
        )
    asking = Asking(tokenizer, prompt, max_length or min(tokenizer.model_max_length, most or UNBOUNDED), place)
    words = len(cast(Tensor, model.get_input_embeddings().weight))
    if max(asking.answers) >= words:
        raise ModelError(
            f"teacher {place}: its tokenizer has tokens beyond the model's {words}; take the tokenizer that it was "
            "trained with."
        )
    return asking


def _keep_answers(model: PreTrainedModel, tokens: list[int]) -> list[int]:
    """Let the model compute the answers' logits alone, where its head is a plain one; return their columns."""
    head = model.get_output_embeddings()
    if type(head) is nn.Linear:
        own = AnswerHead(head, tokens)
        model.set_output_embeddings(own)
        if model.get_output_embeddings() is own:
            return list(range(len(tokens)))
    return tokens
