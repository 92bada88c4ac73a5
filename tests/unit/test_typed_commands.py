"""Commands that logs print: whoever copies one gets the same settings, whatever folders are called."""

import shlex
from pathlib import Path

import pytest

import tmkd
from tmkd.cli.project import write_project
from tmkd.config import DataConfig
from tmkd.pipelines.labelling import next_command


@pytest.mark.parametrize("name", ["plain", "my data", "o'brien", "a, b", "100 % (1)", "été", "[x]"])
def test_next_command_can_be_copied_whatever_the_folder_is_called(name):
    folder = Path("reports") / name / "labelled"
    words = shlex.split(next_command(folder, DataConfig(classes=["not it", "it's"])))
    config = tmkd.compose(words[2:])
    assert [config.data.train, config.data.test] == [str(folder / "train.jsonl"), str(folder / "test.jsonl")]
    assert config.corpus.path == str(folder / "train.jsonl")
    assert config.teachers.roster[0].path == str(folder / "*.jsonl")
    assert config.data.classes == ["not it", "it's"]


def test_new_project_says_how_to_enter_a_folder_with_a_space(tmp_path):
    folder = tmp_path / "my project"
    assert f"cd '{folder}'\n" in write_project(folder)
