"""Students and teachers that have little in common, through all stages: soft labels meet their pairs by id alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model, GPT2Tokenizer

import tmkd.training.fit
from tests.pipeline.running import ROOT, compose_at
from tmkd.data.batching import tokenise
from tmkd.errors import ConfigError
from tmkd.experiment.experiment import Experiment
from tmkd.models.bilstm import word_tokenizer
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.models.tiny import letter_tokenizer
from tmkd.pipelines import stage2, stage3
from tmkd.results.node import identity
from tmkd.results.rows import CORPUS
from tmkd.training.predict import predict

pytestmark = pytest.mark.thorough  # one run of many seconds stands behind all of these

SMALL = [
    "experiment=smoke", "encoder.layers=3", "student.layers=2", "student.seeds=[1]", "teachers.count=2",
    "runtime.threads=1", "runtime.precision=fp32",
]  # fmt: skip
BILSTM = ["student=bilstm", "student.encoder.width=8", "student.encoder.dimensions=6", "student.encoder.words=50"]


def composed(home, *overrides):
    return compose_at(home, *SMALL, *overrides)


def artifacts(home, stage=""):
    return {path.name for path in (home / "artifacts").glob(f"{stage}*-*")}


def save(folder, model, tokenizer):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def bert(folder, tokenizer, width):
    size = {"hidden_size": width, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 2 * width}
    return save(folder, BertModel(BertConfig(vocab_size=len(tokenizer), **size)), tokenizer)


def gpt2(folder, width):
    pieces = [*sorted(ByteLevel.alphabet()), "<|endoftext|>"]
    tokenizer = GPT2Tokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, merges=[])
    return save(folder, GPT2Model(GPT2Config(vocab_size=len(pieces), n_embd=width, n_layer=2, n_head=2)), tokenizer)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """All stages with a BERT and a GPT-2 as teachers, and a student that has nothing of either; all sets of pairs."""
    home = tmp_path_factory.mktemp("mixed")
    torch.manual_seed(0)
    train = (ROOT / "data" / "smoke" / "train.tsv").read_text().splitlines()
    first = bert(home / "bert", letter_tokenizer(), 16)
    second = gpt2(home / "gpt2", 20)
    third = bert(home / "student", word_tokenizer(train, 60), 24)
    encoders = f"[{entry(first, 40)},{entry(second, 56)}]"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        fitted = []
        original = tmkd.training.fit.fit

        def watched(model, pairs, *args, **kwargs):
            fitted.append((kwargs["what"], pairs))
            return original(model, pairs, *args, **kwargs)

        patch.setattr(tmkd.training.fit, "fit", watched)
        config = composed(
            home,
            f"teachers.roster={encoders}",
            "student.encoder.source=hub",
            f"student.encoder.name={third}",
            "student.max_length=12",
            "student.pooling=mean",
            "method=[m_o_m,tkd_average,tmkd]",
            "stage1.targets=heads",
            "stage1.share=0.5",  # or the student's rows would be the soft labels' rows
        )
        stage3.run(config)
    return home, Experiment(config), fitted


def entry(folder, max_length):
    return f"{{learning_rate: 1e-3, epochs: 1, encoder: {{source: hub, name: {folder}, max_length: {max_length}}}}}"


def trained(experiment):
    return [teacher.build(experiment.context) for teacher in experiment.teachers()]


def scores(context, teacher, rows):
    """A teacher's logits by pair, from the pair's own text, in another order than the pipeline's."""
    model = PairClassifier.load(teacher.folder("model"), attention="eager")
    rows = rows.read(context)
    rows = rows.select(range(len(rows) - 1, -1, -1))
    logits = predict(model, tokenise(rows, model.tokenizer, model.max_length), context.runtime)[:, 0]
    return dict(zip(rows["id"], logits))


def test_each_teacher_reads_with_its_own_tokenizer_and_length(mixed):
    _, experiment, _ = mixed
    read = [PairClassifier.load(teacher.folder("model")) for teacher in trained(experiment)]
    assert [(model.encoder.config.model_type, model.max_length, model.pooling) for model in read] == [
        ("bert", 40, "first"),
        ("gpt2", 56, "last"),
    ]
    assert len(read[0].tokenizer) == len(letter_tokenizer())
    assert len(read[1].tokenizer) == 257


