"""Peers: what they learn from each other, and that apart from it each is trained as it would be alone."""

import dataclasses
import functools
import math
import sys

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

from tmkd.data.batching import Collator, PairDataset, tokenise
from tmkd.data.questions import Questions
from tmkd.distributed import Processes
from tmkd.errors import DataError
from tmkd.losses.combine import gold_term, soft_term
from tmkd.losses.online import codistillation, mutual
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.models.tiny import letter_tokenizer
from tmkd.training import callbacks
from tmkd.training.codistillation import Meet
from tmkd.training.fit import fit, train
from tmkd.training.learner import Learner
from tmkd.training.peers import Exchange, PeerCollator, PeerLearner, PeerPairs, RefreshCopies, copies_of
from tmkd.training.predict import predict

SETTINGS = {
    "what": "test", "seed": 3, "learning_rate": 3e-3, "batch_size": 8, "epochs": 3,
    "warmup": 0.1, "weight_decay": 0.01, "max_grad_norm": 1.0, "schedule": "linear",
}  # fmt: skip
BOTH = [[1], [0]]


# -- losses


@pytest.fixture
def logits():
    draw = np.random.default_rng(5).normal(scale=2, size=(6, 4, 3))
    return torch.tensor(draw[:, 0]), torch.tensor(draw[:, 1:])


def test_mutual_is_what_it_is_by_hand():
    # me (1/2, 1/2), peer (3/4, 1/4): KL(peer ‖ me) = 3/4 log(3/2) + 1/4 log(1/2)
    found = mutual(torch.zeros(1, 2), torch.tensor([[[math.log(3), 0.0]]]))
    assert found.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))


def test_codistillation_is_what_it_is_by_hand():
    # peers (3/4, 1/4) and (1/4, 3/4) predict (1/2, 1/2) together; me (1/4, 3/4)
    theirs = torch.tensor([[[math.log(3), 0.0], [0.0, math.log(3)]]])
    found = codistillation(torch.tensor([[0.0, math.log(3)]]), theirs)
    assert found.item() == pytest.approx(-0.5 * math.log(0.25) - 0.5 * math.log(0.75))


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_losses_are_what_scipy_makes_of_the_formulas(logits, temperature):
    mine, theirs = logits
    q, p = softmax(mine / temperature, axis=-1), softmax(theirs / temperature, axis=-1)
    each = [entropy(p[row, peer], q[row]) for row in range(6) for peer in range(3)]
    assert mutual(mine, theirs, temperature).item() == pytest.approx(temperature**2 * np.mean(each), rel=1e-5)
    mean = p.mean(axis=1)
    crossed = [entropy(mean[row]) + entropy(mean[row], q[row]) for row in range(6)]
    found = codistillation(mine, theirs, temperature)
    assert found.item() == pytest.approx(temperature**2 * np.mean(crossed), rel=1e-5)


@pytest.mark.parametrize("loss", [mutual, codistillation])
def test_peers_that_agree_have_nothing_to_learn(loss, logits):
    mine = logits[0].requires_grad_()
    value = loss(mine, (logits[0].detach() + 3.0).unsqueeze(1).expand(6, 2, 3), 2.0)  # a shift of all logits is none
    value.backward()
    torch.testing.assert_close(mine.grad, torch.zeros_like(mine), atol=1e-6, rtol=0)
    assert loss is codistillation or value.item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("loss", [mutual, codistillation])
