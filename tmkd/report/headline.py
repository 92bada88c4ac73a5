"""What a comparison comes to: the row to take, its numbers, and sentences that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tmkd.measures import title
from tmkd.report.claims import LEVEL
from tmkd.report.rows import Row, best_student, is_teacher
from tmkd.report.tables import mean_and_std, number, p_text

MINUS, SPACE = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"
FASTER = 1.2  # times the speed, below which another row is not worth a sentence


@dataclass(frozen=True)
class Fact:
    """A number of the row to take: what it is, its value, and what belongs to it, in small print."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Headline:
    """The row to take, None where no student is there; its numbers; and the reasons, as sentences."""

    take: str | None
    facts: list[Fact]
    sentences: list[str]


def headline(rows: Sequence[Row], metric: str, baseline: str | None) -> Headline:
    """Say which row of students to take, its numbers, and why.

    A row is called better where p, adjusted for all rows, is below 0.05. The best row that is better than the baseline
    is the one to take; without one it is the baseline.
    """
    best = best_student(rows, metric)
    if best is None:
        return Headline(None, [], ["There is no row of a student."])
    base = next((row for row in rows if row.arm == baseline), None)
    better = [row for row in rows if verdict_of(row, baseline) == "better" and not is_teacher(row.arm)]
    take = best if base is None else best_student(better, metric) or base
    sentences = _reasons(best, take, base, metric)
    faster = [row for row in better if _speed(row) > FASTER * _speed(take) > 0]
    if faster and (other := best_student(faster, metric)):
        sentences.append(
            f"{other.arm} is better than the baseline, too, and {_speed(other) / _speed(take):.1f} times as fast "
            f"({title(metric)} {number(other.mean(metric), '.3f')})."
        )
    if best.lift is None and best.to_ensemble is not None:  # the ensemble was there to be compared with
        sentences.append("The teacher ensemble is no better than chance: there is little to learn from it.")
    return Headline(take.arm, _facts(take, rows, metric), sentences)


def _reasons(best: Row, take: Row, base: Row | None, metric: str) -> list[str]:
    named = title(metric)
    if base is None:
        return [f"It has the highest {named} of the students. Rows were not tested against each other: no baseline."]
    if best is base:
        return [f"It is the baseline: no other row of students has a higher {named}."]
    if take is best:
        return [f"It has the highest {named} of the students, and beats the baseline, {base.arm}: {_test(best, base)}."]
    sentences = [
        f"{best.arm} has the highest {named}, {mean_and_std(best.mean(metric), best.std(metric))}, but is not shown to "
        f"be better than the baseline, {base.arm}: {_test(best, base)}."
    ]
    if take is base:
        sentences.append(
            f"No row of students is shown to be better than {base.arm}. That does not make them equal: the interval "
            "says how much better one could be, and more test questions or seeds would narrow it."
        )
    else:
        sentences.append(f"{take.arm} is the best row that is shown to be better: {_test(take, base)}.")
    return sentences


def _facts(row: Row, rows: Sequence[Row], metric: str) -> list[Fact]:
    """Return the numbers that decide, those that are known."""
    seeds = f"{len(row.seeds)}{SPACE}{'seed' if len(row.seeds) == 1 else 'seeds'}"
    found = [Fact(title(metric), mean_and_std(row.mean(metric), row.std(metric)), _within(row, metric) + seeds)]
    if row.lift is not None:
        found.append(Fact("lift", share(row.lift), "of the teacher ensemble's lead over chance"))
    if row.pairs_per_second:
        ensemble, note = rows[-1], ""
        if is_teacher(ensemble.arm) and ensemble.pairs_per_second:
            note = f"{row.pairs_per_second / ensemble.pairs_per_second:.1f} times as fast as the teacher ensemble"
        found.append(Fact("speed", f"{row.pairs_per_second:,.0f} pairs/s", note))
    if row.parameters:
        found.append(Fact("size", f"{row.parameters / 1e6:,.2f} M", "parameters"))
    return found


def _within(row: Row, metric: str) -> str:
    """Return the interval of the metric; with few seeds the bootstrap's passes values that there can be."""
    if row.interval is None:
        return ""
    low, high = max(row.interval[0], -1 if metric == "spearman" else 0), min(row.interval[1], 1)
    return f"95{SPACE}% interval {low:.3f} to {high:.3f}; ".replace("-", MINUS)


def verdict_of(row: Row, baseline: str | None) -> str:
    """Return better or worse, where the test shows it, and nothing where it does not or there is none."""
    found = row.versus.get(baseline or "", {})
    difference, p = found.get("difference"), found.get("p_holm")
    if difference is None or p is None or p >= LEVEL or difference == 0:
        return ""
    return "better" if difference > 0 else "worse"


def interval(row: Row, baseline: str | None) -> str:
    """Return Δ with its 95 % interval; nothing where it was not tested."""
    found = row.versus.get(baseline or "", {})
    if found.get("difference") is None:
        return ""
    low, high = (number(found[end], "+.3f") for end in ("low", "high"))
    return f"{number(found['difference'], '+.3f')} [{low}, {high}]".replace("-", MINUS)


def share(value: float) -> str:
    """Return a fraction in %, on one line."""
    return f"{100 * value:.0f}{SPACE}%".replace("-", MINUS)


def _test(row: Row, base: Row) -> str:
    p = row.versus[base.arm]["p_holm"]
    return f"Δ {interval(row, base.arm)}".replace(" ", SPACE) + f", p (Holm) {p_text(p).replace('<', '< ')}"


def _speed(row: Row) -> float:
    return row.pairs_per_second or 0.0
