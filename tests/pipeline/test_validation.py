"""What is fitted on the validation split needs labels enough there."""

from pathlib import Path

import pytest

from tests.pipeline.running import compose_at
from tmkd.errors import DataError
from tmkd.pipelines import stage0

SMALL = ("experiment=smoke", "student.seeds=[1]", "runtime.threads=1", "data=files", "data.classes=[wrong,right]")


def split(path: Path, questions: int, right: int) -> None:
    """Write questions of two passages each, of which the first ``right`` questions have a right one."""
    rows = [
        (f"{path.stem} {asked}?", f"answer {place} {asked}", int(not place and asked < right))
        for asked in range(questions)
        for place in range(2)
    ]
    path.write_text("question\tpassage\tlabel\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("questions", "right", "changes", "message"),
    [
        (
            10, 4, ["teachers.calibration=platt"],
            r"at least 5 pairs of each class, on which the scale of teacher 1 .* found \{'wrong': 16, 'right': 4\}; ",
        ),
        (
            3, 3, ["method.teacher_weights=learnt", "method=mkd"],
            r"questions, on which the weights of the teachers of the arm mkd are learnt, but found 3; ",
        ),
    ],
    ids=["scale", "weights"],
)  # fmt: skip
def test_too_few_labels_to_fit_on_are_told_before_a_teacher_is_trained(
    tmp_path: Path, questions: int, right: int, changes: list[str], message: str
) -> None:
    split(tmp_path / "train.tsv", 30, 30)
    split(tmp_path / "validation.tsv", questions, right)
    split(tmp_path / "test.tsv", 10, 10)
    files = [f"data.{name}={tmp_path / name}.tsv" for name in ("train", "validation", "test")]
    with pytest.raises(DataError, match=message):
        stage0.run(compose_at(tmp_path, *SMALL, *files, *changes))
    assert not list((tmp_path / "artifacts").glob("teacher-*"))
