"""The card's section on how good a student is: a table of its test split, and what a comparison shows."""

from __future__ import annotations

from tmkd.export.markdown import bullets, code, plain, table
from tmkd.export.quality import Quality
from tmkd.export.standing import Beside, Standing
from tmkd.measures import title


def quality_section(quality: Quality | str, standing: Standing | str | None) -> str:
    """Return the section as Markdown."""
    if isinstance(quality, str):
        return f"## How good it is\n\nNot known: {plain(quality)}"
    kinds = {None: "", "fine_tuned": ", fine-tuned"}
    body = [["this student", f"{quality.value:.4f} ({quality.low:.4f} to {quality.high:.4f})"]]
    for teacher in quality.teachers:
        kind = kinds.get(teacher.kind, f", {plain(teacher.kind)}")
        value = "not known" if teacher.metric is None else f"{teacher.metric:.4f}"
        body.append([f"{plain(teacher.what)}{kind}: {code(teacher.name)}", value])
    body.append(["chance", f"{quality.chance:.4f}"])
    notes = [
        f"Test split: {quality.pairs:,} pairs, {quality.questions:,} questions that count. In brackets is the 95 % "
        "interval over questions."
    ]
    if quality.low <= quality.chance:
        notes.append("**It is not shown to be better than chance.**")
    if not quality.teachers:
        notes.append("No teacher taught it in its last stage.")
    elif quality.correlation is not None:
        notes.append(
            f"Spearman's correlation of its scores with the mean scores of its teachers is {quality.correlation:.3f}."
        )
    elif quality.agreement is None:
        notes.append("Its agreement with its teachers is not known: their predictions are not all in the store.")
    else:
        same = f"{100 * quality.agreement:.1f} %"
        notes.append(f"It puts {same} of the pairs into the same class as its teachers together.")
    lines = ["## How good it is", table(["", title(quality.name)], body), " ".join(notes), standing_text(standing)]
    return "\n\n".join(lines)


def standing_text(found: Standing | str | None) -> str:
    """Return what a comparison says of the student's row."""
    if found is None:
        return "No comparison in the store names it, so it is not known whether it is better than a baseline."
    if isinstance(found, str):
        return f"What comparisons say of it is not known: {plain(found)}"
    more = f", the newest of {found.others + 1} that name it" if found.others else ""
    seeds = "" if found.seeds < 2 else f" of {found.seeds} seeds, of which this student is one"
    beside = [*found.baselines, *([found.ensemble] if found.ensemble else [])]
    text = (
        f"In {code(found.comparison)} ({plain(found.experiment)}{more}) it is in the row {plain(found.arm)}{seeds}; "
        f"{title(found.metric)} of the row is {found.mean:.4f}."
    )
    if not beside:
        return f"{text} The row is not tested against another one."
    return f"{text} That row is\n\n{bullets([_sentence(each) for each in beside])}"


def _sentence(beside: Beside) -> str:
    other, difference = plain(beside.other), f"{beside.difference:+.4f}"
    if beside.p is None or beside.low is None or beside.high is None:
        return f"not tested against {other}: {difference}, without an interval, as predictions are not in the store."
    judged = "not shown to be better or worse than"
    if beside.shown:
        judged = "better than" if beside.difference > 0 else "worse than"
    p = f"{'p (Holm)' if beside.adjusted else 'p'} {'below 0.001' if beside.p < 0.001 else f'{beside.p:.3f}'}"
    return (
        f"{judged} {other}: {difference} (95 % interval over questions and seeds {beside.low:+.4f} to "
        f"{beside.high:+.4f}; {p})."
    )
