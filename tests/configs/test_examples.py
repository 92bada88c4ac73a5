"""Every command of a stage in the documents composes: what a reader copies is not refused.

Stages are called as ``python -m stages.NAME``, ``tmkd NAME`` and ``make NAME``. A document may have no such command.
"""

import re
import subprocess
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from typer.main import get_command

from tests.configs.test_compose import composed
from tmkd.cli import app
from tmkd.cli.stages import STAGES

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data/README.md", *sorted(ROOT.glob("docs/**/*.md"))]
# A shell's functions that print what a stage would be given, in one write: some run in the background. `tmkd sweep` is
# two stages with one more setting. Behind --config-dir the experiment is the reader's own. `tmkd choose --train` has
# the settings of stage 2 among the models.
PRINT = """python() { printf '%s\\0' "$@" $'\\n'; }
torchrun() { python "$@"; }
tmkd() {
  local name=$1 each settings=""; shift
  if [ "$name" = choose ]; then
    for each; do
      case $each in --train) settings="$settings --train" ;; --config-dir) settings="$settings --config-dir conf" ;;
        --*) ;; *=*) settings="$settings $each" ;; esac
    done
    case $settings in *--train*) python -m stages.stage2 $settings ;; esac
  fi
  if [ "$name" = sweep ]; then set -- sweep=teacher_count "$@"; name=stage3; fi
  python -m "stages.$name" "$@"
}
make() {
  local each targets="" overrides=""
  for each; do
    case $each in OVERRIDES=*) overrides=${each#OVERRIDES=} ;; *=*) ;; *) targets="$targets $each" ;; esac
  done
  for each in $targets; do eval "tmkd $each $overrides"; done
}
"""
CALLED = {f"stages.{name}" for name in STAGES}


def commands(document: Path, folder: Path) -> list[list[str]]:
    """Return the arguments of each call of a stage."""
    return [call for call in printed(document, folder) if CALLED & set(call)]


def calls(document: Path, folder: Path) -> list[list[str]]:
    """Return what stands behind ``-m`` in each call."""
    return [call[call.index("-m") + 1 :] for call in printed(document, folder) if "-m" in call]


def printed(document: Path, folder: Path) -> list[list[str]]:
    """Return the arguments of each call, as a shell that can run nothing else hands them over."""
    text = document.read_text(encoding="utf-8")
    shell = PRINT + "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    shell = re.sub(r" &$", "", shell, flags=re.MULTILINE)  # one after the other, or two calls print at once
    environment = {"PATH": "/nowhere"}
    run = subprocess.run(["/bin/bash", "-c", shell], cwd=folder, env=environment, capture_output=True, text=True)
    return [call.lstrip("\0").rstrip("\0").split("\0") for call in run.stdout.split("\n\0")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_command_of_the_documents_is_not_refused(document, tmp_path):
    parser = OverridesParser.create()
    for call in commands(document, tmp_path):
        at = next(i for i, word in enumerate(call) if word in CALLED)
        stage, settings = call[at].removeprefix("stages."), call[at + 1 :]
        if "--config-dir" in settings:
            at = settings.index("--config-dir")
            settings = [word for word in settings[:at] + settings[at + 2 :] if not word.startswith("experiment=")]
        settings = [word for word in settings if not word.startswith("--")]
        if any(word.startswith(("launcher=", "hydra.")) for word in settings):
            continue  # these need Hydra's plugins, which only some have installed
        first = [
            f"{each.get_key_element()}={next(each.sweep_string_iterator())}" if each.is_sweep_override() else word
            for word, each in zip(settings, parser.parse_overrides(settings), strict=True)
        ]
        composed(*first, stage=stage)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_experiment_of_the_documents_is_not_refused(document, tmp_path):
    (tmp_path / "experiment").mkdir()
    for block in re.findall(
        r"^```yaml\n(# @package _global_\n.*?)^```", document.read_text("utf-8"), re.DOTALL | re.MULTILINE
    ):
        (tmp_path / "experiment/mine.yaml").write_text(block, encoding="utf-8")
        assert composed(f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine").name == "mine"


def test_commands_are_found_in_the_documents(tmp_path):
    assert len([call for document in DOCUMENTS for call in commands(document, tmp_path)]) >= 50


def test_commands_of_every_kind_are_found(tmp_path):
    document = tmp_path / "page.md"
    document.write_text(
        "```sh\npip install .  # no stage\ntmkd init mine\ntmkd stage3 method=tmkd 'student.seeds=[1,2]'\n"
        "tmkd sweep name=mine\nmake stage1 stage2 OVERRIDES=\"experiment=smoke 'method=[kd,tmkd]'\"\n"
        "torchrun --nproc-per-node 2 -m stages.stage1 runtime.fsdp=true\n"
        "tmkd choose ccaf --within '50 ms for 20 passages' --train student.layers=1,2 'student.seeds=[1]'\n```\n"
    )
    found = [call[next(i for i, word in enumerate(call) if word in CALLED) :] for call in commands(document, tmp_path)]
    assert found == [
        ["stages.stage3", "method=tmkd", "student.seeds=[1,2]"],
        ["stages.stage3", "sweep=teacher_count", "name=mine"],
        ["stages.stage1", "experiment=smoke", "method=[kd,tmkd]"],
        ["stages.stage2", "experiment=smoke", "method=[kd,tmkd]"],
        ["stages.stage1", "runtime.fsdp=true"],
        ["stages.stage2", "--train", "student.layers=1,2", "student.seeds=[1]"],
    ]


def test_document_without_commands_is_fine(tmp_path):
    document = tmp_path / "page.md"
    document.write_text("Nothing to run here.\n\n```python\nimport tmkd\n```\n")
    assert commands(document, tmp_path) == []


def test_other_commands_of_the_documents_have_the_options_that_are_there(tmp_path):
    known = get_command(app)
    found = []
    for document in DOCUMENTS:
        for name, *arguments in calls(document, tmp_path):
            name = name.removeprefix("stages.")
            if name in known.commands and f"stages.{name}" not in CALLED:
                known.commands[name].make_context(name, arguments)  # a UsageError says what is wrong
                found.append(name)
    assert set(found) >= {
        "rank",
        "score",
        "evaluate",
        "choose",
        "ask",
        "ls",
        "show",
        "gc",
        "report",
        "doctor",
        "init",
        "convert",
    }
