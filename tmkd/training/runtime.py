"""Where and how numbers are computed: device, precision, attention kernel, threads. Part of no result's identity."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from tmkd.distributed import Processes
from tmkd.errors import ConfigError, TmkdError
from tmkd.store.provenance import processor

if TYPE_CHECKING:
    from tmkd.training.tracking import Tracking  # it loads transformers

log = logging.getLogger(__name__)
SCORE_BATCH = 128
CPU_SCORE_BATCH = 32  # what a CPU computes of 128 pairs leaves its caches on the way: in fp32 a tenth slower
ModelT = TypeVar("ModelT", bound=nn.Module)


@dataclass(frozen=True)
class Runtime:
    """The settings ``runtime``, resolved on this machine."""

    device: torch.device
    bf16: bool
    attention: str | None
    score_batch: int
    shard_size: int
    checkpoint_seconds: int
    store_states: bool = False
    state_window: int = 2048
    processes: Processes | None = None
    fsdp: bool = False
    tracking: Tracking | None = None

    def machine(self) -> dict[str, Any]:
        """Return what this process computes on and how: processor, device, accelerator (a GPU's name), precision,
        threads."""
        gpu = {"accelerator": torch.cuda.get_device_name(self.device)} if self.device.type == "cuda" else {}
        return {
            "processor": processor(),
            "device": self.device.type,  # without its number, or two processes on one machine would differ
            **gpu,
            "precision": "bf16" if self.bf16 else "fp32",
            "threads": torch.get_num_threads(),
        }

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def hold(self, model: ModelT) -> ModelT:
        """Move a model to the device; TmkdError where the device has too little memory for its weights."""
        try:
            # not the model's own: that of a checkpoint whose weights are placed already refuses
            nn.Module.to(model, self.device)
        except torch.OutOfMemoryError:
            size = sum(weight.numel() * weight.element_size() for weight in model.parameters()) / 1e9
            raise TmkdError(
                f"the device has no memory for a model's weights ({size:.1f} GB); end what else uses it, choose a "
                "smaller model, or set runtime.device=cpu."
            ) from None
        return model

    @contextmanager
    def scoring(self) -> Iterator[None]:
        """Hold forward passes over ``score_batch`` pairs; TmkdError where the device has too little memory."""
        try:
            with self.autocast():
                yield
        except torch.OutOfMemoryError:
            raise TmkdError(
                f"scoring: the device has no memory for a batch of {self.score_batch}; lower runtime.score_batch."
            ) from None


def resolve_runtime(
    *,
    device: str = "auto",
    precision: str = "auto",
    attention: str | None = "auto",
    threads: int = 0,
    score_batch: int = 0,
    shard_size: int = 1024,
    checkpoint_seconds: int = 60,
    store_states: bool = False,
    state_window: int = 2048,
    processes: Processes | None = None,
    fsdp: bool = False,
    tracking: Tracking | None = None,
) -> Runtime:
    """Look at the machine and settle what was left to it; ConfigError for a device or processes that are not there.

    ``processes`` are those that train and score together; ``tracking`` is where trainings are watched.
    """
    if fsdp and processes is None:
        raise ConfigError(
            "runtime.fsdp: expected processes among which to divide what is trained, got one; start the stage with "
            "torchrun --nproc-per-node N -m stages.NAME."
        )
    if threads:
        try:
            torch.set_num_threads(threads)
        except RuntimeError:  # it is below 0, or no whole number
            raise ConfigError(f"threads: expected a whole number, 0 (all) or more, got {threads!r}.") from None
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and processes:
        device = f"cuda:{processes.local}"
    try:
        where = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError):
        raise ConfigError(
            f"runtime.device: '{device}' is not on this machine; expected cpu, or leave it at auto."
        ) from None
    if attention == "auto":
        # On CPUs the backward pass of sdpa's kernel takes a quarter of a step at these lengths, eager's a few percent.
        attention = "eager" if where.type == "cpu" else None
    score_batch = score_batch or (CPU_SCORE_BATCH if where.type == "cpu" else SCORE_BATCH)
    if where.type == "cpu":
        _keep_freed_memory()
    fast = _fast_bf16(where)
    bf16 = precision == "bf16" or (precision == "auto" and fast)
    if bf16 and not fast:
        log.warning(
            "runtime.precision=bf16: this %s has no fast bf16 and emulates it, which takes several times as long as "
            "float32; leave it at auto.",
            "processor" if where.type == "cpu" else "GPU",
        )
    return Runtime(
        where,
        bf16,
        attention,
        score_batch,
        shard_size,
        checkpoint_seconds,
        store_states,
        state_window,
        processes,
        fsdp,
        tracking,
    )


def _fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return device.type == "cpu" and bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _keep_freed_memory() -> None:
    """Ask glibc to keep large freed blocks: the embedding's gradient would be mapped and zeroed again in every step."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
            mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
