import numpy as np
import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertModel,
    DebertaV2Config,
    DebertaV2Model,
    GPT2Config,
    GPT2Model,
    GPT2Tokenizer,
    ModernBertConfig,
    ModernBertModel,
    RobertaConfig,
    RobertaModel,
)

from tmkd.data.batching import Collator, tokenise
from tmkd.errors import ConfigError, DamagedArtifact, ModelError
from tmkd.losses.response import squared_error
from tmkd.models.classifier import PairClassifier, encoder_config
from tmkd.models.encoder import check_encoder, load_encoder
from tmkd.models.heads import Heads, prediction_heads
from tmkd.models.layers import keep_layers, kept
from tmkd.models.tiny import letter_tokenizer
from tmkd.training.predict import predict


def classifier(encoder, heads=("gold", "a", "b")):
    torch.manual_seed(0)
    return PairClassifier(encoder, list(heads), ["wrong", "right"], max_length=48)


def test_gold_and_soft_heads_are_the_rows_of_the_logits(encoder):
    output = classifier(encoder)(torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.long))
    assert output.logits.shape == (1, 3, 2)
    assert torch.equal(output.gold, output.logits[:, 0])
    assert torch.equal(output.soft, output.logits[:, 1:])


def test_model_without_a_gold_head_has_soft_heads_alone(encoder):
    output = classifier(encoder, ["average"])(torch.tensor([[5, 6]]), torch.ones(1, 2, dtype=torch.long))
    assert output.gold is None
    assert output.soft.shape == (1, 1, 2)


def test_padding_does_not_change_a_score(encoder, pairs, runtime):
    model = classifier(encoder)
    tokens = tokenise(pairs, model.tokenizer, 48)
    together = predict(model, tokens, runtime)
    alone = np.concatenate([predict(model, tokens.select([row]), runtime) for row in range(len(tokens))])
    assert len(set(tokens["length"])) > 3  # or padding was never tried
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_mean_of_all_tokens_leaves_padding_out(pairs, runtime):
    model = classifier(load_encoder(source="tiny", layers=2, width=16, dropout=0.0, pooling="mean"))
    tokens = tokenise(pairs, model.tokenizer, 48)
    together = predict(model, tokens, runtime)
    alone = np.concatenate([predict(model, tokens.select([row]), runtime) for row in range(len(tokens))])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_frozen_embeddings_are_not_learnt():
    model = load_encoder(source="tiny", freeze_embeddings=True).model
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert frozen == ["embeddings.word_embeddings.weight"]


def test_saved_classifier_scores_as_before(encoder, pairs, runtime, tmp_path):
    model = classifier(encoder)
    model.objective = {"targets": "heads", "alpha": 0.9}
    tokens = tokenise(pairs, model.tokenizer, 48)
    model.save(tmp_path)
    again = PairClassifier.load(tmp_path, attention="eager")
    assert again.heads.names == ("gold", "a", "b")
    assert again.objective == model.objective
    assert again.classes == ("wrong", "right")
    np.testing.assert_allclose(predict(again, tokens, runtime), predict(model, tokens, runtime), atol=1e-6)


def test_truncated_weights_are_named(encoder, tmp_path):
    classifier(encoder).save(tmp_path)
    weights = tmp_path / "heads.safetensors"
    weights.write_bytes(weights.read_bytes()[:20])
    with pytest.raises((DamagedArtifact, ModelError), match=str(tmp_path)):
        PairClassifier.load(tmp_path)


def test_bottom_layers_are_the_encoders_own(tmp_path):
    whole = load_encoder(source="tiny", layers=3, width=16)
    cut = load_encoder(source="tiny", layers=3, width=16, keep=2)
    assert cut.model.config.num_hidden_layers == len(cut.model.encoder.layer) == 2
    for mine, theirs in zip(cut.model.encoder.layer, whole.model.encoder.layer):
        for a, b in zip(mine.parameters(), theirs.parameters()):
            assert torch.equal(a, b)


def test_every_second_layer_is_spread_from_the_first_on():
    assert kept(12, 6, "every") == [0, 2, 4, 6, 8, 10]
    assert kept(6, 3, "every") == [0, 2, 4]
    assert kept(5, 3, "every") == [0, 1, 3]
    assert kept(6, 1, "every") == [0]
    assert kept(6, 3, "bottom") == [0, 1, 2]


def test_every_second_layer_is_the_encoders_own():
    whole = load_encoder(source="tiny", layers=4, width=16)
    cut = load_encoder(source="tiny", layers=4, width=16, keep=2, keep_which="every")
    assert cut.model.config.num_hidden_layers == len(cut.model.encoder.layer) == 2
    for mine, theirs in zip(cut.model.encoder.layer, whole.model.encoder.layer[::2]):
        for a, b in zip(mine.parameters(), theirs.parameters()):
            assert torch.equal(a, b)


