"""Passages that are too long: which tokens are kept in each mode, for tokenizers of every kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import ByT5Tokenizer, CanineTokenizer, GPT2Tokenizer, PreTrainedTokenizerFast

from tests.configs.test_compose import composed
from tests.pipeline.running import compose_at
from tmkd.choices import LONG
from tmkd.data.batching import tokenise
from tmkd.data.encoding import encode_pairs
from tmkd.data.long_passages import LongPair, shortened
from tmkd.errors import ConfigError, DamagedArtifact
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.experiment.experiment import Experiment
from tmkd.models.classifier import PairClassifier, load_tokenizer
from tmkd.models.encoder import Encoder, load_encoder
from tmkd.reranker import Reranker
from tmkd.training.predict import predict
from tmkd.training.runtime import Runtime

LETTERS = {chr(code): code - 97 for code in range(97, 123)}
OTHERS = [mode for mode in LONG if mode != "cut"]


def gpt2() -> GPT2Tokenizer:
    return GPT2Tokenizer(vocab=LETTERS | {"<|endoftext|>": 26}, merges=[])


def words(*known: str) -> PreTrainedTokenizerFast:
    """A tokenizer of whole words, with BERT's special tokens and token types."""
    vocabulary = {word: place for place, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *known))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "token_type_ids", "attention_mask"], **names
    )


def read(question: str, passage: str, tokenizer: Any, max_length: int, long: str) -> str:
    (ids,) = encode_pairs([question], [passage], tokenizer, max_length, long)["input_ids"]
    return "".join("|" if token in tokenizer.all_special_ids else tokenizer.decode([token]) for token in ids)


# Eleven letters are read beside GPT-2's two ends of text: the three of the question, and eight of the passage.
@pytest.mark.parametrize(
    ("long", "passage", "kept"),
    [
        ("cut", "mnopqrstuvwx", "mnopqrst"),
        ("first_last", "mnopqrstuvwx", "mnopqrwx"),  # six and two
        ("best_chunk", "mnopqrstuvwx", "mnopqrst"),  # nothing in common: the first window
        # without sentences, windows start at every half window, and the last one ends with the passage
        ("best_chunk", "mnopqrstuvwxyzab", "uvwxyzab"),
        ("best_chunk", "amnopqrstuvwbc", "rstuvwbc"),  # b and c are more than a
        ("best_chunk", "aamnopqrstuvwb", "qrstuvwb"),  # b says more than a, which is there twice
        ("best_chunk", "amnopqrstuvwxb", "amnopqrs"),  # as much in both: the first one
        ("best_chunk", "mnopqabrstuvwxyz", "mnopqabr"),  # the windows from m and from q have both
    ],
)
def test_letters_that_are_kept_are_those_worked_out_by_hand(long: str, passage: str, kept: str) -> None:
    assert read("abc", passage, gpt2(), 13, long) == f"abc|{kept}|"


def test_window_has_the_whole_sentence_that_shares_a_word() -> None:
    """Eight words of the passage are read: the windows from ``a`` and from ``o`` end amid the sentence with ``b``."""
    passage = "a m n . o p . q b r s t u . v w x y z"
    assert read("b ?", passage, words(*LETTERS, ".", "?"), 13, "best_chunk") == "|b?|qbrstu.v|"


def test_word_that_comes_again_in_a_window_counts_once() -> None:
    passage = "b m . b n . b o . b p . q r s . t u v . c w x ."  # or the four times b would be more than c
    assert read("b c ?", passage, words(*LETTERS, ".", "?"), 14, "best_chunk") == "|bc?|tuv.cwx.|"


def test_words_are_compared_without_case_and_the_space_before_them() -> None:
    vocabulary = {"<|endoftext|>": 0, "ĠAmber": 1, "amber": 2, "x": 3, "Ġ": 4, "A": 5, "m": 6, "?": 7}
    tokenizer = GPT2Tokenizer(vocab=vocabulary, merges=[])
    ids = tokenizer.convert_tokens_to_ids
    pair = LongPair(ids(["amber", "?"]), ids(["?", *["x"] * 9, "ĠAmber"]), 4)
    assert shortened([pair], tokenizer, "best_chunk") == [ids(["x", "x", "x", "ĠAmber"])]  # and not that with the ?


@pytest.mark.parametrize("long", OTHERS)
@pytest.mark.parametrize("make", [gpt2, lambda: words(*LETTERS), CanineTokenizer, ByT5Tokenizer])
def test_pairs_that_fit_and_questions_are_as_where_pairs_are_cut(make: Any, long: str) -> None:
    """So are the lengths and token types of all; and only passages differ."""
    tokenizer = make()
    questions = ["a b c", "a b c", "a b c d e f g h i j k l", "a b c d e f g h i j k l", "a b"]
    passages = ["x y z", "m n o p q r s t u v w x y z a", "x y", "m n o p q r s t u v w x y z a", ""]
    cut = encode_pairs(questions, passages, tokenizer, 15)
    kept = encode_pairs(questions, passages, tokenizer, 15, long)
    assert cut.keys() == kept.keys()
    for name in cut.keys() - {"input_ids"}:
        assert cut[name] == kept[name]
    same = [one == other for one, other in zip(cut["input_ids"], kept["input_ids"], strict=True)]
    assert same == [True, False, True, False, True]
    for row in (1, 3):
        first = next(i for i, ids in enumerate(zip(cut["input_ids"][row], kept["input_ids"][row])) if len({*ids}) == 2)
        assert first >= len(tokenizer("a b", add_special_tokens=False)["input_ids"])
        assert [type(token) for token in kept["input_ids"][row]] == [int] * 15


