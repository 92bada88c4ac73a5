"""Pairs that are longer than what is read of them: counted exactly, and said where they are many."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset
from transformers import GPT2Tokenizer

from tests.pipeline.running import compose_at
from tmkd.config import Config, EncoderConfig, StudentConfig, TeacherConfig, TeachersConfig
from tmkd.data import cutting
from tmkd.data.batching import tokenise
from tmkd.data.cutting import count_cut
from tmkd.experiment.experiment import Experiment, length_settings
from tmkd.models.encoder import load_encoder
from tmkd.results import cuts
from tmkd.results.cuts import cut_of
from tmkd.results.rows import Tokens

ROWS = Dataset.from_dict(
    {
        "question": ["abc", "abcd", "abcdefgh", "abc", "abcdefghij", "ab"],
        "passage": ["xyz", "wxyz", "xyz", "qrstuvwxyz", "qrstuvwxyz", "uvwxyz"],
    }
)
# room for eight letters: the second and the last pair fill it and lose nothing
CUT = {"pairs": 3, "questions": 2, "passages": 2}


def letters():
    return GPT2Tokenizer(vocab={chr(code): code - 97 for code in range(97, 123)} | {"<|endoftext|>": 26}, merges=[])


@pytest.mark.parametrize("batch", [1, 2, 10_000])
def test_pairs_that_just_fit_are_not_counted_as_cut(monkeypatch, batch):
    monkeypatch.setattr(cutting, "BATCH", batch)
    tokenizer = letters()
    assert count_cut(ROWS, tokenise(ROWS, tokenizer, 10), tokenizer, 10) == CUT
    assert count_cut(ROWS, tokenise(ROWS, tokenizer, 22), tokenizer, 22) == dict.fromkeys(CUT, 0)


@pytest.mark.parametrize("long", ["best_chunk", "first_last"])
def test_pairs_that_lost_another_part_are_counted_as_cut(long):
    tokenizer = letters()
    assert count_cut(ROWS, tokenise(ROWS, tokenizer, 10, long), tokenizer, 10) == CUT


def test_count_is_that_of_lengths_without_a_limit(pairs):
    tokenizer = load_encoder(source="tiny").tokenizer
    whole = np.array(tokenise(pairs, tokenizer, 4096)["length"])
    limit = int(np.median(whole))
    assert 0 < (whole > limit).sum() < (whole >= limit).sum()  # some are as long as the limit and whole
    assert count_cut(pairs, tokenise(pairs, tokenizer, limit), tokenizer, limit)["pairs"] == (whole > limit).sum()


@pytest.fixture
def read(tmp_path):
    """A function that reads a split of the smoke task, cut at the length of the run's encoder."""

    def at(length, split="train", times=1, long="cut"):
        config = compose_at(tmp_path, "experiment=smoke", f"encoder.max_length={length}", "runtime.threads=1")
        own, tokenizer = Experiment(config), load_encoder(source="tiny").tokenizer
        for _ in range(times):
            own.task.rows(split).tokens(own.context, tokenizer, length, long)
        return own.context, Tokens.of(own.task.rows(split), tokenizer, length, long)

    return at


def cut_warnings(caplog):
    return [record.getMessage() for record in caplog.records if "tokens that are read" in record.getMessage()]


def test_cut_split_is_warned_of_once_with_the_setting_to_raise(read, caplog):
    with caplog.at_level(logging.WARNING):
        read(40, times=2)
    assert cut_warnings(caplog) == [
        "60 of 60 pairs of train (100.0 %) are longer than the 40 tokens that are read, and are cut there; raise "
        "encoder.max_length, or set long=best_chunk there"
    ]


def test_shortened_split_is_warned_of_with_what_is_kept_of_it(read, caplog):
    with caplog.at_level(logging.WARNING):
        read(40)
        read(40, long="best_chunk")
        read(40, long="first_last")
    begin = "60 of 60 pairs of train (100.0 %) are longer than the 40 tokens that are read, and are shortened to "
    assert cut_warnings(caplog)[1:] == [
        f"{begin}the part that shares most words with the question (best_chunk); raise encoder.max_length",
        f"{begin}their beginning and end (first_last); raise encoder.max_length, or set long=best_chunk there",
    ]


def test_split_of_which_hardly_anything_is_cut_is_not_warned_of(read, caplog, monkeypatch):
    with caplog.at_level(logging.WARNING):
        read(1000)
        monkeypatch.setattr(cuts, "MANY", 1.0)  # all of them are not more than all
        read(40, "test")
    assert cut_warnings(caplog) == []


def test_tokens_from_before_cuts_were_counted_are_found_and_give_an_upper_bound(read, caplog):
    context, tokens = read(40)
    made = tokens.find(context)
    cut = made.details["cut"]
    assert cut["pairs"] == 60 and not cut_of(made)["at_most"]
    manifest = json.loads((made.path / "manifest.json").read_text())
    del manifest["details"]["cut"]
    (made.path / "manifest.json").write_text(json.dumps(manifest))
    older = tokens.find(context)
    assert cut_of(older) == {"split": "train", "max_length": 40, "pairs": 60, "cut": {"pairs": 60}, "at_most": True}
    with caplog.at_level(logging.WARNING):
        read(40)
    assert cut_warnings(caplog)[-1].startswith("up to 60 of 60 pairs of train (100.0 %)")


def test_setting_to_raise_is_the_one_that_the_length_comes_from():
    run = EncoderConfig(max_length=48)
    teachers = [TeacherConfig(), TeacherConfig(encoder=EncoderConfig(source="tiny", max_length=32)), TeacherConfig()]
    config = Config(encoder=run, teachers=TeachersConfig(count=2, roster=teachers))
    assert length_settings(config) == {48: ["encoder.max_length"], 32: ["teachers.roster.1.encoder.max_length"]}
    config = replace(config, student=StudentConfig(max_length=32))
    assert length_settings(config)[32] == ["student.max_length", "teachers.roster.1.encoder.max_length"]


def test_settings_to_raise_are_those_of_arms_with_other_settings_too(tmp_path):
    # or the pairs that such an arm cuts would be put down to no setting at all
    own = Experiment(compose_at(tmp_path, "experiment=smoke", "encoder.max_length=40"))
    own.varied({"student": {"max_length": 24}})
    assert own.context.lengths == {40: ["encoder.max_length"], 24: ["student.max_length"]}
