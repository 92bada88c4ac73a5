import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from tmkd.errors import ConfigError, DamagedArtifact, TmkdError
from tmkd.store.artifacts import ArtifactStore, verify
from tmkd.store.disk import folder_written_whole, sha256
from tmkd.store.identity import VERSIONS, key


def make_file(text="42"):
    def make(work):
        (work / "scratch").mkdir(exist_ok=True)
        (work / "scratch" / "checkpoint").write_text("large")
        (work / "answer.txt").write_text(text)
        return {"answer": text}

    return make


def never(work):
    raise AssertionError("made twice")


def test_same_spec_is_made_once(tmp_path):
    store = ArtifactStore(tmp_path)
    made = store.build("task", {"a": 1}, make_file(), "answer")
    again = store.build("task", {"a": 1}, never, "answer")
    assert again.path == made.path
    assert again.file("answer.txt").read_text() == "42"
    assert again.details == {"answer": "42"}


def test_key_ignores_order_and_sees_every_value():
    assert key("task", {"a": 1, "b": [1, 2]}) == key("task", {"b": [1, 2], "a": 1})
    assert len({key("task", {"a": 1}), key("task", {"a": 2}), key("corpus", {"a": 1}), key("task", {"b": 1})}) == 4


def test_scratch_is_not_published(tmp_path):
    made = ArtifactStore(tmp_path).build("task", {}, make_file(), "answer")
    assert sorted(path.name for path in made.path.iterdir()) == ["answer.txt", "manifest.json"]
    assert list(made.manifest["files"]) == ["answer.txt"]


def test_failed_making_publishes_nothing_and_keeps_what_it_had(tmp_path):
    store = ArtifactStore(tmp_path)

    def fails(work):
        (work / "part").write_text("done")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        store.build("task", {}, fails, "answer")
    assert store.find("task", {}) is None

    def goes_on(work):
        assert (work / "part").read_text() == "done"
        return {}

    store.build("task", {}, goes_on, "answer")


@pytest.mark.parametrize("damage", ["truncated", "gone"])
def test_file_of_another_size_is_noticed_without_being_read(tmp_path, damage):
    store = ArtifactStore(tmp_path)
    file = store.build("task", {}, make_file(), "answer").path / "answer.txt"
    file.unlink() if damage == "gone" else file.write_text("4")
    with pytest.raises(DamagedArtifact, match=r"answer\.txt .*remove the folder"):
        store.build("task", {}, never, "answer")


def test_edited_file_of_the_same_size_is_noticed_when_it_is_read(tmp_path):
    store = ArtifactStore(tmp_path)
    store.build("task", {}, make_file(), "answer").path.joinpath("answer.txt").write_text("43")
    with pytest.raises(DamagedArtifact, match="was changed after it was published"):
        store.find("task", {}).file("answer.txt")
    assert ["was changed" in str(problem) for problem in verify(tmp_path)[1]] == [True]


def test_file_is_read_once_however_often_it_is_found_and_again_where_it_was_changed(tmp_path, monkeypatch):
    # or a training would read gigabytes of tokens each time that it asks for them
    ArtifactStore(tmp_path).build("task", {}, make_file(), "answer")
    read = []
    monkeypatch.setattr("tmkd.store.artifacts.sha256", lambda path: read.append(path) or sha256(path))
    found = [ArtifactStore(tmp_path).build("task", {}, never, "answer") for _ in range(3)]
    (file,) = {artifact.file("answer.txt") for artifact in found}
    assert read == [file]
    file.write_text("43")
    os.utime(file, ns=(0, 0))
    with pytest.raises(DamagedArtifact, match="was changed after it was published"):
        found[0].file("answer.txt")
    file.unlink()
    with pytest.raises(DamagedArtifact, match="cannot be read"):
        found[0].file("answer.txt")


def test_unreadable_manifest_is_named(tmp_path):
    store = ArtifactStore(tmp_path)
    made = store.build("task", {}, make_file(), "answer")
    manifest = made.path / "manifest.json"
    whole = manifest.read_text()
    # a byte of a name: `tmkd verify` found nothing, and all that looked for the name ended in a traceback
    for damaged in ("{", whole.replace('"details"', '"detailz"'), whole.replace('"spec"', '"spek"')):
        manifest.write_text(damaged)
        with pytest.raises(DamagedArtifact, match=r"manifest\.json is missing or unreadable"):
            store.find("task", {})
        assert len(verify(tmp_path)[1]) == 1


def test_manifest_says_what_it_was_made_with(tmp_path):
    made = ArtifactStore(tmp_path).build("task", {"lr": 0.1}, make_file(), "answer")
    manifest = json.loads((made.path / "manifest.json").read_text())
    assert manifest["spec"] == {"lr": 0.1}
    assert {"packages", "python", "commit", "seconds"} <= set(manifest)


