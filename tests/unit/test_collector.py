"""The garbage collector is left out for a while, and comes back as it was."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from tmkd.collector import collector_paused


def test_collector_is_as_it_was_after_a_pause_that_an_error_ended() -> None:
    with pytest.raises(KeyError), collector_paused():
        dict[str, int]()["gone"]
    assert gc.isenabled()


def test_pause_within_a_pause_does_not_end_it() -> None:
    with collector_paused():
        with collector_paused():
            pass
        assert not gc.isenabled()


@pytest.mark.parametrize("loads", ["tmkd.reranker", "tmkd.training.runtime", "tmkd.results.context"])
def test_module_loads_what_it_needs_alone(loads: str) -> None:
    heavy = {"sentence_transformers", "sklearn", "matplotlib", "peft", "optuna"}
    heavy |= set() if loads == "tmkd.reranker" else {"transformers", "datasets"}
    code = f"import sys, {loads}; print(*sorted({heavy} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
