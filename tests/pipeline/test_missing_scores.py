"""Files of scores that lack pairs, or hold what is no score."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from tests.pipeline.scored import by_scores, composed, rows_of, without, write_lines
from tmkd.errors import DataError
from tmkd.experiment.check import check_arms
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines import stage2, stage3
from tmkd.results.soft_labels import SoftLabels


def test_pair_without_a_score_ends_the_run_and_is_named(scored: Path) -> None:
    first = rows_of(scored, "train")[0]
    without(scored, "train", lambda at: at >= 3)
    named = re.escape(
        f"the first is row 1 of train: '{str(first['question'])[:60]}' with '{str(first['passage'])[:60]}'"
    )
    told = f"train: .*teacher 2 .* lacks 3 of 60 .{named}.*teachers.missing=skip or average"
    with pytest.raises(DataError, match=told):
        stage2.run(composed(scored, "method=kd_average", "teachers.calibration=none"))


@pytest.mark.thorough
@pytest.mark.parametrize(("missing", "learnt"), [("skip", 57), ("average", 60)])
def test_pairs_without_a_score_are_left_out_or_averaged(
    scored: Path, missing: str, learnt: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tmkd.training.fit

    seen: list[int] = []
    usual = tmkd.training.fit.fit

    def noted(model: object, pairs: list[object], *args: object, **kwargs: object) -> object:
        seen.append(len(pairs))
        return usual(model, pairs, *args, **kwargs)

    without(scored, "train", lambda at: at >= 3)
    config = composed(scored, "method=mkd", "teachers.calibration=none", f"teachers.missing={missing}")
    Experiment(config).roster[0].build(Experiment(config).context)
    monkeypatch.setattr(tmkd.training.fit, "fit", noted)
    stage2.run(config)
    assert seen == [learnt]
    assert any("lacks 3 of 60" in record.getMessage() for record in caplog.records)


def test_average_of_no_score_is_refused(scored: Path) -> None:
    without(scored, "train", lambda at: at >= 3)
    roster = by_scores(scored)
    with pytest.raises(DataError, match="no teacher has a score for 3 of 60"):
        stage2.run(
            composed(scored, "method=kd", "teachers.calibration=none", "teachers.missing=average", roster=roster)
        )


@pytest.mark.thorough
def test_teacher_without_scores_of_the_test_split_has_no_row(scored: Path) -> None:
    (scored / "validation.jsonl").unlink()
    (scored / "test.jsonl").unlink()
    folder = stage3.run(composed(scored, "method=[kd,mkd]", "teachers.calibration=none"))
    rows = {row["arm"]: row for row in json.loads((folder / "comparison.json").read_text())["rows"]}
    assert "teacher 1" in rows and "teacher 2" not in rows
    assert rows["teacher ensemble"]["settings"] == {"count": 2, "members": 1}
    roster = by_scores(scored)
    with pytest.raises(DataError, match="scores of the validation split, on which its scale is fitted"):
        stage3.run(composed(scored, "method=kd", roster=roster))


@pytest.mark.thorough
def test_run_whose_teachers_have_no_row_has_a_table_without_an_ensemble(scored: Path) -> None:
    (scored / "validation.jsonl").unlink()
    (scored / "test.jsonl").unlink()
    roster = by_scores(scored)
    folder = stage3.run(composed(scored, "method=[gold,kd]", "teachers.calibration=none", roster=roster))
    rows = {row["arm"]: row for row in json.loads((folder / "comparison.json").read_text())["rows"]}
    assert set(rows) == {"chance", "student without distillation", "KD (1-o-1)"}
    assert rows["KD (1-o-1)"]["lift"] is None


def test_partly_scored_test_split_is_refused(scored: Path) -> None:
    without(scored, "test", lambda at: at != 4)
    with pytest.raises(DataError, match=r"every pair of test, or of none, but 1 of 32 .* is row 5 of test: '"):
        stage3.run(composed(scored, "method=kd", "teachers.calibration=none"))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_teacher_that_has_scored_a_part_of_a_split_teaches_without_a_row_where_scores_may_be_missing(
    scored: Path, split: str, caplog: pytest.LogCaptureFixture
) -> None:
    without(scored, split, lambda at: at != 4)
    roster = by_scores(scored)
    experiment = Experiment(composed(scored, "teachers.missing=average", roster=roster))
    [teacher] = experiment.roster
    made = teacher.build(experiment.context)
    assert made.details["predicted"] == [other for other in ("validation", "test") if other != split]
    assert f"has no score of 1 of {24 if split == 'validation' else 32} pairs of {split}" in caplog.text
    labels = SoftLabels.of(teacher, experiment.task.rows("train")).build(experiment.context)
    assert labels.details["missing"] == 0
    assert teacher.calibration == "platt", "fitted on the pairs that have a score"  # type: ignore[attr-defined]
    strict = Experiment(composed(scored, "teachers.calibration=none", roster=roster))
    with pytest.raises(DataError, match=f"every pair of {split}, or of none, but 1 of .*teachers.missing=skip or aver"):
        strict.roster[0].build(strict.context)  # of what is there already, too


def change(scored: Path, split: str, **scores: object) -> None:
    """Give rows of a file, by their number (from 0), other scores, or a second one where it is a tuple."""
    found = rows_of(scored, split)
    for at, value in scores.items():
        row = found[int(at.removeprefix("row"))]
        row["score"], *more = value if isinstance(value, tuple) else (value,)
        found += [row | {"score": each} for each in more]
    write_lines(scored / f"{split}.jsonl", found)


def test_strange_scores_end_the_run_with_their_number_unless_they_may_be_missing(
    scored: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Skipped, their pairs are not learnt from; scores of pairs that nobody asks for are told, too."""
    change(scored, "train", row25=None, row26=float("nan"), row27=(1.5, 2.5))
    with (scored / "train.jsonl").open("a") as file:
        file.write(json.dumps({"question": "nobody", "passage": "asks", "score": 1}) + "\n")
    roster = by_scores(scored)
    named = (
        r"train.jsonl, line 26: there is no score; .*\(in all: 2 rows without a score, 1 pair with two different scores"
    )
    told = f"{named}; teachers.missing=skip or average leaves them out"

    def labels(*overrides: str) -> SoftLabels:
        experiment = Experiment(composed(scored, "method=kd", *overrides, roster=roster))
        made = SoftLabels.of(experiment.roster[0], experiment.task.rows("train"))
        assert made.build(experiment.context).details["missing"] == 3
        return made

    with pytest.raises(DataError, match=told):
        labels()
    caplog.set_level(logging.INFO)
    skipping = labels("teachers.missing=skip")
    assert "left out are 2 rows without a score (the first is " in caplog.text
    assert "; 1 pair with two different scores (the first is " in caplog.text
    # the files of this test have pairs of the corpus, which method=kd does not ask for
    extra = len(rows_of(scored, "corpus")) + 1
    asked = (
        rf": {extra} of \d+ scored pairs \(the first: .*corpus.jsonl, line 1\) are not among the pairs that this run"
    )
    assert re.search(asked + r" asks for \(train, validation, test\)", caplog.text)
    with pytest.raises(DataError, match=told):  # of what is there already, too: it is the same result
        labels("teachers.missing=raise")
    strict = Experiment(composed(scored, "method=kd", roster=roster))
    assert skipping.key == SoftLabels.of(strict.roster[0], strict.task.rows("train")).key


def test_strange_row_at_the_top_of_a_file_is_refused_by_the_check_alone_where_none_may_be_missing(scored: Path) -> None:
    change(scored, "train", row3="high")
    with pytest.raises(
        DataError, match=r"train.jsonl, line 4: the score must be .*high.*\(teachers.missing=skip or av"
    ):
        check_arms(Experiment(composed(scored, "method=kd")))
    check_arms(Experiment(composed(scored, "method=kd", "teachers.missing=average")))


def test_scale_is_fitted_without_validation_pairs_whose_scores_are_strange(
    scored: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(scored, "validation", row2=None, row3=(1.5, 2.5))
    roster = by_scores(scored)
    experiment = Experiment(composed(scored, "method=kd", "teachers.missing=skip", roster=roster))
    made = experiment.roster[0].build(experiment.context)
    assert made.details["predicted"] == ["test"]
    assert "has no score of 2 of 24 pairs of validation" in caplog.text and "left out are 1 row" in caplog.text
