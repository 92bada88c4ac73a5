"""The front door: the command, the project it writes, and the stages from Python."""

import errno
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

import tmkd
from tmkd.cli import app, launch
from tmkd.cli.answers import answering
from tmkd.cli.stages import STAGES
from tmkd.errors import ConfigError
from tmkd.shipped import CONF, EXAMPLES

ROOT = Path(__file__).parents[2]


def tmkd_command(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tmkd", *arguments], cwd=cwd or ROOT, capture_output=True, text=True)


def test_version_and_stages_are_told_without_hydra_or_torch():
    code = (
        "import sys; from typer.testing import CliRunner; from tmkd.cli import app; "
        "print(CliRunner().invoke(app, ['--help']).output, CliRunner().invoke(app, ['--version']).output); "
        "assert not {'torch', 'hydra', 'transformers'} & set(sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"tmkd {tmkd.__version__}" in found
    assert all(name in found for name in (*STAGES, "sweep", "init"))


def test_every_stage_is_a_module_of_the_checkout_too():
    assert {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__"} == set(STAGES)


def test_settings_are_passed_on_and_a_mistake_is_one_sentence():
    found = tmkd_command("stage3", "method=nothing_like_it")
    assert found.returncode == 2
    assert found.stderr.startswith("tmkd: ") and "nothing_like_it" in found.stderr and "Traceback" not in found.stderr


def test_help_of_a_stage_shows_the_settings_as_they_are_composed():
    found = tmkd_command("stage2", "student=bottom1", "--help")
    assert found.returncode == 0
    assert STAGES["stage2"].what in found.stdout and "layers: 1" in found.stdout


def test_help_of_a_stage_that_nobody_reads_to_its_end_is_no_mistake():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "tmkd", "stage2", "--help"]
    found = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (found.returncode, found.stderr) == (0, "")


def test_sweep_trains_the_students_and_then_compares_them(monkeypatch):
    called = []
    monkeypatch.setattr(launch, "launch", lambda stage, by: called.append([stage, by, *sys.argv[1:]]))
    CliRunner().invoke(app, ["sweep", "student.seeds=[1]"], catch_exceptions=False)
    assert called == [
        ["stage2", "tmkd", "--multirun", "sweep=teacher_count", "student.seeds=[1]"],
        ["stage3", "tmkd", "sweep=teacher_count", "student.seeds=[1]"],
    ]


def test_next_command_is_one_of_the_same_kind():
    assert STAGES["plan"].then("make") == "make stage1 stage2 stage3"
    assert STAGES["plan"].then("tmkd", labels=False) == "tmkd label"
    assert STAGES["plan"].then("tmkd") == "tmkd stage1 && tmkd stage2 && tmkd stage3"


def test_next_command_is_not_that_of_another_run():
    # copied as it stood, `tmkd stage3` after a plan of one's own data trained on the built-in task
    assert STAGES["stage2"].then("make", set_any=True) == "make stage3, with the same settings"
    assert STAGES["label"].then("tmkd") == "tmkd stage3, with the settings above"


def test_new_project_composes_from_its_own_folder(tmp_path):
    said = CliRunner().invoke(app, ["init", str(tmp_path / "mine")])
    assert said.exit_code == 0 and "make stage1 stage2 stage3" in said.output
    command = ["stage2", "--config-dir", "conf", "experiment=mine", "--cfg", "job"]
    found = tmkd_command(*command, cwd=tmp_path / "mine")
    assert found.returncode == 0, found.stderr
    settings = yaml.safe_load(found.stdout)
    assert settings["name"] == "mine" and (tmp_path / "mine" / settings["data"]["train"]).is_file()


def test_folder_with_files_is_not_written_over(tmp_path):
    (tmp_path / "theirs.txt").write_text("precious")
    said = CliRunner().invoke(app, ["init", str(tmp_path)])
    assert said.exit_code == 2
    assert "expected a new or an empty folder" in said.output
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.txt"]


def test_wheel_holds_every_package_and_every_folder_of_settings():
    # or a new one would be missing from what pip installs, and be found here by nobody
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("tmkd/**/__init__.py")}
    assert set(listed["packages"]) == found | set(listed["package-dir"])
    assert all((ROOT / folder).is_dir() for folder in listed["package-dir"].values())
    assert (CONF / "config.yaml").is_file() and (EXAMPLES / "train.tsv").is_file()


def test_settings_composed_in_python_are_those_of_the_command_line():
    config = tmkd.compose(["experiment=smoke", "method=tmkd"])
    assert config.name == "smoke" and list(config.method.arms) == ["tmkd"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["method=nothing"], "nothing"),
        (["student.layers=-1"], "student.layers"),
        (["runtime.ray.workers=2"], "expected runtime=ray as well"),
    ],
)
def test_mistake_in_python_is_an_error_with_the_same_sentence(overrides, message):
    with pytest.raises(ConfigError, match=message):
        tmkd.compose(overrides)


@pytest.mark.parametrize(
    "text", ["/my data/train (1).tsv", "/pairs [v1]/{a}.tsv", "/runs/lr=0.1/a.tsv", "it's", "1.10", "1e3", "true"]
)
def test_text_in_python_is_taken_as_it_is_like_behind_a_command(text):
    config = tmkd.compose(["data=files", f"data.train={text}", f"name={text.replace('/', '-')}"])
    assert (config.data.train, config.name) == (text, text.replace("/", "-"))


def test_unknown_stage_is_named():
    with pytest.raises(ConfigError, match=r"expected one of plan, teachers, .*, verify, got stage4"):
        tmkd.run("stage4", tmkd.compose())


def test_every_stage_is_named_where_python_runs_them():
    listed = tmkd.run.__doc__.partition("stage: ")[2].partition(".")[0]
    assert listed.replace(" or ", ", ").split(", ") == [*STAGES]


def test_what_is_not_there_is_no_lazy_name():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tmkd.nothing


@pytest.mark.parametrize(("why", "remedy"), [(errno.ENOSPC, "make room on its disk"), (errno.EISDIR, "name another"),
                                             (errno.EACCES, "mend its permissions")])  # fmt: skip
def test_what_a_disk_says_comes_with_what_helps_against_it(capsys, why, remedy):
    with pytest.raises(typer.Exit), answering():
        raise OSError(why, os.strerror(why))
    assert capsys.readouterr().err == f"tmkd: a file cannot be read or written ({os.strerror(why)}); {remedy}.\n"


def test_log_that_nobody_can_read_is_no_traceback(tmp_path):
    paths = [f"paths.{each}={tmp_path / each}" for each in ("artifacts", "runs")]
    command = [sys.executable, "-m", "tmkd", "verify", *paths]
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (found.returncode, found.stderr) == (0, "")
