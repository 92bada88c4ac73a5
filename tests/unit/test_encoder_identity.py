"""Which checkpoint a result is known by: a hub's commit, or what is read of a folder."""

import shutil

import pytest

from tmkd.config import Config, EncoderConfig, StudentConfig
from tmkd.errors import ModelError
from tmkd.experiment.experiment import Experiment
from tmkd.models import hub
from tmkd.models.embedded import WEIGHTS_SHA256
from tmkd.models.encoder import load_encoder
from tmkd.results.encoder import Encoder, encoder_identity

FIRST, SECOND = "1" * 40, "2" * 40
NAME = "people/encoder"


def checkpoint(folder, seed=1):
    encoder = load_encoder(source="tiny", layers=2, width=16, seed=seed)
    encoder.model.save_pretrained(folder)
    encoder.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A hub's cache without a network, where main is the first of two commits and next the second."""
    place = tmp_path / "cache" / "models--people--encoder"
    for commit, seed in ((FIRST, 1), (SECOND, 2)):
        checkpoint(place / "snapshots" / commit, seed)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(FIRST)
    (place / "refs" / "next").write_text(SECOND)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub.commit_of.cache_clear()
    yield place
    hub.commit_of.cache_clear()


def spec(name=NAME, **changes):
    return encoder_identity(EncoderConfig(source="hub", name=str(name), **changes))


def test_branch_is_known_by_the_commit_that_it_means(cache):
    # or new weights under an old name would find the old results
    assert spec() == {"name": NAME, "revision": FIRST}
    assert spec(revision="main") == spec(revision=FIRST) == spec()
    assert spec(revision="next")["revision"] == SECOND
    (cache / "refs" / "main").write_text(SECOND)
    hub.commit_of.cache_clear()  # another run
    assert spec()["revision"] == SECOND


def test_branch_that_moves_during_a_run_is_one_encoder_to_it(cache):
    before = spec()
    (cache / "refs" / "main").write_text(SECOND)
    assert spec() == before


def test_encoder_is_loaded_at_the_commit_that_it_is_known_by(cache):
    config = Config(encoder=EncoderConfig(source="hub", name=NAME), student=StudentConfig())
    own = Experiment(config)
    told = own.encoder(config.student).source(own.context)
    assert told["revision"] == FIRST
    (cache / "refs" / "main").write_text(SECOND)
    read = load_encoder(**told).model.embeddings.word_embeddings.weight
    wanted = load_encoder(source="tiny", layers=2, width=16, seed=1).model.embeddings.word_embeddings.weight
    assert read.equal(wanted)


def test_name_that_neither_hub_nor_cache_has_is_told(cache):
    with pytest.raises(ModelError, match=r"'people/other' \(revision main\) is neither.*encoder\.revision to a whole"):
        spec("people/other")
    with pytest.raises(ModelError, match=r"revision no-such-branch"):
        spec(revision="no-such-branch")
    assert spec("people/other", revision=FIRST)["revision"] == FIRST  # results of it can still be found


def test_readme_of_a_folder_shapes_no_result(tmp_path):
    folder = checkpoint(tmp_path / "a")
    before = spec(folder)
    for name in ("README.md", "readme.txt", "LICENSE.txt", ".gitattributes", "loss.png", "training_args.bin", "own.py"):
        (folder / name).write_text("words")
    (folder / ".git").mkdir()
    (folder / ".git" / "config.json").write_text("{}")
    assert spec(folder) == before


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", "vocab.txt", "spiece.model"])
def test_what_is_read_of_a_folder_shapes_its_results(tmp_path, name):
    folder = checkpoint(tmp_path / "a")
    before = spec(folder)
    with (folder / name).open("ab") as file:
        file.write(b" ")
    assert spec(folder) != before


def test_subfolders_and_names_of_files_count(tmp_path):
    # or a file that is moved, or two that change places, would be found as what they were
    whole = spec(checkpoint(tmp_path / "a"))
    renamed = shutil.copytree(tmp_path / "a", tmp_path / "b")
    (renamed / "config.json").rename(renamed / "config_old.json")
    deeper = shutil.copytree(tmp_path / "a", tmp_path / "c")
    (deeper / "onto").mkdir()
    shutil.copy(deeper / "tokenizer.json", deeper / "onto")
    assert spec(renamed) != whole != spec(deeper)
    assert spec(shutil.copytree(tmp_path / "a", tmp_path / "d")) == whole


def test_code_of_a_folder_counts_where_it_runs(tmp_path):
    folder = checkpoint(tmp_path / "a")
    before = spec(folder), spec(folder, trust_remote_code=True)
    (folder / "own.py").write_text("x = 1")
    assert spec(folder) == before[0]
    assert spec(folder, trust_remote_code=True) != before[1]


def test_encoders_that_come_with_the_project_keep_their_identity():
    # or everything would be trained again
    assert Encoder(EncoderConfig(), "auto").identity() == {"pooling": "auto", "sha256": WEIGHTS_SHA256}
    assert Encoder(EncoderConfig(source="tiny"), "last").identity() == {"pooling": "last", "tiny": [3, 32, 1]}
