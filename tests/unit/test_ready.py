"""Rerankers and classifiers as they are: CrossEncoder's own logits, by name, or one sentence why not."""

import dataclasses
import io
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.cross_encoder.modules import LogitScore
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tqdm import tqdm
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from tmkd.errors import ConfigError, ModelError
from tmkd.models.tiny import letter_tokenizer
from tmkd.teachers.ready import Ready
from tmkd.teachers.source import margin_logits

BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TWO = ["wrong", "right"]
ROLES = (
    "{%- set said = messages | selectattr('role', 'eq', 'system') | map(attribute='content') | first "
    "| default('Judge.') -%}<|im_start|>{{ said }}\n"
    "<Query>: {{ messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first }}\n"
    "<Document>: {{ messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first }}<|im_end|>"
)


def bert(folder, kind=BertForSequenceClassification, seed=0, **changes):
    tokenizer = letter_tokenizer()
    torch.manual_seed(seed)
    model = kind(BertConfig(vocab_size=len(tokenizer), initializer_range=0.5, **BERT, **changes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def language_tokenizer():
    """A byte-level tokenizer, to which yes and no are one token each, with and without a space before them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["yes no Yes No\nyes\nno\nYes\nNo query document"] * 9, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>")


def qwen3(folder, template=None, length=512, **changes):
    tokenizer = language_tokenizer()
    tokenizer.chat_template = template
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = Qwen3Config(
        vocab_size=len(tokenizer), intermediate_size=64, head_dim=16, initializer_range=0.3,
        max_position_embeddings=length, **sizes, **changes,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def modular(folder, base):
    bert(base, BertModel)
    torch.manual_seed(1)
    parts = [Transformer(str(base)), Pooling(16, "mean")]
    head = Dense(16, 1, activation_function=torch.nn.Identity(), module_output_name="scores")
    CrossEncoder(modules=[*parts, head], device="cpu").save_pretrained(str(folder))
    return folder


def logit_score(folder, base, template=ROLES, length=512):
    qwen3(base, template, length)
    causal = Transformer(str(base), transformer_task="text-generation")
    yes, no = causal.tokenizer.convert_tokens_to_ids(["yes", "no"])
    CrossEncoder(modules=[causal, LogitScore(yes, no)], device="cpu").save_pretrained(str(folder))
    return folder


def scored(teacher, pairs, runtime, classes=TWO):
    bar = tqdm(total=len(pairs), file=io.StringIO())
    teacher.check(classes)
    with teacher.open(runtime, classes, runtime) as scorer:
        scores = scorer(pairs, bar)
    assert bar.n == len(pairs)
    return scores


def theirs(folder, pairs, **how):
    model = CrossEncoder(str(folder), device="cpu", model_kwargs={"attn_implementation": "eager"})
    both = list(zip(pairs["question"], pairs["passage"]))
    return model.predict(both, activation_fn=torch.nn.Identity(), show_progress_bar=False, **how)


@pytest.mark.parametrize("made", ["plain", "modular", "logit_score"])
def test_scores_are_the_logits_of_sentence_transformers(made, tmp_path, pairs, runtime):
    # a sigmoid, or an order of length that is not undone, would be soft labels of something else
    folder = tmp_path / "it"
    if made == "plain":
        bert(folder, num_labels=1)
    else:
        {"modular": modular, "logit_score": logit_score}[made](folder, tmp_path / "base")
    expected = theirs(folder, pairs)
    found = scored(Ready(str(folder)), pairs, runtime)
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, margin_logits(expected), atol=1e-5)
    alone = dataclasses.replace(runtime, score_batch=1)
    np.testing.assert_allclose(scored(Ready(str(folder)), pairs, alone), found, atol=1e-5)


def test_score_is_the_logit_itself_where_labels_are_grades_and_a_classifier_is_refused(tmp_path, pairs, runtime):
    bert(tmp_path / "reranker", num_labels=1)
    found = scored(Ready(str(tmp_path / "reranker")), pairs, runtime, ["score"])
    assert found.shape == (len(pairs), 1)
    np.testing.assert_allclose(found[:, 0], theirs(tmp_path / "reranker", pairs), atol=1e-5)
    bert(tmp_path / "classifier", id2label={0: "wrong", 1: "right"})
    with pytest.raises(
        ModelError, match=r"expected a reranker, .* as labels are grades or numbers, got a classifier of 2"
    ):
        Ready(str(tmp_path / "classifier")).check(["score"])


def test_sigmoid_of_the_config_is_left_out(tmp_path, pairs, runtime):
    bert(tmp_path, num_labels=1)
    config = json.loads((tmp_path / "config.json").read_text())
    config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.activation.Sigmoid"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert (scored(Ready(str(tmp_path)), pairs, runtime)[:, 1] * 2 < 0).any()


def test_prompt_is_an_instruction_or_the_name_of_one(tmp_path, pairs, runtime):
    folder = logit_score(tmp_path / "it", tmp_path / "base")
    (tmp_path / "it/config_sentence_transformers.json").write_text(
        json.dumps({"model_type": "CrossEncoder", "prompts": {"strict": "Be strict."}, "default_prompt_name": None})
    )
    found = scored(Ready(str(folder), prompt="Be strict."), pairs, runtime)
    np.testing.assert_allclose(found, margin_logits(theirs(folder, pairs, prompt="Be strict.")), atol=1e-5)
    np.testing.assert_allclose(found, scored(Ready(str(folder), prompt="strict"), pairs, runtime), atol=1e-6)
    assert not np.allclose(found, scored(Ready(str(folder)), pairs, runtime), atol=1e-2)


def test_prompt_of_a_language_model_is_not_read_as_an_instruction(tmp_path):
    bert(tmp_path / "plain", num_labels=1)
    with pytest.raises(
        ConfigError, match="to be an instruction, or none, got qwen3, which is a prompt of kind: causal"
    ):
        Ready(str(tmp_path / "plain"), prompt="qwen3").check(TWO)
    folder = logit_score(tmp_path / "it", tmp_path / "base")
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"model_type": "CrossEncoder", "prompts": {"qwen3": "Be strict."}, "default_prompt_name": None})
    )
    Ready(str(folder), prompt="qwen3").check(TWO)  # its own


def test_classes_are_found_by_name_in_another_order_and_case(tmp_path, pairs, runtime):
    bert(tmp_path, id2label={0: "CONTRADICTION", 1: "ENTAILMENT", 2: "NEUTRAL"})
    found = scored(Ready(str(tmp_path)), pairs, runtime, ["entailment", "neutral", "contradiction"])
    np.testing.assert_allclose(found, theirs(tmp_path, pairs)[:, [1, 2, 0]], atol=1e-5)


def test_numbers_are_names_in_any_spelling(tmp_path, pairs, runtime):
    bert(tmp_path, id2label={0: "2.0", 1: "1"})
    found = scored(Ready(str(tmp_path)), pairs, runtime, ["1", "2"])
    np.testing.assert_allclose(found, theirs(tmp_path, pairs)[:, [1, 0]], atol=1e-5)


@pytest.mark.parametrize(
    ("labels", "classes", "said"),
    [
        (None, TWO, "its 2 labels have no names of their own"),
        ({0: "no", 1: "maybe"}, TWO, "expected one label for each of the classes"),
        ({0: "wrong", 1: "right", 2: "unknown"}, TWO, "expected one label for each of the classes"),
        ({0: "wrong", 1: "wrong"}, TWO, "expected one label for each of the classes"),
        ({0: "right"}, ["a", "b", "c"], "can only tell two classes apart"),
    ],
)
def test_labels_that_are_not_the_classes_are_refused(labels, classes, said, tmp_path):
    bert(tmp_path, **({"num_labels": 2} if labels is None else {"id2label": labels}))
    with pytest.raises(ModelError, match=said):
        Ready(str(tmp_path)).check(classes)


@pytest.mark.parametrize("kind", [BertModel, BertForMaskedLM])
def test_checkpoint_without_a_head_is_refused(kind, tmp_path):
    # it would get a random one, with a warning at most
    bert(tmp_path, kind)
    with pytest.raises(ModelError, match=r"head \(classifier\.weight, …\) is not among its weights"):
        Ready(str(tmp_path)).check(TWO)


def test_sentence_encoder_is_refused(tmp_path):
    # sentence-transformers turns it into a cross-encoder with a random head
    from sentence_transformers import SentenceTransformer

    bert(tmp_path / "base", BertModel)
    model = SentenceTransformer(modules=[Transformer(str(tmp_path / "base")), Pooling(16, "mean")], device="cpu")
    model.save_pretrained(str(tmp_path / "it"))
    with pytest.raises(ModelError, match=r"head .* is not among its weights"):
        Ready(str(tmp_path / "it")).check(TWO)


def test_missing_weights_are_named(tmp_path):
    bert(tmp_path, num_labels=1)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["bert.encoder.layer.1.output.dense.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"1 of \d+ weights are missing \(bert\.encoder\.layer\.1"):
        Ready(str(tmp_path)).check(TWO)


def test_language_model_without_a_prompt_is_refused(tmp_path):
    # sentence-transformers would read "question document" and take yes for an answer
    qwen3(tmp_path)
    with pytest.raises(ModelError, match="use kind: causal"):
        Ready(str(tmp_path)).check(TWO)


def test_chat_template_that_leaves_the_pair_out_is_told(tmp_path):
    folder = logit_score(tmp_path / "it", tmp_path / "base")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
    )
    with pytest.raises(ModelError, match=r"cannot read a pair of texts: .*cannot carry"):
        Ready(str(folder)).check(TWO)


def test_head_that_ends_in_a_sigmoid_is_refused(tmp_path):
    folder = modular(tmp_path / "it", tmp_path / "base")
    config = folder / "2_Dense/config.json"
    changed = json.loads(config.read_text()) | {"activation_function": "torch.nn.modules.activation.Sigmoid"}
    config.write_text(json.dumps(changed))
    with pytest.raises(ModelError, match="its last layer ends in Sigmoid"):
        Ready(str(folder)).check(TWO)


@pytest.mark.parametrize("gone", [("tokenizer.json",), ("tokenizer.json", "tokenizer_config.json")])
def test_missing_tokenizer_is_told(tmp_path, gone):
    # transformers makes up a BERT tokenizer that reads every word as [UNK], and the scores teach nothing
    bert(tmp_path, num_labels=1)
    for name in gone:
        (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=r"teacher .*its tokenizer (knows no words|cannot be read).*tokenizer\.json"):
        Ready(str(tmp_path)).check(TWO)


def test_tokenizer_with_more_tokens_than_the_model_knows_is_refused(tmp_path):
    # an IndexError at the first pair that has one of them, after any number that have none
    bert(tmp_path, num_labels=1)
    tokenizer = letter_tokenizer()
    tokenizer.add_tokens(["<question>"])
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"teacher .*: its tokenizer has \d+ tokens but the teacher embeddings for"):
        Ready(str(tmp_path)).check(TWO)


def test_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ModelError, match=r"teachers.roster.name: there is no folder"):
        Ready(str(tmp_path / "nowhere")).check(TWO)


def test_length_beyond_the_positions_is_refused(tmp_path):
    config = RobertaConfig(vocab_size=200, max_position_embeddings=66, num_labels=1, **BERT)
    RobertaForSequenceClassification(config).save_pretrained(tmp_path)
    letter_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="max_length of at most 64"):
        Ready(str(tmp_path), max_length=66).check(TWO)
    Ready(str(tmp_path)).check(TWO)


def test_damaged_weights_are_told(tmp_path, runtime):
    bert(tmp_path, num_labels=1)
    weights = load_file(tmp_path / "model.safetensors")
    weights["classifier.bias"][:] = float("nan")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    teacher = Ready(str(tmp_path))
    with pytest.raises(ModelError, match=r"not finite .*runtime.precision=fp32"), teacher.open(runtime, TWO, tmp_path):
        pass


@pytest.mark.parametrize("made", ["plain", "logit_score"])
def test_cut_pairs_are_counted_and_warned_of(made, tmp_path, pairs, runtime, caplog):
    folder = bert(tmp_path / "it", num_labels=1) if made == "plain" else logit_score(tmp_path / "it", tmp_path / "base")
    tokenizer = CrossEncoder(str(folder), device="cpu").tokenizer
    both = list(zip(pairs["question"], pairs["passage"]))
    texts = [[a for a, _ in both], [b for _, b in both]]
    if made == "plain":
        lengths = [len(ids) for ids in tokenizer(*texts)["input_ids"]]
    else:
        chats = [[{"role": "query", "content": a}, {"role": "document", "content": b}] for a, b in both]
        lengths = [len(tokenizer.apply_chat_template(chat)["input_ids"]) for chat in chats]
    limit = int(np.median(lengths))
    with Ready(str(folder), max_length=limit).open(runtime, TWO, tmp_path) as scorer:
        scorer(pairs, tqdm(disable=True))
    expected = sum(length > limit for length in lengths)
    assert 0 < expected < len(pairs)
    assert (scorer.cuts.pairs, scorer.cuts.cut) == (len(pairs), expected)
    assert caplog.text.count(f"{expected} of {len(pairs)} pairs are longer than the {limit} tokens") == 1


def test_bf16_keeps_weights_that_are_saved_in_float32(tmp_path, pairs, runtime):
    bert(tmp_path, num_labels=1)
    fast = dataclasses.replace(runtime, bf16=True)
    with Ready(str(tmp_path)).open(fast, TWO, tmp_path) as scorer:
        assert scorer.model.dtype == torch.float32
        found = scorer(pairs, tqdm(disable=True))
    expected = scored(Ready(str(tmp_path)), pairs, runtime)
    assert not np.array_equal(found, expected)
    np.testing.assert_allclose(found, expected, atol=0.2)


def test_identity_is_of_what_is_read(tmp_path):
    folder = bert(tmp_path / "a", num_labels=1)
    before = Ready(str(folder)).identity()
    (folder / "README.md").write_text("words")
    assert Ready(str(folder)).identity() == before
    assert Ready(str(bert(tmp_path / "b", num_labels=1))).identity() == before
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert Ready(str(folder)).identity() != before
    assert Ready(str(bert(tmp_path / "c", seed=1, num_labels=1))).identity() != before
    assert Ready(str(folder), prompt="p").identity() != Ready(str(folder)).identity()
    assert Ready(str(folder), max_length=9).identity() != Ready(str(folder)).identity()


def test_adapter_is_refused(tmp_path):
    bert(tmp_path, num_labels=1)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"teacher .*: expected whole weights but found an adapter"):
        Ready(str(tmp_path)).identity()


def test_pickled_head_is_refused(tmp_path):
    # it is not among the files that the identity knows
    folder = modular(tmp_path / "it", tmp_path / "base")
    torch.save(load_file(folder / "2_Dense/model.safetensors"), folder / "2_Dense/pytorch_model.bin")
    Ready(str(folder)).check(TWO)
    (folder / "2_Dense/model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"found 2_Dense/pytorch_model\.bin alone"):
        Ready(str(folder)).check(TWO)


def test_hub_name_is_known_by_its_commit(tmp_path, monkeypatch):
    commit = "1" * 40
    place = tmp_path / "models--people--reranker"
    bert(place / "snapshots" / commit, num_labels=1)
    (place / "refs").mkdir()
    (place / "refs/main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    known = Ready("people/reranker").identity()
    assert known == {"name": "people/reranker", "revision": commit, "prompt": None, "max_length": None}
    with pytest.raises(ModelError, match=r"teachers\.roster\.name: 'people/other'"):
        Ready("people/other").identity()
