"""Why the weights of a checkpoint cannot be read, or would be read as other numbers, and what to do."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from tmkd.errors import ModelError
from tmkd.models.hub import first_sentence
from tmkd.models.weights import BUFFERS

INDEX = "model.safetensors.index.json"
SAVE = "save it as safetensors: AutoModel.from_pretrained(...).save_pretrained(FOLDER)."
ORIGIN = "choose the checkpoint that it was made from, in safetensors."
PICKLED = "which may run any code when it is read"
OTHERS = (  # files of weights, what they are, what to do
    ("pytorch_model*.bin", PICKLED, SAVE),
    ("*.pt", PICKLED, SAVE),
    ("*.pth", PICKLED, SAVE),
    ("*.ckpt", PICKLED, SAVE),
    ("*.h5", "which is TensorFlow's", ORIGIN),
    ("*.msgpack", "which is Flax's", ORIGIN),
    ("*.onnx", "a graph that cannot be trained", ORIGIN),
    ("*.gguf", "which llama.cpp reads", ORIGIN),
)
QUANTISED = ("I8", "U8", "F8", "F6", "F4")  # how safetensors' names of such numbers begin


def unreadable(place: str, error: Exception) -> str:
    """Return why transformers could not read the weights of a checkpoint, and what to do."""
    folder = Path(place)
    if folder.is_dir() and (missing := _missing(folder)):
        return missing
    if isinstance(error, SafetensorError):
        return f"its safetensors cannot be read ({error}); a file is cut off or another one, so download it again."
    if isinstance(error, KeyError):
        return f"transformers does not know a value in its config.json ({first_sentence(error).rstrip('.')}); mend it."
    return first_sentence(error)


def _missing(folder: Path) -> str:
    """Return which files a folder lacks, or has in the place of weights in safetensors; nothing where it has all."""
    if (folder / "model.safetensors").is_file() or (folder / "modules.json").is_file():  # in folders of their own
        return ""
    if (folder / INDEX).is_file():
        try:
            shards = set(json.loads((folder / INDEX).read_text())["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"{INDEX} cannot be read; download it again."
        gone = sorted(name for name in shards if not (folder / name).is_file())
        return (
            f"{len(gone)} of {len(shards)} files of its weights are missing ({gone[0]}); copy them too." if gone else ""
        )
    if list(folder.glob("model-*.safetensors")):
        return f"its weights are in several files, but {INDEX}, which lists them, is missing; copy it too."
    for pattern, what, remedy in OTHERS:
        if found := sorted(path.relative_to(folder).as_posix() for path in folder.rglob(pattern)):
            return f"expected weights in safetensors but found {found[0]} alone, {what}; {remedy}"
    return f"expected weights in model.safetensors but found none; copy them beside config.json, or {SAVE}"


def check_numbers(folder: Path) -> None:
    """Raise ModelError for weights in a folder that are quantised: without their scales they are other numbers."""
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as weights:
            for name in weights.keys():  # noqa: SIM118 (it is no dictionary)
                kind = weights.get_slice(name).get_dtype()
                if kind.startswith(QUANTISED) and not BUFFERS.search(name):
                    raise ModelError(
                        f"encoder {folder}: expected weights in float32, float16 or bfloat16 but {name} in {file.name} "
                        f"is {kind}, a quantised one whose scale would be lost; choose the checkpoint that it was made "
                        "from."
                    )
