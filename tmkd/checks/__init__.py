"""Settings that make no sense, found before anything costs time. Each is one sentence: setting, expected, got."""

from __future__ import annotations

from dataclasses import fields

from tmkd import validators
from tmkd.checks.data import check_data, check_table
from tmkd.checks.encoders import check_student, check_teachers
from tmkd.checks.method import check_method, check_stages
from tmkd.config import Config

MOST_THREADS = 1024
SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup")


def check(config: Config) -> Config:
    """Return the config itself, or raise ConfigError for the first setting that makes no sense."""
    plain = bool(config.name) and not set(config.name) & set("/\\") and not config.name.startswith(".")
    validators.that(plain, "name", "a plain folder name", config.name)
    validators.folder("name", config.name)
    check_data(config)
    check_teachers(config)
    check_student(config)
    check_stages(config)
    check_method(config)
    check_table(config)
    _trainer(config)
    _runtime(config)
    return config


def _trainer(config: Config) -> None:
    validators.fraction("trainer.warmup", config.trainer.warmup)
    validators.one_of("trainer.schedule", config.trainer.schedule, SCHEDULES)
    validators.positive("trainer", config.trainer, ("max_grad_norm",))
    validators.not_negative("trainer.weight_decay", config.trainer.weight_decay)


def _runtime(config: Config) -> None:
    validators.one_of("runtime.precision", config.runtime.precision, ("auto", "fp32", "bf16"))
    validators.one_of("runtime.device", config.runtime.device, ("auto", "cpu", "cuda"))
    validators.one_of("runtime.attention", config.runtime.attention, ("auto", "eager", "sdpa"))
    validators.positive("runtime", config.runtime, ("shard_size", "checkpoint_seconds", "state_window"))
    threads = config.runtime.threads
    validators.that(
        0 <= threads <= MOST_THREADS, "runtime.threads", f"a number from 0 (all) to {MOST_THREADS}", threads
    )
    batch = config.runtime.score_batch
    validators.that(batch >= 0, "runtime.score_batch", "0 (the device's own) or more", batch)
    for path in fields(config.paths):
        place = getattr(config.paths, path.name)
        validators.that(bool(place), f"paths.{path.name}", "a folder", repr(place))
        validators.folder(f"paths.{path.name}", place)
    if (ray := config.runtime.ray) is not None:
        validators.that(ray.workers is None or ray.workers > 0, "runtime.ray.workers", "more than 0", ray.workers)
        shared = ray.address is None or ray.storage is not None
        validators.that(
            shared, "runtime.ray.storage", "a folder or URI that all machines share, with an address", ray.storage
        )
