"""What teachers of any architecture do alike when they score: precision, cut pairs, scores that are numbers."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset
from tqdm import tqdm
from transformers import PretrainedConfig

from tmkd.errors import ModelError, TmkdError
from tmkd.models.hub import first_sentence
from tmkd.teachers.source import Scorer
from tmkd.training.runtime import Runtime
from tmkd.training.trial import QUESTION, WORDS

log = logging.getLogger(__name__)
UNBOUNDED = 10**9  # tokens, where neither model nor tokenizer knows a limit
TRIED = 512  # tokens of the longer made-up pair: some models could read a hundred thousand, and no pair has them


@dataclass
class Cuts:
    """How many of the pairs that were scored had lost text to the model's length."""

    pairs: int = 0
    cut: int = 0

    def warn(self, what: str, length: int) -> None:
        """Say it in the log, where any had."""
        if self.cut:
            log.warning(
                "%s: %d of %d pairs are longer than the %d tokens that are read, and are cut there; raise max_length "
                "in its entry of teachers.roster, if the model can read more",
                what, self.cut, self.pairs, length,
            )  # fmt: skip


def dtype_for(config: PretrainedConfig, runtime: Runtime) -> torch.dtype:
    """Return the type in which weights are held: bf16 if they are saved so and the runtime computes in it.

    All others are float32 in bf16, too: autocast rounds what is multiplied, and leaves norms alone.
    """
    saved = str(config.dtype).removeprefix("torch.")
    return torch.bfloat16 if runtime.bf16 and saved == "bfloat16" else torch.float32


def finite(scores: torch.Tensor, what: str) -> np.ndarray:
    """Return scores as float32; ModelError where any is NaN or infinite: soft labels would be made of it."""
    found = scores.float().cpu().numpy()
    if not np.isfinite(found).all():
        raise ModelError(
            f"{what}: its scores are not finite (NaN or infinite numbers); try runtime.precision=fp32, and if they "
            "still are not, its weights are damaged: download or save them again."
        )
    return found


def try_out(score: Scorer, what: str, length: int) -> None:
    """Score a pair of ``length`` tokens, or of ``TRIED`` if that is less, and a short one.

    Raises:
        ModelError: why it cannot.
    """
    pairs = {"question": [QUESTION, QUESTION], "passage": [WORDS * (1 + min(length, TRIED) // 8), "7"]}
    try:
        score(Dataset.from_dict(pairs), tqdm(disable=True))
    except TmkdError:
        raise
    except Exception as error:  # of whatever kind: it is the model's own code that fails
        raise ModelError(
            f"{what}: it cannot read two pairs ({type(error).__name__}: {first_sentence(error)[:300].rstrip('.')}); "
            "choose another model, or another max_length."
        ) from None
