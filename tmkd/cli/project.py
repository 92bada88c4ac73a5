"""``tmkd init``: a project folder with data, settings and a Makefile, all meant to be changed."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from tmkd.errors import ConfigError
from tmkd.shipped import EXAMPLES

EXPERIMENT = """\
# @package _global_
# This project's settings. `tmkd stage3 --help` prints all there are, as they are composed.
defaults:
  - override /data: files
  - override /corpus: files
  - override /encoder: tiny  # random and small, to see it run; then: minilm, or hub with encoder.name
  - override /teachers: smoke  # then: learning_rates

name: mine
data:
  train: data/train.tsv
  validation: data/validation.tsv  # without it, a tenth of the training questions validate
  test: data/test.tsv
  classes: [wrong, right]  # the last one means that the passage answers the question
corpus:
  path: data/corpus.jsonl
"""
# Any name of a stage is a target. `make` is a shorthand; the commands work without it.
MAKEFILE = """\
.PHONY: plan teachers stage1 stage2 stage3 verify
plan teachers stage1 stage2 stage3 verify:
\t@tmkd $@ --config-dir conf experiment=mine $(OVERRIDES)
"""
NEXT = """\
{folder} holds data/, conf/experiment/mine.yaml and a Makefile. Next:

  cd {quoted}
  make stage1 stage2 stage3

It runs on a few made-up pairs and random encoders, in about a minute. Then put your files into data/ and choose
encoders in conf/experiment/mine.yaml."""


def write_project(folder: Path) -> str:
    """Write a project into a folder that is new or empty; return what to do next.

    Raises:
        ConfigError: the folder has something in it, is a file, or cannot be written to.
    """
    folder = folder.expanduser()
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder}: expected a new or an empty folder, but it has files in it; name another.")
        (folder / "conf" / "experiment").mkdir(parents=True)
        shutil.copytree(EXAMPLES, folder / "data", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "conf" / "experiment" / "mine.yaml").write_text(EXPERIMENT, encoding="utf-8")
        (folder / "Makefile").write_text(MAKEFILE, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{folder}: the project cannot be written ({error.strerror}); name another folder.") from None
    return NEXT.format(folder=folder, quoted=shlex.quote(str(folder)))
