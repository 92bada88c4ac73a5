"""A random MPNet of a few thousand weights with a tokenizer like its own, made on the spot."""

from __future__ import annotations

import string
from pathlib import Path

import torch
from torch import nn
from transformers import MPNetConfig, MPNetModel, MPNetTokenizer

SPECIAL = ["<s>", "<pad>", "</s>", "[UNK]"]  # <pad> is 1, which MPNet's positions count from


def tiny_mpnet(folder: Path, layers: int = 6, width: int = 16, seed: int = 0) -> Path:
    """Save one to ``folder``; two tokens' distance counts for as much as they do."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*SPECIAL, *letters, *("##" + letter for letter in string.ascii_lowercase + string.digits), "<mask>"]
    tokenizer = MPNetTokenizer(vocab={piece: index for index, piece in enumerate(pieces)})
    config = MPNetConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=130,
        pad_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MPNetModel(config)
        for weight in (model.encoder.relative_attention_bias.weight, model.embeddings.word_embeddings.weight):
            nn.init.normal_(weight)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