@pytest.mark.parametrize(
    ("make", "cut", "kept"),
    [
        # room for six of the passage in each: four at the beginning, two at the end
        (lambda: words(*LETTERS), "|abc|mnopqr|", "|abc|mnopyz|"),
        (CanineTokenizer, "|abc|mnopqr|", "|abc|mnopyz|"),
        (ByT5Tokenizer, "abc|mnopqrs|", "abc|mnopqyz|"),  # it has one special token less, and seven of the passage
        (gpt2, "abc|mnopqrs|", "abc|mnopqyz|"),
    ],
)
def test_every_tokenizer_keeps_beginning_and_end(make: Any, cut: str, kept: str) -> None:
    tokenizer = make()
    blank = " " if isinstance(tokenizer, PreTrainedTokenizerFast) and tokenizer.cls_token else ""
    question, passage = blank.join("abc"), blank.join("mnopqrstuvwxyz")
    assert read(question, passage, tokenizer, 12, "cut") == cut
    assert read(question, passage, tokenizer, 12, "first_last") == kept


def test_sentence_that_answers_is_read_wherever_it_stands() -> None:
    tokenizer = load_encoder(source="embedded").tokenizer
    question = "how long is a marathon?"
    other = "Athens is the capital of Greece. The city is old, and many people visit it. "
    answer = "a marathon is run over forty kilometres."
    for passage in (other * 4 + answer, other * 2 + answer + other * 2):
        (kept,) = encode_pairs([question], [passage], tokenizer, 32, "best_chunk")["input_ids"]
        (cut,) = encode_pairs([question], [passage], tokenizer, 32)["input_ids"]
        assert answer in tokenizer.decode(kept)
        assert "forty" not in tokenizer.decode(cut)


@pytest.mark.parametrize("long", LONG)
def test_saved_model_reads_long_passages_as_it_was_trained(
    long: str, tmp_path: Path, encoder: Encoder, runtime: Runtime
) -> None:
    PairClassifier(encoder, ["gold"], ["wrong", "right"], 24, long=long).save(tmp_path)
    assert ("long" in json.loads((tmp_path / "classifier.json").read_text())) == (long != "cut")
    assert load_tokenizer(tmp_path)[1:] == (24, long)
    reranker = Reranker(PairClassifier.load(tmp_path), runtime)
    rows = Dataset.from_dict({"question": ["what is amber"], "passage": ["birch cedar " * 10 + "amber"]})
    scores = {}
    for mode in LONG:
        logits = predict(reranker.model, tokenise(rows, encoder.tokenizer, 24, mode), runtime)
        scores[mode] = average_probabilities(logits.transpose(1, 0, 2))[0, 1]
    assert len({*scores.values()}) == len(LONG)  # or another mode would not show
    assert reranker.score(rows["question"][:], rows["passage"][:])[0, 1] == pytest.approx(scores[long], abs=1e-7)


def test_unknown_mode_of_a_saved_model_is_named(tmp_path: Path, encoder: Encoder) -> None:
    PairClassifier(encoder, ["gold"], ["wrong", "right"], 12, long="middle").save(tmp_path)
    with pytest.raises(DamagedArtifact, match="expected long to be one of cut, best_chunk, first_last, got middle"):
        PairClassifier.load(tmp_path)


@pytest.mark.parametrize("setting", ["encoder.long", "student.long", "teachers.roster.0.long"])
def test_unknown_mode_is_refused_with_those_that_there_are(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"long: expected one of cut, best_chunk, first_last, got middle\."):
        composed("experiment=smoke", f"{setting}=middle")


def test_students_may_read_another_part_than_their_teachers(tmp_path: Path) -> None:
    own = Experiment(compose_at(tmp_path, "experiment=smoke", "encoder.long=first_last", "student.long=best_chunk"))
    assert own.architecture().long == "best_chunk"
    assert [teacher.spec["long"] for teacher in own.roster] == ["first_last"] * len(own.roster)
    usual = Experiment(compose_at(tmp_path, "experiment=smoke"))
    assert all("long" not in teacher.spec for teacher in usual.roster)


def test_token_by_token_terms_are_refused_where_teachers_read_another_part(tmp_path: Path) -> None:
    from tmkd.experiment.check import check_arms

    config = compose_at(tmp_path, "experiment=smoke", "method=kd", "+terms=fitnets", "student.long=best_chunk")
    with pytest.raises(ConfigError, match=r"the student's tokenizer, max_length \(\d+\) and long \(best_chunk\)"):
        check_arms(Experiment(config))
