"""Whether a limit of memory holds, and one thread is one: what limited_memory measures means nothing otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import limited_memory
from benchmarks.common import Bench

FILE = 2**27
WRITE = f"""
import pathlib, sys
from benchmarks.limited_memory import TELL, limited
with limited({FILE // 4}) as group:
    with open(sys.argv[1], "wb") as file:
        for _ in range({FILE >> 20}):
            file.write(bytes(2**20))
    peaks = [int((group / name).read_text()) for name in TELL[1:3] if (group / name).exists()]
print(max(peaks, default=0), group.exists())
"""


def test_pages_of_files_are_taken_back_within_the_limit_and_the_group_goes(tmp_path: Path) -> None:
    written = tmp_path / "pages"
    command = [sys.executable, "-c", WRITE, str(written)]  # a process of its own, as it moves itself
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "Expected to be allowed to make a control group" in ended.stderr:
        pytest.skip(ended.stderr.strip())
    assert ended.returncode == 0, ended.stderr
    peak, left = ended.stdout.split()
    assert int(peak) <= FILE // 4 and left == "False"
    assert written.stat().st_size == FILE


def test_both_compute_in_one_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in limited_memory.ONE_THREAD:
        monkeypatch.setenv(name, "2")  # also puts back what there was
    asked = "import torch, pyarrow; print(torch.get_num_threads(), pyarrow.cpu_count())"

    def once(self: Bench, name: str, *_: object) -> None:
        said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, env=dict(os.environ))
        raise SystemExit(said.stdout.strip())

    monkeypatch.setattr(Bench, "once", once)
    with pytest.raises(SystemExit, match=r"^1 1$"):
        limited_memory.compare(Bench("limited_memory", tmp_path, limited_memory.run), {"pairs": 1, "in_process": True})
