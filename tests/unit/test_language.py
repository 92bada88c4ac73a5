"""DistilBERT's parts: masks, the triple loss, the head, no token types, a training that survives a kill."""

import math

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers import BertConfig, BertForMaskedLM, BertModel, GPT2Config, GPT2Model

from tmkd.data.batching import tokenise
from tmkd.data.masking import MaskedCollator, MaskedPairs, mask_tokens
from tmkd.data.splits import held_out
from tmkd.errors import DamagedArtifact, DataError, ModelError, TmkdError
from tmkd.losses.language import (
    UNMASKED,
    distilbert_terms,
    masked_cross_entropy,
    masked_kl,
    masked_language_term,
    mean_over_masked,
)
from tmkd.models.bilstm import word_tokenizer
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.models.language import LanguageModel, head_of, pretrained_head
from tmkd.models.tiny import letter_tokenizer
from tmkd.models.token_types import drop_token_types
from tmkd.training.fit import train
from tmkd.training.language import LanguageLearner, Remask, masked_accuracy

SETTINGS = {
    "what": "test", "seed": 3, "learning_rate": 3e-3, "batch_size": 8, "epochs": 3,
    "warmup": 0.1, "weight_decay": 0.01, "max_grad_norm": 1.0, "schedule": "linear",
}  # fmt: skip
WEIGHTS = {"kl": 5.0, "mlm": 2.0, "cos": 1.0, "temperature": 2.0}
SPECIAL, MASK, VOCABULARY = np.array([0, 1, 2, 3, 4]), 4, 1000


def masked(tokens, seed=0, share=0.15):
    random = np.random.default_rng(seed)
    return mask_tokens(tokens, random, share=share, special=SPECIAL, mask=MASK, vocabulary=VOCABULARY)


def new_model(seed=1, layers=2, dropout=0.0, **more):
    torch.manual_seed(seed)
    return LanguageModel(load_encoder(source="tiny", layers=layers, width=16, dropout=dropout, seed=seed, **more))


@pytest.fixture
def tokens(pairs, encoder):
    return tokenise(pairs, encoder.tokenizer, 48).select_columns(["id", "input_ids", "length"])


@pytest.fixture
def text(tokens, encoder):
    return MaskedPairs(tokens, encoder.tokenizer, 0.15, seed=5)


def batch_of(text, indices, extra=0):
    """A batch, padded by so many tokens more than it need be."""
    batch = MaskedCollator(0)([text[index] for index in indices])
    fill = {"input_ids": 0, "attention_mask": 0, "masked": UNMASKED}
    return {name: nn.functional.pad(batch[name], (0, extra), value=fill[name]) for name in fill}


# masks


@pytest.mark.parametrize("length", [7, 11, 40])
def test_share_of_masked_tokens_is_the_one_asked_for(length):
    # or short pairs, of which a few tokens are masked, would have too many or too few
    tokens = np.arange(10, 10 + length)
    found = np.mean([(masked(tokens, seed)[1] != UNMASKED).mean() for seed in range(6000)])
    assert found == pytest.approx(0.15, abs=0.005)


def test_four_in_five_masked_tokens_are_hidden_one_is_another_and_one_stays():
    tokens = np.random.default_rng(1).integers(10, VOCABULARY, 200_000)
    read, wanted = masked(tokens)
    told = wanted != UNMASKED
    assert np.array_equal(wanted[told], tokens[told])
    assert np.array_equal(read[~told], tokens[~told])
    hidden, kept = read[told] == MASK, read[told] == tokens[told]
    assert hidden.mean() == pytest.approx(0.8, abs=0.01)
    assert kept.mean() == pytest.approx(0.1, abs=0.01)
    assert (~hidden & ~kept).mean() == pytest.approx(0.1, abs=0.01)
    others = read[told][~hidden & ~kept]
    assert others.min() < VOCABULARY // 10 and others.max() > VOCABULARY * 9 // 10


