"""The student's tokenizer as other programs use it: pairs come out as the student reads them."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase, TokenizersBackend

from tmkd.models.classifier import PairClassifier


def name_known_class(folder: Path) -> None:
    """Call a tokenizer that is nothing but its ``tokenizer.json`` by a name that transformers 4 and 5 both know.

    Version 5 writes ``TokenizersBackend``, which version 4 refuses; to version 5 the two names are one class.
    """
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    if settings.get("tokenizer_class") == TokenizersBackend.__name__:
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
        file.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


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