def test_what_the_config_says_of_each_layer_is_cut_as_the_layers_are():
    # else a saved student would come back with other layers' kinds of attention
    model = ModernBertModel(ModernBertConfig(vocab_size=9, global_attn_every_n_layers=3, **SIZE))
    kinds = list(model.config.layer_types)
    keep_layers(model, 2, "every")
    assert kinds[0] != kinds[1]
    assert model.config.layer_types == kinds[::2]


def test_encoder_whose_layers_cannot_be_told_is_refused():
    shared = AlbertModel(AlbertConfig(vocab_size=9, embedding_size=8, **SIZE))  # one set of weights for all layers
    with pytest.raises(ModelError, match="Cannot tell which layers of AlbertModel to keep"):
        keep_layers(shared, 2)


def test_student_deeper_than_its_encoder_is_refused():
    with pytest.raises(ConfigError, match="expected at most 3"):
        load_encoder(source="tiny", layers=3, keep=4)
    with pytest.raises(ConfigError, match="expected at most 3"):
        check_encoder(source="tiny", name=None, layers=3, keep=4)


def test_missing_folder_is_named():
    with pytest.raises(ModelError, match=r"there is no folder \./nowhere"):
        load_encoder(source="hub", name="./nowhere")


def test_checkpoint_without_safetensors_is_refused(tmp_path):
    # torch.load would run whatever a pickle holds.
    encoder = load_encoder(source="tiny")
    encoder.model.save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    torch.save(encoder.model.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="safetensors"):
        load_encoder(source="hub", name=str(tmp_path))


def test_checkpoint_in_half_precision_is_loaded_in_single(tmp_path):
    # or it would be trained in half precision, in which small steps are lost
    encoder = load_encoder(source="tiny")
    encoder.model.to(torch.bfloat16).save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    loaded = load_encoder(source="hub", name=str(tmp_path)).model
    assert {weight.dtype for weight in loaded.parameters()} == {torch.float32}


def test_classifier_whose_encoder_has_code_of_its_own_is_read_again(tmp_path, with_own_code):
    # or teachers would be trained, and their soft labels never made
    encoder = load_encoder(source="tiny", layers=2, width=16)
    encoder.model.save_pretrained(tmp_path / "own")
    encoder.tokenizer.save_pretrained(tmp_path / "own")
    with_own_code(tmp_path / "own")
    with pytest.raises(ModelError, match=r"brings code of its own.*set encoder\.trust_remote_code=true"):
        load_encoder(source="hub", name=str(tmp_path / "own"))
    model = classifier(load_encoder(source="hub", name=str(tmp_path / "own"), trust_remote_code=True)).eval()
    model.save(tmp_path / "saved")
    again = PairClassifier.load(tmp_path / "saved", attention="eager").eval()
    assert type(again.encoder).__name__ == "OwnModel"
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(again(ids, torch.ones_like(ids)).logits, model(ids, torch.ones_like(ids)).logits)
    assert encoder_config(tmp_path / "saved").num_hidden_layers == 2
    again.save(tmp_path / "twice")
    assert type(PairClassifier.load(tmp_path / "twice").encoder).__name__ == "OwnModel"


@pytest.mark.parametrize("keep_which", ["bottom", "every"])
def test_gpt2_is_padded_and_read_at_its_last_token(tmp_path, pairs, runtime, keep_which):
    letters = [chr(code) for code in range(33, 127)] + ["Ġ", "Ċ", "<|endoftext|>"]
    tokenizer = GPT2Tokenizer(vocab={piece: index for index, piece in enumerate(letters)}, merges=[])
    GPT2Model(GPT2Config(vocab_size=len(letters), n_embd=16, n_layer=4, n_head=2)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    encoder = load_encoder(
        source="hub", name=str(tmp_path), keep=2, keep_which=keep_which, dropout=0.0, attention="eager"
    )
    assert encoder.pooling == "last"
    model = classifier(encoder, ["gold"])
    tokens = tokenise(pairs, model.tokenizer, 48)
    end = model.tokenizer.eos_token_id
    assert all(ids.count(end) == 2 and ids[-1] == end for ids in tokens["input_ids"])
    together = predict(model, tokens, runtime)
    alone = np.concatenate([predict(model, tokens.select([row]), runtime) for row in range(len(tokens))])
    np.testing.assert_allclose(together, alone, atol=1e-5)


SIZE = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32, "pad_token_id": 0}
FAMILIES = {
    "roberta": lambda n: RobertaModel(RobertaConfig(vocab_size=n, **SIZE)),
    "deberta": lambda n: DebertaV2Model(DebertaV2Config(vocab_size=n, relative_attention=True, **SIZE)),
    "modernbert": lambda n: ModernBertModel(
        ModernBertConfig(vocab_size=n, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3, **SIZE)
    ),
}


