"""The page of settings is what the program prints, and says something of every setting."""

import dataclasses
from pathlib import Path

import pytest

from tmkd import config
from tmkd.cli.settings import comments, page
from tmkd.config.stages import SCHEDULES

PAGE = Path(__file__).parents[2] / "docs/settings.md"
SECTIONS = [
    kind
    for kind in vars(config).values()
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and kind is not config.Config
]


def test_page_is_the_one_that_is_printed():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: tmkd settings > docs/settings.md"


@pytest.mark.parametrize("section", SECTIONS, ids=lambda kind: kind.__name__)
def test_every_setting_has_a_meaning(section):
    known = comments(section)
    plain = [field.name for field in dataclasses.fields(section) if not dataclasses.is_dataclass(field.default_factory)]
    assert set(plain) <= set(known)


def test_every_row_of_the_page_says_what_the_setting_means():
    rows = [line.split(" | ") for line in page().splitlines() if line.startswith("| `")]
    assert rows and all(meaning.strip(" |") for *_, meaning in rows)


def test_comment_beside_a_field_and_those_before_it_are_read():
    assert comments(config.StudentConfig)["layers"].startswith("number of layers")
    assert comments(config.EncoderConfig)["source"].startswith("embedded")


def test_meaning_of_the_schedule_names_those_that_are_taken():
    """It said "any scheduler of transformers", most of which are refused."""
    meaning = comments(config.TrainerConfig)["schedule"]
    assert meaning.rpartition(": ")[2].split(" | ") == list(SCHEDULES)


def test_value_that_a_file_chooses_stands_beside_the_default_of_the_class():
    assert "| `data.passage_words` | 8 | 32 |" in page()
