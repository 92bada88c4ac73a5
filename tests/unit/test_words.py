"""BM25 in other languages: stop words, stems, and texts without spaces."""

import sys

import pytest

from tmkd.choices import STEMMERS, STOP_WORDS
from tmkd.config import CorpusConfig
from tmkd.config.check_data import check_corpus
from tmkd.data.candidates import nearest, top_candidates
from tmkd.data.mined import mine
from tmkd.data.words import ENGLISH, Words, words_of
from tmkd.errors import ConfigError, DataError

GERMAN = [
    "Die Bäckerin verkauft das Brot und die Brötchen auf dem Markt",
    "Der Fluss und die Brücke der Stadt sind sehr alt",
    "Am Hafen liegen viele Schiffe",
]
CHINESE = ["小猫在沙发上睡觉", "火车站在城市的北边", "医生建议每天喝八杯水"]


def test_defaults_are_english_words_of_two_letters_without_stop_words():
    assert ENGLISH.read(["The dogs of A. sleep, and I bark"]) == [["dogs", "sleep", "bark"]]


def test_stop_words_of_a_language_find_nothing():
    question = ["die Bäckerin der Brücken"]
    assert "die" in ENGLISH.read(question)[0]
    assert Words("de").read(question) == [["bäckerin", "brücken"]]
    assert Words(("bäckerin", "der")).read(question) == [["die", "brücken"]]
    assert Words(None).read(["the dog"]) == [["the", "dog"]]


def test_stems_are_found_where_forms_differ():
    asked = ["Brücken und Märkte"]
    with pytest.raises(DataError, match="1 of 1 questions share no word"):
        top_candidates(asked, GERMAN[1:], 1, Words("de"))
    assert top_candidates(["alte Brücken"], GERMAN, 1, Words("de", "german")).tolist() == [[1]]
    assert top_candidates(["Schiff"], GERMAN, 1, Words("de", "german")).tolist() == [[2]]


def test_texts_without_spaces_are_found_by_runs_of_characters():
    asked = ["火车站在哪里", "每天喝水"]
    with pytest.raises(DataError, match=r"2 of 2 questions share no word.*set corpus\.characters=2"):
        top_candidates(asked, CHINESE, 1)
    assert Words("zh", None, 2).read(["火车站。北边"]) == [["火车", "车站", "北边"]]
    assert top_candidates(asked, CHINESE, 1, Words("zh", None, 2)).tolist() == [[1], [2]]
    rows = mine({asked[0]: "1"}, CHINESE, candidates=1, random=0, seed=1, words=Words(None, None, 2))
    assert rows["passage"][:] == [CHINESE[1]]


def test_names_of_the_settings_are_those_of_the_packages():
    import Stemmer

    assert set(STEMMERS) == set(Stemmer.algorithms())
    for code in STOP_WORDS:
        assert Words(code).read(["zebra"]) == [["zebra"]]


def test_missing_package_of_stems_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "Stemmer", None)
    with pytest.raises(
        ConfigError, match=r"corpus\.stemmer is german but PyStemmer is not installed; run: pip install"
    ):
        Words("de", "german").read(["x y"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stop_words": "xx"}, r"corpus\.stop_words: expected null, a list of words, or one of en, .*, got 'xx'"),
        ({"stop_words": False}, r"corpus\.stop_words: expected .* got False"),
        ({"stop_words": [1]}, r"corpus\.stop_words: expected .* got \[1\]"),
        ({"stemmer": "klingon"}, r"corpus\.stemmer: expected one of arabic"),
        ({"stemmer": "german", "characters": 2}, r"corpus\.stemmer: expected null where corpus\.characters is not 0"),
        ({"characters": -1}, r"corpus\.characters: expected a number from 0"),
    ],
)
def test_setting_that_makes_no_sense_is_one_sentence(changes, message):
    with pytest.raises(ConfigError, match=message):
        check_corpus(CorpusConfig(**changes))


def test_settings_become_words():
    given = {"stop_words": ["der", "die"], "stemmer": "", "characters": 0}
    assert words_of(given) == Words(("der", "die"))


def test_nearest_vectors_come_first_and_equal_ones_in_their_order():
    import numpy as np

    passages = np.array([[1, 0], [0, 1], [1, 0], [0.6, 0.8]], dtype=np.float32)
    assert nearest(np.array([[1, 0], [0, 1]], dtype=np.float32), passages, 3).tolist() == [[0, 2, 3], [1, 3, 0]]
    assert nearest(passages[:1], passages, 9).shape == (1, 4)
