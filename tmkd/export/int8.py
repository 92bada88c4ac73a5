"""``onnx-int8``: weights in 8 bits, activations quantised as they come (dynamic quantisation of ONNX Runtime)."""

from __future__ import annotations

import logging
import platform
from pathlib import Path

import torch

from tmkd.choices import ARM64, AVX2, AVX512_VNNI, ONNX_INT8, PROCESSORS
from tmkd.errors import ConfigError
from tmkd.export.graph import FILE, write_onnx
from tmkd.export.student import Student

# as sentence-transformers names them; without VNNI, sums of signed weights would overflow 16 bits
NAMES = {name: f"model_{'quint8' if name == AVX2 else 'qint8'}_{name}.onnx" for name in PROCESSORS}


def processor_here() -> str:
    """Return which of ``PROCESSORS`` this machine has."""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return ARM64
    return AVX512_VNNI if torch.cpu.get_capabilities().get("avx512_vnni") else AVX2


def chosen(processor: str) -> str:
    """Return a processor's name, ``auto`` being this machine's (ConfigError)."""
    if processor not in ("auto", *PROCESSORS):
        raise ConfigError(f"--processor: expected one of auto, {', '.join(PROCESSORS)}, got {processor}.")
    return processor_here() if processor == "auto" else processor


def write_int8(student: Student, folder: Path, processor: str) -> None:
    """Write ``onnx/model_qint8_PROCESSOR.onnx``, ``config.json`` and the tokenizer; the head stays float32."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    write_onnx(student, folder)
    head = [node.name for node in onnx.load(folder / FILE, load_external_data=False).graph.node][-1:]
    root = logging.getLogger()  # to which it writes that the graph could be prepared, which the exporter has done
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        quantize_dynamic(
            folder / FILE,
            folder / FILE.parent / NAMES[processor],
            per_channel=True,
            weight_type=QuantType.QUInt8 if processor == AVX2 else QuantType.QInt8,
            nodes_to_exclude=head,
        )
    finally:
        root.setLevel(level)
    (folder / FILE).unlink()


def int8_file(folder: Path) -> Path:
    """Return the quantised file of an export (ConfigError: there is none)."""
    found = [folder / FILE.parent / name for name in NAMES.values() if (folder / FILE.parent / name).is_file()]
    if not found:
        raise ConfigError(f"{folder}: expected an export --to {ONNX_INT8}, with one of {', '.join(NAMES.values())}.")
    return found[0]
