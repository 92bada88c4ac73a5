"""Every command of a stage in the documents composes: what a reader copies is not refused."""

import re
import subprocess
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from tests.configs.test_compose import composed

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data/README.md", *sorted(ROOT.glob("docs/**/*.md"))]
PRINT = """python() { printf '%s\\0' "$@"; printf '\\n\\0'; }
torchrun() { python "$@"; }
"""


def commands(document: Path, folder: Path) -> list[list[str]]:
    """Return the arguments of each call of a stage, as a shell that can run nothing else hands them over."""
    text = document.read_text(encoding="utf-8")
    shell = PRINT + "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    environment = {"PATH": "/nowhere"}
    run = subprocess.run(["/bin/bash", "-c", shell], cwd=folder, env=environment, capture_output=True, text=True)
    calls = [call.lstrip("\0").rstrip("\0").split("\0") for call in run.stdout.split("\n\0")]
    return [call for call in calls if any(word.startswith("stages.") for word in call)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_command_of_the_documents_is_not_refused(document, tmp_path):
    parser = OverridesParser.create()
    for call in commands(document, tmp_path):
        settings = call[next(i for i, word in enumerate(call) if word.startswith("stages.")) + 1 :]
        settings = [word for word in settings if not word.startswith("--")]
        if any(word.startswith(("launcher=", "hydra.")) for word in settings):
            continue  # these need Hydra's plugins, which only some have installed
        first = [
            f"{each.get_key_element()}={next(each.sweep_string_iterator())}" if each.is_sweep_override() else word
            for word, each in zip(settings, parser.parse_overrides(settings), strict=True)
        ]
        composed(*first)


def test_commands_are_found_in_the_documents(tmp_path):
    assert len(commands(ROOT / "README.md", tmp_path)) >= 15