def test_special_tokens_and_padding_are_never_masked(tokens, encoder):
    text = MaskedPairs(tokens, encoder.tokenizer, 1.0, seed=5)  # everything that may be
    batch = batch_of(text, [0, 5, 8])
    real = MaskedCollator(0)([{**tokens[index], "masked": np.empty(0, int)} for index in (0, 5, 8)])["input_ids"]
    special = torch.isin(real, torch.tensor(encoder.tokenizer.all_special_ids))
    assert (real[batch["attention_mask"] == 0] == 0).all()
    assert (batch["masked"][special] == UNMASKED).all()
    assert (batch["input_ids"][special] == real[special]).all()
    assert (batch["masked"][~special] == real[~special]).all()


def test_masks_are_those_of_seed_epoch_and_pair_whatever_was_read_before(tokens, encoder, text):
    # or a resumed run would go on with other masks than one that was not killed
    again = MaskedPairs(tokens, encoder.tokenizer, 0.15, seed=5)
    for index in (40, 3, 17):
        again[index]
    found = {index: again[index]["masked"].tolist() for index in reversed(range(len(tokens)))}
    assert found == {index: text[index]["masked"].tolist() for index in range(len(tokens))}
    text.epoch = 1
    assert sum(found[index] != text[index]["masked"].tolist() for index in found) > len(found) / 2
    other = MaskedPairs(tokens, encoder.tokenizer, 0.15, seed=6)
    assert sum(found[index] != other[index]["masked"].tolist() for index in found) > len(found) / 2


def test_short_pair_has_a_masked_token_and_one_of_special_tokens_has_none():
    for seed in range(20):
        assert (masked(np.array([2, 50, 3]), seed)[1] != UNMASKED).tolist() == [False, True, False]
    read, wanted = masked(np.array([2, 1, 3]))
    assert read.tolist() == [2, 1, 3] and (wanted == UNMASKED).all()


def test_text_that_cannot_be_masked_is_refused(tokens):
    with pytest.raises(DataError, match="expected text to mask"):
        MaskedPairs(tokens.select([]), letter_tokenizer(), 0.15, seed=1)
    with pytest.raises(ValueError, match="a mask token"):
        MaskedPairs(tokens, word_tokenizer(["some words"], 5), 0.15, seed=1)


def test_no_text_is_both_learnt_and_held_out():
    rows = Dataset.from_dict({"passage": [f"passage {number % 300}" for number in range(1200)]})
    learnt, held = held_out(rows, "passage", 0.2)
    assert sorted([*learnt, *held]) == list(range(1200))
    assert not set(rows[learnt]["passage"]) & set(rows[held]["passage"])
    assert len(held) / 1200 == pytest.approx(0.2, abs=0.06)
    assert len(held_out(rows, "passage", 0.0)[1]) == 0


# losses


def test_cross_entropy_of_masked_tokens_by_hand():
    logits = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])
    expected = [-math.log(3 / 4), -math.log(1 / 2)]
    costs = masked_cross_entropy(logits, torch.tensor([1, 0]))
    assert costs.tolist() == pytest.approx(expected, abs=1e-6)
    assert mean_over_masked(costs, {}).item() == pytest.approx(sum(expected) / 2, abs=1e-6)


def test_kl_of_masked_tokens_by_hand_and_with_its_temperature():
    # at T = 2 the teacher says 3/4, 1/4 and the student 1/2, 1/2
    teacher, student = torch.tensor([[2 * math.log(3), 0.0]]), torch.zeros(1, 2)
    expected = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert masked_kl(student, teacher, 2.0).tolist() == pytest.approx([expected], abs=1e-6)


def test_kl_is_zero_where_both_agree_and_cross_entropy_where_it_is_sure():
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(1))
    assert masked_kl(logits, logits + 3, 2.0).tolist() == pytest.approx([0] * 5, abs=1e-5)
    assert masked_cross_entropy(100 * torch.eye(3), torch.arange(3)).tolist() == pytest.approx([0] * 3, abs=1e-6)


