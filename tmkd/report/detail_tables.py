"""The folded tables of a comparison's page: training, agreement, heads, calibration and artifacts."""

from __future__ import annotations

from collections.abc import Sequence

from tmkd.measures import title
from tmkd.report.facts import Agreement, Calibration, Facts, Training
from tmkd.report.page_tables import Line, Table
from tmkd.report.rows import FIDELITY_NAMES, Row, is_teacher
from tmkd.report.tables import MISSING, mean_and_std, number

NEAR = {
    "agreement": "agreement is the share of pairs in the same class",
    "divergence": "KL the divergence of their probabilities in nats (0 is best)",
    "correlation": "correlation is Spearman's, of the scores of all pairs",
    "distance": "distance the mean squared difference of the scores (0 is best)",
}


def training_table(training: Sequence[Training], metric: str) -> Table | None:
    """Return a line for each trained classifier: the epochs, and what its last stage took."""
    rows: dict[str, list[Line]] = {}
    for each in training:
        cells = [
            f"{len(each.validation)}" if each.validation else MISSING,
            MISSING if each.best_epoch is None else str(each.best_epoch),
            number(each.chosen, ".3f"),
            number(each.seconds, ",.0f"),
            number(each.peak_bytes and each.peak_bytes / 1e9, ".2f"),
        ]
        group, name = ("Teachers", each.row) if each.seed is None else (each.row, f"seed {each.seed}")
        rows.setdefault(group, []).append(Line(name, cells))
    caption = (
        "What the last stage of each training took; epoch 0 is what training started from. Seconds and memory are "
        "those of the machine that trained it."
    )
    header = ["run", "epochs", "best epoch", f"{title(metric)} of validation", "seconds", "memory (GB)"]
    return Table(caption, header, list(rows.items())) if rows else None


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
    return Table(caption, ["teacher", *found.rows], [("", lines)])


def fidelity_table(rows: Sequence[Row]) -> Table | None:
    """Return how near each row of students is to the teacher ensemble: by its classes, or by its scores."""
    students = [row for row in rows if not is_teacher(row.arm)]
    names = [name for name in FIDELITY_NAMES if any(row.mean(name) is not None for row in students)]
    if not names:
        return None
    lines = [
        Line(row.arm, [mean_and_std(row.mean(name), row.std(name)) for name in names])
        for row in students
        if any(row.mean(name) is not None for name in names)
    ]
    measures = "; ".join(NEAR[name] for name in names)
    caption = f"How near students are to the teacher ensemble, right or wrong: {measures}."
    return Table(caption, ["row", *(FIDELITY_NAMES[name] for name in names)], [("", lines)], slim=True)


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
    return Table(caption, ["artifact", "what", "rows"], [("", lines)], texts=True) if lines else None
