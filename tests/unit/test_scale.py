"""One machine to many: its settings, and what stays out of a result's name. Nothing here needs an extra."""

import json
import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir
from pyarrow.fs import LocalFileSystem

from tmkd.cli.explain import PLUGINS, missing_plugin
from tmkd.cli.launch import launch
from tmkd.config import RayConfig, RuntimeConfig, check, resolve, settings
from tmkd.errors import ConfigError
from tmkd.results.ray_scoring import open_storage
from tmkd.shipped import CONF


def composed(*overrides, hydra=False):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides), return_hydra_config=hydra)


def test_ray_is_a_choice_of_the_runtime_that_nothing_but_scoring_sees():
    config = check(resolve(composed("runtime=ray", "runtime.ray.workers=8")))
    assert config.runtime.ray == RayConfig(workers=8)
    # or it would reach keywords and identities of results that are the same without it
    assert settings(config.runtime) == settings(RuntimeConfig())


def test_ray_is_off_by_default():
    assert resolve(composed()).runtime.ray is None


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("runtime.ray.workers=0", "runtime.ray.workers: expected more than 0"),
        ("runtime.ray.address=auto", "runtime.ray.storage: expected a folder or URI that all machines share"),
    ],
)
def test_setting_of_ray_that_makes_no_sense_is_named(override, said):
    with pytest.raises(ConfigError, match=said):
        check(resolve(composed("runtime=ray", override)))


@pytest.mark.parametrize("override", ["runtime.ray.workers=2", "runtime.ray={workers: 1}"])
def test_settings_of_ray_without_ray_are_told_what_they_lack(monkeypatch, capsys, tmp_path, override):
    # Hydra itself ends in a traceback while it composes
    monkeypatch.setenv("TMKD_STAGE", "teachers")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(sys, "argv", ["teachers", f"paths.runs={tmp_path}", override])
    with pytest.raises(SystemExit) as stopped:
        launch("teachers")
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        f"tmkd: {override}: expected runtime=ray as well, since without it there are no settings of Ray.\n"
    )


@pytest.mark.parametrize("place", ["{}", "file://{}"])
def test_storage_is_a_folder_or_a_uri(place, tmp_path):
    filesystem, root = open_storage(place.format(tmp_path))
    assert isinstance(filesystem, LocalFileSystem) and root == str(tmp_path)


def test_storage_with_a_scheme_that_pyarrow_lacks_is_opened_by_fsspec():
    filesystem, root = open_storage("memory://bucket/folder")
    filesystem.create_dir(root)
    with filesystem.open_output_stream(f"{root}/part") as file:
        file.write(b"logits")
    assert filesystem.open_input_file(f"{root}/part").read() == b"logits"


def test_storage_that_nobody_can_open_is_named():
    with pytest.raises(ConfigError, match=r"runtime\.ray\.storage: expected a folder or a URI, got nowhere://bucket"):
        open_storage("nowhere://bucket")


@pytest.mark.parametrize("option", ["joblib", "slurm", "ray"])
def test_launcher_composes_without_its_plugin_and_a_missing_one_is_told_with_what_installs_it(option):
    target = composed(f"launcher={option}", hydra=True).hydra.launcher._target_
    said = missing_plugin(RuntimeError(f"Unknown plugin class : '{target}'"))
    assert said is not None and f'".[{option}]"' in said
    assert any(plugin in target for plugin in PLUGINS)


def test_error_that_is_no_missing_plugin_is_left_alone():
    assert missing_plugin(RuntimeError("expected all tensors to be on the same device")) is None


def test_sweeps_run_one_job_after_the_other_by_default():
    assert composed(hydra=True).hydra.launcher._target_.endswith("BasicLauncher")


@pytest.mark.slow
def test_jobs_side_by_side_share_what_both_need(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the extra joblib is not installed")
    settings = ["experiment=smoke", "method=kd", "teachers.count=1", "student.seeds=[1],[2]", "runtime.threads=1"]
    paths = [f"paths.{name}={tmp_path / name}" for name in ("artifacts", "reports", "runs")]
    command = [sys.executable, "-m", "stages.stage2", "--multirun", "launcher=joblib", *settings, *paths]
    done = subprocess.run(command, cwd=CONF.parent, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "n_jobs=2" in done.stdout + done.stderr
    students = [json.loads(path.read_text()) for path in tmp_path.glob("artifacts/stage2-*/manifest.json")]
    assert sorted(student["spec"]["seed"] for student in students) == [1, 2]
    logs = "".join(path.read_text() for path in tmp_path.glob("runs/**/*.log"))
    assert logs.count("made    teacher 1") == 1  # the other job waited for it