def test_gradients_lead_to_the_teacher_and_to_the_token_and_none_to_the_teacher():
    student, teacher = torch.zeros(1, 3, requires_grad=True), torch.tensor([[1.0, 0.0, -1.0]], requires_grad=True)
    masked_kl(student, teacher, 2.0).sum().backward()
    assert student.grad[0, 0] < 0 < student.grad[0, 2]  # down the gradient, the likelier token rises
    assert teacher.grad is None
    student.grad = None
    masked_cross_entropy(student, torch.tensor([1])).sum().backward()
    assert student.grad[0, 1] < 0 < student.grad[0, 0]


def test_batch_in_which_nothing_is_masked_costs_nothing():
    # or a mean over nothing would end the training as diverged
    logits = torch.zeros(0, 7, requires_grad=True)
    costs = masked_cross_entropy(logits, torch.zeros(0, dtype=torch.long)), masked_kl(logits, torch.zeros(0, 7), 2.0)
    cost = sum(mean_over_masked(each, {}) for each in costs)
    cost.backward()
    assert cost.item() == 0


def test_triple_loss_is_its_parts_weighed_and_those_of_weight_0_are_left_out(text):
    learner = LanguageLearner(new_model(), distilbert_terms(**WEIGHTS), new_model(2, layers=3))
    found = learner(**batch_of(text, range(8)))
    parts = {name: value.item() for name, value in found["terms"].items()}
    assert list(parts) == ["kl", "mlm", "cosine"]
    assert all(value > 0 for value in parts.values())
    assert found["loss"].item() == pytest.approx(5 * parts["kl"] + 2 * parts["mlm"] + parts["cosine"], rel=1e-5)
    assert [term.name for term in distilbert_terms(**(WEIGHTS | {"mlm": 0.0}))] == ["kl", "cosine"]


def test_student_that_is_its_teacher_has_only_the_tokens_to_learn(text):
    learner = LanguageLearner(new_model(), distilbert_terms(**WEIGHTS), new_model())
    parts = learner(**batch_of(text, range(8)))["terms"]
    assert parts["kl"].item() == pytest.approx(0, abs=1e-6)
    assert parts["cosine"].item() == pytest.approx(0, abs=1e-6)
    assert parts["mlm"].item() > 1


@pytest.mark.parametrize("extra", [8, 24])
def test_padding_changes_no_part_of_the_loss(text, extra):
    learner = LanguageLearner(new_model(), distilbert_terms(**WEIGHTS), new_model(2)).eval()
    narrow, wide = (learner(**batch_of(text, [0, 5, 9, 20], more))["terms"] for more in (0, extra))
    for name in narrow:
        assert wide[name].item() == pytest.approx(narrow[name].item(), rel=1e-4)


def test_bf16_losses_are_near_those_of_float32(text):
    learner = LanguageLearner(new_model(), distilbert_terms(**WEIGHTS), new_model(2)).eval()
    batch = batch_of(text, range(8))
    exact = learner(**batch)["loss"].item()
    with torch.autocast("cpu", torch.bfloat16):
        loss = learner(**batch)["loss"]
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact, rel=0.03)


# the head


def small_bert():
    torch.manual_seed(7)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(letter_tokenizer()), **size)
    model = BertForMaskedLM(config).eval()
    nn.init.normal_(model.cls.predictions.bias)
    return model


def save(folder, model):
    model.save_pretrained(folder)
    letter_tokenizer().save_pretrained(folder)
    return load_encoder(name=str(folder))


def test_checkpoints_own_head_predicts_what_transformers_would_and_only_where_it_is_asked(tmp_path, text):
    model = small_bert()
    encoder = save(tmp_path, model)
    language = LanguageModel(encoder, pretrained_head(encoder.model)).eval()
    batch = batch_of(text, range(6))
    wanted = batch["masked"] != UNMASKED
    expected = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[wanted]
    assert language(**batch).logits.shape == (int(wanted.sum()), len(letter_tokenizer()))
    torch.testing.assert_close(language(**batch).logits, expected, atol=1e-5, rtol=1e-4)