def test_root_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"choose another paths\.artifacts"):
        ArtifactStore(tmp_path / "file").build("task", {}, make_file(), "answer")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/there"), "No permission to write /there"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left under .*what was done is kept"),
        (RuntimeError("enforce fail: No space left on device"), "No space left under"),
        (SafetensorError("I/O error: Disk quota exceeded (os error 122)"), "No space left under"),
        (OSError("100000 requested and 12484 written"), "No space left under"),  # numpy's
        (OSError(errno.EFBIG, "File too large"), r"Cannot write under .* \(File too large\); choose another"),
        (SafetensorError("I/O error: File too large (os error 27)"), r"Cannot write under .* \(File too large\)"),
    ],
)
def test_what_a_disk_answers_is_one_sentence(tmp_path, error, said):
    def fails(work):
        raise error

    with pytest.raises(TmkdError, match=said):
        ArtifactStore(tmp_path).build("task", {}, fails, "answer")


def test_killed_on_the_point_of_publishing_is_published_and_not_made_again(tmp_path, monkeypatch):
    store = ArtifactStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("tmkd.store.artifacts.shutil.rmtree", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.build("task", {}, make_file(), "answer")
    assert store.build("task", {}, never, "answer").file("answer.txt").read_text() == "42"


def test_older_version_is_left_alone_and_is_not_damaged(tmp_path, monkeypatch):
    store = ArtifactStore(tmp_path)
    store.build("task", {}, make_file("old"), "answer")
    monkeypatch.setitem(VERSIONS, "task", 99)
    assert store.build("task", {}, make_file("new"), "answer").file("answer.txt").read_text() == "new"
    whole, damaged = verify(tmp_path)
    assert len(whole) == 2
    assert not damaged


SLOW_MAKER = """
import sys, time
from pathlib import Path
from tmkd.store.artifacts import ArtifactStore
def make(work):
    with open(sys.argv[2], "a") as log: log.write("made\\n")
    (work / "part").write_text("x"); time.sleep(float(sys.argv[3])); return {}
ArtifactStore(sys.argv[1]).build("task", {}, make, "slow")
"""


def run_slow(root, log, seconds):
    return subprocess.Popen([sys.executable, "-c", SLOW_MAKER, str(root), str(log), str(seconds)])


def wait_for(path, seconds=60):
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path} never came"
        time.sleep(0.02)


def test_two_processes_make_the_same_result_once(tmp_path):
    both = [run_slow(tmp_path / "store", tmp_path / "log", 1.0) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (tmp_path / "log").read_text() == "made\n"


def test_killed_maker_leaves_no_lock_and_no_result(tmp_path):
    killed = run_slow(tmp_path / "store", tmp_path / "log", 60)
    wait_for(tmp_path / "log")
    os.kill(killed.pid, 9)
    killed.wait(10)
    store = ArtifactStore(tmp_path / "store")
    assert store.find("task", {}) is None
    store.build("task", {}, make_file(), "answer")


def test_weights_that_a_killed_run_wrote_half_of_are_not_published(tmp_path):
    """They have a name of safetensors' own, so the next run would not write over them."""

    def make(work):
        save_file({"weights": np.zeros(10_000)}, work / "model.safetensors")
        return {}

    store = ArtifactStore(tmp_path)
    if (child := os.fork()) == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))  # the kernel kills whoever writes more
        try:
            store.build("task", {}, make, "weights")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGXFSZ
    assert len(list((tmp_path / ".building").glob("*/.tmp*"))) == 1
    assert list(store.build("task", {}, make, "weights").manifest["files"]) == ["model.safetensors"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_weights_can_be_read_by_whoever_can_read_the_manifest(tmp_path, umask, mode):
    # safetensors writes them for their owner alone: no colleague, and no server of another user, could load a student

    def make(work):
        save_file({"weights": np.zeros(10)}, work / "model.safetensors")
        return {}

    before = os.umask(umask)
    try:
        made = ArtifactStore(tmp_path).build("task", {}, make, "weights").path
        with folder_written_whole(tmp_path / "exported") as work:
            make(work)
    finally:
        os.umask(before)
    files = [made / "manifest.json", made / "model.safetensors", tmp_path / "exported" / "model.safetensors"]
    assert [file.stat().st_mode & 0o777 for file in files] == [mode] * 3


def test_result_that_many_ask_for_is_named_once_in_the_log(tmp_path, caplog):
    caplog.set_level("INFO", logger="tmkd.store.artifacts")
    for store in (ArtifactStore(tmp_path), ArtifactStore(tmp_path)):
        for _ in range(3):
            store.build("task", {"a": 1}, lambda work: {}, "a task")
    named = [record.getMessage().split()[0] for record in caplog.records if "a task" in record.getMessage()]
    assert named == ["make", "made", "cached"]
