"""From one format to another, a pair at a time: what both can say is carried, and what is not is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tmkd.choices import CLASS_FORMATS, FORMATS, JOINED_FORMATS, PAIRS
from tmkd.data.bad_rows import HARMLESS, BadRows
from tmkd.data.fields import text
from tmkd.data.files import files_of, reading
from tmkd.data.files_reader import BEIR, beir_files
from tmkd.data.labels import Labels
from tmkd.data.layouts.grades import QRELS, grade_of, keeps_grades, kept, whole, with_grades
from tmkd.data.layouts.layout import LABEL, SCORE, Layout, open_pairs
from tmkd.data.layouts.pairs import Losses, Pair, once
from tmkd.data.layouts.registry import LAYOUTS
from tmkd.data.layouts.texts import Texts, check_texts
from tmkd.data.layouts.write_folder import FOLDERS, write_folder
from tmkd.data.layouts.write_rows import ROWS, check_ending, write_rows
from tmkd.data.records import Record
from tmkd.data.rows import good
from tmkd.data.scores import number
from tmkd.errors import ConfigError, DataError
from tmkd.store.disk import alone, check_new, folder_written_whole, written_whole

RIGHT_AND_WRONG = ("wrong", "right")
TRAIN = "train"  # the name of BEIR's qrels, where none is given


def convert(
    source: str,
    target: str,
    input: Path,
    output: Path,
    *,
    queries: str | None = None,
    documents: str | None = None,
    split: str = TRAIN,
    classes: Sequence[str] = RIGHT_AND_WRONG,
    skip: bool = False,
) -> Losses:
    """Write pairs in another format; return how many, and what could not be carried.

    Args:
        source, target: names in ``tmkd.choices.FORMATS``.
        input: a file, a folder or a glob pattern; of BEIR, its folder.
        output: a file, or a folder where the format has several files; it must not exist, and nobody else write it.
        queries, documents: files of the texts of ``input``, where its pairs are of ids.
        split: of BEIR: the name of the qrels.
        classes: of labels that are names: the last one means right, and all others wrong. With those by default, labels
            may be grades, too: whole numbers, of which those above 0 mean right.
        skip: leave bad rows out instead of raising.

    Raises:
        ConfigError, DataError: the formats, the paths or the rows are not what they must be; nothing is written then.
    """
    for name, value in (("--from", source), ("--to", target)):
        if value not in FORMATS:
            raise ConfigError(f"{name}: expected one of {', '.join(FORMATS)}, got {value}.")
    check_texts(queries, documents, source in JOINED_FORMATS, f"--from is {source}")
    if split != TRAIN and BEIR not in (source, target):
        expected = f"nothing where neither --from nor --to is {BEIR}, whose qrels it names"
        raise ConfigError(f"--split: expected {expected}, got {split}.")
    check_new(output)
    if target in ROWS:
        check_ending(target, output)
    if source == BEIR:
        found = beir_files(input, {"": split}, "--split", "the input")
        files, texts = list(found.pairs.values()), (found.queries, found.documents)
    else:
        files = files_of(input)
        texts = (files_of(queries) if queries else [], files_of(documents) if documents else [])
    bad, losses = BadRows(skip, "--skip-bad-rows"), Losses()
    with reading([*files, *texts[0], *texts[1]], input.name) as bar, _written(output, target in FOLDERS) as path:
        layout, known = LAYOUTS[source], Texts(*texts, bar.update)
        keep = keeps_grades(layout, target, files, known)
        labels = None if target in CLASS_FORMATS else Labels(LABEL, classes, {})
        make = _maker(layout, labels, tuple(classes) == RIGHT_AND_WRONG, keep, losses)
        pairs = once(_read(with_grades(layout), files, known, make, bad, losses, bar.update), losses)
        if target in ROWS:
            write_rows(ROWS[target](pairs, losses), path, output)
        else:
            write_folder(target, pairs, path, losses, split)
        for file, kinds in bad.settle().items():
            for kind, count in kinds.items():
                if kind not in HARMLESS:
                    losses.left_out[f"rows of {file}: {kind}"] += count
        if not losses.pairs:
            left = ", ".join(f"{count} {what}" for what, count in losses.left_out.items())
            raise DataError(
                f"{input}: expected at least one pair that the format {target} can hold but found none"
                f"{f' ({left})' if left else ''}; add rows, or choose another format."
            )
    return losses


def _read(
    layout: Layout,
    files: Iterable[Path],
    texts: Texts,
    make: Callable[[Record], Pair],
    bad: BadRows,
    losses: Losses,
    advance: Callable[[int], object],
) -> Iterator[Pair]:
    def further(field: str) -> None:
        losses.lost[f"fields '{field}'"] += 1

    for file in files:
        opened = open_pairs(layout, file, texts, advance=advance, further=further)
        yield from (pair for _, pair in good(opened, make, bad))


def _maker(layout: Layout, labels: Labels | None, grades: bool, keep: bool, losses: Losses) -> Callable[[Record], Pair]:
    """Return what turns a record into a pair.

    Args:
        labels: classes, which become right and wrong; None: they stay.
        grades: labels may be grades, too.
        keep: grades stay; else they become right and wrong.
    """

    def label_of(label: Any) -> Any:
        if isinstance(label, bool) and layout.name == PAIRS and not grades:
            label = str(label)  # one of the names in ``labels``, whatever right passages are called
        if label is None or isinstance(label, bool):
            return label
        if layout.name in QRELS:
            return kept(grade_of(label, f"the grade, {layout.label},"), keep, losses)
        if labels is None:
            return label
        if grades and (grade := whole(label) or 0) > 1:
            return kept(grade, keep, losses)
        return labels.index(label) == len(labels.classes) - 1

    def make(record: Record) -> Pair:
        label, score = label_of(record.get(LABEL)), record.get(SCORE)
        if score is not None:
            score = [number(each) for each in score] if isinstance(score, list) else number(score)
        ids = record.get("question_id"), record.get("passage_id")
        return Pair(text(record, "question"), text(record, "passage"), *ids, label, score)

    return make


@contextmanager
def _written(output: Path, folder: bool) -> Iterator[Path]:
    """Give a path to write to, which takes the place of ``output`` when all is written."""
    whole = folder_written_whole(output) if folder else written_whole(output, durable=True)
    with alone(output), whole as temporary:
        yield temporary
