"""The task, the corpus, and the table that they are a column of."""

from __future__ import annotations

from tmkd import validators
from tmkd.config import Config, task_folder
from tmkd.spelling import Names

READERS = ("documentation", "files", "hub")
DATA_SETS = ("DeepQA", "CommQA", "MNLI", "SNLI", "QNLI", "RTE")  # the paper's
SEPARATORS = ("comma", "semicolon", "tab", "pipe")
COLUMNS = "columns"  # a folder beside those of a table's tasks


def check_data(config: Config) -> None:
    """How the task and the corpus are read."""
    data = config.data
    validators.one_of("data.reader", data.reader, READERS)
    validators.one_of("corpus.reader", config.corpus.reader, (*READERS, "mined", "task"))
    validators.one_of("corpus.test_questions", config.corpus.test_questions, ("refuse", "allow"))
    validators.one_of("data.on_bad_row", data.on_bad_row, ("raise", "skip"))
    validators.that(
        0 < data.validation_share < 1, "data.validation_share", "more than 0 and less than 1", data.validation_share
    )
    for where, section in (("data", data), ("corpus", config.corpus)):
        validators.one_of(f"{where}.quoting", section.quoting, ("csv", "none"))
        if section.separator is not None:
            validators.one_of(f"{where}.separator", section.separator, SEPARATORS)
    known = Names(data.classes)
    mapped = all(known.find(name) is not None for name in data.labels.values())
    validators.that(mapped, "data.labels", f"classes ({data.classes})", data.labels)
    if data.column is not None:
        validators.one_of("data.column", data.column, DATA_SETS)
    validators.that(
        not data.rankable_only or data.ranking, "data.rankable_only", "false where data.ranking is false", True
    )
    validators.that(
        config.corpus.pairs is None or config.corpus.pairs > 0, "corpus.pairs", "more than 0", config.corpus.pairs
    )
    validators.that(
        len(data.questions) == 3 and min(data.questions) > 0, "data.questions", "three numbers above 0", data.questions
    )
    validators.that(
        len(data.classes) >= 2 and len(set(data.classes)) == len(data.classes),
        "data.classes",
        "at least two different names",
        data.classes,
    )
    validators.that(
        not data.ranking or len(data.classes) == 2,
        "data.classes",
        "two classes where data.ranking is true",
        data.classes,
    )
    validators.positive("data", data, ("negatives", "passage_words"))
    validators.positive("corpus", config.corpus, ("questions", "candidates"))
    validators.that(config.corpus.random >= 0, "corpus.random", "0 or more", config.corpus.random)
    validators.seed("data.seed", data.seed)
    validators.seed("corpus.seed", config.corpus.seed)


def check_table(config: Config) -> None:
    """That rows are arms, and claims are about rows."""
    shown, arms = config.table, config.method.arms
    plain = not shown.rows or task_folder(config) not in ("", COLUMNS)
    validators.that(plain, "data.name", "a name that a folder can have where there is a table", repr(config.data.name))
    if shown.rows:
        validators.folder("data.name", task_folder(config))
    for name in ("teacher", "ensemble"):
        validators.that(
            not shown.rows or name not in arms, f"method.arms.{name}", "another name where there is a table", name
        )
    validators.that(
        "chance" not in shown.rows, "table.rows.chance", "another label: every table has this row", "chance"
    )
    for label, row in shown.rows.items():
        validators.one_of(f"table.rows.{label}.arm", row.arm, (*arms, "teacher", "ensemble"))
        for name in row.paper:
            validators.one_of(f"table.rows.{label}.paper", name, (*DATA_SETS, "QPS", "parameters"))
    for index, claim in enumerate(shown.claims):
        validators.one_of(f"table.claims[{index}].better", claim.better, tuple(shown.rows))
        validators.one_of(f"table.claims[{index}].worse", claim.worse, tuple(shown.rows))
        for name in claim.where:
            validators.one_of(f"table.claims[{index}].where", name, DATA_SETS)
    counts = config.comparison.teacher_counts
    validators.that(
        not shown.rows or len(counts) < 2, "comparison.teacher_counts", "one number at most with a table", counts
    )