def test_soft_labels_meet_their_pairs_whoever_reads_them(mixed):
    # joined by row, lengths or tokenizers would shift them and training would go on with another pair's labels
    _, experiment, fitted = mixed
    splits = (experiment.task.rows("train"), experiment.corpus.rows())
    by_split = {
        rows.split: [scores(experiment.context, teacher, rows) for teacher in trained(experiment)] for rows in splits
    }
    taught = [(what, pairs) for what, pairs in fitted if pairs.soft_targets is not None]
    assert {what.partition(",")[0].partition(" of")[0] for what, _ in taught} == {
        "stage 1",
        "m-o-m",
        "TKD (1avg-o-1)",
        "TMKD",
    }
    for what, pairs in taught:
        expected = by_split[CORPUS if what == "stage 1" else "train"]
        ids = pairs.tokens["id"]
        apart = np.array([[mine[name] for mine in expected] for name in ids])  # [pairs, teachers, classes]
        assert np.abs(apart - apart[::-1]).max() > 1e-3  # or any order would do
        targets = pairs.soft_targets
        if targets.shape[1] == 2:
            np.testing.assert_allclose(targets, apart, atol=1e-4)
        else:
            one = [apart.mean(axis=1), apart[:, 0], apart[:, 1]]  # the average, or m-o-m's teachers
            assert any(np.allclose(targets[:, 0], each, atol=1e-4) for each in one), what


def test_student_has_its_own_width_tokenizer_and_length(mixed):
    home, _, fitted = mixed
    students = artifacts(home, "stage2")
    assert len(students) == 4  # two of m-o-m
    for name in students:
        folder = home / "artifacts" / name / "model"
        assert json.loads((folder / "classifier.json").read_text())["max_length"] == 12
        assert json.loads((folder / "encoder" / "config.json").read_text())["hidden_size"] == 24
    lengths = [max(pairs.lengths) for what, pairs in fitted if pairs.soft_targets is not None]
    assert max(lengths) == 12  # pairs were cut: the teachers saw more of them


def test_bilstm_is_made_once_from_the_data_and_learns_in_both_stages(tmp_path):
    words = ROOT / "data" / "smoke" / "train.tsv"
    known = sorted({word for word in words.read_text().lower().split() if word.isalpha()})
    vectors = tmp_path / "glove.txt"
    random = np.random.default_rng(0)
    vectors.write_text("".join(f"{word} {' '.join(map(str, random.normal(size=6)))}\n" for word in known))
    config = composed(tmp_path, *BILSTM, f"student.encoder.vectors={vectors}", "method=[kd,tmkd]")
    stage3.run(config)
    (made,) = artifacts(tmp_path, "encoder")
    details = json.loads((tmp_path / "artifacts" / made / "manifest.json").read_text())["details"]
    assert details["vectors"] == "glove.txt"
    assert details["words"] == 50 == details["found"] + details["random"]
    assert 0 < details["random"] < 50
    for name in artifacts(tmp_path, "stage1") | artifacts(tmp_path, "stage2"):
        model = PairClassifier.load(tmp_path / "artifacts" / name / "model")
        assert (model.encoder.config.model_type, model.pooling) == ("tmkd_bilstm", "mean")
    before = artifacts(tmp_path)
    stage2.run(composed(tmp_path, *BILSTM, f"student.encoder.vectors={vectors}", "method=[kd,tmkd]"))
    assert artifacts(tmp_path) == before


def test_bilstm_of_other_words_is_another_student(tmp_path):
    # its settings are the same: without the corpus in its identity, a student of other words would come back
    alone, together = (
        Experiment(composed(tmp_path, *BILSTM, f"method={arms}", "corpus.pairs=20")) for arms in ("kd", "[kd,tmkd]")
    )
    assert identity(alone.architecture()) != identity(together.architecture())
    for experiment in (alone, together):
        experiment.architecture().encoder.source(experiment.context)
    words = [set(json.loads(path.read_text())["model"]["vocab"]) for path in tmp_path.rglob("encoder/tokenizer.json")]
    assert len(words) == 2 and words[0] != words[1]


def test_student_keeps_the_layers_that_it_is_told_to(tmp_path):
    experiment = Experiment(composed(tmp_path, "encoder.layers=4", "student.keep=every"))
    student = experiment.architecture().new(experiment.context, ["gold"], ["wrong", "right"])
    layers = student.encoder.encoder.layer
    whole = load_encoder(source="tiny", layers=4, width=32).model.encoder.layer
    assert len(layers) == 2
    for mine, theirs in zip(layers, whole[::2]):
        assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters()))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["encoder.source=bilstm"], "encoder.source: expected one of embedded, mpnet, hub, tiny, got bilstm"),
        (["teachers.roster.0.encoder.source=bilstm"], r"roster\[0\].encoder.source: expected one of"),
        (
            ["student.encoder.source=tiny", "student.encoder.vectors=glove.txt"],
            "student.encoder.vectors: expected null where source is not bilstm",
        ),
        ([*BILSTM, "student.encoder.words=0"], "student.encoder.words: expected more than 0"),
        (["student.keep=top"], "student.keep: expected one of bottom, every, got top"),
        (["student.layers=0"], "student.layers: expected at least 1"),
    ],
)
def test_setting_that_makes_no_sense_is_named(tmp_path, overrides, said):
    with pytest.raises(ConfigError, match=said):
        composed(tmp_path, *overrides)
