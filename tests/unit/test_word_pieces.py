"""Word vectors from an encoder's pieces: words that share pieces are near, and the same words get the same vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer, CanineConfig, CanineModel

from tests.pipeline.running import compose_at
from tmkd.errors import ConfigError, ModelError
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.trial import try_encoders
from tmkd.models.bilstm import make_bilstm
from tmkd.models.word_pieces import check_width, piece_vectors

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "run", "walk", "jump", "amber", "##ing", "##er", "##s"]
WORDS = ["play", "playing", "player", "plays", "run", "running", "runs", "walks", "jumper", "amber", "é", "quartz"]
SMOKE = ["experiment=smoke", "encoder.layers=3", "method=kd", "student=bilstm", "student.layers=null"]
SMALL = ["student.encoder.width=8", "student.encoder.words=50"]


@pytest.fixture(scope="module")
def encoder() -> tuple[BertModel, BertTokenizer]:
    torch.manual_seed(0)
    size = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = BertModel(BertConfig(vocab_size=len(PIECES), hidden_size=8, **size))
    torch.nn.init.normal_(model.embeddings.word_embeddings.weight)
    return model, BertTokenizer(vocab={piece: row for row, piece in enumerate(PIECES)})


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_word_is_the_mean_of_its_pieces_up_to_a_turn(encoder: tuple[BertModel, BertTokenizer]) -> None:
    # at full width nothing is lost: distances are those of the means
    found = piece_vectors(WORDS, *encoder, dimensions=8)
    table = encoder[0].embeddings.word_embeddings.weight.detach().numpy()
    play, run, ing = (table[PIECES.index(piece)] for piece in ("play", "run", "##ing"))
    assert np.linalg.norm(found["playing"] - found["run"]) == pytest.approx(
        np.linalg.norm((play + ing) / 2 - run), rel=1e-4
    )


def test_words_that_share_pieces_are_nearer_than_others(encoder: tuple[BertModel, BertTokenizer]) -> None:
    found = piece_vectors(WORDS, *encoder, dimensions=5)
    assert all(vector.shape == (5,) and vector.dtype == np.float32 for vector in found.values())
    kin = np.mean([cosine(found["play"], found[word]) for word in ("playing", "player", "plays")])
    others = np.mean([cosine(found["play"], found[word]) for word in ("run", "walks", "amber")])
    assert kin > others + 0.3


def test_same_words_have_the_same_vectors_whatever_their_order(encoder: tuple[BertModel, BertTokenizer]) -> None:
    one, other = (piece_vectors(words, *encoder, dimensions=4) for words in (WORDS, WORDS[::-1]))
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[word], other[word]) for word in one)


def test_word_without_a_known_piece_has_no_vector_and_is_drawn(encoder: tuple[BertModel, BertTokenizer]) -> None:
    assert {"é", "quartz", "running"}.isdisjoint(piece_vectors(WORDS, *encoder, dimensions=4))
    assert piece_vectors(["quartz"], *encoder, dimensions=4) == piece_vectors([], *encoder, dimensions=4) == {}
    shape = {"words": 50, "vectors": None, "dimensions": 4, "layers": 1, "width": 4, "seed": 1}
    model, tokenizer, facts = make_bilstm(
        [" ".join(WORDS)], **shape, look_up=lambda words: piece_vectors(words, *encoder, dimensions=4)
    )
    assert facts == {"words": 12, "found": 9, "random": 3}
    table, known = model.embed_tokens.weight.detach().numpy(), piece_vectors(WORDS, *encoder, dimensions=4)
    np.testing.assert_allclose(table[tokenizer.convert_tokens_to_ids("runs")], known["runs"], atol=1e-6)
    assert table[tokenizer.convert_tokens_to_ids("quartz")].any()


def test_few_words_are_reduced_as_all_pieces_are(encoder: tuple[BertModel, BertTokenizer]) -> None:
    # two words have one principal component, but are to have as many numbers as any others
    found = piece_vectors(["play", "runs"], *encoder, dimensions=6)
    assert all(vector.shape == (6,) and np.isfinite(vector).all() for vector in found.values())


def test_encoder_that_is_too_narrow_or_has_no_pieces_is_refused(encoder: tuple[BertModel, BertTokenizer]) -> None:
    with pytest.raises(ModelError, match=r"dimensions: expected at most 8 \(the width of the embeddings of BertModel"):
        check_width(encoder[0], 9)
    size = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "hidden_size": 8}
    with pytest.raises(ModelError, match="CanineModel has no embeddings of pieces; set word_vectors=random"):
        check_width(CanineModel(CanineConfig(**size)), 4)


def test_narrow_encoder_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    narrow = Experiment(compose_at(tmp_path, *SMOKE, *SMALL, "student.encoder.dimensions=33"))
    with pytest.raises(ModelError, match=r"^student\.encoder: dimensions: expected at most 32 .*, got 33"):
        try_encoders(narrow, "kd", ())


def test_made_encoder_has_the_encoders_vectors_and_is_another_than_the_random_one(tmp_path: Path) -> None:
    config = compose_at(tmp_path, *SMOKE, *SMALL, "student.encoder.dimensions=6")
    experiment = Experiment(config)
    made = experiment.encoder(config.student).made
    assert made is not None
    details = made.build(experiment.context).details
    assert (details["vectors"], details["words"]) == ("encoder", 50) and details["found"] >= 45
    random = Experiment(
        compose_at(tmp_path, *SMOKE, *SMALL, "student.encoder.dimensions=6", "student.encoder.word_vectors=random")
    )
    of_another = Experiment(compose_at(tmp_path, *SMOKE, *SMALL, "student.encoder.dimensions=6", "encoder.seed=2"))
    keys = {each.encoder(each.config.student).made.key for each in (experiment, random, of_another)}  # type: ignore[union-attr]
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["student.encoder.word_vectors=glove"], "word_vectors: expected one of random, encoder, got glove"),
        (["encoder.word_vectors=encoder"], r"^encoder\.word_vectors: expected random where source is not bilstm"),
    ],
)
def test_setting_that_would_do_nothing_is_refused(tmp_path: Path, overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compose_at(tmp_path, *SMOKE, *overrides)


def test_file_of_vectors_asks_for_no_encoder(tmp_path: Path) -> None:
    made = Experiment(compose_at(tmp_path, *SMOKE, "student.encoder.vectors=/dev/null"))
    assert made.encoder(made.config.student).made.pieces is None  # type: ignore[union-attr]
