import numpy as np
import pytest
from datasets import Dataset

import tmkd.store.soft_labels
from tmkd.errors import DamagedArtifact
from tmkd.store.shards import as_numbers, pack
from tmkd.store.soft_labels import SoftLabels, read_soft_labels, write_soft_labels

IDS = [f"{number:016x}" for number in range(25)]
TOKENS = Dataset.from_dict({"id": IDS})


def score(part):
    return np.array([[int(name, 16), -1.0] for name in part["id"]], dtype=np.float32)


def test_labels_are_joined_by_id_and_never_by_row(tmp_path):
    write_soft_labels(tmp_path, TOKENS, score, shard_size=10, done=lambda count: None)
    wanted = [IDS[17], IDS[3], IDS[24]]
    assert read_soft_labels(tmp_path, wanted)[:, 0].tolist() == [17, 3, 24]


def test_killed_scoring_goes_on_after_the_last_whole_part(tmp_path):
    seen = []

    def dies_in_the_third_part(part):
        seen.append(len(part))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return score(part)

    with pytest.raises(KeyboardInterrupt):
        write_soft_labels(tmp_path, TOKENS, dies_in_the_third_part, shard_size=10, done=lambda count: None)
    skipped = []
    assert write_soft_labels(tmp_path, TOKENS, score, shard_size=10, done=skipped.append) == 5
    assert skipped == [10, 10]
    assert read_soft_labels(tmp_path, IDS)[:, 0].tolist() == list(range(25))


def test_half_written_part_is_not_read(tmp_path):
    (tmp_path / "part-000000000-000000010.writing").write_bytes(b"half")
    write_soft_labels(tmp_path, TOKENS, score, shard_size=10, done=lambda count: None)
    assert len(read_soft_labels(tmp_path, IDS)) == 25


def test_missing_pair_is_named(tmp_path):
    write_soft_labels(tmp_path, TOKENS, score, shard_size=10, done=lambda count: None)
    with pytest.raises(DamagedArtifact, match="no soft labels for 1 of 2 pairs"):
        read_soft_labels(tmp_path, [IDS[0], "f" * 16])


def test_another_shard_size_after_a_kill_leaves_no_gap(tmp_path):
    write_soft_labels(tmp_path, TOKENS.select(range(20)), score, shard_size=10, done=lambda count: None)
    write_soft_labels(tmp_path, TOKENS, score, shard_size=15, done=lambda count: None)
    assert read_soft_labels(tmp_path, IDS)[:, 0].tolist() == list(range(25))


def test_parts_are_read_once_where_ids_come_in_their_order(tmp_path, monkeypatch):
    write_soft_labels(tmp_path, TOKENS, score, shard_size=4, done=lambda count: None)
    read = []
    original = tmkd.store.soft_labels.load_file
    monkeypatch.setattr(tmkd.store.soft_labels, "load_file", lambda path: read.append(path.name) or original(path))
    labels = SoftLabels(tmp_path)
    gaps = [IDS[:3], IDS[3:9], IDS[14:17:2], [], IDS[20:]]
    assert [labels.read(pack(ids))[:, 0].tolist() for ids in gaps] == [[int(name, 16) for name in ids] for ids in gaps]
    assert read == sorted(read) and len(set(read)) == len(read) == 7


def test_ids_in_any_order_and_twice_find_their_labels_again_and_again(tmp_path):
    write_soft_labels(tmp_path, TOKENS, score, shard_size=4, done=lambda count: None)
    labels = SoftLabels(tmp_path)
    shuffled = [IDS[number] for number in np.random.default_rng(0).integers(0, 25, 60)]
    for ids in (shuffled, IDS[::-1], IDS[:2], IDS[24:]):
        assert labels.read(pack(ids))[:, 0].tolist() == [int(name, 16) for name in ids]


def test_many_ids_are_joined_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(tmkd.store.soft_labels, "BATCH", 7)
    write_soft_labels(tmp_path, TOKENS, score, shard_size=10, done=lambda count: None)
    for ids in (IDS, IDS[::-1], []):
        assert read_soft_labels(tmp_path, ids).tolist() == [[int(name, 16), -1.0] for name in ids]


def test_ids_as_numbers_keep_their_values():
    ids = [f"{number:016x}" for number in (0, 9, 10, 0xFEDCBA9876543210, 2**64 - 1)]
    assert as_numbers(pack(ids)).tolist() == [int(name, 16) for name in ids]
