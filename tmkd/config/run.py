"""How and where to compute, and what to show: no trained result depends on anything here."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Optional

from omegaconf import MISSING

from tmkd.choices import DATA_SETS, PARAMETERS, QPS, TRACKERS
from tmkd.config import validators
from tmkd.config.marks import APART
from tmkd.errors import ConfigError

COLUMNS = "columns"  # a folder beside those of a table's tasks
MOST_THREADS = 1024


@dataclass
class RayConfig:
    """With runtime=ray, Ray scores with the teachers; docs/scale.md."""

    workers: Optional[int] = None  # number of workers, each holds a teacher; null: one a GPU, without GPUs one a CPU
    address: Optional[str] = None  # of a cluster: host:port, or auto (this machine's); null: Ray starts on this machine
    # folder or URI (s3://, gs://, ...) for pairs and logits in transit, reachable from all machines; null: beside the
    # result, enough for one machine
    storage: Optional[str] = None


@dataclass
class RuntimeConfig:
    """How to compute. Nothing here is part of the key of a trained result: changing it retrains nothing."""

    device: str = "auto"  # auto | cpu | cuda (the first GPU; another with CUDA_VISIBLE_DEVICES)
    precision: str = "auto"  # auto (bf16 where the hardware is fast at it) | fp32 | bf16
    attention: str = "auto"  # auto (eager on a CPU, else the choice of transformers) | eager | sdpa
    threads: int = 0  # CPU threads; 0: all
    score_batch: int = 0  # pairs scored at once; 0: 32 on a CPU, 128 on a GPU
    shard_size: int = 1024  # pairs scored between two saves of soft labels
    store_states: bool = False  # keep the inner states of teachers on disk; false: compute them during each training
    state_window: int = 2048  # without store_states: pairs whose states are computed ahead
    checkpoint_seconds: int = 60  # seconds of training between two checkpoints
    ray: Optional[RayConfig] = field(default=None, metadata=APART)
    # what shows trainings while they last, from logs in paths.runs: tensorboard | wandb | mlflow | trackio, or several;
    # docs/tuning.md
    report_to: list[str] = field(default_factory=list, metadata=APART)
    fsdp: bool = False  # under torchrun: divide gradients, optimizer state and trained weights among processes


@dataclass
class ComparisonConfig:
    baseline: Optional[str] = (
        None  # name of the row that all others are tested against; null: KD (1-o-1), if it is there
    )
    teacher_counts: list[int] = field(
        default_factory=list
    )  # compare with these numbers of teachers; empty: teachers.count alone
    # write every row as a TREC run, a file a seed, and the test split's labels as qrels, to the report's folder runs/
    write_runs: bool = False


@dataclass
class RowConfig:
    """A row of a table: an arm of ours beside the paper's numbers."""

    arm: str = MISSING  # a name in method.arms, teacher (the best on the validation split) or ensemble
    paper: dict[str, float] = field(
        default_factory=dict
    )  # the paper's numbers: by data set in %, QPS, parameters in millions
    x: Optional[float] = None  # its place on the horizontal axis of the figure


@dataclass
class ClaimConfig:
    """What the paper says, or its tables show: one row's metric is higher than another's."""

    better: str = MISSING  # label of the row with the higher metric
    worse: str = MISSING  # label of the row with the lower metric
    where: list[str] = field(default_factory=list)  # data sets of the paper for which the claim is made; empty: all


@dataclass
class TableConfig:
    title: str = ""  # caption
    source: str = ""  # where in the paper its numbers are
    axis: Optional[str] = None  # what x of the rows means; the figure is then a line instead of bars
    rows: dict[str, RowConfig] = field(default_factory=dict)  # by label, in the order of the table; empty: no table
    claims: list[ClaimConfig] = field(default_factory=list)


@dataclass
class PathsConfig:
    artifacts: str = "artifacts"  # folder of results: data, models, soft labels
    reports: str = "reports"  # folder of tables and figures, one folder an experiment
    runs: str = "runs"  # folder of logs; nothing reads them


def check_runtime(runtime: RuntimeConfig) -> None:
    """What the machine is asked for; whether it has that is found when it computes."""
    validators.one_of("runtime.precision", runtime.precision, ("auto", "fp32", "bf16"))
    validators.one_of("runtime.device", runtime.device, ("auto", "cpu", "cuda"))
    validators.one_of("runtime.attention", runtime.attention, ("auto", "eager", "sdpa"))
    validators.positive("runtime", runtime, ("shard_size", "checkpoint_seconds", "state_window"))
    threads, batch = runtime.threads, runtime.score_batch
    validators.that(
        0 <= threads <= MOST_THREADS, "runtime.threads", f"a number from 0 (all) to {MOST_THREADS}", threads
    )
    validators.that(batch >= 0, "runtime.score_batch", "0 (the device's own) or more", batch)
    _check_trackers(runtime.report_to)
    if (ray := runtime.ray) is not None:
        validators.that(ray.workers is None or ray.workers > 0, "runtime.ray.workers", "more than 0", ray.workers)
        shared = ray.address is None or ray.storage is not None
        validators.that(
            shared, "runtime.ray.storage", "a folder or URI that all machines share, with an address", ray.storage
        )


def _check_trackers(names: list[str]) -> None:
    for name in names:
        validators.one_of("runtime.report_to", name, TRACKERS)
        validators.that(names.count(name) == 1, "runtime.report_to", "each name once", name)
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:  # without an origin: a folder of logs that is called like it
            raise ConfigError(
                f"runtime.report_to: expected the package {name} but it is not installed; run: pip install {name}"
            )


def check_paths(paths: PathsConfig) -> None:
    """Folders that a file system can name."""
    for path in fields(paths):
        place = getattr(paths, path.name)
        validators.that(bool(place), f"paths.{path.name}", "a folder", repr(place))
        validators.folder(f"paths.{path.name}", place)


def check_comparison(comparison: ComparisonConfig, table: TableConfig) -> None:
    """The numbers of teachers that are compared; whether the roster has that many is for ``check_teachers``."""
    counts = comparison.teacher_counts
    validators.that(len(set(counts)) == len(counts), "comparison.teacher_counts", "different numbers", counts)
    few = not table.rows or len(counts) < 2
    validators.that(few, "comparison.teacher_counts", "one number at most with a table", counts)


def check_table(table: TableConfig, arms: Collection[str]) -> None:
    """That rows are arms, and claims are about rows."""
    for name in ("teacher", "ensemble"):
        own = not table.rows or name not in arms
        validators.that(own, f"method.arms.{name}", "another name where there is a table", name)
    validators.that(
        "chance" not in table.rows, "table.rows.chance", "another label: every table has this row", "chance"
    )
    for label, row in table.rows.items():
        validators.one_of(f"table.rows.{label}.arm", row.arm, (*arms, "teacher", "ensemble"))
        for name in row.paper:
            validators.one_of(f"table.rows.{label}.paper", name, (*DATA_SETS, QPS, PARAMETERS))
    for index, claim in enumerate(table.claims):
        validators.one_of(f"table.claims[{index}].better", claim.better, tuple(table.rows))
        validators.one_of(f"table.claims[{index}].worse", claim.worse, tuple(table.rows))
        for name in claim.where:
            validators.one_of(f"table.claims[{index}].where", name, DATA_SETS)
