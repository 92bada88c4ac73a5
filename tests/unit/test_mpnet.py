"""MPNet: no token types, positions that count from the padding token, one bias of distances for all layers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from datasets import Dataset
from torch import nn

from tests.unit.tiny_mpnet import tiny_mpnet
from tmkd.data.batching import Collator, tokenise
from tmkd.export.run import export_model
from tmkd.losses import transfer
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.models.partial_forward import run_layers
from tmkd.models.states import DISTANCE
from tmkd.reranker import Reranker
from tmkd.results.states import shape_of
from tmkd.store.artifacts import MODEL, ArtifactStore
from tmkd.training.predict import predict
from tmkd.training.runtime import Runtime
from tmkd.training.trial import try_out

IDS = torch.tensor([[0, 7, 9, 2, 2, 8, 2], [0, 5, 5, 2, 2, 9, 2], [0, 6, 2, 2, 9, 2, 1]])  # 1 is padding
MASK = (IDS != 1).long()
PAIRS = [("what is amber", "amber " * 9), ("what is amber", "birch"), ("why", "a b c")]


@pytest.fixture(autouse=True)
def timed_for_no_longer_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmkd.export.latency.SECONDS", 0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_mpnet(tmp_path_factory.mktemp("mpnet") / "encoder")


def classifier(folder: Path, keep: int | None = None, **how: object) -> PairClassifier:
    torch.manual_seed(0)
    encoder = load_encoder(name=str(folder), keep=keep, **how)  # type: ignore[arg-type]
    return PairClassifier(encoder, ["gold"], ["wrong", "right"], 48).eval()


def test_student_is_the_bottom_layers_with_the_bias_of_distances(folder: Path) -> None:
    whole, cut = (load_encoder(name=str(folder), keep=keep).model.eval() for keep in (None, 3))
    assert (len(whole.encoder.layer), len(cut.encoder.layer), cut.config.num_hidden_layers) == (6, 3, 3)
    assert torch.equal(cut.encoder.relative_attention_bias.weight, whole.encoder.relative_attention_bias.weight)
    states = whole(IDS, MASK, output_hidden_states=True).hidden_states
    assert torch.allclose(cut(IDS, MASK).last_hidden_state, states[3], atol=1e-6)


def test_saved_student_scores_as_before(folder: Path, tmp_path: Path) -> None:
    model = classifier(folder, keep=3, pooling="mean")
    model.save(tmp_path / "model")
    again = PairClassifier.load(tmp_path / "model").eval()
    assert torch.equal(again(IDS, MASK).logits, model(IDS, MASK).logits)
    assert len(again.encoder.encoder.layer) == 3


def test_pairs_have_no_token_types_and_padding_changes_no_score(folder: Path, pairs: Dataset, runtime: Runtime) -> None:
    model = classifier(folder, keep=3)
    tokens = tokenise(pairs.select(range(8)), model.tokenizer, 48)
    assert "token_type_ids" not in tokens.column_names
    together = predict(model, tokens, runtime)
    alone = torch.cat([torch.as_tensor(predict(model, tokens.select([row]), runtime)) for row in range(len(tokens))])
    assert len(set(tokens["length"])) > 3  # or padding was never tried
    assert torch.allclose(torch.as_tensor(together), alone, atol=1e-5)
    try_out(model, runtime)


def test_padding_is_where_positions_are_counted_from(folder: Path, pairs: Dataset) -> None:
    # or a short pair in a long batch would be read at other positions
    model = classifier(folder)
    batch = Collator(model.tokenizer.pad_token_id)([{"input_ids": [0, 7, 2]}, {"input_ids": [0, *[7] * 9, 2]}])
    assert model.tokenizer.pad_token_id == model.encoder.embeddings.padding_idx == 1
    assert batch["input_ids"][0].tolist()[3:] == [1] * (batch["input_ids"].shape[1] - 3)


@pytest.mark.parametrize("layer", [1, 2, 6])
def test_scores_are_those_that_it_attends_with_distances_and_all(folder: Path, layer: int) -> None:
    # or a loss on attention would pull at numbers that it never uses
    model = classifier(folder, attention="eager")
    mask = torch.ones_like(IDS[:1])
    scores = model(IDS[:1], mask, states=[("scores", layer)]).states["scores", layer]
    seen = model.encoder(IDS[:1], mask, output_attentions=True).attentions[layer - 1]
    assert torch.allclose(scores.softmax(-1), seen, atol=1e-6)
    assert model.encoder.encoder.relative_attention_bias.weight.std() > 0.5  # or it would change nothing
    assert not any(module._forward_hooks for module in model.encoder.modules())


@pytest.mark.parametrize("name", transfer.TRANSFERS)
def test_every_term_on_inner_states_teaches_a_shallow_student(folder: Path, name: str) -> None:
    teacher, student = classifier(folder), classifier(folder, keep=3, dropout=0.0)
    shapes = [shape_of(model.encoder.config) for model in (student, teacher)]
    term = transfer.StateLoss(name, shapes[0], shapes[1:])
    with torch.no_grad():
        (wanted,) = term.teacher_states
        taught = teacher(IDS.flip(0), MASK, states=wanted).states
    loss = term(student(IDS, MASK, states=term.student_states), {"teacher_states": [taught], "attention_mask": MASK})
    loss.backward()
    assert torch.isfinite(loss) and loss > 0
    learnt = {
        role
        for role, weight in student.encoder.named_parameters()
        if weight.grad is not None and weight.grad.abs().sum() > 0
    }
    assert learnt, "nothing would learn"
    looks_at_scores = any(kind == "scores" for kind, _ in term.student_states)
    assert not looks_at_scores or f"encoder.{DISTANCE}.weight" in learnt


def test_layers_can_be_run_one_after_the_other(folder: Path) -> None:
    # as students with early exits are
    model = load_encoder(name=str(folder)).model.eval()
    inputs = {"input_ids": IDS, "attention_mask": MASK}
    with torch.no_grad():
        _, below = run_layers(model, inputs, 0, 2)
        last, _ = run_layers(model, inputs, 2, 6, below)
        assert torch.allclose(last, model(**inputs).last_hidden_state, atol=1e-6)


def student_of(folder: Path, store: Path, pooling: str) -> Path:
    model = classifier(folder, keep=3, pooling=pooling)
    with torch.no_grad():
        nn.init.normal_(model.heads.linear.weight, std=3.0)
    details = {"validation": {"accuracy": 0.5, "map": 0.5}}
    made = ArtifactStore(store).build(
        "stage2", {"task": "none"}, lambda work: model.save(work / MODEL) or details, "TMKD"
    )
    return made.path


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "pooling"), [("hf", "first"), ("cross-encoder", "mean")])
def test_export_of_a_shallow_student_scores_as_it_does(folder: Path, tmp_path: Path, kind: str, pooling: str) -> None:
    from sentence_transformers import CrossEncoder

    student = student_of(folder, tmp_path / "artifacts", pooling)
    export_model(student, kind, tmp_path / "out", threads=1)
    expected = Reranker.from_pretrained(student, device="cpu", precision="fp32").predict(PAIRS)
    found = CrossEncoder(str(tmp_path / "out"), device="cpu").predict(PAIRS)
    assert found == pytest.approx(expected, abs=1e-4)
    assert len(set(found.round(4))) == len(PAIRS)


@pytest.mark.thorough
def test_graph_of_a_shallow_student_scores_as_it_does(folder: Path, tmp_path: Path) -> None:
    # of batches and lengths other than those that it was traced with
    student = student_of(folder, tmp_path / "artifacts", "mean")
    export_model(student, "onnx", tmp_path / "out", threads=1)
    expected = Reranker.from_pretrained(student, device="cpu", precision="fp32").predict(PAIRS)
    graph = Reranker.from_pretrained(tmp_path / "out", backend="onnx")
    assert graph.predict(PAIRS) == pytest.approx(expected, abs=1e-4)
    assert graph.predict(PAIRS[1:2]) == pytest.approx(expected[1:2], abs=1e-4)
