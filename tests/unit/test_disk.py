"""Files that appear whole or not at all, and what is said of one that cannot be read."""

import hashlib
import os
import resource
from threading import Thread

import pytest
import torch

from tmkd.errors import ConfigError, DamagedArtifact, DataError, TmkdError
from tmkd.store.disk import alone, check_writable, in_turn, reading_from, sha256, writing_to, written_whole


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_appears_whole_in_place_of_the_one_before(tmp_path, durable):
    path = tmp_path / "figure.png"
    path.write_text("old")
    with written_whole(path, durable=durable) as temporary:
        assert temporary.suffix == ".png"  # what draws a figure goes by it
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [None, "elsewhere"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, name):
    path = tmp_path / "table.md"
    path.write_text("old")

    def fails(temporary):
        temporary.write_text("half")
        raise KeyError

    with pytest.raises(KeyError), written_whole(path, tmp_path / name if name else None) as temporary:
        fails(temporary)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_checksum_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"\x00\r\n\xff")
    assert sha256(path) == sha256(str(path)) == hashlib.sha256(b"\x00\r\n\xff").hexdigest()


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path):
    path = tmp_path / "gone"
    with (
        pytest.raises(DamagedArtifact, match=r"^\S+gone cannot be read \(No such file or directory\)\.$"),
        reading_from(path),
    ):
        sha256(path)
    with (
        pytest.raises(DataError, match=r"^data\.test: \S+gone cannot be read \(.*\); check the path\.$"),
        reading_from(path, DataError, "check the path", setting="data.test"),
    ):
        sha256(path)


def test_folder_that_cannot_be_written_to_is_told_and_one_that_can_is_left_as_it_was(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file" / "smoke", "/proc/reports/smoke"):
        with pytest.raises(ConfigError, match=rf"Cannot write under {folder} .*choose another paths\.reports"):
            check_writable(type(tmp_path)(folder), "paths.reports")
    for folder in (tmp_path / "new" / "smoke", tmp_path):
        there = folder.exists()
        check_writable(folder, "paths.reports")
        assert folder.exists() == there


def test_files_that_two_runs_write_under_one_name_are_not_a_mixture(tmp_path):
    folder, order = tmp_path / "labelled", []

    def second():
        with in_turn(folder, "paths.reports"):
            order.append("second")

    with in_turn(folder, "paths.reports"):
        other = Thread(target=second)
        other.start()
        with pytest.raises(ConfigError, match=rf"^{folder}: another run writes here now; wait until"):
            in_turn(folder, "paths.reports", wait=False).__enter__()
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def test_output_that_two_processes_write_at_once_is_whole_and_the_first_ones(tmp_path):
    path = tmp_path / "new" / "out.jsonl"
    with alone(path), written_whole(path) as temporary:
        temporary.write_text("first")
        with pytest.raises(ConfigError, match=rf"^{path}: another process writes it now; wait, or name"), alone(path):
            pass
        assert temporary.read_text() == "first"
    assert path.read_text() == "first" and list(path.parent.iterdir()) == [path]
    with pytest.raises(ConfigError, match="expected a new name but it exists"), alone(path):
        pass
    assert list(path.parent.iterdir()) == [path]


def test_name_that_a_killed_process_held_is_free(tmp_path):
    path = tmp_path / "out.jsonl"
    if (child := os.fork()) == 0:
        with alone(path), written_whole(path) as temporary:
            temporary.write_text("half")
            os._exit(9)
    os.waitpid(child, 0)
    assert not path.exists()
    with alone(path), written_whole(path) as temporary:
        temporary.write_text("whole")
    assert path.read_text() == "whole" and list(tmp_path.iterdir()) == [path]


def test_file_of_torch_that_the_disk_cuts_short_is_one_sentence(tmp_path):
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, usual[1]))  # as ulimit -f; signals of it are ignored by Python
    try:
        with (
            pytest.raises(TmkdError, match=rf"^The disk ended a file under {tmp_path} before it was whole \(no space"),
            writing_to(tmp_path),
        ):
            torch.save(torch.zeros(10_000), tmp_path / "optimizer.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
