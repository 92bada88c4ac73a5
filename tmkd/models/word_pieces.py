"""Word vectors from an encoder, for a Bi-LSTM without a file of them: what the pieces of a word are to the encoder."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from sklearn.decomposition import PCA
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tmkd.errors import ModelError
from tmkd.models.encoder import word_embeddings


def piece_vectors(
    words: Collection[str], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, dimensions: int
) -> dict[str, np.ndarray]:
    """Return vectors ``[dimensions]``, float32, of those ``words`` that the encoder knows a piece of.

    A word's vector is the mean of the input embeddings of its pieces. All are reduced to the width by principal
    components, of the words' vectors, or of all pieces' where there are fewer words than dimensions. The same input
    gives the same vectors.

    Raises:
        ModelError: see ``check_width``.
    """
    table = check_width(model, dimensions).detach().float().cpu().numpy()
    names = sorted(words)
    # a space before, since many tokenizers have other pieces for the beginning of a word than for its middle
    pieces = tokenizer([f" {name}" for name in names], add_special_tokens=False)["input_ids"] if names else []
    known: dict[str, np.ndarray] = {}
    for name, ids in zip(names, pieces):
        kept = [piece for piece in ids if piece != tokenizer.unk_token_id]
        if kept:
            known[name] = table[kept].mean(axis=0)
    if not known:
        return {}
    means = np.stack(list(known.values()))
    # not a random solver, which scikit-learn would take for large tables
    reduce = PCA(dimensions, svd_solver="covariance_eigh").fit(means if len(means) > dimensions else table)
    return dict(zip(known, reduce.transform(means).astype(np.float32)))


def check_width(model: PreTrainedModel, dimensions: int) -> Tensor:
    """Return an encoder's input embeddings ``[pieces, width]``.

    Its weights may be on the meta device.

    Raises:
        ModelError: it has none, or narrower ones than ``dimensions``.
    """
    if (table := word_embeddings(model)) is None:
        raise ModelError(f"word_vectors: {type(model).__name__} has no embeddings of pieces; set word_vectors=random.")
    if table.shape[1] < dimensions:
        raise ModelError(
            f"dimensions: expected at most {table.shape[1]} (the width of the embeddings of {type(model).__name__}, "
            f"which words have their vectors from) or word_vectors=random, got {dimensions}."
        )
    return table
