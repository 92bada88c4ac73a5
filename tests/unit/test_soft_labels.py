import numpy as np
import pytest
from datasets import Dataset

from tmkd.errors import DamagedArtifact
from tmkd.soft_labels import read_soft_labels, write_soft_labels

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
