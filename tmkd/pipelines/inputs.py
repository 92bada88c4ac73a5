"""What every stage reads: the task, the corpus, and their tokens. Read once, tokenised once a tokenizer, kept on disk."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.artifacts import Artifact, ArtifactStore
from tmkd.config import Config, settings
from tmkd.data import readers
from tmkd.data.schema import SPLITS, Task
from tmkd.identity import key
from tmkd.pipelines.specs import corpus_spec, task_spec

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from tmkd.training.runtime import Runtime

CORPUS = "corpus"


class Inputs:
    """The config with everything that is derived from it once: store, runtime, task, corpus, tokens."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = ArtifactStore(config.paths.artifacts)

    @functools.cached_property
    def runtime(self) -> Runtime:
        from tmkd.training.runtime import resolve_runtime

        return resolve_runtime(**settings(self.config.runtime))

    @functools.cached_property
    def _raw(self) -> dict[str, Any]:
        return readers.raw_identity(settings(self.config.data), settings(self.config.corpus))

    @functools.cached_property
    def task(self) -> Artifact:
        """The labelled task: three splits on disk."""
        spec = task_spec(self.config, self._raw)
        return self.store.build("task", spec, self._make_task, f"task {self.config.data.name}")

    @property
    def task_key(self) -> str:
        """The task's key, known before the task is read."""
        return key("task", task_spec(self.config, self._raw))

    @functools.cached_property
    def corpus(self) -> Artifact:
        """The unlabelled corpus on disk."""
        return self.store.build("corpus", corpus_spec(self.config, self._raw), self._make_corpus, "unlabelled corpus")

    def rows(self, split: str) -> Dataset:
        """Return train, validation, test or corpus as it was read."""
        return _load((self.corpus if split == CORPUS else self.task).folder(split))

    def source(self, split: str) -> str:
        """Return the key of the artifact that holds a split, and the split: what names its tokens and soft labels."""
        return f"{(self.corpus if split == CORPUS else self.task).key}/{split}"

    def tokens(self, split: str, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Dataset:
        """Return a split tokenised, made once for each distinct tokenizer and length."""
        spec = {"rows": self.source(split), "tokenizer": tokenizer_digest(tokenizer), "max_length": max_length}

        def make(work: Path) -> dict[str, Any]:
            from tmkd.data.batching import tokenise

            tokens = tokenise(self.rows(split), tokenizer, max_length)
            tokens.save_to_disk(str(work / "tokens"))
            return {"pairs": len(tokens), "mean_tokens": sum(tokens["length"]) / len(tokens)}

        artifact = self.store.build("tokens", spec, make, f"tokens of {split}")
        return _load(artifact.folder("tokens"))

    @functools.cached_property
    def _read(self) -> tuple[Task, Dataset]:
        # both at once: the documentation is parsed once for the two
        return readers.read(settings(self.config.data), settings(self.config.corpus))

    def _make_task(self, work: Path) -> dict[str, Any]:
        task = self._read[0].check()
        for split in SPLITS:
            task.splits[split].save_to_disk(str(work / split))
        questions = {split: len(set(task.splits[split]["question_id"])) for split in SPLITS}
        return {"pairs": {split: len(task.splits[split]) for split in SPLITS}, "questions": questions}

    def _make_corpus(self, work: Path) -> dict[str, Any]:
        corpus = self._read[1]
        corpus.save_to_disk(str(work / CORPUS))
        return {"pairs": len(corpus)}

    def fingerprint(self) -> str:
        """Return 12 hexadecimal digits of the content of all rows, task and corpus."""
        files = {**self.task.manifest["files"], **self.corpus.manifest["files"]}
        return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]


def _load(folder: Path) -> Dataset:
    from datasets import load_from_disk

    return load_from_disk(str(folder))


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Name a tokenizer after what it does, so that encoders that share one share its tokens."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:  # a tokenizer written in Python: known by its class and vocabulary
        content = json.dumps([type(tokenizer).__name__, tokenizer.get_vocab()], sort_keys=True)
    else:
        state = json.loads(backend.to_str())
        content = json.dumps({**state, "padding": None, "truncation": None, "eos": tokenizer.eos_token}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]
