"""What this machine can do: its processor, memory and GPU, what it computes fast, and what will be slow on it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tmkd.store.provenance import processor
from tmkd.training.runtime import resolve_runtime

# names of torch's, and what they are called
INSTRUCTIONS = {
    "avx2": "AVX2", "avx512_f": "AVX-512", "avx512_vnni": "AVX-512 VNNI", "avx512_bf16": "AVX-512 bf16",
    "amx_tile": "AMX", "amx_bf16": "AMX bf16", "amx_int8": "AMX int8", "sve": "SVE", "bf16": "Arm bf16",
}  # fmt: skip
LITTLE_MEMORY, LITTLE_DISK = 4e9, 5e9  # bytes; the default run needs 1 GB of memory and 1.6 GB of disk
SIDE, GPU_SIDE = 512, 8192  # of the matrices that are multiplied: a small one takes a GPU no longer than being told to
HALF = 0.5  # seconds a precision: a second in all


@dataclass(frozen=True)
class Machine:
    """What was found.

    Attributes:
        cores: that this process may use; of ``all_cores``.
        instructions: names of the sets that the processor has.
        fast_bf16: bf16 is native; else it is emulated.
        memory, free_memory, disks: bytes; disks are the free ones by path; memory is None where it is not known.
        gflops: thousands of millions of operations a second in a matrix product, by precision.
    """

    processor: str
    cores: int
    all_cores: int
    instructions: list[str]
    fast_bf16: bool
    precision: str
    device: str
    gpu: str | None
    threads: int
    memory: int | None
    free_memory: int | None
    disks: dict[str, int]
    gflops: dict[str, float] = field(default_factory=dict)


def look(paths: Mapping[str, Path]) -> Machine:
    """Look at the machine; it takes a second.

    Args:
        paths: folders whose disks matter, by name; they need not exist yet.
    """
    runtime = resolve_runtime()
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    memory, free = _memory()
    device = runtime.device.type
    return Machine(
        processor=processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        all_cores=os.cpu_count() or 1,
        instructions=[name for key, name in INSTRUCTIONS.items() if known.get(key)],
        fast_bf16=runtime.bf16,
        precision="bf16" if runtime.bf16 else "fp32",
        device=device,
        gpu=torch.cuda.get_device_name() if device == "cuda" else None,
        threads=torch.get_num_threads(),
        memory=memory,
        free_memory=free,
        disks={name: shutil.disk_usage(_existing(path)).free for name, path in paths.items()},
        gflops={"fp32": _gflops(torch.float32, device), "bf16": _gflops(torch.bfloat16, device)},
    )


def advice(machine: Machine) -> list[str]:
    """Return what will be slow or fail on a machine, and what to set, a sentence each."""
    said = []
    if machine.device == "cpu":
        said.append(
            "There is no GPU: encoders of base size take hours to train here; small ones (encoder=minilm, "
            "student=bottom2) take minutes."
        )
    if not machine.fast_bf16:
        said.append(
            "bf16 would be emulated and several times slower than float32; leave runtime.precision at auto, which "
            "takes float32 here."
        )
    fp32, bf16 = machine.gflops.get("fp32", 0.0), machine.gflops.get("bf16", 0.0)
    if machine.fast_bf16 and 0 < bf16 < fp32:
        said.append(
            f"bf16 is native but was no faster than float32 just now ({bf16:,.0f} and {fp32:,.0f} Gflop/s); if it "
            "stays so while nothing else runs, set runtime.precision=fp32."
        )
    if machine.device == "cpu" and machine.instructions and not any("512" in name for name in machine.instructions):
        said.append("The processor has no AVX-512: float32 has half the width that it has there.")
    if machine.threads < machine.cores:
        said.append(
            f"{machine.threads} of {machine.cores} cores are used: OMP_NUM_THREADS or the like says so; set "
            f"runtime.threads={machine.cores} to use all."
        )
    if machine.threads > machine.cores:
        said.append(
            f"{machine.threads} threads share {machine.cores} cores and wait for each other; set "
            f"runtime.threads={machine.cores}."
        )
    if machine.free_memory is not None and machine.free_memory < LITTLE_MEMORY:
        said.append(
            f"Only {machine.free_memory / 1e9:.1f} GB of memory are free; lower batch_size of the stages and "
            "runtime.score_batch if a run is killed for memory."
        )
    for name, free in machine.disks.items():
        if free < LITTLE_DISK:
            said.append(f"Only {free / 1e9:.1f} GB are free for {name}; make room, or choose another folder.")
    return said


def _gflops(kind: torch.dtype, device: str) -> float:
    """Measure matrix products for half a second; the median of the speeds, in Gflop/s."""
    side = GPU_SIDE if device == "cuda" else SIDE
    one = torch.rand(side, side, device=device).to(kind)
    speeds: list[float] = []
    end = time.perf_counter() + HALF
    with torch.inference_mode():
        (one @ one).sum().item()
        while not speeds or time.perf_counter() < end:
            started = time.perf_counter()
            (one @ one)[0, 0].item()  # waits for a GPU
            speeds.append(2 * side**3 / (time.perf_counter() - started) / 1e9)
    return sorted(speeds)[len(speeds) // 2]


def _memory() -> tuple[int | None, int | None]:
    """Return the bytes of memory, all and free, where Linux says them."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
        return total, free
    except (OSError, KeyError, ValueError, IndexError):
        return None, None


def _existing(path: Path) -> Path:
    found: Any = path.absolute()
    return next(each for each in (found, *found.parents) if each.exists())
