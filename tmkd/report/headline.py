"""What a comparison comes to, in a few sentences that follow from its numbers."""

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
class Headline:
    """Sentences, and the row that they say to take; None where no student is there."""

    sentences: list[str]
    take: str | None


def headline(rows: Sequence[Row], metric: str, baseline: str | None) -> Headline:
    """Say which student row is best, how near the ensemble it is, whether it beats the baseline, and which to take.

    A row is called better where p, adjusted for all rows, is below 0.05. The best row that is better than the baseline
    is the one to take; without one it is the baseline.
    """
    best = best_student(rows, metric)
    if best is None:
        return Headline(["There is no row of a student."], None)
    sentences = [_standing(best, metric)]
    if best.lift is None and best.kept is not None:  # the ensemble was there to be compared with
        sentences.append("The teacher ensemble is no better than chance: there is little to learn from it.")
    base = next((row for row in rows if row.arm == baseline), None)
    if base is None:
        sentences.append("Rows were not tested against each other: there is no baseline.")
        return Headline([*sentences, _take(best, rows)], best.arm)
    if best is base:
        sentences.append(f"It is the baseline: no other row of students has a higher {title(metric)}.")
        return Headline([*sentences, _take(base, rows)], base.arm)
    verdict = {"better": "it is better", "worse": "it is worse"}.get(
        verdict_of(best, base.arm), "not shown to be better"
    )
    sentences.append(f"Against the baseline, {base.arm}: {_test(best, base.arm)}; {verdict}.")
    better = [row for row in rows if verdict_of(row, base.arm) == "better" and not is_teacher(row.arm)]
    take = best_student(better, metric) or base
    if take is base:
        sentences.append(
            f"No row of students is shown to be better than {base.arm}. That does not make them equal: the interval "
            "says how much better one could be, and more test questions or seeds would narrow it."
        )
    elif take is not best:
        sentences.append(f"{take.arm} is the best row that is shown to be better: {_test(take, base.arm)}.")
    sentences.append(_take(take, rows))
    faster = [row for row in better if _speed(row) > FASTER * _speed(take) > 0]
    if faster and (other := best_student(faster, metric)):
        sentences.append(
            f"{other.arm} is better than the baseline, too, and {_speed(other) / _speed(take):.1f} times as fast "
            f"({title(metric)} {number(other.mean(metric), '.3f')})."
        )
    return Headline(sentences, take.arm)


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


def _standing(best: Row, metric: str) -> str:
    seeds = f" over {len(best.seeds)} seeds" if len(best.seeds) > 1 else ", of a single seed"
    text = (
        f"Best row of students: {best.arm}, {title(metric)} {mean_and_std(best.mean(metric), best.std(metric))}{seeds}"
    )
    if best.lift is not None:
        text += f"; {share(best.lift)} of the lead over chance that the teacher ensemble has"
    return text + "."


def _test(row: Row, baseline: str) -> str:
    p = row.versus[baseline]["p_holm"]
    return f"Δ {interval(row, baseline)}, p (Holm) {p_text(p).replace('<', '< ')}"


def _take(row: Row, rows: Sequence[Row]) -> str:
    text = f"Take {row.arm}"
    facts = []
    if row.pairs_per_second:
        facts.append(f"{row.pairs_per_second:,.0f} pairs a second")
        ensemble = rows[-1]
        if is_teacher(ensemble.arm) and ensemble.pairs_per_second:
            facts[-1] += (
                f", {row.pairs_per_second / ensemble.pairs_per_second:.1f} times the speed of the teacher ensemble"
            )
    if row.parameters:
        facts.append(f"{row.parameters / 1e6:,.2f} M parameters")
    return f"{text} ({'; '.join(facts)})." if facts else f"{text}."


def _speed(row: Row) -> float:
    return row.pairs_per_second or 0.0
