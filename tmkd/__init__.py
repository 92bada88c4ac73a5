"""tmkd: two-stage multi-teacher knowledge distillation for question answering.

``tmkd.Reranker`` is a trained student that scores and ranks texts, and ``tmkd.export_model(artifact, to, into)`` writes
one as a folder that other programs read; ``tmkd.compose(overrides)`` and ``tmkd.run(stage, config)`` are the stages
from Python. They load what they need when they are first asked for, so that ``import tmkd`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tmkd.api import compose as compose
    from tmkd.api import run as run
    from tmkd.export.run import export_model as export_model
    from tmkd.reranker import Reranker as Reranker

__version__ = "0.2.0"
_LAZY = {"compose": "tmkd.api", "run": "tmkd.api", "Reranker": "tmkd.reranker", "export_model": "tmkd.export.run"}
__all__ = ["Reranker", "__version__", "compose", "export_model", "run"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
