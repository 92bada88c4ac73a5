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


@pytest.mark.parametrize(
    ("whose", "loaded", "collected"),
    [
        ("process_is_ours()", "import xml.dom.pulldom", 0),
        ("process_is_ours()", "import sys", 1),  # nothing was loaded: what is there is a model, maybe, and is to go
        ("", "import xml.dom.pulldom", 1),  # a user's own objects
    ],
)
def test_only_commands_look_no_further_and_only_through_what_was_there_when_they_loaded(
    whose: str, loaded: str, collected: int
) -> None:
    code = f"""
import gc, sys, weakref
from tmkd.collector import loading, process_is_ours
class Model: pass
{whose}
model = Model()
model.itself, gone = model, weakref.ref(model)
with loading():
    {loaded}
del model
gc.collect()
print(int(gone() is None))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(collected)]


@pytest.mark.parametrize(
    ("code", "models"),
    [
        ("import tmkd.reranker", True),
        ("import tmkd.training.runtime", False),
        ("RunContext(Path('artifacts'), RuntimeConfig()).machine()", False),
    ],
)
def test_package_that_is_not_used_is_not_loaded(code: str, models: bool) -> None:
    heavy = {"sentence_transformers", "sklearn", "matplotlib", "peft", "optuna"}
    heavy |= set() if models else {"transformers", "datasets"}
    before = "import sys; from pathlib import Path; from tmkd.config import RuntimeConfig; "
    before += "from tmkd.results.context import RunContext; "
    after = f"; print(*sorted({heavy} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", before + code + after], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
