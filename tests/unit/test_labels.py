"""Labels in whatever spelling: what a label means must never depend on how its value was written."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from tmkd.data.bad_rows import BadRow
from tmkd.data.labels import Labels
from tmkd.data.rows import Columns
from tmkd.errors import DataError
from tmkd.spelling import Names, as_text, same
from tmkd.use.evaluate_file import evaluate_file

ZERO = [0, 0.0, "0", "0.0", "0.00", "-0", " 0 ", Decimal("0.0"), "0e3", ".0", "00"]
TRUE = [True, "true", "True", "TRUE", " tRuE"]


@pytest.mark.parametrize(("values", "other"), [(ZERO, 1), (TRUE, False), ([1.5, "1.50", "15e-1", Decimal("1.5")], 15)])
def test_spellings_of_one_value_are_one_and_no_others(values, other):
    assert len({same(as_text(value)) for value in values}) == 1
    assert same(as_text(other)) != same(as_text(values[0]))


def test_long_numbers_that_differ_in_their_last_digit_are_two():
    assert same("1" * 40) != same("1" * 39 + "2")


@pytest.mark.parametrize("value", ZERO)
@pytest.mark.parametrize("key", ["0", "0.0", "0.00"])
def test_number_is_read_by_the_map_in_every_spelling(value, key):
    # Taken for index 0, every pair would have the other label, in silence.
    assert Labels("label", ["wrong", "right"], {key: "right", "1.0": "wrong"}).index(value) == 1


@pytest.mark.parametrize("value", TRUE)
@pytest.mark.parametrize("key", ["True", "true", "TRUE"])
def test_truth_value_is_read_by_the_map_in_every_spelling(value, key):
    labels = Labels("label", ["wrong", "right"], {key: "right", "False": "wrong"})
    assert labels.index(value) == 1
    assert labels.index("FALSE") == 0


@pytest.mark.parametrize("value", ["yes", "Yes", "on"])
def test_label_that_yaml_would_read_as_true_is_found_where_yaml_did_so(value):
    assert Labels("label", ["False", "True"], {}).index(value) == 1  # classes: [no, yes]
    assert Labels("label", ["wrong", "right"], {"True": "right", "False": "wrong"}).index(value) == 1


def test_exact_name_goes_before_other_spellings_and_names_of_one_value_are_told_apart_exactly():
    names = Names(["1", "1.0", "yes", "True"])
    assert [names.find(value) for value in ("1", "1.0", "1.00", "yes", True, "YES")] == [
        "1", "1.0", None, "yes", "True", "yes",
    ]  # fmt: skip


@pytest.mark.parametrize("names", [{}, {"yes": "right", "no": "wrong"}, {"right": "wrong", "wrong": "right"}])
def test_label_that_is_written_is_read_as_the_same_class(names):
    labels = Labels("label", ["wrong", "right"], names)
    assert [labels.index(labels.written(label)) for label in (0, 1)] == [0, 1]


@pytest.mark.parametrize("value", [0, "1", 1.0])
def test_no_label_is_an_index_once_there_is_a_map(value):
    with pytest.raises(BadRow, match=r"'label' must be one of \['yes', 'no', 'wrong', 'right'\] but is"):
        Labels("label", ["wrong", "right"], {"yes": "right", "no": "wrong"}).index(value)


@pytest.mark.parametrize("classes", [["1", "2"], ["1.0", "2.0"], ["-1", "1"], ["True", "False"], ["true", "false"]])
def test_no_label_is_an_index_where_it_could_mean_another_class(classes):
    # Index 0 of [true, false] is true.
    with pytest.raises(BadRow):
        Labels("label", classes, {}).index(0)


def test_index_may_be_spelt_as_a_fraction_and_truth_values_in_order_have_indices():
    assert [Labels("label", ["wrong", "right"], {}).index(value) for value in (1, "1", 1.0, "1.0")] == [1] * 4
    assert Labels("label", ["false", "true"], {}).index("1") == 1


@pytest.mark.parametrize(("value", "shown"), [(True, "True"), ("yes", "yes"), (2, "2"), ("not so", "LABEL")])
def test_sentence_shows_how_a_label_is_mapped(value, shown):
    with pytest.raises(BadRow, match=rf"which class it means: 'data.labels={{{shown}: CLASS}}'$"):
        Labels("label", ["wrong", "right"], {}).index(value)


@pytest.mark.parametrize("value", [True, "true", 2, "01x", None, [1], float("nan"), "", "Right"])
def test_label_that_means_nothing_is_named_with_those_that_do(value):
    with pytest.raises(BadRow, match=r"\['wrong', 'right'\] or an index from 0 to 1 but is"):
        Labels("label", ["wrong", "right"], {}).index(value)


def test_label_that_is_no_class_of_a_model_is_not_told_of_settings_that_are_not_read(tmp_path):
    (tmp_path / "test.tsv").write_text("question\tpassage\tlabel\nq\tp\tyes\n")
    with pytest.raises(DataError, match="but is 'yes'; the classes are the model's: write one of them"):
        evaluate_file(SimpleNamespace(classes=("wrong", "right")), tmp_path / "test.tsv", Columns())
