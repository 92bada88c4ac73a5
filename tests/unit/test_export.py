"""Exports: every program scores as the student does, losses are stated, and failures leave nothing behind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from tokenizers.pre_tokenizers import ByteLevel
from torch import nn
from transformers import (
    AlbertConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    GPT2Model,
    GPT2Tokenizer,
    GPTNeoXConfig,
    MPNetConfig,
    PretrainedConfig,
    Qwen2Config,
    RobertaConfig,
    pipeline,
)
from typer.testing import CliRunner

from tmkd.choices import ONNX_INT8
from tmkd.cli import app
from tmkd.errors import ConfigError, DataError, ModelError
from tmkd.export import modular, verification
from tmkd.export.checkpoint import hold, write_checkpoint
from tmkd.export.decoder import hold_last
from tmkd.export.drift import Drift, drift
from tmkd.export.int8 import NAMES, chosen
from tmkd.export.pairs import Pairs, pairs_for
from tmkd.export.programs import PROGRAMS, Readers, batches
from tmkd.export.run import export_model
from tmkd.export.student import Student, probabilities
from tmkd.export.verification import verify
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import Encoder, load_encoder
from tmkd.models.tiny import letter_tokenizer
from tmkd.models.token_types import drop_token_types, fit_token_types
from tmkd.reranker import Reranker
from tmkd.store.artifacts import LABEL_KIND, MODEL, Artifact, ArtifactStore
from tmkd.store.disk import alone, folder_written_whole
from tmkd.training.runtime import Runtime

PAIRS = [
    ("what is amber", "amber " * 9),
    ("what is amber", "birch"),
    ("what is birch", "birch " * 30),
    ("why", "a b c"),
]
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 200,
}
FAMILIES = {
    "bert": BertConfig(**SMALL),
    "roberta": RobertaConfig(**SMALL, pad_token_id=0, max_position_embeddings=80),
    "mpnet": MPNetConfig(**SMALL, pad_token_id=0, max_position_embeddings=80),
    "electra": ElectraConfig(**SMALL, embedding_size=16),
    "albert": AlbertConfig(**SMALL, embedding_size=16),
    "deberta-v2": DebertaV2Config(**SMALL),
    "distilbert": DistilBertConfig(vocab_size=200, dim=16, n_layers=1, n_heads=2, hidden_dim=32),
}


@pytest.fixture(autouse=True)
def timed_for_no_longer_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmkd.export.latency.SECONDS", 0.0)


def saved(
    root: Path,
    pooling: str = "mean",
    heads: tuple[str, ...] = ("gold",),
    classes: tuple[str, ...] = ("wrong", "right"),
    ranking: bool = True,
    encoder: Encoder | None = None,
    scale: float = 20.0,
    long: str = "cut",
) -> Artifact:
    """A student with heads that differ, whose logits are as large as those of trained ones."""
    encoder = encoder or load_encoder(source="tiny", layers=1, width=16, pooling=pooling)
    torch.manual_seed(3)
    model = PairClassifier(encoder, heads, classes, 48, heads_alike=False, long=long)
    nn.init.normal_(model.heads.linear.bias)
    with torch.no_grad():
        model.heads.linear.weight.mul_(scale)
    of_pairs = {"accuracy": 0.5} if len(classes) > 1 else {"spearman": 0.5}
    details: dict[str, object] = {"validation": of_pairs | ({"map": 0.5} if ranking else {})}
    details |= {} if len(classes) > 1 else {LABEL_KIND: "graded"}
    return ArtifactStore(root).build(
        "stage2", {"task": "none"}, lambda work: model.save(work / MODEL) or details, "TMKD, seed 1"
    )


def of_family(name: str) -> Encoder:
    torch.manual_seed(1)
    model, tokenizer = AutoModel.from_config(FAMILIES[name]), letter_tokenizer()
    if getattr(model, "pooler", None) is not None:
        model.register_module("pooler", None)
    fit_token_types(model, tokenizer)
    return Encoder(model.eval(), tokenizer, "first")


def reranker(artifact: Artifact) -> Reranker:
    return Reranker.from_pretrained(artifact.path, device="cpu", precision="fp32")


@pytest.mark.parametrize("pooling", ["first", "last", "mean"])
def test_cross_encoder_of_sentence_transformers_predicts_as_reranker_does(tmp_path: Path, pooling: str) -> None:
    from sentence_transformers import CrossEncoder

    student = saved(tmp_path / "artifacts", pooling)
    made = export_model(student.path, "cross-encoder", tmp_path / "out", threads=1)
    found = CrossEncoder(str(tmp_path / "out"), device="cpu").predict(PAIRS)
    assert found == pytest.approx(reranker(student).predict(PAIRS), abs=1e-4)
    assert not made.lost
    again = Reranker.from_pretrained(tmp_path / "out")
    assert again.classes == ("wrong", "right") and again.predict(PAIRS) == pytest.approx(found, abs=1e-4)
    with pytest.raises(ModelError, match=r"expected an export that backend=onnx can run.*export the student --to onnx"):
        Reranker.from_pretrained(tmp_path / "out", backend="onnx")
    with pytest.raises(ConfigError, match="precision=bf16: expected an export --to openvino"):
        Reranker.from_pretrained(tmp_path / "out", precision="bf16")
    with pytest.raises(ConfigError, match="device: expected auto or cpu, since an export runs on the CPU, got cuda"):
        Reranker.from_pretrained(tmp_path / "out", device="cuda")  # or it ran on the CPU, without a word
    with pytest.raises(ModelError, match="exit_at: expected a layer with an early exit, of which this model has none"):
        Reranker.from_pretrained(tmp_path / "out", exit_at=1)
    with pytest.raises(ModelError, match="max_length: expected the 48 tokens that this export was loaded with, got 24"):
        Reranker(again.model, again.runtime, max_length=24)
    assert len(set(found.round(4))) == len(PAIRS)  # or a constant would do


@pytest.mark.parametrize("name", ["modules.json", "config_sentence_transformers.json"])
def test_export_without_its_head_is_no_model(tmp_path: Path, name: str) -> None:
    # sentence-transformers draws one at random, and its scores look like any others
    export_model(saved(tmp_path / "artifacts").path, "cross-encoder", tmp_path / "out", verify=False, latency=False)
    (tmp_path / "out" / name).unlink()
    with pytest.raises(ModelError, match=rf"expected {name}, which leads to .* head, .*copy the export again"):
        Reranker.from_pretrained(tmp_path / "out")


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors", "1_Pooling/config.json"])
def test_export_that_is_cut_off_is_one_sentence(tmp_path: Path, name: str) -> None:
    export_model(saved(tmp_path / "artifacts").path, "cross-encoder", tmp_path / "out", verify=False, latency=False)
    file = tmp_path / "out" / name
    file.write_bytes(file.read_bytes()[:30])
    with pytest.raises(ModelError, match=r"sentence-transformers cannot load it \(.*\); .* copy the export again"):
        Reranker.from_pretrained(tmp_path / "out")


def test_decoder_whose_tokenizer_puts_nothing_between_texts_is_read_as_the_student_reads_it(tmp_path: Path) -> None:
    letters = ["<|endoftext|>", "!", *sorted(ByteLevel.alphabet())]
    decoder, place = GPT2Config(vocab_size=len(letters) + 1, n_embd=16, n_layer=1, n_head=2), tmp_path / "gpt2"
    GPT2Tokenizer(vocab={piece: at for at, piece in enumerate(letters)}, merges=[]).save_pretrained(place)
    GPT2Model(decoder).save_pretrained(place)
    student = saved(tmp_path / "artifacts", encoder=load_encoder(name=str(place)))
    export_model(student.path, "cross-encoder", tmp_path / "out", threads=1)
    found = Reranker.from_pretrained(tmp_path / "out").predict(PAIRS)
    assert found == pytest.approx(reranker(student).predict(PAIRS), abs=1e-4)
    made = export_model(student.path, "hf", tmp_path / "hf", threads=1)
    assert made.proof is not None and [row.difference < 1e-4 for row in made.proof.rows[1:]] == [True] * 3
    assert Reranker.from_pretrained(tmp_path / "hf").predict(PAIRS) == pytest.approx(found, abs=1e-4)


def test_decoder_whose_last_norm_has_no_bias_is_refused_where_a_classifier_has_none(tmp_path: Path) -> None:
    config = Qwen2Config(**SMALL, num_key_value_heads=2)
    encoder = Encoder(AutoModel.from_config(config).eval(), letter_tokenizer(), "last")
    student = saved(tmp_path / "artifacts", encoder=encoder)
    with pytest.raises(ModelError, match=r"got qwen2, .* \(a decoder's has no bias\); --to cross-encoder is exact for"):
        export_model(student.path, "hf", tmp_path / "hf")
    made = export_model(student.path, "cross-encoder", tmp_path / "out", threads=1)
    assert made.proof is not None and made.proof.rows[1].difference < 1e-4


@pytest.mark.parametrize("config", [GPT2Config(**SMALL), GPTNeoXConfig(**SMALL)], ids=lambda config: config.model_type)
def test_bias_that_a_decoders_classifier_lacks_goes_through_its_layer_norm(config: PretrainedConfig) -> None:
    torch.manual_seed(1)
    config.num_labels, config.pad_token_id = 3, 0
    classifier = AutoModelForSequenceClassification.from_config(config).eval()
    tokens = torch.arange(1, 9).unsqueeze(0)
    states = classifier.base_model(tokens).last_hidden_state[:, -1]
    weight, bias = torch.randn(3, 16), torch.tensor([1.0, -2.0, 30.0])
    hold_last(weight, bias, classifier, letter_tokenizer())
    assert torch.allclose(classifier(tokens).logits, states @ weight.T + bias, atol=1e-4)


def test_checkpoint_of_transformers_predicts_as_reranker_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student, read = saved(tmp_path / "artifacts", "first"), []
    with monkeypatch.context() as patched:
        real = AutoTokenizer.from_pretrained
        patched.setattr(AutoTokenizer, "from_pretrained", lambda *a, **more: read.append(a[0]) or real(*a, **more))
        export_model(student.path, "hf", tmp_path / "out", threads=1)
    by_program = [place for place in read if "artifacts" not in str(place)]
    assert len(by_program) == len(PROGRAMS["hf"])  # each reads it once, the one that is timed as well
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    model, facts = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out", output_loading_info=True)
    tokens = tokenizer(*zip(*PAIRS, strict=True), truncation=True, padding=True, return_tensors="pt")
    expected = reranker(student).predict(PAIRS)
    assert model(**tokens).logits.detach().numpy().ravel() == pytest.approx(expected, abs=1e-4)
    assert not facts["missing_keys"] and not facts["unexpected_keys"]
    assert tokens["input_ids"].shape[1] == 48  # where the student cuts, too
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["id2label"] == {"0": "right"} and config["label2id"] == {"right": 0}
    assert config["sentence_transformers"]["activation_fn"] == "torch.nn.modules.linear.Identity"
    assert config["architectures"] == ["BertForSequenceClassification"]
    named = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())["tokenizer_class"]
    assert named == "PreTrainedTokenizerFast"  # transformers 4 knows no TokenizersBackend


@pytest.mark.parametrize("family", FAMILIES)
def test_head_of_each_family_holds_the_students_linear_map(tmp_path: Path, family: str) -> None:
    student = Student.read(saved(tmp_path, encoder=of_family(family)).path)
    (tmp_path / "out").mkdir()
    write_checkpoint(student, tmp_path / "out")
    classifier = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    tokens = tokenizer(*zip(*PAIRS, strict=True), padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        expected = student.folded(student.model(**tokens).logits.numpy())
        assert classifier(**tokens).logits.numpy() == pytest.approx(expected, abs=1e-4)


def test_map_goes_through_a_tanh_with_the_error_that_is_stated() -> None:
    dense, out = nn.Linear(1, 2), nn.Linear(2, 1)
    hold(torch.ones(1, 1), torch.zeros(1), dense, out, tanh=True)
    z = torch.tensor([[0.01], [1.0], [8.0], [16.0], [25.0]])
    error = (out(torch.tanh(dense(z))) - z).abs().flatten().tolist()
    assert error[0] < 1e-8 and error[1] < 1e-6 and error[2] < 5e-6 and error[3] < 2e-5 and error[4] < 1e-4
    many = out(torch.tanh(dense(torch.linspace(-2000, 2000, 201).unsqueeze(1)))).flatten()
    assert (many.diff() > 0).all()  # far outside it is bent, but the order is kept


def test_student_without_token_types_takes_those_that_a_server_sends(tmp_path: Path) -> None:
    encoder = load_encoder(source="tiny", layers=1, width=16, pooling="first")
    drop_token_types(encoder.model, encoder.tokenizer)
    student = Student.read(saved(tmp_path, encoder=encoder).path)
    (tmp_path / "out").mkdir()
    write_checkpoint(student, tmp_path / "out")
    classifier = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    tokens = dict(student.model.tokenizer("what", "amber", return_tensors="pt"))
    with_types = tokens | {"token_type_ids": torch.tensor([[0] * 6 + [1] * (tokens["input_ids"].shape[1] - 6)])}
    assert torch.equal(classifier(**tokens).logits, classifier(**with_types).logits)


@pytest.mark.parametrize("target", ["hf", "cross-encoder"])
def test_student_of_grades_is_exported_with_its_score_as_it_is(tmp_path: Path, target: str) -> None:
    from sentence_transformers import CrossEncoder

    student = saved(tmp_path / "artifacts", "first", ("gold", "a"), ("score",), scale=5)
    rows = tmp_path / "pairs.jsonl"
    rows.write_text("".join(f'{{"question": "q", "passage": "{"x" * n}", "label": {n % 4}}}\n' for n in range(1, 9)))
    made = export_model(student.path, target, tmp_path / "out", pairs=rows, threads=1)
    expected = reranker(student).score(*zip(*PAIRS, strict=True))
    found = CrossEncoder(str(tmp_path / "out"), device="cpu").predict(PAIRS)
    assert found == pytest.approx(expected[:, 0], abs=1e-4)  # of two heads, whose mean is one linear map
    again = Reranker.from_pretrained(tmp_path / "out")
    assert again.classes == ("score",) and again.score(*zip(*PAIRS, strict=True)) == pytest.approx(expected, abs=1e-4)
    assert made.proof is not None and made.proof.metric == "ndcg" and made.proof.rows[0].metric is not None
    assert "A score is one logit: it learnt grades or numbers" in (tmp_path / "out" / "README.md").read_text()


def test_several_heads_become_their_mean_margin_and_the_change_is_said(tmp_path: Path) -> None:
    student = saved(tmp_path / "artifacts", heads=("gold", "a", "b"), scale=100)
    rows = tmp_path / "pairs.jsonl"
    rows.write_text(
        "\n".join(
            json.dumps({"question": f"q{n % 7}", "passage": "x" * n, "label": ["wrong", "right"][n < 7]})
            for n in range(1, 43)
        )
    )
    made = export_model(student.path, "cross-encoder", tmp_path / "out", pairs=rows, threads=1)
    assert "averages the probabilities of 3 heads; here their margins are averaged" in made.lost[0]
    assert made.lost[1].startswith("map went from ") and "7 questions" in made.lost[2]
    card = (tmp_path / "out" / "README.md").read_text()
    assert all(each in card for each in made.lost) and "| sentence-transformers | 42 |" in card
    assert card.startswith("---\npipeline_tag: text-ranking\n")


def test_classes_that_are_not_ranked_have_a_logit_each(tmp_path: Path) -> None:
    classes = ("entailment", "neutral", "contradiction")
    student = saved(tmp_path / "artifacts", "first", classes=classes, ranking=False)
    made = export_model(student.path, "hf", tmp_path / "out", threads=1)
    run = pipeline("text-classification", model=str(tmp_path / "out"), device="cpu")
    found = {each["label"]: each["score"] for each in run({"text": PAIRS[0][0], "text_pair": PAIRS[0][1]}, top_k=None)}
    expected = reranker(student).score([PAIRS[0][0]], [PAIRS[0][1]])[0]
    assert [found[name] for name in classes] == pytest.approx(expected, abs=1e-4)
    assert made.proof is not None and [row.program for row in made.proof.rows[1:]] == [p.name for p in PROGRAMS["hf"]]


def test_folding_takes_the_mean_over_predicting_heads_and_the_margin(tmp_path: Path) -> None:
    student = Student.read(saved(tmp_path, heads=("gold", "a", "b")).path)
    student.model.predicting = [1, 2]
    logits = np.array([[[9.0, 9.0], [1.0, 2.0], [0.0, 5.0]]])  # margins 0, 1 and 5
    assert student.folded(logits).tolist() == [[3.0]]
    assert probabilities(np.array([[0.0]]), 2).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("pooling", "family", "said"),
    [
        ("mean", "bert", "--to cross-encoder is exact for it, or train it with student.pooling=first"),
        ("last", "bert", "got pooling=last, which a plain bert classifier cannot compute"),
    ],
)
def test_pooling_that_a_plain_classifier_cannot_compute_is_refused(
    tmp_path: Path, pooling: str, family: str, said: str
) -> None:
    student = saved(tmp_path / "artifacts", pooling)
    with pytest.raises(ModelError, match=said):
        export_model(student.path, "hf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_scores_that_a_program_gives_otherwise_leave_nothing_behind(tmp_path: Path) -> None:
    student = saved(tmp_path / "artifacts", "first", scale=20_000)  # beyond what a tanh can hold
    with pytest.raises(ModelError, match=r"expected transformers to score as the student does.*nothing was written"):
        export_model(student.path, "hf", tmp_path / "out", threads=1)
    assert [path.name for path in tmp_path.iterdir()] == ["artifacts"]


def test_killed_export_leaves_nothing_that_the_next_one_does_not_remove(tmp_path: Path) -> None:
    student, folder = saved(tmp_path / "artifacts"), tmp_path / "exports" / "out"
    if (child := os.fork()) == 0:
        modular.Transformer = lambda place: os._exit(9)  # where the weights are on the disk twice
        try:
            export_model(student.path, "cross-encoder", folder, verify=False, latency=False)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not folder.exists()
    export_model(student.path, "cross-encoder", folder, verify=False, latency=False)
    assert list(folder.parent.iterdir()) == [folder]
    assert not list(folder.glob("tmp*"))


def test_second_export_into_one_folder_leaves_that_of_the_first_alone(tmp_path: Path) -> None:
    student, folder = saved(tmp_path / "artifacts"), tmp_path / "out"
    with alone(folder), folder_written_whole(folder) as work:
        (work / "first").touch()
        with pytest.raises(ConfigError, match="another process writes it now"):
            export_model(student.path, "cross-encoder", folder)
    assert [path.name for path in folder.iterdir()] == ["first"]


def test_names_and_places_that_make_no_sense_are_named_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="--to: expected one of hf, cross-encoder, onnx, onnx-int8, openvino, got gguf"
    ):
        export_model(tmp_path, "gguf", tmp_path / "out")
    with pytest.raises(ConfigError, match="expected a new name but it exists"):
        export_model(tmp_path, "hf", tmp_path)
    with pytest.raises(ConfigError, match="--processor: expected one of auto, avx512_vnni, avx2, arm64, got riscv"):
        export_model(tmp_path, "onnx-int8", tmp_path / "out", processor="riscv")
    with pytest.raises(ConfigError, match="backend: expected one of auto, torch, onnx, openvino, got gguf"):
        Reranker.from_pretrained(tmp_path, backend="gguf")
    with pytest.raises(ModelError, match="Expected the folder of a trained student or teacher"):
        export_model(tmp_path, "hf", tmp_path / "out")
    found = CliRunner().invoke(app, ["export", str(tmp_path), "--to", "gguf", "--into", str(tmp_path / "out")])
    assert found.exit_code == 2 and found.stderr.startswith("tmkd: --to: expected one of")


def test_processors_file_is_named_as_sentence_transformers_looks_for_it() -> None:
    assert NAMES["avx512_vnni"] == "model_qint8_avx512_vnni.onnx" and NAMES["avx2"] == "model_quint8_avx2.onnx"
    assert chosen("arm64") == "arm64" and chosen("auto") in NAMES


def test_pairs_are_whole_questions_of_the_test_split_beside_the_artifact(tmp_path: Path) -> None:
    student = Student.read(saved(tmp_path).path)
    assert pairs_for(student, None, 10).source == "made-up texts"
    columns = {"question_id": ["b", "a", "b", "c", "c"], "question": list("vwxyz"), "passage": list("vwxyz")}
    Dataset.from_dict(columns | {"label": [0, 1, 1, 0, 1]}).save_to_disk(str(tmp_path / "task-none" / "test"))
    found = pairs_for(student, None, 4)
    assert found.questions == ["v", "w", "x"] and found.question_ids == ["b", "a", "b"]
    assert found.labels is not None and found.labels.tolist() == [0, 1, 1]
    assert found.source == "test split, the first 2 of 3 questions"
    bad = tmp_path / "bad.tsv"
    bad.write_text("question\tpassage\tlabel\na\tb\tmaybe\n")
    with pytest.raises(DataError, match=r"maybe.* \(bad rows in all: .*bad\.tsv: 1 unknown label\)\.$"):
        pairs_for(student, bad, 4)  # there is no setting that would leave it out
    bad.write_text("question\tpassage\tlabel\na\tb\tright\na\tc\t\n")
    with pytest.raises(DataError, match=r"1 of 2 have none \(line 3 is the first\)"):
        pairs_for(student, bad, 4)  # or all labels were left out, without a word
    bad.write_text("question\tpassage\tlabel\na\tb\tright\nb\tc\twrong\n")
    with pytest.raises(DataError, match=r"--pairs: expected a question with a right and a wrong passage"):
        pairs_for(student, bad, 4)
    with pytest.raises(DataError, match=r"the first 1 of 2 questions has none; .*--most-pairs"):
        pairs_for(student, bad, 1)


def test_batches_are_of_one_size_and_one_length_and_hold_every_pair_once() -> None:
    found = batches([3, 9, 5, 9, 1], 2)
    assert [places.tolist() for places in found] == [[1, 3], [2, 0], [4]]
    assert [len(places) for places in batches([7] * 20, 16)] == [10, 10]  # 16 and 4 would take longer


def test_drift_of_hand_worked_orders() -> None:
    before, after = np.array([3.0, 2.0, 1.0, 5.0, 4.0, 9.0]), np.array([2.0, 3.0, 1.0, 5.0, 4.0, 0.0])
    found = drift(before, after, ["a", "a", "a", "b", "b", "single"])
    # a: one of three pairs of passages is turned round, τ = 1/3, ρ = 1 − 6·2/(3·8) = 1/2; b: as before
    assert found == Drift(0.5, pytest.approx((1 / 3 + 1) / 2), pytest.approx(0.75), 2)
    assert drift(before[:1], after[:1], ["a"]) is None


def test_order_that_int8_turns_round_is_told_though_probabilities_are_all_1(monkeypatch: pytest.MonkeyPatch) -> None:
    margins = np.array([[60.0], [50.0], [40.0]])
    student = SimpleNamespace(ranking=True, label_kind="classes", model=SimpleNamespace(classes=["wrong", "right"]))
    monkeypatch.setattr(verification, "_student_scores", lambda *_: (probabilities(margins, 2), margins))
    monkeypatch.setattr(verification, "_scores", lambda *_: margins[::-1])
    readers = SimpleNamespace(target=ONNX_INT8, missing=[], installed=[SimpleNamespace(name="int8", most=None)])
    pairs = Pairs("a file", ["q"] * 3, ["a", "b", "c"], ["q"] * 3, np.array([0, 1, 0]))
    assert verify(student, readers, pairs, SimpleNamespace(), 1.0).order == Drift(1.0, -1.0, pytest.approx(-1.0), 1)


@pytest.mark.thorough
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_onnx_runtime_predicts_as_reranker_does_for_any_number_of_pairs_and_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pooling: str
) -> None:
    monkeypatch.setattr("tmkd.export.programs.WINDOW", 3)
    onnxruntime = pytest.importorskip("onnxruntime")
    student = saved(tmp_path / "artifacts", pooling)
    export_model(student.path, "onnx", tmp_path / "out", threads=1)
    session = onnxruntime.InferenceSession(tmp_path / "out" / "onnx" / "model.onnx")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    for pairs in (PAIRS, PAIRS[3:]):
        tokens = tokenizer(*zip(*pairs, strict=True), truncation=True, padding=True, return_tensors="np")
        found = session.run(["logits"], dict(tokens))[0]
        expected = reranker(student).predict(pairs)
        assert found.ravel() == pytest.approx(expected, abs=1e-4)
        again = Reranker.from_pretrained(tmp_path / "out", backend="onnx").predict(pairs)
        assert again == pytest.approx(expected, abs=1e-4)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["id2label"] == {"0": "right"}


@pytest.mark.thorough
def test_int8_is_refused_where_it_loses_more_than_is_allowed(tmp_path: Path, runtime: Runtime) -> None:
    pytest.importorskip("onnxruntime")
    artifact, labelled, out = saved(tmp_path / "artifacts"), tmp_path / "pairs.tsv", tmp_path / "out"
    labelled.write_text("question\tpassage\tlabel\nwhat\tamber\tright\nwhat\tbirch bark\twrong\n")
    made = export_model(artifact.path, "onnx-int8", out, pairs=labelled, most_lost=1, processor="arm64", threads=1)
    assert [path.name for path in (out / "onnx").iterdir()] == ["model_qint8_arm64.onnx"]
    assert made.proof is not None and made.proof.rows[1].difference is not None
    assert "Weights and activations have 8 bits." in made.lost
    student = Student.read(artifact.path)
    with pytest.raises(ModelError, match=r"expected int8 to lose at most -1 of map, but it fell from"):
        verify(student, Readers("onnx-int8", out), pairs_for(student, labelled, 9), runtime, most_lost=-1)
    with pytest.raises(ModelError, match="expected pairs with labels, by which to judge what int8 loses"):
        verify(student, Readers("onnx-int8", out), pairs_for(student, None, 9), runtime, most_lost=1)


@pytest.mark.thorough
def test_openvino_predicts_as_the_student_does(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    artifact = saved(tmp_path / "artifacts")
    made = export_model(artifact.path, "openvino", tmp_path / "out", threads=1)
    assert made.proof is not None and made.proof.rows[1].program == "OpenVINO"
    assert made.proof.rows[1].difference < 1e-4
    assert (tmp_path / "out" / "openvino" / "openvino_model.xml").is_file()
    student = reranker(artifact).predict(PAIRS)
    fast = Reranker.from_pretrained(tmp_path / "out", backend="openvino", precision="bf16")
    assert fast.predict(PAIRS) == pytest.approx(student, abs=5e-2)
    assert not (tmp_path / "out" / "onnx").exists()
