"""Training: it learns, keeps its best epoch, stops at nonsense, and goes on from a kill as if nothing had happened."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
import torch

from tmkd.data.batching import PairDataset, tokenise
from tmkd.data.questions import Questions
from tmkd.errors import TmkdError, TrainingDiverged
from tmkd.losses.combine import Term, gold_term, soft_term
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.training import callbacks
from tmkd.training.callbacks import loss_of_epochs
from tmkd.training.fit import fit
from tmkd.training.learner import Learner
from tmkd.training.predict import predict
from tmkd.training.teacher_states import read_states

SETTINGS = {
    "what": "test", "seed": 3, "learning_rate": 3e-3, "batch_size": 8, "epochs": 3,
    "warmup": 0.1, "weight_decay": 0.01, "max_grad_norm": 1.0, "schedule": "linear",
}  # fmt: skip


def new_model(dropout=0.1):
    torch.manual_seed(1)
    encoder = load_encoder(source="tiny", layers=2, width=16, dropout=dropout, attention="eager")
    return PairClassifier(encoder, ["gold", "a"], ["wrong", "right"], max_length=48)


@pytest.fixture
def tokens(pairs, encoder):
    return tokenise(pairs, encoder.tokenizer, 48)


def train(model, tokens, scratch, runtime, terms=None, **changes):
    soft = np.tile(np.array([[[-1.0, 1.0]]], dtype=np.float32), (len(tokens), 1, 1))
    terms = terms or [gold_term(0.5), soft_term(0.5, "mse", 1.0)]
    return fit(model, PairDataset(tokens, soft), terms, scratch=scratch, runtime=runtime, **(SETTINGS | changes))


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_soft_head_learns_its_targets(tokens, runtime, tmp_path):
    model = new_model()
    train(model, tokens, tmp_path, runtime, epochs=6)
    assert np.abs(predict(model, tokens, runtime)[:, 1] - [-1.0, 1.0]).mean() < 0.3


def test_same_seed_gives_the_same_weights_and_another_seed_others(tokens, runtime, tmp_path):
    made = []
    for number, seed in enumerate((3, 3, 4)):
        model = new_model()
        train(model, tokens, tmp_path / str(number), runtime, seed=seed)
        made.append(weights(model))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@pytest.mark.parametrize("die_at", [4, 9, 17])
def test_killed_training_ends_with_the_weights_of_one_that_was_not(tokens, runtime, tmp_path, killed_at, die_at):
    # With dropout, so that the random state must come back too; 6 steps an epoch, so that it dies in each of the three.
    judged = []

    def validate(model):
        judged.append(float(weights(model).sum()))
        return {"map": -float(np.abs(predict(model, tokens, runtime)[:, 1, 1] - 0.4).mean())}

    whole = new_model()
    facts = train(whole, tokens, tmp_path / "whole", runtime, validate=validate)
    with killed_at(die_at) as every_step:
        train(new_model(), tokens, tmp_path / "killed", every_step, validate=validate)
    assert list((tmp_path / "killed").glob("checkpoint-*"))
    resumed = new_model()
    torch.manual_seed(99)  # whatever state the new process is in
    again = train(resumed, tokens, tmp_path / "killed", every_step, validate=validate)
    assert again.pop("cost").keys() == facts.pop("cost").keys() == {"seconds", "peak_bytes"}
    assert again.pop("loss") == pytest.approx(facts.pop("loss"), rel=1e-6)  # summed in other portions
    assert again == facts
    assert torch.equal(weights(resumed), weights(whole))


def train_groups(model, tokens, scratch, runtime, seen=None, **changes):
    """Train on groups of three of each question's six pairs: one right one and two wrong ones, drawn every epoch."""
    questions = Questions(np.arange(48) // 6, np.array(tokens["label"]) == 1)

    class Watched(PairDataset):
        def __getitems__(self, indices):
            if seen is not None:
                seen.append(list(indices))
            return super().__getitems__(indices)

    def gold(output, batch, progress):
        assert batch["questions"].shape == (6,) and batch["questions"].dtype == torch.int64
        assert batch["questions"].unique(return_counts=True)[1].tolist() == [3, 3]
        assert batch["labels"].sum() == 2
        return torch.nn.functional.cross_entropy(output.gold, batch["labels"])

    settings = SETTINGS | {"group_size": 3, "batch_questions": 2, "epochs": 2} | changes
    pairs = Watched(tokens, questions=questions)
    return fit(model, pairs, [Term("gold", 1.0, gold)], scratch=scratch, runtime=runtime, **settings)


def test_killed_training_of_whole_questions_meets_the_same_batches_again(tokens, runtime, tmp_path, killed_at):
    seen, before, after = [], [], []  # with dropout; the kill is in the second epoch
    whole = new_model()
    facts = train_groups(whole, tokens, tmp_path / "whole", runtime, seen)
    assert facts["steps"] == len(seen) == 2 * 4
    assert sorted(seen[:4]) != sorted(seen[4:8])
    with killed_at(6) as every_step:
        train_groups(new_model(), tokens, tmp_path / "killed", every_step, before)
    resumed = new_model()
    torch.manual_seed(99)
    train_groups(resumed, tokens, tmp_path / "killed", every_step, after)
    assert before == seen[:6] and after == seen[5:]  # the sixth step was not saved any more
    assert torch.equal(weights(resumed), weights(whole))


def test_questions_that_are_not_known_are_refused(tokens, runtime, tmp_path):
    with pytest.raises(ValueError, match="expected pairs whose questions are known"):
        train(new_model(), tokens, tmp_path, runtime, group_size=2)


def test_half_written_checkpoint_is_passed_over(tmp_path):
    for step, whole in ((5, True), (9, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if whole:
            (folder / callbacks.WHOLE).touch()
    assert callbacks.last_whole_checkpoint(tmp_path) == str(tmp_path / "checkpoint-5")
    assert not (tmp_path / "checkpoint-9").exists()


def test_best_epoch_is_kept_and_not_the_last(tokens, runtime, tmp_path):
    scores = iter([0.1, 0.7, 0.3])
    kept = []

    def validate(model):
        kept.append(weights(model).clone())
        return {"map": next(scores)}

    model = new_model()
    facts = train(model, tokens, tmp_path, runtime, validate=validate)
    assert facts["best_epoch"] == 2
    assert facts["validation"] == [0.1, 0.7, 0.3]
    assert torch.equal(weights(model), kept[1])
    assert not torch.equal(weights(model), kept[2])


@pytest.mark.parametrize(("scores", "best"), [([0.8, 0.1, 0.7, 0.3], 0), ([0.2, 0.1, 0.7, 0.3], 2)])
def test_start_is_kept_where_no_epoch_is_better(tokens, runtime, tmp_path, scores, best):
    # What stage 1 has learnt would be lost to a stage 2 that only makes it worse.
    left, kept = iter(scores), []

    def validate(model):
        kept.append(weights(model).clone())
        return {"map": next(left)}

    model = new_model()
    facts = train(model, tokens, tmp_path, runtime, validate=validate, start_competes=True)
    assert facts["best_epoch"] == best
    assert facts["validation_before"] == scores[0]
    assert facts["validation"] == scores[1:]
    assert torch.equal(weights(model), kept[best])


def test_start_competes_once_where_training_was_killed(tokens, runtime, tmp_path, killed_at):
    def validate(model):
        return {"map": -float(np.abs(predict(model, tokens, runtime)[:, 1, 1] - 0.4).mean())}

    whole = train(new_model(), tokens, tmp_path / "whole", runtime, validate=validate, start_competes=True)
    with killed_at(9) as every_step:
        train(new_model(), tokens, tmp_path / "killed", every_step, validate=validate, start_competes=True)
    assert list((tmp_path / "killed").glob("checkpoint-*"))
    again = train(new_model(), tokens, tmp_path / "killed", every_step, validate=validate, start_competes=True)
    del whole["cost"], again["cost"]
    assert again.pop("loss") == pytest.approx(whole.pop("loss"), rel=1e-6)
    assert again == whole
    assert len(again["validation"]) == 3


@pytest.mark.parametrize(
    ("logged", "losses"),
    [
        ([(2, 4.0), (3, 1.0), (5, 1.0), (6, 0.5)], [3.0, 2.5 / 3]),  # the end of an epoch is its own
        ([], []),
    ],
)
def test_loss_of_an_epoch_is_the_mean_of_its_steps(logged, losses):
    history = [{"loss": loss, "step": step, "epoch": step / 3} for step, loss in logged]
    assert loss_of_epochs([*history, {"eval_map": 0.5, "step": 3, "epoch": 1.0}]) == losses


def test_loss_of_an_epoch_is_that_of_all_its_steps_and_no_other(tokens, runtime, tmp_path, killed_at, monkeypatch):
    # It was what ten steps had, wherever they began: with epochs of seven steps, nothing at all.
    steps, compute = [], Learner.forward

    def watched(self, *args, **kwargs):
        found = compute(self, *args, **kwargs)
        steps.append(found["loss"].item())
        return found

    monkeypatch.setattr(Learner, "forward", watched)
    facts = train(new_model(), tokens, tmp_path / "whole", runtime, epochs=2)
    each = len(steps) // 2
    assert facts["loss"] == pytest.approx([np.mean(steps[:each]), np.mean(steps[each:])], rel=1e-5)
    with killed_at(each + 2) as every_step:
        train(new_model(), tokens, tmp_path / "killed", every_step, epochs=2)
    again = train(new_model(), tokens, tmp_path / "killed", every_step, epochs=2)
    assert again["loss"] == pytest.approx(facts["loss"], rel=1e-5)


def test_patience_stops_after_so_many_epochs_without_a_better_one(tokens, runtime, tmp_path):
    scores = iter([0.5, 0.4, 0.3, 0.9])
    facts = train(
        new_model(), tokens, tmp_path, runtime, epochs=4, patience=2, validate=lambda model: {"map": next(scores)}
    )
    assert facts["validation"] == [0.5, 0.4, 0.3]


def test_loss_that_is_no_number_stops_and_says_at_which_step(tokens, runtime, tmp_path):
    steps = []

    def breaks(output, batch, progress):
        steps.append(1)
        return output.logits.sum() * (float("nan") if len(steps) == 4 else 0.0)

    with pytest.raises(TrainingDiverged, match=r"nan at step 4 .*lower learning rate"):
        train(new_model(), tokens, tmp_path, runtime, terms=[Term("broken", 1.0, breaks)])


@pytest.mark.parametrize("score", [predict, lambda *given: read_states(given[0], given[1], [("first", 1)], given[2])])
def test_too_little_memory_to_score_is_one_sentence(tokens, runtime, without_memory, score):
    model = new_model()
    without_memory(model)
    with pytest.raises(TmkdError, match=r"no memory for a batch of 8; lower runtime\.score_batch"):
        score(model, tokens, runtime)


def test_bf16_scores_are_near_those_of_float32(tokens, runtime):
    model = new_model(dropout=0.0)
    half = type(runtime)(**{**runtime.__dict__, "bf16": True})
    np.testing.assert_allclose(predict(model, tokens, half), predict(model, tokens, runtime), atol=0.05)


def test_weights_that_the_last_step_breaks_are_told(tokens, runtime, tmp_path):
    # no later loss would show it, and whatever the model says would go on as NaN
    with pytest.raises(TrainingDiverged, match=r"the weights are no longer finite after 1 steps; try a lower"):
        train(new_model(), tokens, tmp_path, runtime, epochs=1, batch_size=48, learning_rate=1e39, warmup=0.0)


def test_weights_that_are_no_numbers_are_in_no_checkpoint(tokens, runtime, tmp_path):
    # on a GPU steps pass before a loss is looked at, and whoever went on from there would end there again
    every_step = dataclasses.replace(runtime, checkpoint_seconds=0)
    with pytest.raises(TrainingDiverged, match=r"test: the weights are no longer finite after 1 steps; try a lower"):
        train(new_model(), tokens, tmp_path, every_step, learning_rate=1e39, warmup=0.0)
    assert callbacks.last_whole_checkpoint(tmp_path) is None


@pytest.mark.parametrize("patience", [0, 2])
def test_epochs_of_one_step_leave_checkpoints_and_a_kill_changes_nothing(
    tokens, runtime, killed_at, tmp_path, patience
):
    wanted = iter([0.5, 0.6, 0.4, 0.3, 0.7, 0.8] * 2)

    def learn(folder, runtime, values):
        model = new_model(dropout=0.1)
        how = {"batch_size": 48, "epochs": 6, "patience": patience, "metric": "map"}
        facts = train(model, tokens, folder, runtime, validate=lambda _: {"map": next(values)}, **how)
        return facts["best_epoch"], facts["validation"], model.state_dict()

    alone = learn(tmp_path / "alone", runtime, iter([0.5, 0.6, 0.4, 0.3, 0.7, 0.8]))
    with killed_at(4) as often:
        learn(tmp_path / "killed", often, wanted)
    assert callbacks.last_whole_checkpoint(tmp_path / "killed").endswith("checkpoint-3")
    again = learn(tmp_path / "killed", runtime, iter([0.3, 0.7, 0.8]))
    assert again[:2] == alone[:2]
    assert all(torch.equal(again[2][name], value) for name, value in alone[2].items())


def test_learner_goes_with_its_training(tokens, runtime, tmp_path, monkeypatch):
    # in bf16 accelerate makes it refer to itself: on a GPU its weights would stay beside the next model's
    made = []

    class Kept(Learner):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(weakref.ref(self))

    monkeypatch.setattr("tmkd.training.fit.Learner", Kept)
    gc.disable()  # which would find the circle, at some time
    try:
        train(new_model(), tokens, tmp_path, dataclasses.replace(runtime, bf16=True), epochs=1)
        assert made[0]() is None
    finally:
        gc.enable()


def test_scores_that_are_not_numbers_are_told(tokens, runtime):
    # a metric of NaN would choose the best epoch, and soft labels of NaN be learnt
    model = new_model()
    with torch.no_grad():
        model.heads.linear.weight[0] = float("nan")
    with pytest.raises(TrainingDiverged, match=r"scores are not finite .*try a lower learning rate"):
        predict(model, tokens, runtime)
