import re
import time
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, config, load_from_disk

from tmkd.store import memmap
from tmkd.store.memmap import TOGETHER, RowsOnDisk, letting_go, save_rows

linux = pytest.mark.skipif(not memmap.MAPS.exists(), reason="only Linux says what is mapped")
TEXTS = [f"{number} " * 8000 for number in range(1000, 2000)]  # 48 MB


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    Dataset.from_dict({"text": TEXTS}).save_to_disk(str(folder), num_shards=2)
    return folder


def read(rows):
    return [text for batch in rows.iter(10) for text in batch["text"]]


def test_rows_on_disk_come_back_as_they_were_and_leave_no_file(tmp_path):
    rows = RowsOnDisk(tmp_path)
    batches = [
        np.random.default_rng(seed).normal(size=(size, 2, 3)).astype(np.float32) for seed, size in enumerate((4, 1, 7))
    ]
    for batch in batches:
        rows.add(batch.transpose(0, 2, 1))  # not as it lies in memory
    array = rows.array()
    del rows
    assert array.dtype == np.float32
    assert np.array_equal(array, np.concatenate(batches).transpose(0, 2, 1))
    assert not list(tmp_path.iterdir())


@linux
def test_pages_of_a_data_set_are_let_go_and_found_again(saved):
    rows = load_from_disk(str(saved))
    before = memmap._resident()
    assert read(rows) == TEXTS
    assert memmap._resident() > before + 2 * memmap.ENOUGH  # or there would be nothing to let go
    with letting_go(rows):
        for _ in range(2):
            deadline = time.monotonic() + 30
            while memmap._resident() > before + memmap.ENOUGH and time.monotonic() < deadline:
                time.sleep(0.01)
            assert memmap._resident() <= before + memmap.ENOUGH
            assert read(rows) == TEXTS
    assert memmap._resident() <= before + memmap.ENOUGH


@linux
def test_files_that_are_read_at_random_are_not_read_ahead_until_then(saved):
    rows = load_from_disk(str(saved))

    def told():  # "rr" among the flags of what is mapped
        places = {f"{start:x}-{end:x}" for start, end in memmap._mapped((rows,))}
        flags = re.findall(
            r"^([0-9a-f]+-[0-9a-f]+) .*?^VmFlags: (.*?)$", Path("/proc/self/smaps").read_text(), re.M | re.S
        )
        return ["rr" in said.split() for place, said in flags if place in places]

    assert told() == [False, False]
    with letting_go(rows, at_random=True):
        assert told() == [True, True]
        with letting_go(rows):  # which whoever reads on his way through may ask for, too
            pass
        assert told() == [True, True]
    with letting_go(rows):
        assert told() == [False, False]


@linux
def test_rows_in_memory_are_left_alone():
    values = np.arange(1_000_000)
    held = Dataset.from_dict({"text": TEXTS[:10]}), values, None, np.empty(0)
    assert memmap._mapped(held) == []
    with letting_go(*held):
        assert read(held[0]) == TEXTS[:10]
    assert values.sum() == 499_999_500_000


@linux
def test_every_file_of_a_data_set_and_the_rows_on_disk_are_found(saved, tmp_path):
    rows = RowsOnDisk(tmp_path)
    rows.add(np.zeros((10_000, 3)))
    found = memmap._mapped((load_from_disk(str(saved)), rows.array()))
    sizes = [Path(file["filename"]).stat().st_size for file in load_from_disk(str(saved)).cache_files]
    assert len(found) == 3
    assert sum(end - start for start, end in found) >= sum(sizes) + 240_000


def test_what_fails_inside_is_not_swallowed(saved):
    with pytest.raises(KeyError), letting_go(load_from_disk(str(saved))):
        raise KeyError


def test_rows_are_saved_in_few_batches_and_the_library_is_left_as_it_was(tmp_path):
    rows = Dataset.from_dict({"number": list(range(2 * TOGETHER + 1))})
    usual = config.DEFAULT_MAX_BATCH_SIZE
    save_rows(rows, tmp_path / "rows")
    found = load_from_disk(str(tmp_path / "rows"))
    assert [len(batch) for batch in found.data.column(0).chunks] == [TOGETHER, TOGETHER, 1]
    assert found["number"][:] == rows["number"][:]
    assert usual == config.DEFAULT_MAX_BATCH_SIZE
