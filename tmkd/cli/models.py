"""The model that a command names, and how it is computed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tmkd.reranker import Reranker

MODEL = "A student or teacher: its folder, or the name, key or beginning of the key of an artifact."
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL)]
ExitOption = Annotated[int | None, typer.Option("--exit-at", help="Layer whose early exit answers, if it has some.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
PrecisionOption = Annotated[str, typer.Option("--precision", help="auto, fp32 or bf16.")]
LengthOption = Annotated[
    int | None, typer.Option("--max-length", help="Tokens of a pair to read; by default as many as it learnt to read.")
]
ThreadsOption = Annotated[int, typer.Option("--threads", help="CPU threads; 0: all.", min=0)]
BackendOption = Annotated[
    str, typer.Option("--backend", help="What runs an export: torch, onnx, openvino; auto: what its files are for.")
]


def load(
    model: str,
    artifacts: Path,
    exit_at: int | None,
    device: str,
    precision: str,
    threads: int,
    max_length: int | None = None,
    backend: str = "auto",
) -> Reranker:
    """Return the reranker that a command names."""
    from tmkd.config.run import RuntimeConfig, check_runtime
    from tmkd.reranker import Reranker
    from tmkd.use.quiet import quiet

    check_runtime(RuntimeConfig(device=device, precision=precision, threads=threads))
    quiet()
    return Reranker.from_pretrained(
        model,
        artifacts=artifacts,
        exit_at=exit_at,
        device=device,
        precision=precision,
        threads=threads,
        backend=backend,
        max_length=max_length,
    )
