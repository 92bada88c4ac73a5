"""Scoring by Ray: the shards of a set of pairs go to workers, here or on a cluster, that hold one teacher each.

    <storage>/soft_labels-<key>/tokens/<shard>.parquet    ids and tokens of a shard, for the workers to read
    <storage>/soft_labels-<key>/logits/<shard>.parquet    its ids and logits, written by a worker

A shard is what one file of the soft labels will hold, and is known by the ids in it. Its logits are renamed into place
when they are whole: a kill, here or of a worker, costs the shards under way. When all are there, they are published by
the writer that scoring without Ray has too, and the storage is cleared. A shard of logits also says, in its metadata,
what its worker computed on: the result's manifest says it, and this process has not scored anything.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileSystem, FSSpecHandler, LocalFileSystem, PyFileSystem

from tmkd.config import RuntimeConfig, settings
from tmkd.errors import ConfigError, TmkdError
from tmkd.progress import done_before
from tmkd.store.artifacts import SCRATCH
from tmkd.store.provenance import COMPUTED_ON, note_machines

if TYPE_CHECKING:
    from datasets import Dataset
    from tqdm import tqdm

log = logging.getLogger(__name__)
INSTALL = 'runtime=ray: Ray is not installed; install it with: pip install -c constraints.txt -e ".[ray]"'
READING = 0.25  # CPUs that the reading of a shard claims


class Scorer:
    """A worker: holds one teacher and writes the logits of the shards that it is given.

    Args:
        files: reference to the content of the teacher's files, by path.
        runtime: keywords of ``resolve_runtime``; it is the worker's own machine that they are resolved on.
        folder: where in ``filesystem`` the logits go.
        heads: places of the heads that teach (see ``ensemble.teaching_logits``).
    """

    def __init__(
        self, files: Any, runtime: dict[str, Any], filesystem: FileSystem, folder: str, heads: list[int]
    ) -> None:
        import ray

        from tmkd.models.classifier import PairClassifier
        from tmkd.training.runtime import resolve_runtime

        self.runtime = resolve_runtime(**runtime)
        self.filesystem, self.folder, self.heads = filesystem, folder, heads
        with tempfile.TemporaryDirectory() as home:
            for name, content in ray.get(files).items():
                path = Path(home, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            self.model = self.runtime.hold(PairClassifier.load(Path(home), attention=self.runtime.attention))

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[int]]:
        from datasets import Dataset

        from tmkd.evaluation.ensemble import teaching_logits
        from tmkd.training.predict import predict

        pairs = []
        for path, content in zip(batch["path"], batch["bytes"]):
            table = pq.read_table(io.BytesIO(content))
            logits = teaching_logits(predict(self.model, Dataset(table), self.runtime)[:, self.heads])
            columns = {"id": table["id"], "logits": pa.FixedSizeListArray.from_arrays(logits.ravel(), logits.shape[1])}
            scored = pa.table(columns, metadata={COMPUTED_ON: json.dumps(self.runtime.machine())})
            _write(self.filesystem, f"{self.folder}/{Path(path).name}", scored)
            pairs.append(len(table))
        return {"pairs": pairs}


def score_with_ray(
    runtime: RuntimeConfig, teacher: Path, heads: list[int], tokens: Dataset, work: Path, bar: tqdm
) -> int:
    """Score ``tokens`` with the classifier in the folder ``teacher`` and write soft labels to ``work``.

    Args:
        heads: places of its heads that teach.
        bar: moves on with each shard that is scored.

    Returns:
        The number of pairs scored now.

    Raises:
        ConfigError: Ray is not installed, or its cluster or its storage cannot be reached.
    """
    from safetensors.numpy import load_file

    from tmkd.store.shards import shards_of
    from tmkd.store.soft_labels import write_soft_labels

    assert runtime.ray is not None
    filesystem, root = open_storage(runtime.ray.storage or str(work / SCRATCH))
    root = f"{root}/{work.name}"
    starts = range(0, len(tokens), runtime.shard_size)
    shards = [tokens.select(range(start, min(start + runtime.shard_size, len(tokens)))) for start in starts]
    # what another run has scored, with Ray or without
    there = _names(filesystem, f"{root}/logits")
    there |= {_name(load_file(path)["ids"]) for path in shards_of(work)}
    missing = {}
    for shard in shards:
        name = _name(_ids(shard))
        if name in there:
            done_before(bar, len(shard))
        else:
            missing[name] = shard
    if missing:
        _put_tokens(filesystem, f"{root}/tokens", missing)
        _score(runtime, teacher, heads, filesystem, root, list(missing), bar)

    def read(shard: Dataset) -> np.ndarray:
        table = pq.read_table(f"{root}/logits/{_name(_ids(shard))}", filesystem=filesystem)
        if machine := (table.schema.metadata or {}).get(COMPUTED_ON.encode()):  # older shards have none
            note_machines(work / SCRATCH, [json.loads(machine)])
        return np.stack(table["logits"].to_numpy())

    write_soft_labels(work, tokens, read, runtime.shard_size, lambda _: None)
    if _names(filesystem, f"{root}/logits"):
        filesystem.delete_dir(root)
    return sum(len(shard) for shard in missing.values())


def _score(
    runtime: RuntimeConfig,
    teacher: Path,
    heads: list[int],
    filesystem: FileSystem,
    root: str,
    names: list[str],
    bar: tqdm,
) -> None:
    """Let Ray score the named shards."""
    assert runtime.ray is not None
    ray = _join(runtime.ray.address)
    there = ray.cluster_resources()
    cpus, gpus = there.get("CPU", 1.0), 0 if runtime.device == "cpu" else there.get("GPU", 0.0)
    workers = min(runtime.ray.workers or int(gpus or cpus), len(names))
    files = {str(path.relative_to(teacher)): path.read_bytes() for path in teacher.rglob("*") if path.is_file()}
    log.info("Ray scores %d shards with %d workers", len(names), workers)
    scored = ray.data.read_binary_files(
        [f"{root}/tokens/{name}" for name in names],
        filesystem=filesystem,
        include_paths=True,
        num_cpus=READING,
        override_num_blocks=len(names),  # a shard is a block, so that no worker is given many while others have none
    ).map_batches(
        Scorer,
        fn_constructor_kwargs={
            "files": ray.put(files),
            "runtime": settings(runtime),
            "filesystem": filesystem,
            "folder": f"{root}/logits",
            "heads": heads,
        },
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
        # Together the workers claim half of the CPUs, however many they are: were all of them claimed, the shards would
        # wait for a CPU to be read, and the workers for the shards, for ever.
        num_cpus=min(1.0, cpus / 2 / workers),
        num_gpus=1 if gpus else 0,
    )
    try:
        for row in scored.iter_rows():
            bar.update(int(row["pairs"]))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, TmkdError):  # the user's to mend: its sentence is enough
            raise error.cause from None
        raise


def _join(address: str | None) -> Any:
    """Return the module ``ray``, joined to the cluster at ``address``, or to one that lasts as long as this process."""
    try:
        import ray
        import ray.data
    except ImportError:
        raise ConfigError(INSTALL) from None
    if not ray.is_initialized():  # it is for the second teacher, and where this process is a task of Ray's
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        here: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False} if address is None else {}
        try:
            ray.init(address=address or "local", logging_level=logging.WARNING, **here)
        except (ConnectionError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"runtime.ray.address: expected a Ray cluster, got {address} ({reason}).") from None
        except Exception as error:  # Ray has no class of its own for it
            if "timed out during startup" not in str(error):
                raise
            raise TmkdError("Ray did not start within its 30 s, so busy is this machine; run it again.") from None
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    return ray


def open_storage(place: str) -> tuple[FileSystem, str]:
    """Return the file system of a folder or URI, and the path in it: pyarrow's own, or else fsspec's (ConfigError)."""
    if "://" not in place:
        return LocalFileSystem(), str(Path(place).absolute())
    try:
        return FileSystem.from_uri(place)
    except pa.ArrowInvalid:  # a scheme that pyarrow does not know
        import fsspec

        try:
            filesystem, root = fsspec.core.url_to_fs(place)
        except (ValueError, ImportError) as error:
            raise ConfigError(f"runtime.ray.storage: expected a folder or a URI, got {place} ({error}).") from None
        return PyFileSystem(FSSpecHandler(filesystem)), root


def _put_tokens(filesystem: FileSystem, folder: str, shards: dict[str, Dataset]) -> None:
    there = _names(filesystem, folder)
    for name, shard in shards.items():
        if name not in there:
            columns = [column for column in ("id", "input_ids", "token_type_ids", "length") if column in shard.features]
            _write(filesystem, f"{folder}/{name}", shard.select_columns(columns).with_format("arrow")[:])


def _write(filesystem: FileSystem, path: str, table: pa.Table) -> None:
    filesystem.create_dir(str(Path(path).parent))
    pq.write_table(table, f"{path}.writing", filesystem=filesystem, compression="zstd")
    filesystem.move(f"{path}.writing", path)


def _names(filesystem: FileSystem, folder: str) -> set[str]:
    """Return the names of the whole shards in a folder."""
    files = filesystem.get_file_info(FileSelector(folder, allow_not_found=True))
    return {file.base_name for file in files if file.extension == "parquet"}


def _ids(shard: Dataset) -> np.ndarray:
    from tmkd.store.shards import pack

    return pack(shard["id"][:])


def _name(ids: np.ndarray) -> str:
    """Name a shard after its packed ids."""
    return f"{hashlib.sha256(ids.tobytes()).hexdigest()[:24]}.parquet"