def test_head_of_a_checkpoint_in_half_precision_is_read_in_single(tmp_path, text):
    encoder = save(tmp_path, small_bert().to(torch.bfloat16))
    language = LanguageModel(encoder, pretrained_head(encoder.model))
    assert {weight.dtype for weight in language.parameters()} == {torch.float32}
    assert torch.isfinite(language(**batch_of(text, range(2))).logits).all()


def test_checkpoint_without_a_head_has_none(tmp_path):
    # or a head that transformers drew at random would pass for the checkpoint's
    assert pretrained_head(save(tmp_path, BertModel(small_bert().config)).model) is None
    assert pretrained_head(load_encoder(source="tiny").model) is None


def test_head_of_another_kind_is_refused():
    model = small_bert()
    model.cls.further = nn.Linear(16, 16)
    with pytest.raises(ModelError, match="not of BERT's kind"):
        head_of(model)
    model = small_bert()
    model.cls.predictions.transform.transform_act_fn = nn.Tanh()  # nothing but its predictions shows it
    with pytest.raises(ModelError, match="not of BERT's kind"):
        head_of(model)


def test_language_model_comes_back_as_it_was_saved(tmp_path, text):
    model = new_model().eval()
    nn.init.normal_(model.head.bias)
    model.save(tmp_path)
    batch = batch_of(text, range(4))
    torch.testing.assert_close(LanguageModel.load(tmp_path).eval()(**batch).logits, model(**batch).logits)
    (tmp_path / "language_head.json").unlink()
    with pytest.raises(DamagedArtifact, match="whole language model"):
        LanguageModel.load(tmp_path)


# token types


def both(**loading):
    return (load_encoder(source="tiny", width=16, token_types=kept, **loading) for kept in (True, False))


def test_encoder_without_token_types_reads_one_segment_as_before():
    usual, without = both()
    inputs = {"input_ids": torch.randint(5, 60, (3, 12)), "attention_mask": torch.ones(3, 12, dtype=torch.long)}
    expected = usual.model.eval()(**inputs, token_type_ids=torch.zeros(3, 12, dtype=torch.long)).last_hidden_state
    torch.testing.assert_close(without.model.eval()(**inputs).last_hidden_state, expected, atol=1e-5, rtol=1e-5)
    assert (usual.model.embeddings.token_type_embeddings.weight[0] != 0).any()  # or there was nothing to fold in


def test_student_without_token_types_is_told_none_and_stays_so_when_it_is_saved(tmp_path, pairs):
    _, without = both()
    model = PairClassifier(without, ["gold"], ["wrong", "right"], 48).eval()
    model.save(tmp_path)
    again = PairClassifier.load(tmp_path).eval()
    assert again.encoder.config.type_vocab_size == 1
    assert "token_type_ids" not in tokenise(pairs, again.tokenizer, 48).column_names
    inputs = {"input_ids": torch.randint(5, 60, (3, 12)), "attention_mask": torch.ones(3, 12, dtype=torch.long)}
    torch.testing.assert_close(again(**inputs).logits, model(**inputs).logits)


def test_what_is_left_of_token_types_does_not_learn():
    _, without = both()
    left = without.model.embeddings.token_type_embeddings.weight
    assert left.shape[0] == 1 and not left.any() and not left.requires_grad


def test_token_types_that_are_no_embeddings_are_left_alone():
    config = GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=1)
    drop_token_types(GPT2Model(config), letter_tokenizer())  # it has none
    config.type_vocab_size = 2
    with pytest.raises(ModelError, match="Cannot do away with the token types of GPT2Model"):
        drop_token_types(GPT2Model(config), letter_tokenizer())


# training


def run(model, tokens, encoder, scratch, runtime, teacher=None, **changes):
    text = MaskedPairs(tokens, encoder.tokenizer, 0.15, seed=5)
    terms = distilbert_terms(**WEIGHTS) if teacher else [masked_language_term()]
    return train(
        LanguageLearner(model, terms, teacher),
        text,
        MaskedCollator(0),
        scratch=scratch,
        runtime=runtime,
        callbacks=[Remask(text)],
        **(SETTINGS | changes),
    )


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_too_little_memory_to_judge_is_one_sentence(text, runtime, without_memory):
    model = new_model()
    without_memory(model)
    with pytest.raises(TmkdError, match=r"no memory for a batch of 8; lower runtime\.score_batch"):
        masked_accuracy(model, text, runtime)


