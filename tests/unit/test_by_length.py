"""Batches read in parts of like length: the same answers and gradients as padded to the longest, with fewer tokens."""

import numpy as np
import pytest
import torch

from tmkd.data.batching import Collator
from tmkd.losses.all_gather import SHARE
from tmkd.losses.combine import Term, gold_term
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.training.by_length import parts_of, read_by_length
from tmkd.training.learner import Learner, inputs_of

LENGTHS = [40, 5, 6, 48, 7, 8, 41, 8]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([8, 64, 8, 60, 8], [[8, 8, 8], [60, 64]]),  # 3 × 56 tokens saved
        ([56, 64, 56], [[56, 56, 64]]),  # 2 × 8
        ([64, 8], [[8, 64]]),  # 56, less than a part costs
        ([1, 17, 33, 49] * 9, [[1] * 9, [17] * 9, [33] * 9, [49] * 9]),
        ([9], [[9]]),
    ],
)
def test_part_more_must_save_what_it_costs(lengths, expected):
    parts = parts_of(np.array(lengths))
    assert [sorted(np.array(lengths)[part].tolist()) for part in parts] == expected
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(lengths)))


@pytest.fixture(params=["first", "mean"])
def model(request):
    torch.manual_seed(1)
    encoder = load_encoder(source="tiny", layers=2, width=16, dropout=0.0, attention="eager", pooling=request.param)
    return PairClassifier(encoder, ["gold", "a"], ["wrong", "right"], max_length=48)


@pytest.fixture
def batch():
    random = np.random.default_rng(1)
    rows = [
        {"input_ids": random.integers(5, 50, n).tolist(), "token_type_ids": [0] * (n // 2) + [1] * (n - n // 2),
         "label": at % 2, "questions": at // 4}
        for at, n in enumerate(LENGTHS)
    ]  # fmt: skip
    return Collator(0)(rows)


def test_parts_have_the_answers_and_gradients_of_the_whole_batch(model, batch):
    inputs = inputs_of(batch)
    assert len(parts_of(np.array(LENGTHS))) == 2
    found = []
    for output in (model(**inputs), read_by_length(model, inputs)):
        model.zero_grad()
        output.logits.square().sum().backward()
        gradients = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
        found.append((output.logits.detach(), output.gold.detach(), output.soft.detach(), gradients))
    for whole, parts in zip(*found, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)


def test_whole_questions_are_read_in_parts_unless_states_are_read_or_processes_share_them(model, batch):
    shapes = []
    model.encoder.register_forward_hook(
        lambda _, __, kwargs, ___: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    learner = Learner(model, [gold_term(1.0)])
    learner.read(batch)
    assert shapes == [(5, 8), (3, 48)]
    reads_states = Term("hint", 1.0, lambda output, *_: output.states["hidden", 1].sum(), states=[("hidden", 1)])
    pairs = {name: values for name, values in batch.items() if name != "questions"}
    for reader, other in ((Learner(model, [reads_states]), batch), (learner, pairs), (learner, batch | {SHARE: 1.0})):
        shapes.clear()
        reader.read(other)
        assert shapes == [(8, 48)]