def test_gradient_goes_towards_the_others_and_never_into_them(loss, logits):
    mine, theirs = logits[0].requires_grad_(), logits[1].requires_grad_()
    loss(mine, theirs).backward()
    assert theirs.grad is None
    expected = (torch.softmax(mine.detach(), -1) - torch.softmax(theirs.detach(), -1).mean(1)) / 6
    torch.testing.assert_close(mine.grad, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("loss", [mutual, codistillation])
def test_order_of_batch_and_peers_is_no_matter(loss, logits):
    mine, theirs = logits
    rows, peers = torch.randperm(6), torch.tensor([2, 0, 1])
    assert loss(mine[rows], theirs[rows][:, peers]).item() == pytest.approx(loss(mine, theirs).item(), rel=1e-5)


@pytest.mark.parametrize("loss", [mutual, codistillation])
def test_logits_of_other_classes_or_of_no_peer_are_refused(loss):
    for theirs in (torch.zeros(4, 1, 3), torch.zeros(4, 0, 2), torch.zeros(4, 2), torch.zeros(3, 1, 2)):
        with pytest.raises(ValueError, match=r"expected logits \[batch, classes\]"):
            loss(torch.zeros(4, 2), theirs)


# -- training


@pytest.fixture
def tokens(pairs):
    return tokenise(pairs, letter_tokenizer(), 48)


def students(dropout=0.0, sizes=((2, 16), (1, 24))):
    torch.manual_seed(1)
    return [
        PairClassifier(
            load_encoder(source="tiny", layers=layers, width=width, dropout=dropout, attention="eager"),
            ["gold", "a"],
            ["wrong", "right"],
            max_length=48,
        )
        for layers, width in sizes
    ]


def terms():
    return [gold_term(0.5), soft_term(0.5, "mse", 1.0)]


def targets(tokens):
    return np.tile(np.array([[[-1.0, 1.0]]], dtype=np.float32), (len(tokens), 1, 1))


def exchange(models, kind, weight=1.0, sources=BOTH):
    if kind == "codistillation":
        return Exchange(codistillation, weight, sources, copies_of(models), [0] * len(models))
    return Exchange(mutual, weight, sources)


def train_peers(models, tokens, scratch, runtime, learnt=None, every=4, **changes):
    learner = PeerLearner([Learner(model, terms()) for model in models], [0] * len(models), learnt)
    extra = [RefreshCopies(lambda: learnt.refresh(learner.student), every)] if learnt and learnt.copies else []
    return train(
        learner,
        PeerPairs([PairDataset(tokens, targets(tokens))]),
        PeerCollator([Collator(models[0].tokenizer.pad_token_id)]),
        scratch=scratch,
        runtime=runtime,
        callbacks=extra,
        **(SETTINGS | changes),
    )


def weights(*models):
    return torch.cat([parameter.detach().flatten() for model in models for parameter in model.parameters()])


def test_peers_that_do_not_learn_from_each_other_end_as_they_would_alone(tokens, runtime, tmp_path):
    alone = students()
    settings = SETTINGS | {"scratch": tmp_path / "alone", "runtime": runtime}
    for number, model in enumerate(alone):
        pairs = PairDataset(tokens, targets(tokens))
        fit(model, pairs, terms(), **settings | {"scratch": tmp_path / str(number)})
    together = students()
    learner = PeerLearner([Learner(model, terms()) for model in together], [0, 0])
    pairs = PeerPairs([PairDataset(tokens, targets(tokens))])
    train(learner, pairs, PeerCollator([Collator(together[0].tokenizer.pad_token_id)]), **settings)
    for one, other in zip(alone, together):
        assert torch.equal(weights(one), weights(other))


def test_large_gradient_of_one_peer_does_not_shrink_anothers(tokens, runtime, tmp_path):
    made = []
    for weight in (1.0, 1000.0):
        models = students()
        learner = PeerLearner([Learner(models[0], terms()), Learner(models[1], [gold_term(weight)])], [0, 0])
        pairs = PeerPairs([PairDataset(tokens, targets(tokens))])
        collate = PeerCollator([Collator(models[0].tokenizer.pad_token_id)])
        train(learner, pairs, collate, scratch=tmp_path / str(weight), runtime=runtime, **SETTINGS)
        made.append(weights(models[0]))
    assert torch.equal(*made)


@pytest.mark.parametrize("kind", ["mutual", "codistillation"])
def test_peers_of_opposite_opinions_come_nearer_to_each_other(tokens, runtime, tmp_path, kind):
    models = students()
    for model, bias in zip(models, ([2.0, -2.0], [-2.0, 2.0])):
        with torch.no_grad():
            model.heads.linear.bias[:2] = torch.tensor(bias)

    def apart():
        one, two = (softmax(predict(model, tokens, runtime)[:, 0], axis=-1) for model in models)
        return np.abs(one - two).mean()

    before = apart()
    train_peers(models, tokens, tmp_path, runtime, exchange(models, kind), learning_rate=2e-2, epochs=2)
    assert apart() < 0.5 * before


def test_one_direction_leaves_the_first_as_it_would_be_alone(tokens, runtime, tmp_path):
    models, other = students(), students()
    train_peers(models, tokens, tmp_path / "down", runtime, exchange(models, "mutual", sources=[[], [0]]))
    train_peers(other, tokens, tmp_path / "apart", runtime)
    assert torch.equal(weights(models[0]), weights(other[0]))
    assert not torch.equal(weights(models[1]), weights(other[1]))


@pytest.mark.parametrize("kind", ["mutual", "codistillation"])
def test_burn_in_to_the_end_is_no_distillation(tokens, runtime, tmp_path, kind):
    models, other = students(), students()
    late = exchange(models, kind, lambda progress: float(progress >= 1.0))
    train_peers(models, tokens, tmp_path / "late", runtime, late)
    train_peers(other, tokens, tmp_path / "apart", runtime)
    assert torch.equal(weights(*models), weights(*other))


def test_copies_are_as_old_as_the_last_refresh_and_are_not_trained(tokens, runtime, tmp_path):
    models = students(dropout=0.1)
    learnt = exchange(models, "codistillation")
    peers, copies, modes = [], [], []

    class Watch(callbacks.Progress):
        def on_step_end(self, args, state, control, **_):
            peers.append(weights(*models).clone())
            copies.append(weights(*learnt.copies).clone())
            modes.append(any(stale.training for stale in learnt.copies))

    start = weights(*models).clone()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tmkd.training.fit.Progress", Watch)
        train_peers(models, tokens, tmp_path, runtime, learnt, every=4, epochs=2)
    assert len(copies) == 12 and not any(modes)
    for step, seen in enumerate(copies):
        refreshed = step - step % 4
        assert torch.equal(seen, peers[refreshed - 1] if refreshed else start)


@pytest.mark.parametrize("kind", ["mutual", "codistillation"])
@pytest.mark.parametrize("die_at", [4, 9, 17])
def test_killed_training_ends_with_the_weights_of_one_that_was_not(tokens, runtime, tmp_path, killed_at, kind, die_at):
    # With dropout, so that the random state must come back; steps 9 and 17 lie between two refreshes, every 4 steps.
    def judge(models):
        return lambda _: {"map": -float(np.mean([np.abs(predict(m, tokens, runtime)[:, 1, 1] - 0.4) for m in models]))}

    whole = students(dropout=0.1)
    facts = train_peers(whole, tokens, tmp_path / "whole", runtime, exchange(whole, kind), validate=judge(whole))
    killed = students(dropout=0.1)
    with killed_at(die_at) as often:
        train_peers(killed, tokens, tmp_path / "killed", often, exchange(killed, kind), validate=judge(killed))
    resumed = students(dropout=0.1)
    torch.manual_seed(99)  # whatever state the new process is in
    again = train_peers(resumed, tokens, tmp_path / "killed", often, exchange(resumed, kind), validate=judge(resumed))
    for timed in (again, facts):
        timed.pop("cost", None)
    assert again.pop("loss") == pytest.approx(facts.pop("loss"), rel=1e-6)  # summed in other portions
    assert again == facts
    assert torch.equal(weights(*resumed), weights(*whole))


def test_loss_of_an_epoch_has_all_its_steps_where_a_process_a_peer_was_killed(tokens, runtime, tmp_path, killed_at):
    # It was that of the steps after the checkpoint alone, of which the run that went on knew.
    class Alone(Processes):
        def broadcast_object(self, what=None):
            return what

    meet = functools.partial(Meet, Alone(0, 1, 0), lambda: None, every=4, seconds=0)
    rarely = dataclasses.replace(runtime, checkpoint_seconds=sys.maxsize)

    def trained(folder):
        [model] = students(sizes=[(2, 16)])
        pairs = PairDataset(tokens, targets(tokens))
        return fit(model, pairs, terms(), scratch=tmp_path / folder, runtime=rarely, callbacks=[meet()], **SETTINGS)

    whole = trained("whole")
    with killed_at(6):  # an epoch's last step; the checkpoint is of the one before
        trained("killed")
    assert callbacks.last_whole_checkpoint(tmp_path / "killed") == str(tmp_path / "killed" / "checkpoint-5")
    assert trained("killed")["loss"] == pytest.approx(whole["loss"], rel=1e-6)


def test_peers_with_tokenizers_of_their_own_meet_the_same_pairs(pairs, tokens, runtime, tmp_path):
    short = tokenise(pairs, letter_tokenizer(), 12)
    joined = PeerPairs([PairDataset(tokens), PairDataset(short)])
    pad = letter_tokenizer().pad_token_id
    batch = PeerCollator([Collator(pad), Collator(pad)])([joined[5], joined[40]])
    long, cut = batch["views"]
    assert long["labels"].tolist() == cut["labels"].tolist() == [pairs["label"][5], pairs["label"][40]]
    assert cut["attention_mask"].sum(1).max() <= 12 < long["attention_mask"].sum(1).min()
    assert long["input_ids"][0, : len(tokens["input_ids"][5])].tolist() == tokens["input_ids"][5]
    assert cut["input_ids"][1, : len(short["input_ids"][40])].tolist() == short["input_ids"][40]


def test_peers_meet_whole_questions_in_every_view(tokens, runtime, tmp_path):
    questions, seen = Questions(np.arange(48) // 6), []

    class Watched(PeerCollator):
        def __call__(self, rows):
            batch = super().__call__(rows)
            seen.append([view["questions"].tolist() for view in batch["views"]])
            return batch

    models = students()
    train(
        PeerLearner([Learner(model, [gold_term(1.0)]) for model in models], [0, 1]),
        PeerPairs([PairDataset(tokens, questions=questions), PairDataset(tokens, questions=questions)]),
        Watched([Collator(model.tokenizer.pad_token_id) for model in models]),
        scratch=tmp_path,
        runtime=runtime,
        **(SETTINGS | {"epochs": 1, "group_size": 4, "batch_questions": 2}),
    )
    assert all(one == other for one, other in seen)
    asked = [np.unique(one, return_counts=True) for one, _ in seen]
    assert sorted(number for numbers, _ in asked for number in numbers) == list(range(8))
    assert all(counts.tolist() == [4, 4] for _, counts in asked)


def test_views_of_other_pairs_are_refused(tokens):
    with pytest.raises(DataError, match="from row 1 on view 2 has others"):
        PeerPairs([PairDataset(tokens), PairDataset(tokens.select(range(47, -1, -1)))])
    with pytest.raises(DataError, match=r"from row 48 on view 2 .*47 pairs, not 48"):
        PeerPairs([PairDataset(tokens), PairDataset(tokens.select(range(47)))])
