"""The card's section on scores: what they mean, their calibration, and cut-offs."""

from __future__ import annotations

from tmkd.evaluation.cutoffs import percent
from tmkd.evaluation.score_calibration import Judgement, ScoreCalibration
from tmkd.export.calibrated import CALIBRATION
from tmkd.export.markdown import plain, table


def scores_section(found: ScoreCalibration | str, meaning: str, right: str = "right answers") -> str:
    """Return the section as Markdown.

    Args:
        meaning: says what a score is.
        right: what the pairs of the last class are, as Markdown.
    """
    if isinstance(found, str):
        return f"## Scores and cut-offs\n\n{meaning} They are not calibrated: {plain(found)}"
    return "\n\n".join(
        [
            "## Scores and cut-offs",
            f"{meaning} {_map(found)}",
            _reliability(found),
            *([_cutoffs(found, right), _reading(found, right)] if found.cutoffs else []),
        ]
    )


def _cutoffs(found: ScoreCalibration, right: str) -> str:
    header = ["to keep", "score at least", "probability", f"{right} kept", "pairs kept", f"{right} among those kept"]
    body = [
        [
            f"{100 * each.target:g} %",
            f"{each.score:.10g}",
            f"{probability:.3f}",
            percent(each.recall),
            percent(each.kept),
            "none is kept" if each.precision is None else percent(each.precision),
        ]
        for each, probability in zip(found.cutoffs, found.probabilities, strict=True)
    ]
    return table(header, body, 0)


def _map(found: ScoreCalibration) -> str:
    made = found.map
    where = f"{CALIBRATION} has it; `tmkd.Reranker.score(..., calibrated=True)` applies it."
    if made.classes > 2:
        return f"Divided by {1 / made.slope:.4g} they are calibrated (temperature): {where}"
    if made.knots:
        return f"Rising steps (isotonic) make calibrated log-odds of them: {where}"
    line = f"{made.slope:.4g} × score {made.intercept:+.4g}"
    return f"The sigmoid of {line} is a calibrated probability ({made.method}): {where}"


def _reliability(found: ScoreCalibration) -> str:
    def row(name: str, judged: Judgement) -> list[str]:
        values = [judged.before.ece, judged.after.ece, judged.before.brier, judged.after.brier]
        return [name, f"{judged.after.pairs:,}", f"{judged.questions:,}", *(f"{value:.4f}" for value in values)]

    header = ["split", "pairs", "questions", "ECE before", "ECE after", "Brier before", "Brier after"]
    rows = [row("validation, by maps of the other questions", found.validation), row("test", found.test)]
    note = (
        "ECE is how far a probability is from the share of pairs where it came true, Brier the mean squared error; 0 "
        "is best."
    )
    if found.test.after.brier >= found.test.before.brier:
        note += " **On the test split the map does not help: do not rely on it without pairs of your own.**"
    return f"{table(header, rows)}\n\n{note}"


def _reading(found: ScoreCalibration, right: str) -> str:
    missed = [each for each in found.cutoffs if not each.recall.low <= each.target <= each.recall.high]
    text = (
        f"Cut-offs were chosen on validation to keep a share of the {right}; the last three columns are what they keep "
        "of the test split, with 95 % intervals over questions."
    )
    if missed:
        named = ", ".join(f"{100 * each.target:g} %" for each in missed)
        text += f" At {named} the interval does not hold the aim: the two splits differ, and so may your passages."
    return f"{text} For your own labelled pairs: `tmkd evaluate MODEL FILE --cutoffs`."
