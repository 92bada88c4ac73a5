"""What every stage reads: task, corpus and their tokens. Read once, tokenised once a tokenizer, kept on disk."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.config import Config, check, settings, vary
from tmkd.data import readers
from tmkd.data.schema import PART, SPLITS
from tmkd.distributed import Processes, init
from tmkd.pipelines.cuts import warn_of_cuts
from tmkd.pipelines.specs import corpus_spec, task_spec
from tmkd.store.artifacts import SCRATCH, Artifact, ArtifactStore
from tmkd.store.identity import key
from tmkd.store.provenance import note_machines

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from tmkd.training.runtime import Runtime

CORPUS = "corpus"


class RunContext:
    """The config with everything that is derived from it once: store, runtime, task, corpus, tokens."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = ArtifactStore(config.paths.artifacts, self.machine)
        self._varied: dict[str, RunContext] = {}
        self.before_making: list[Callable[[], None]] = []  # checks that are due once something is to be computed
        # Now, since all processes must join: later on, one might hold the lock of a result that another waits for.
        _ = self.processes

    def varied(self, changes: dict[str, Any]) -> RunContext:
        """Return the context of the config with other settings; the same object where nothing changes."""
        told = json.dumps(changes, sort_keys=True)
        if told not in self._varied:
            self._varied[told] = RunContext(check(vary(self.config, changes))) if changes else self
            self._varied[told].before_making = self.before_making
            self._varied[told].store = self.store  # one machine, one folder, one log
        return self._varied[told]

    @functools.cached_property
    def runtime(self) -> Runtime:
        from tmkd.training.runtime import resolve_runtime

        return resolve_runtime(**settings(self.config.runtime), processes=self.processes)

    def machine(self) -> dict[str, Any]:
        """Return what this process computes on, as manifests say it."""
        return self.runtime.machine()

    @functools.cached_property
    def processes(self) -> Processes | None:
        """Those that make each result together; None: this one alone, or each has a peer of its own to train."""
        method = self.config.method
        each = [arm.set.get("method", {}).get("online") for arm in method.arms.values()]
        # what is no section of settings is refused where the arm's config is made
        apart = method.online.processes or any(isinstance(own, dict) and own.get("processes") for own in each)
        return None if apart else init()

    @property
    def is_main_process(self) -> bool:
        """Whether this process writes what all make together."""
        return self.processes is None or self.processes.is_main_process

    def build(
        self,
        stage: str,
        spec: Mapping[str, Any],
        make: Callable[[Path], dict[str, Any]],
        what: str,
        processes: Processes | None = None,
    ) -> Artifact:
        """Return a result that all processes make together: a training, a teacher's soft labels.

        What one process can make is ``store.build``'s: the others wait for its lock. ``processes`` are those that each
        train a peer.
        """
        self.check_due(stage, spec)
        together = processes or self.processes

        def noted(work: Path) -> dict[str, Any]:
            machines = together.gather(self.machine()) if together else [self.machine()]
            if (
                together is None or together.is_main_process
            ):  # now, so that a run that goes on after a kill knows of this one
                note_machines(work / SCRATCH, machines)
            return make(work)

        if together is None:
            return self.store.build(stage, spec, noted, what)
        return together.build(lambda making: self.store.build(stage, spec, making, what), noted)

    def check_due(self, stage: str, spec: Mapping[str, Any]) -> None:
        """Where a result is still to be computed, do the checks in ``before_making``; each is done once."""
        while self.before_making and self.store.find(stage, spec) is None:
            self.before_making[0]()
            self.before_making.pop(0)

    @functools.cached_property
    def _sections(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return settings(self.config.data), settings(self.config.corpus)

    @functools.cached_property
    def task(self) -> Artifact:
        """The labelled task: three splits on disk."""
        return self.store.build("task", self._task_spec, self._make_task, f"task {self.config.data.name}")

    @functools.cached_property
    def corpus(self) -> Artifact:
        """The unlabelled corpus on disk."""
        spec = corpus_spec(self.config, readers.corpus_identity(*self._sections))
        return self.store.build("corpus", spec, self._make_corpus, "unlabelled corpus")

    @functools.cached_property
    def _task_spec(self) -> dict[str, Any]:
        return task_spec(self.config, readers.task_identity(*self._sections))

    @property
    def task_key(self) -> str:
        """The task's key, known before the task is read."""
        return key("task", self._task_spec)

    @property
    def needs_corpus(self) -> bool:
        """Whether any arm has a stage 1: without one, no corpus is read."""
        return any(arm.pretrain for arm in self.config.method.arms.values())

    def rows(self, split: str) -> Dataset:
        """Return train, validation, test or corpus as it was read."""
        return _load((self.corpus if split == CORPUS else self.task).folder(split))

    def source(self, split: str) -> str:
        """Return the key of the artifact that holds a split, and the split: what names its tokens and soft labels."""
        return f"{(self.corpus if split == CORPUS else self.task).key}/{split}"

    def tokens(self, split: str, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Dataset:
        """Return a split tokenised, made once for each distinct tokenizer and length."""
        spec = self.tokens_spec(split, tokenizer, max_length)

        def make(work: Path) -> dict[str, Any]:
            from tmkd.data.batching import lengths_of, tokenise
            from tmkd.data.cutting import count_cut
            from tmkd.store.memmap import letting_go, save_rows

            rows = self.rows(split)
            tokens = tokenise(rows, tokenizer, max_length, cache=work / SCRATCH)
            save_rows(tokens, work / "tokens")
            cut = count_cut(rows, tokens, tokenizer, max_length)
            with letting_go(tokens):
                return {"pairs": len(tokens), "mean_tokens": float(lengths_of(tokens).mean()), "cut": cut}

        artifact = self.store.build("tokens", spec, make, f"tokens of {split}")
        if self.is_main_process:
            warn_of_cuts(self.config, artifact)
        return _load(artifact.folder("tokens"))

    def tokens_spec(self, split: str, tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict[str, Any]:
        """Return what names the tokens of a split."""
        spec = {"rows": self.source(split), "tokenizer": tokenizer_digest(tokenizer), "max_length": max_length}
        return spec if "token_type_ids" in tokenizer.model_input_names else spec | {"token_types": False}

    def _make_task(self, work: Path) -> dict[str, Any]:
        from tmkd.store.memmap import save_rows

        task = readers.read_task(*self._sections, cache=work / SCRATCH)
        for split in SPLITS:
            save_rows(task.splits[split], work / split)
        return {
            "pairs": {split: len(task.splits[split]) for split in SPLITS},
            "questions": {split: len(set(task.splits[split]["question_id"])) for split in SPLITS},
            "content": readers.content(*task.splits.values()),
            "skipped": task.skipped,
        }

    def _make_corpus(self, work: Path) -> dict[str, Any]:
        from tmkd.store.memmap import save_rows

        corpus = readers.read_corpus(*self._sections, cache=work / SCRATCH)
        save_rows(corpus.rows, work / CORPUS)
        return {"pairs": len(corpus.rows), "content": readers.content(corpus.rows), "skipped": corpus.skipped}

    def fingerprint(self) -> str:
        """Return 12 hexadecimal digits of the content of all rows that the experiment reads."""
        contents = [self.task.details["content"], *([self.corpus.details["content"]] if self.needs_corpus else [])]
        return hashlib.sha256("".join(contents).encode()).hexdigest()[:12]


def parts_of(rows: Dataset) -> list[str] | None:
    """Return the part of a split that each row is in, where there are several."""
    return list(rows[PART]) if PART in rows.column_names else None


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
