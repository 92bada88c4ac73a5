"""A task is checked before it costs any training time."""

import pytest
from datasets import Dataset

from tmkd.data.schema import SPLITS, Task, pair_id
from tmkd.errors import DataError


def rows(name, labels=(1, 0), question=None):
    made = [(question or f"what is {name}", f"{name} {index}", label) for index, label in enumerate(labels)]
    return Dataset.from_dict(
        {
            "id": [pair_id(asked, passage) for asked, passage, _ in made],
            "question_id": [asked for asked, _, _ in made],
            "question": [asked for asked, _, _ in made],
            "passage": [passage for _, passage, _ in made],
            "label": [label for _, _, label in made],
        }
    )


def task(ranking=True, **splits):
    return Task("quiz", ("wrong", "right"), ranking, {name: rows(name) for name in SPLITS} | splits)


def test_whole_task_passes():
    assert task().check().name == "quiz"


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ({"validation": rows("validation", ())}, "the validation split is empty"),
        ({"test": rows("test", (0, 0))}, "every row of the test split has the label 'wrong'"),
        ({"test": rows("again", question="what is train")}, "'what is train', are in both train and test"),
        ({"test": rows("again", question="what is validation")}, "are in both validation and test"),
    ],
)
def test_split_that_cannot_be_trained_or_judged_on_is_named(splits, said):
    with pytest.raises(DataError, match=said):
        task(**splits).check()


def test_class_that_no_training_row_has_is_named():
    three = Task("quiz", ("wrong", "right", "perhaps"), False, {name: rows(name) for name in SPLITS})
    with pytest.raises(DataError, match="no row of the train split has the label 'perhaps'"):
        three.check()


def test_questions_with_one_label_each_cannot_be_ranked():
    lonely = {
        name: rows(name, (1, 0)).map(lambda row, at: {"question_id": f"{at}"}, with_indices=True) for name in SPLITS
    }
    with pytest.raises(DataError, match=r"no question of the train split has both .*; its .* 2 ids for 1 texts"):
        task(**lonely).check()  # ids of rows in place of ids of questions
    assert task(ranking=False, **lonely).check()


def test_same_question_with_other_passages_is_no_leak_where_pairs_are_classified():
    shared = {name: rows(name, question="the premise") for name in SPLITS}
    assert task(ranking=False, **shared).check()
