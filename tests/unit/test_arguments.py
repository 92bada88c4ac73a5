"""What a shell hands over becomes what was typed; the rest is Hydra's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException

from tmkd.cli.arguments import as_typed
from tmkd.cli.explain import explain
from tmkd.config import check, resolve, takes_text
from tmkd.errors import ConfigError

ROOT = Path(__file__).parents[2]


def composed(*arguments):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return check(resolve(compose("config", overrides=as_typed(arguments))))


@pytest.mark.parametrize(
    "path",
    [
        "/my data/train (1).tsv",
        "/Prüfung/größe.tsv",
        "/数据/train.tsv",
        "/runs/lr=0.1/train.tsv",
        "/pairs [v1]/{a}/train.tsv",
        "[v1]",
        '/it\'s/"here".tsv',
        "C:\\data\\",
        "/a#b;c&d%e+f@g.tsv",
        "2026_11_25",
        "1.10",
        "1e3",
        "true",
    ],
)
def test_text_is_what_was_typed_whatever_hydra_takes_its_characters_for(path):
    assert composed(f"data.train={path}").data.train == path
    assert composed(f"teachers.roster.1.encoder.name={path}").teachers.roster[1].encoder.name == path


@pytest.mark.parametrize("value", ["null", "-1", "2.5", "true", "[1,2]", "[null]"])
def test_what_is_no_name_of_a_file_of_settings_is_told_with_the_files_there_are(value):
    # tracebacks of Hydra's
    told = re.escape(f", or '~student' for none of them, got {value}.")
    with pytest.raises(ConfigError, match=rf"^student: expected one of bilstm, .*{told}"):
        composed(f"student={value}")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ('data.train="/my data/a, b.tsv"', "/my data/a, b.tsv"),
        ("data.train='a'", "a"),
        ("data.train=/my\\ data/a.tsv", "/my data/a.tsv"),
        ("data.train=null", None),
        ("data.train=", ""),
        ("data.train=${paths.runs}/a (1).tsv", "runs/a (1).tsv"),
    ],
)
def test_what_hydra_reads_as_a_text_stays_as_it_reads_it(argument, value):
    assert composed(argument).data.train == value


def test_comma_in_a_path_is_told_how_to_quote():
    from tmkd.cli.compose import compose as checked

    with pytest.raises(ConfigError, match=r"""'data\.train="/a,b/train\.tsv"', and to run each .* add --multirun"""):
        checked(["data.train=/a,b/train.tsv"])


@pytest.mark.parametrize("key", ["paths.artifacts", "data.train", "encoder.name"])
def test_home_of_nobody_is_no_folder_here(key):
    # a folder called ~nobody-here was made in the working folder
    with pytest.raises(ConfigError, match=r"^~nobody-here/x: .*there is no user nobody-here"):
        composed(f"{key}=~nobody-here/x")


@pytest.mark.parametrize("value", ["'/o'brien/a b.tsv'", '"/my "old" data/a.tsv"', "'it's'"])
def test_quotes_that_end_inside_a_text_are_no_part_of_a_path(value):
    # paths.artifacts='/o'brien/results' made a folder whose name begins with a quote, in the working folder
    with pytest.raises(ConfigError, match=r"data\.train: the quotes around .* end before it does.*leave out those"):
        composed(f"data.train={value}")


@pytest.mark.parametrize(
    "argument",
    ["data.train=a.tsv,b.tsv", "name=choice(a,b)", "student.seeds=[1]", "data=files", "--multirun", "hydra.run.dir=ä"],
)
def test_sweeps_and_what_is_no_text_are_left_to_hydra(argument):
    assert as_typed([argument]) == [argument]


def test_texts_of_the_configuration_are_known_by_their_keys():
    assert all(map(takes_text, ("name", "data.path", "paths.runs", "encoder.vectors", "method.arms.kd.targets")))
    assert not any(map(takes_text, ("data", "data.classes", "data.ranking", "teachers.count", "no.such.key")))


@pytest.mark.parametrize(
    "argument", ["data.classes=[für,gegen]", "data.labels={größer: right}", "method.alpha=[", "data.größe=1"]
)
def test_value_that_cannot_be_read_is_told_how_to_quote_it_without_the_parsers_words(argument):
    with pytest.raises(HydraException) as raised:
        composed(argument)
    sentence = explain(raised.value)
    assert argument in sentence
    assert "quotes" in sentence
    assert "\n" not in sentence
    assert "Exception" not in sentence


@pytest.mark.parametrize("argument", ["+method.arms.mine.targets=average", "++method.arms.mine={targets: average}"])
def test_new_arm_that_hydra_cannot_add_is_told_how_and_added_so(argument):
    with pytest.raises(HydraException) as raised:
        composed(argument)
    sentence = explain(raised.value)
    assert sentence.startswith(
        "method.arms: a new entry comes with the map that it goes into, '+method.arms={mine: {...}}'"
    )
    arms = composed("method=tmkd", "+method.arms={mine: {targets: average}}").method.arms
    assert {name: arm.targets for name, arm in arms.items()} == {"tmkd": "heads", "mine": "average"}


@pytest.mark.parametrize(
    "labels",
    ["{0: right, 0.0: wrong}", "{1: right, true: wrong}", "{a: right, a: wrong}", "{TRUE: right, true: wrong}"],
)
def test_label_that_is_given_two_classes_is_refused_though_hydra_keeps_the_last(labels):
    with pytest.raises(ConfigError, match=r"data\.labels: expected one class for each label, but"):
        composed(f"data.labels={labels}")


def test_labels_that_are_one_value_with_one_class_are_fine_and_so_are_yes_and_true():
    assert composed("data.labels={0: right, 0.0: right, 1: wrong}").data.labels == {"0": "right", "1": "wrong"}
    assert composed("data.labels={yes: right, true: wrong}").data.labels == {"yes": "right", "True": "wrong"}


def test_tilde_is_the_home_folder_in_every_path(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config = composed(
        "data.train=~/train.tsv", "corpus.path=~/c/part-*.jsonl", "paths.artifacts=~/results", "encoder.name=~/e",
        "student.encoder.vectors=~/v.txt", "student.encoder.source=bilstm", "teachers.roster.0.encoder.name=~/t",
    )  # fmt: skip
    assert config.data.train == "/home/me/train.tsv"
    assert config.corpus.path == "/home/me/c/part-*.jsonl"
    assert config.paths.artifacts == "/home/me/results"
    assert (config.encoder.name, config.student.encoder.vectors) == ("/home/me/e", "/home/me/v.txt")
    assert config.teachers.roster[0].encoder.name == "/home/me/t"


@pytest.mark.parametrize(
    "arguments",
    [
        [f"name={'ü' * 130}"],
        [f"paths.artifacts=/tmp/{'a' * 300}/b"],
        [f"data.name={'a' * 300}", "+table.rows={TMKD: {arm: tmkd}}"],
    ],
)
def test_name_that_no_folder_can_have_is_told_before_anything_is_made(arguments):
    with pytest.raises(ConfigError, match="expected folders whose names have at most 240 bytes, got"):
        composed(*arguments)


def run(tmp_path, *arguments, stage="verify", **environment):
    command = [sys.executable, "-m", f"stages.{stage}", *arguments]
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "PYTHON", "LANG"))}
    here = {**usual, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, cwd=tmp_path, env=here, capture_output=True, timeout=120)


@pytest.mark.parametrize("environment", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}], ids=str)
def test_locale_without_the_letters_of_a_name_stops_neither_work_nor_log(tmp_path, environment):
    done = run(tmp_path, "paths.artifacts=größe ü", "paths.runs=läufe", **environment)
    assert (done.returncode, b"Traceback" in done.stderr, b"Logging error" in done.stderr) == (0, False, False)
    assert (tmp_path / "läufe").is_dir()
    refused = run(tmp_path, "encoder.source=größe", **environment)
    assert (refused.returncode, b"Traceback" in refused.stderr) == (2, False)
    assert b"encoder.source: expected one of" in refused.stderr


def test_tilde_makes_no_folder_of_that_name(tmp_path):
    # Whoever removes it with "rm -rf ~" loses more than that.
    home = tmp_path / "home"
    home.mkdir()
    done = run(tmp_path, 'paths.artifacts="~/results"', "paths.runs=~/runs", "paths.reports=~/r", HOME=str(home))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "~").exists()
    assert (home / "runs").is_dir()