def test_language_is_learnt(tokens, encoder, text, runtime, tmp_path):
    model = new_model()
    before = masked_accuracy(model, text, runtime)
    run(model, tokens, encoder, tmp_path, runtime, epochs=10, learning_rate=1e-2)
    after = masked_accuracy(model, text, runtime)
    assert after["loss"] < before["loss"] - 0.5
    assert after["accuracy"] > before["accuracy"]
    assert after["masked"] == before["masked"] > 48


def test_student_comes_nearer_to_its_teacher_which_stays_as_it_is(tokens, encoder, text, runtime, tmp_path):
    teacher, student = new_model(2, layers=3, dropout=0.1), new_model()
    teacher.head.bias.data = torch.randn(len(teacher.head.bias))  # something to learn
    before, batch = weights(teacher).clone(), batch_of(text, range(16))
    parts = [LanguageLearner(student, distilbert_terms(**WEIGHTS), teacher)(**batch)["terms"]]
    run(student, tokens, encoder, tmp_path, runtime, teacher, epochs=6, learning_rate=1e-2)
    parts.append(LanguageLearner(student, distilbert_terms(**WEIGHTS), teacher)(**batch)["terms"])
    assert parts[1]["kl"] < 0.7 * parts[0]["kl"]
    assert parts[1]["cosine"] < parts[0]["cosine"]
    assert torch.equal(weights(teacher), before)
    assert not teacher.training


def test_teacher_is_in_no_checkpoint_and_in_no_optimiser():
    learner = LanguageLearner(new_model(), distilbert_terms(**WEIGHTS), new_model(2))
    assert len(learner.state_dict()) == len(learner.student.state_dict())
    assert len(list(learner.parameters())) == len(list(learner.student.parameters()))


@pytest.mark.parametrize("die_at", [4, 9])
def test_killed_training_ends_with_the_weights_of_one_that_was_not(
    tokens, encoder, runtime, tmp_path, killed_at, die_at
):
    # With dropout, so that the random state must come back too; 6 steps an epoch, so that it dies in each of the two.
    teacher = new_model(2)
    whole = new_model(dropout=0.1)
    steps = run(whole, tokens, encoder, tmp_path / "whole", runtime, teacher, epochs=2)["steps"]
    with killed_at(die_at) as every_step:
        run(new_model(dropout=0.1), tokens, encoder, tmp_path / "killed", every_step, teacher, epochs=2)
    assert list((tmp_path / "killed").glob("checkpoint-*"))
    resumed = new_model(dropout=0.1)
    torch.manual_seed(99)  # whatever state the new process is in
    assert run(resumed, tokens, encoder, tmp_path / "killed", every_step, teacher, epochs=2)["steps"] == steps
    assert torch.equal(weights(resumed), weights(whole))


def test_each_epoch_of_a_training_has_masks_of_its_own(tokens, encoder, runtime, tmp_path):
    seen = []
    original = MaskedPairs.__getitem__

    class Watched(MaskedPairs):
        def __getitem__(self, index):
            row = original(self, index)
            seen.append((self.epoch, index, tuple(row["masked"])))
            return row

    text = Watched(tokens, encoder.tokenizer, 0.15, seed=5)
    learner = LanguageLearner(new_model(), [masked_language_term()])
    train(learner, text, MaskedCollator(0), scratch=tmp_path, runtime=runtime, callbacks=[Remask(text)], **SETTINGS)
    epochs = [{index: wanted for epoch, index, wanted in seen if epoch == number} for number in range(3)]
    assert [len(epoch) for epoch in epochs] == [48, 48, 48]
    assert sum(epochs[0][index] != epochs[1][index] for index in range(48)) > 24
    assert sum(epochs[1][index] != epochs[2][index] for index in range(48)) > 24
