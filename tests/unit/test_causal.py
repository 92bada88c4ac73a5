"""Language models that are asked about pairs: the log-odds of two tokens at the end of the prompt, or why not."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.cross_encoder.modules import LogitScore
from tqdm import tqdm
from transformers import AutoTokenizer, Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel, Qwen3Model
from transformers import Qwen3ForSequenceClassification as Qwen3Classifier

from tests.unit.test_ready import ROLES, TWO, bert, language_tokenizer, logit_score, qwen3, scored, theirs
from tmkd.errors import ConfigError, ModelError
from tmkd.models.tiny import letter_tokenizer
from tmkd.teachers.causal import Causal
from tmkd.teachers.causal.asking import Asking
from tmkd.teachers.causal.prompts import PROMPTS, prompt_of
from tmkd.teachers.source import margin_logits

JUDGE = "<|im_start|>Judge.\n<Query>: {query}\n<Document>: {document}<|im_end|>"  # what ROLES renders
USER = (
    "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>{% endif %}"
)


def test_scores_are_those_of_logit_score(tmp_path, pairs, runtime):
    folder = logit_score(tmp_path / "it", tmp_path / "base")
    expected = theirs(folder, pairs)
    assert expected.std() > 0.1
    found = scored(Causal(str(tmp_path / "base"), prompt=JUDGE), pairs, runtime)
    np.testing.assert_allclose(found, margin_logits(expected), atol=1e-5)
    graded = scored(Causal(str(tmp_path / "base"), prompt=JUDGE), pairs, runtime, ["score"])
    np.testing.assert_allclose(graded[:, 0], expected, atol=1e-5)  # the one logit of a task of grades


@pytest.mark.parametrize("family", ["qwen3", "gpt2"])
def test_neither_batch_nor_padding_side_changes_scores(family, tmp_path, pairs, runtime):
    # GPT-2 counts positions from the first column, be it padding: with left padding every batch would read another text
    folder = tmp_path / "it"
    if family == "qwen3":
        qwen3(folder)
    else:
        gpt2(folder)
    teacher = Causal(str(folder), prompt=JUDGE)
    found = scored(teacher, pairs, runtime)
    for size in (1, 48):
        again = scored(teacher, pairs, dataclasses.replace(runtime, score_batch=size))
        np.testing.assert_allclose(again, found, atol=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for side in ("left", "right"):
        tokenizer.padding_side = side
        tokenizer.save_pretrained(folder)
        np.testing.assert_allclose(scored(teacher, pairs, runtime), found, atol=1e-6)


def gpt2(folder):
    tokenizer = language_tokenizer()
    tokenizer.pad_token = None
    torch.manual_seed(0)
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 512}
    GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), initializer_range=0.3, **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_caps_of_the_logits_are_kept(tmp_path, pairs, runtime):
    # Gemma 2 bends its logits, after the head that is cut to the answers here
    tokenizer = language_tokenizer()
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=64, head_dim=16, initializer_range=0.3, final_logit_softcapping=0.5, pad_token_id=0,
    )  # fmt: skip
    Gemma2ForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.chat_template = ROLES
    tokenizer.save_pretrained(tmp_path)
    causal = Transformer(str(tmp_path), transformer_task="text-generation", model_kwargs={"dtype": torch.float32})
    model = CrossEncoder(modules=[causal, LogitScore(*tokenizer.convert_tokens_to_ids(["yes", "no"]))], device="cpu")
    both = list(zip(pairs["question"], pairs["passage"]))
    expected = model.predict(both, activation_fn=torch.nn.Identity(), show_progress_bar=False)
    found = scored(Causal(str(tmp_path), prompt=JUDGE), pairs, runtime)
    np.testing.assert_allclose(found, margin_logits(expected), atol=1e-5)
    assert np.abs(found).max() < 0.5


def test_one_answer_alone_gives_its_logit(tmp_path, pairs, runtime):
    # as the card of bge-reranker-v2-gemma has it
    folder = qwen3(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    text = f"A: {pairs['question'][0]}\nB: {pairs['passage'][0]}\n" + PROMPTS["bge_gemma"].text.rpartition("\n")[2]
    with torch.no_grad():
        logits = model(**tokenizer(text, return_tensors="pt")).logits[0, -1]
    found = scored(Causal(str(folder), prompt="bge_gemma"), pairs, runtime)
    yes = logits[tokenizer.convert_tokens_to_ids("Yes")].item()
    np.testing.assert_allclose(found[0], [-yes / 2, yes / 2], atol=1e-5)


def test_swapped_answers_turn_the_sign(tmp_path, pairs, runtime):
    folder = qwen3(tmp_path)
    found = scored(Causal(str(folder), prompt=JUDGE), pairs, runtime)
    turned = scored(Causal(str(folder), prompt=JUDGE, answers=["no", "yes"]), pairs, runtime)
    np.testing.assert_allclose(turned, -found, atol=1e-6)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (["absolutely", "no"], r"'absolutely' is not one token .*'yes'|'absolutely' is not one token"),
        (["yes"] * 2, "expected answers to be two texts"),
        ([], "expected answers to be two texts"),
        (["yes", "no", "maybe"], "expected answers to be two texts"),
        (["yes", ""], "expected answers to be two texts"),
    ],
)
def test_answers_that_are_not_one_token_each_are_refused(answers, said, tmp_path):
    qwen3(tmp_path)
    with pytest.raises(ConfigError, match=said):
        Causal(str(tmp_path), prompt=JUDGE, answers=answers).check(TWO)


def test_answers_that_would_do_are_listed(tmp_path):
    qwen3(tmp_path)
    with pytest.raises(ConfigError, match=r"'YES' is not one token .*; these are: 'yes', 'Yes', ' Yes', '1', '0'"):
        Causal(str(tmp_path), prompt=JUDGE, answers=["YES", "no"]).check(TWO)


@pytest.mark.parametrize("prompt", ["no places", "{query} alone", "{query} {document} {document}", "qwen4"])
def test_text_without_both_places_is_refused(prompt):
    with pytest.raises(ConfigError, match="one of relevance, qwen3, bge_gemma, mxbai, or a text with"):
        Causal("anything", prompt=prompt).identity()


def test_braces_and_places_within_texts_stay_as_they_are():
    text, query, document = prompt_of("{x} {document} | {query}", None).fill("{document}", "{query}{}")
    assert text == "{x} {query}{} | {document}"
    assert (text[slice(*query)], text[slice(*document)]) == ("{document}", "{query}{}")


def test_chat_template_is_applied_where_it_is_asked_for(tmp_path):
    tokenizer = language_tokenizer()
    tokenizer.chat_template = USER
    asked = "Q {query} D {document}"
    rendered = "<|im_start|>Q {query} D {document}<|im_end|>\n<|im_start|>"
    assert Asking(tokenizer, prompt_of(f"chat: {asked}", None), 99, "it").prompt.text == rendered
    assert Asking(tokenizer, prompt_of(asked, None), 99, "it").prompt.text == asked
    default = Asking(tokenizer, prompt_of(None, None), 99, "it").prompt.text
    assert default.startswith("<|im_start|>Query: {query}") and default.endswith("<|im_start|>")
    tokenizer.chat_template = None
    assert Asking(tokenizer, prompt_of(None, None), 99, "it").prompt.text == PROMPTS["relevance"].text
    with pytest.raises(ConfigError, match="expects a chat template"):
        Asking(tokenizer, prompt_of(f"chat: {asked}", None), 99, "it")
    tokenizer.chat_template = ROLES
    with pytest.raises(ModelError, match="leaves it out"):
        Asking(tokenizer, prompt_of(None, None), 99, "it")


def test_first_token_of_the_tokenizer_is_kept(tmp_path):
    # Gemma without its <bos> scores next to nothing
    tokenizer = language_tokenizer()
    tokenizer.bos_token = "<|im_start|>"
    asked = prompt_of("{query} {document}", None)
    plain = Asking(tokenizer, asked, 99, "it").encode([("a", "b")])[0][0]
    from tokenizers.processors import TemplateProcessing

    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", tokenizer.bos_token_id)]
    )
    assert Asking(tokenizer, asked, 99, "it").encode([("a", "b")])[0][0] == [tokenizer.bos_token_id, *plain]
    own = prompt_of("<|im_start|>{query} {document}", None)
    assert Asking(tokenizer, own, 99, "it").encode([("a", "b")])[0][0] == [tokenizer.bos_token_id, *plain]


def test_document_alone_is_cut_at_its_end(tmp_path):
    tokenizer = language_tokenizer()
    asking = Asking(tokenizer, prompt_of(JUDGE, None), 60, "it")
    short, long = ("what?", "amber"), ("what?", "é😀 amber birch " * 30)
    (first, second), cut = asking.encode([short, long])
    assert cut == [False, True]
    assert len(second) == 60
    text = tokenizer.decode(second)
    whole = tokenizer.decode(asking._tokens([asking.prompt.fill(*long)[0]])["input_ids"][0])
    start = text.removesuffix("<|im_end|>")
    assert text.endswith("<|im_end|>") and whole.startswith(start.rstrip("\N{REPLACEMENT CHARACTER}"))
    assert tokenizer.decode(first).startswith("<|im_start|>Judge.\n<Query>: what?\n<Document>: amber<|im_end|>")


def test_query_longer_than_half_of_the_room_is_cut_too(tmp_path):
    tokenizer = language_tokenizer()
    asking = Asking(tokenizer, prompt_of(JUDGE, None), 60, "it")
    text = tokenizer.decode(asking.encode([("a" * 99, "b" * 99)])[0][0])
    assert text.startswith("<|im_start|>Judge.\n<Query>: a") and text.endswith("<|im_end|>")
    query, document = (len(max(re.findall(letter, text), key=len)) for letter in ("a+", "b+"))
    assert query - document in (0, 1)
    query_whole = tokenizer.decode(asking.encode([("a" * 9, "b" * 99)])[0][0])
    assert "<Query>: aaaaaaaaa\n" in query_whole


def test_cut_prompts_are_counted_and_warned_of(tmp_path, pairs, runtime, caplog):
    folder = qwen3(tmp_path)
    long = Dataset.from_dict({"question": ["q", "q", "q"], "passage": ["a", "b " * 300, "c " * 300]})
    with Causal(str(folder), prompt=JUDGE, max_length=99).open(runtime, TWO, tmp_path) as scorer:
        scorer(long, tqdm(disable=True))
        scorer(long, tqdm(disable=True))
    assert (scorer.cuts.pairs, scorer.cuts.cut) == (6, 4)
    assert caplog.text.count("4 of 6 pairs are longer than the 99 tokens") == 1


def test_length_that_the_prompt_alone_fills_is_refused(tmp_path):
    qwen3(tmp_path)
    with pytest.raises(ConfigError, match=r"max_length of at least \d+"):
        Causal(str(tmp_path), prompt="qwen3", max_length=20).check(TWO)
    with pytest.raises(ConfigError, match="max_length of at most 512"):
        Causal(str(tmp_path), prompt=JUDGE, max_length=513).check(TWO)


def test_models_that_predict_no_next_token_are_refused(tmp_path):
    bert(tmp_path / "bert", num_labels=1)
    with pytest.raises(ModelError, match="expected a causal language model, got BertForSequenceClassification"):
        Causal(str(tmp_path / "bert")).check(TWO)
    qwen3(tmp_path / "qwen3")
    for kind in (Qwen3Model, Qwen3Classifier):
        folder = tmp_path / kind.__name__
        kind.from_pretrained(tmp_path / "qwen3").save_pretrained(folder)
        language_tokenizer().save_pretrained(folder)
        with pytest.raises(ModelError, match=f"got {kind.__name__}, which predicts no next token"):
            Causal(str(folder)).check(TWO)


def test_missing_language_head_is_refused(tmp_path):
    folder = qwen3(tmp_path, tie_word_embeddings=False)
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"1 of \d+ weights are missing \(lm_head\.weight\)"):
        Causal(str(folder)).check(TWO)


def test_tokenizer_of_another_model_is_refused(tmp_path):
    folder = qwen3(tmp_path)
    for file in folder.glob("token*"):
        file.unlink()
    letter_tokenizer().save_pretrained(folder)
    with pytest.raises(ConfigError, match="'yes' is not one token"):
        Causal(str(folder), prompt=JUDGE).check(TWO)


def test_three_classes_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="can only tell two classes apart"):
        Causal(str(qwen3(tmp_path))).check(["a", "b", "c"])


def test_damaged_weights_are_told(tmp_path, runtime):
    folder = qwen3(tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][:] = float("inf")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="not finite"), Causal(str(folder), prompt=JUDGE).open(runtime, TWO, folder):
        pass


def test_bf16_weights_are_kept_in_bf16_and_answers_are_not_rounded(tmp_path, pairs, runtime):
    folder = qwen3(tmp_path / "full")
    expected = scored(Causal(str(folder), prompt=JUDGE), pairs, runtime)
    from transformers import Qwen3ForCausalLM

    half = tmp_path / "half"
    Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(half)
    language_tokenizer().save_pretrained(half)
    fast = dataclasses.replace(runtime, bf16=True)
    for own, dtype in ((runtime, torch.float32), (fast, torch.bfloat16)):
        with Causal(str(half), prompt=JUDGE).open(own, TWO, half) as scorer:
            assert scorer.model.get_input_embeddings().weight.dtype == dtype
            found = scorer(pairs, tqdm(disable=True))
        np.testing.assert_allclose(found, expected, atol=0.3)
    assert not np.array_equal(found, torch.from_numpy(found).bfloat16().float().numpy())


def test_prompts_are_teachers_of_their_own(tmp_path):
    folder = str(qwen3(tmp_path))
    known = [
        Causal(folder, **each).identity()
        for each in ({}, {"prompt": "qwen3"}, {"prompt": JUDGE}, {"prompt": f"chat:{JUDGE}"}, {"max_length": 99},
                     {"answers": ["Yes", "No"]})
    ]  # fmt: skip
    assert all(one != other for at, one in enumerate(known) for other in known[:at])
    assert set(known[0]) == {"files", "prompt", "chat", "answers", "max_length"}, "or scores are computed again"
    assert Causal(folder, prompt="qwen3", answers=["yes", "no"]).identity() == known[1]
    assert Causal(folder, prompt=PROMPTS["qwen3"].text).identity() == known[1]
