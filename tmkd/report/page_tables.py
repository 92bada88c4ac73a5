"""The tables of a comparison's page, as text cells in groups of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tmkd.measures import title
from tmkd.report.claims import LEVEL
from tmkd.report.facts import Agreement, Calibration, Facts, Training
from tmkd.report.headline import interval, share, verdict_of
from tmkd.report.rows import CHANCE, FIDELITY_NAMES, Row, is_teacher
from tmkd.report.tables import MISSING, all_cells, mean_and_std, number, p_text


@dataclass(frozen=True)
class Line:
    """A row: its name, a cell for each further column, and ``better``, ``worse`` or nothing."""

    name: str
    cells: Sequence[str]
    verdict: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Attributes:
        caption: what it holds, in a sentence or two.
        header: names of the columns, that of the rows' names first.
        groups: a name, "" for none, and its rows.
        slim: fits every screen; another one scrolls by itself.
    """

    caption: str
    header: Sequence[str]
    groups: Sequence[tuple[str, Sequence[Line]]]
    slim: bool = False


def main_table(rows: Sequence[Row], metric: str, baseline: str | None) -> Table:
    """Return what a reader decides by."""
    tested = any(row.versus for row in rows)
    header = ["row", title(metric), "lift", *(["Δ [95 %]", "p (Holm)"] if tested else []), "pairs/s", "params (M)"]
    caption = (
        "Mean ± standard deviation over seeds. Lift is the share of the lead over chance that the teacher ensemble has."
    )
    if tested:
        caption += (
            f" Δ is the {title(metric)} minus that of {baseline}; a row is called better or worse where p is below "
            f"{LEVEL}."
        )
    found = []
    for name, members in _grouped(rows, baseline):
        lines = []
        for row in members:
            versus = [
                interval(row, baseline) or ("baseline" if row.arm == baseline else MISSING),
                p_text(row.versus.get(baseline or "", {}).get("p_holm")),
            ]
            lines.append(
                Line(
                    row.arm,
                    [
                        mean_and_std(row.mean(metric), row.std(metric)),
                        MISSING if row.lift is None else share(row.lift),
                        *(versus if tested else []),
                        number(row.pairs_per_second, ",.0f"),
                        number(row.parameters and row.parameters / 1e6, ",.2f"),
                    ],
                    verdict_of(row, baseline),
                )
            )
        found.append((name, lines))
    return Table(caption, header, found, slim=True)


def whole_table(rows: Sequence[Row], metric: str, baseline: str | None, caption: str) -> Table:
    """Return all columns, as comparison.md has them."""
    header, *body = all_cells(rows, metric, baseline)
    return Table(caption, header, [("", [Line(name, cells) for name, *cells in body])])


def training_table(training: Sequence[Training], metric: str) -> Table | None:
    """Return a line for each trained classifier: the epochs, and what its last stage took."""
    lines = [
        Line(
            each.row,
            [
                MISSING if each.seed is None else str(each.seed),
                f"{len(each.validation)}" if each.validation else MISSING,
                MISSING if each.best_epoch is None else str(each.best_epoch),
                number(max(each.validation) if each.validation else None, ".3f"),
                number(each.seconds, ",.0f"),
                number(each.peak_bytes and each.peak_bytes / 1e9, ".2f"),
            ],
        )
        for each in training
    ]
    caption = (
        "What the last stage of each training took; epoch 0 is what training started from. Seconds and memory are "
        "those of the machine that trained it."
    )
    header = ["row", "seed", "epochs", "best epoch", f"{title(metric)} of validation", "seconds", "memory (GB)"]
    return Table(caption, header, [("", lines)]) if lines else None


def agreement_table(found: Agreement | None) -> Table | None:
    """Return the matrix of teachers: agreement, and κ in brackets."""
    if found is None:
        return None
    lines = [
        Line(name, [f"{share:.3f} ({number(kappa, '.2f')})" for share, kappa in zip(shares, kappas)])
        for name, shares, kappas in zip(found.rows, found.shares, found.kappa)
    ]
    caption = (
        "Share of the test pairs that two teachers put into one class; in brackets Cohen's κ, their agreement beyond "
        "chance: 1 is perfect, 0 is chance."
    )
    return Table(caption, ["", *found.rows], [("", lines)])


def fidelity_table(rows: Sequence[Row]) -> Table | None:
    """Return how near each row of students is to the teacher ensemble."""
    lines = [
        Line(row.arm, [mean_and_std(row.mean(name), row.std(name)) for name in FIDELITY_NAMES])
        for row in rows
        if row.mean("agreement") is not None and not is_teacher(row.arm)
    ]
    caption = (
        "How near students are to the teacher ensemble, right or wrong: the share of pairs in the same class, and the "
        "divergence of their probabilities (KL, in nats; 0 is best)."
    )
    return Table(caption, ["row", *FIDELITY_NAMES.values()], [("", lines)], slim=True) if lines else None


def heads_table(rows: Sequence[Row], facts: Facts, metric: str) -> Table | None:
    """Return how each head of a row's students does alone, below the row's own value."""
    means = {row.arm: mean_and_std(row.mean(metric), row.std(metric)) for row in rows}
    found = [
        (
            arm,
            [
                Line("all heads", [means[arm]]),
                *(Line(each.name, [mean_and_std(each.metric["mean"], each.metric["std"])])
                  for each in facts.heads if each.row == arm),
            ],
        )
        for arm in dict.fromkeys(each.row for each in facts.heads)
    ]  # fmt: skip
    caption = (
        "The heads of a student one by one, each by the teacher that it imitates; gold is the head of the human "
        "labels. A student answers with the mean of their probabilities."
    )
    return Table(caption, ["head", title(metric)], found, slim=True) if found else None


def calibration_table(found: Sequence[Calibration]) -> Table | None:
    """Return what the probabilities of each row are worth."""
    lines = [
        Line(each.row, [mean_and_std(value["mean"], value["std"]) for value in (each.ece, each.brier)])
        for each in found
    ]
    caption = (
        "ECE is how far a probability is from the share of pairs where it came true, a mean over bins; Brier is the "
        "mean squared error of the probabilities. Of both, 0 is best."
    )
    return Table(caption, ["row", "ECE", "Brier"], [("", lines)], slim=True) if lines else None


def sources_table(facts: Facts) -> Table | None:
    """Return the artifacts that the rows were computed from."""
    lines = [Line(each.artifact, [each.what, ", ".join(each.rows)]) for each in facts.sources]
    caption = "Each is a folder below paths.artifacts, whose manifest.json has all its settings and checksums."
    return Table(caption, ["artifact", "what", "rows"], [("", lines)]) if lines else None


def _grouped(rows: Sequence[Row], baseline: str | None) -> Iterator[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {"Chance": [], "Baseline": [], "Students": [], "Teachers": []}
    for row in rows:
        if row.arm == CHANCE:
            groups["Chance"].append(row)
        elif row.arm == baseline:
            groups["Baseline"].append(row)
        else:
            groups["Teachers" if is_teacher(row.arm) else "Students"].append(row)
    return ((name, members) for name, members in groups.items() if members)