@pytest.mark.parametrize("keep_which", ["bottom", "every"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_cut_padded_saved_and_loaded_again(family, keep_which, tmp_path, pairs, runtime):
    tokenizer = letter_tokenizer()
    tokenizer.model_input_names = ["input_ids", "attention_mask"]  # none of them knows token types
    torch.manual_seed(0)
    FAMILIES[family](len(tokenizer)).save_pretrained(tmp_path / "whole")
    tokenizer.save_pretrained(tmp_path / "whole")
    encoder = load_encoder(source="hub", name=str(tmp_path / "whole"), keep=2, keep_which=keep_which, attention="eager")
    assert encoder.pooling == "first"
    assert encoder.model.config.num_hidden_layers == 2
    model = classifier(encoder, ["gold"])
    tokens = tokenise(pairs, encoder.tokenizer, 48)
    together = predict(model, tokens, runtime)
    alone = np.concatenate([predict(model, tokens.select([row]), runtime) for row in range(len(tokens))])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    model.save(tmp_path / "student")
    again = PairClassifier.load(tmp_path / "student", attention="eager")
    np.testing.assert_allclose(predict(again, tokens, runtime), together, atol=1e-5)


def test_dropout_setting_reaches_every_family(tmp_path):
    GPT2Model(GPT2Config(vocab_size=109, n_embd=16, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    letter_tokenizer().save_pretrained(tmp_path)
    model = load_encoder(source="hub", name=str(tmp_path), dropout=0.37).model
    drops = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    assert drops and set(drops) == {0.37}


def test_heads_start_from_their_own_teachers_and_the_rest_from_the_mean():
    earlier, later = Heads(["a", "b"], 4, 2), Heads(["gold", "b", "c"], 4, 2)
    later.carry_over(earlier)
    h1 = torch.randn(3, 4)
    before, after = earlier(h1), later(h1)
    assert torch.allclose(after[:, 1], before[:, 1])
    assert torch.allclose(after[:, 0], before.mean(1), atol=1e-6)
    assert torch.allclose(after[:, 2], before.mean(1), atol=1e-6)


def test_heads_of_other_classes_are_not_carried_over():
    with pytest.raises(ValueError, match="expected stage-1 heads of 4 × 3, but found 4 × 2"):
        Heads(["gold"], 4, 3).carry_over(Heads(["gold"], 4, 2))


def test_heads_that_nothing_teaches_in_the_end_do_not_predict():
    assert prediction_heads(["gold", "a", "b"], 1.0) == [1, 2]
    assert prediction_heads(["gold", "a", "b"], 0.9) == [0, 1, 2]
    assert prediction_heads(["gold", "a", "b"], 0.0) == [0]
    assert prediction_heads(["gold"], 1.0) == [0]
    assert prediction_heads(["a", "b"], 0.0) == [0, 1]


def encoder_pull(heads, targets, average=False):
    """The first gradient at h1 of the soft heads' squared error with the teachers' logits, or with their mean."""
    h1 = torch.randn(5, 64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    found = heads(h1)
    squared_error(found[:, :1] if average else found, targets.mean(1, keepdim=True) if average else targets).backward()
    return h1.grad.flatten()


def test_fresh_heads_of_several_teachers_pull_the_encoder_as_their_average_does():
    # With a draw each they pull in random directions, and the mean is shorter by the root of their number.
    targets = torch.randn(5, 1, 2, generator=torch.Generator().manual_seed(2)).expand(5, 16, 2)
    torch.manual_seed(3)
    alike, apart = (Heads([f"t{number}" for number in range(16)], 64, 2, alike) for alike in (True, False))
    pull, average = encoder_pull(alike, targets), encoder_pull(alike, targets, average=True)
    assert torch.allclose(pull, average, atol=1e-7) and pull.norm() > 0
    assert encoder_pull(apart, targets).norm() < 0.5 * encoder_pull(apart, targets, average=True).norm()


def test_logits_are_not_rounded_to_bfloat16():
    # Rounded, passages that differ in the third digit of a logit are ties.
    heads, h1 = Heads(["gold", "a"], 64, 2), torch.randn(50, 64)
    with torch.autocast("cpu", torch.bfloat16):
        found = heads(h1)
    assert torch.equal(found, heads(h1))
    assert not torch.equal(found, found.bfloat16().float())


def test_collator_pads_to_a_multiple_of_eight():
    batch = Collator(pad_token_id=9)([{"input_ids": [1, 2, 3], "label": 1}, {"input_ids": [4], "label": 0}])
    assert batch["input_ids"].tolist()[1] == [4, 9, 9, 9, 9, 9, 9, 9]
    assert batch["attention_mask"].sum(1).tolist() == [3, 1]
    assert batch["labels"].tolist() == [1, 0]
