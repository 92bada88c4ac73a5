"""One forward pass of two made-up pairs: what an encoder cannot do is known before anything is trained."""

from __future__ import annotations

import torch
from torch import Tensor

from tmkd.data.batching import Collator
from tmkd.data.encoding import encode_pairs
from tmkd.errors import ModelError
from tmkd.models.classifier import PairClassifier
from tmkd.models.hub import first_sentence
from tmkd.models.positions import positions_of
from tmkd.training.learner import inputs_of
from tmkd.training.predict import to_device
from tmkd.training.runtime import Runtime

QUESTION = "what is it worth?"
WORDS = "an answer of 7 words or 42 tokens, "


def try_out(model: PairClassifier, runtime: Runtime) -> None:
    """Read two pairs, one of ``max_length`` and a shorter one, padded as in training and in its precision.

    Random numbers drawn later are what they would be without it.

    Raises:
        ModelError: why the model cannot read them, or why its heads would see nothing of them, and what to set.
    """
    most = positions_of(model.encoder)
    if most is not None and model.max_length > most:
        raise ModelError(f"max_length: expected at most {most} (the encoder's positions), got {model.max_length}.")
    batch = to_device(_batch(model, most), runtime.device)
    tokens = batch["input_ids"].shape[1]
    training = model.training
    with torch.random.fork_rng([runtime.device] if runtime.device.type == "cuda" else []), torch.no_grad():
        failure = _failure(model.train(), batch, runtime.bf16)
        if failure and runtime.bf16 and not _failure(model, batch, bf16=False):
            raise ModelError(f"in bf16 {failure}, in float32 there is no such trouble; set runtime.precision=fp32.")
        if failure:
            raise ModelError(f"{failure}; choose another encoder, or another max_length ({tokens} tokens here).")
        h1 = _read(model.eval(), batch, bf16=False)[1]
    model.train(training)
    if model.pooling == "first" and torch.allclose(h1[0], h1[1], rtol=0, atol=1e-6):
        raise ModelError(
            "the state that its heads read (pooling: first) is the same whatever the pair, since the first token of a "
            "decoder sees no other; set its pooling to last or mean."
        )


def _batch(model: PairClassifier, most: int | None) -> dict[str, Tensor]:
    columns = encode_pairs([QUESTION], [WORDS * model.max_length], model.tokenizer, model.max_length)
    long: dict[str, list[int]] = {name: columns[name][0] for name in ("input_ids", "token_type_ids") if name in columns}
    # the same tokens in another order, but for the first: of another text the tokenizer may know no word either
    short = {name: [values[0], *reversed(values[1:])][: len(values) // 2] for name, values in long.items()}
    return Collator(model.tokenizer.pad_token_id, most)([long, short])


def _failure(model: PairClassifier, batch: dict[str, Tensor], bf16: bool) -> str:
    """Return why the model cannot read the batch; nothing where it can."""
    try:
        logits, h1 = _read(model, batch, bf16)
    except torch.OutOfMemoryError:
        return "the device has no memory for two pairs"
    except Exception as error:  # of whatever kind: it is the encoder's own code that fails
        return f"it cannot read two pairs ({type(error).__name__}: {first_sentence(error)[:300].rstrip('.')})"
    if not (logits.isfinite().all() and h1.isfinite().all()):
        return "what it makes of two pairs is not finite (NaN or infinite numbers), as with damaged weights"
    return ""


def _read(model: PairClassifier, batch: dict[str, Tensor], bf16: bool) -> tuple[Tensor, Tensor]:
    with torch.autocast(batch["input_ids"].device.type, torch.bfloat16, enabled=bf16):
        output = model(**inputs_of(batch))
    assert output.h1 is not None
    return output.logits, output.h1.float()
