"""Without gold labels, and with a dear teacher: it is asked for a part of the corpus, in rounds, until that is enough.

reports/<name>/asked/held_out.jsonl, round_1.jsonl, ...              the pairs that it is asked for
reports/<name>/labelled/train.jsonl, validation.jsonl, test.jsonl    those with its scores, as `tmkd label` writes them
reports/<name>/labelled/curve.csv, curve.png                         what each round has brought
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from tmkd.choices import NO_TASK
from tmkd.config import Config, SpendConfig
from tmkd.errors import BudgetSpent, ConfigError, DataError
from tmkd.evaluation.selection import SELECT, divide, enough
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.trial import try_encoders
from tmkd.pipelines.labelling import check_ids, next_command, untrained_teachers
from tmkd.pipelines.pairs import write_rows
from tmkd.pipelines.spend_round import ARM, Asked, ask, judge, student_config, write_held_out
from tmkd.pipelines.tables import report_folder
from tmkd.report.learning_curve import Point, verdict, write_curve
from tmkd.results.soft_targets import soft_targets
from tmkd.results.untrained import UntrainedTeacher
from tmkd.store.disk import in_turn
from tmkd.teachers.served.price import Price

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger(__name__)


def run(config: Config) -> Path:
    """Write the pairs that the dear teacher has scored, labelled, and the learning curve; return their folder.

    What was asked is kept: the same command, after a kill or with more rounds or money, goes on.

    Raises:
        ConfigError: a task with labels, teachers that are fine-tuned, or one alone where several are to disagree.
        DataError: too few questions, or labels of one class.
        BudgetSpent: before the first round has ended; later on the rounds that are whole count.
    """
    experiment = Experiment(config)
    dear, others = _teachers(experiment)
    folder = report_folder(config) / "labelled"
    student_config(config, folder)  # what it cannot be is found before anything is paid for
    try_encoders(experiment, ARM, ())
    held_out, *rounds = _parts(experiment, others)
    with in_turn(folder, "paths.reports", wait=False):
        for stale in folder.parent.glob("asked/round_*.jsonl"):  # of other settings; answers are in the store
            stale.unlink()
        asked = [ask(experiment, dear, held_out, folder.parent / "asked" / "held_out.jsonl")]
        write_held_out(config, folder, asked[0])
        points: list[Point] = []
        for number, part in enumerate(rounds, start=1):
            try:
                asked.append(ask(experiment, dear, part, folder.parent / "asked" / f"round_{number}.jsonl"))
            except BudgetSpent as error:
                if not points:
                    raise
                log.warning("%s", error)
                break
            points.append(_learnt(config, folder, asked))
            _tell(points[-1], len(rounds))
            write_curve(points, folder, experiment.metric, verdict(points, config.spend.stop))
            if enough([point.agreement for point in points], config.spend.stop):
                break
    log.info("spend     %s: %s", folder / "curve.csv", verdict(points, config.spend.stop))
    log.info("next      %s method=%s", next_command(folder, config.data), ARM)
    return folder


def dear_of(spend: SpendConfig, teachers: Sequence[UntrainedTeacher]) -> UntrainedTeacher:
    """Return the dear one of the teachers."""
    return teachers[spend.teacher - 1 if spend.teacher else -1]


def _teachers(experiment: Experiment) -> tuple[UntrainedTeacher, list[UntrainedTeacher]]:
    """Return the dear teacher and the others, of which there are enough to choose by (ConfigError: there are not)."""
    spend, reader = experiment.config.spend, experiment.config.data.reader
    if reader != NO_TASK:  # or the dear teacher would score that task's splits, too
        raise ConfigError(f"data.reader: expected {NO_TASK} for `tmkd spend`, got {reader}; set data=unlabelled.")
    if len(classes := experiment.config.data.classes) != 2:
        raise ConfigError(f"data.classes: expected two classes for `tmkd spend`, got {classes}.")
    teachers = untrained_teachers(experiment, "spend")
    dear = dear_of(spend, teachers)
    others = [teacher for teacher in teachers if teacher is not dear]
    if spend.by == "disagreement" and len(others) < 2:
        raise ConfigError(
            f"spend.by: expected two teachers or more beside the dear one where it is disagreement, got {len(others)}; "
            "add some to teachers.roster (BM25 as a file of scores, a small reranker), or set spend.by=random."
        )
    if experiment.context.processes:
        raise ConfigError("tmkd spend: expected one process, got several; start it without torchrun.")
    return dear, others


def _parts(experiment: Experiment, others: list[UntrainedTeacher]) -> list[Dataset]:
    """Return the pairs to ask for: those that are held out, then those of each round; questions are whole."""
    import numpy as np

    from tmkd.data.splits import whole_questions

    context, spend, rows = experiment.context, experiment.config.spend, experiment.corpus.rows()
    pairs = rows.read(context)
    check_ids(pairs)
    margins = np.zeros((len(pairs), 0), dtype=np.float32)
    if spend.by != "random":
        found = soft_targets(context, others, rows, False, pairs, None, experiment.config.teachers.on_missing)
        pairs, margins = found.tokens, found.logits[:, :, 1] - found.logits[:, :, 0]
    names = np.asarray(whole_questions(pairs["question_id"][:], pairs["question"][:]), dtype=object)
    _, question, sizes = np.unique(names, return_inverse=True, return_counts=True)
    worth = SELECT[spend.by](margins, question)
    parts = divide(worth, sizes, spend.held_out, spend.pairs, spend.rounds, spend.seed)
    if len(parts) < 2 or len(parts[0]) < 2:
        raise DataError(
            f"corpus: expected questions with more than {spend.held_out} pairs, of which two or more questions are "
            f"held out, got {len(sizes)} questions with {len(pairs)} pairs; take a larger corpus, or another "
            "spend.held_out."
        )
    places = np.argsort(question, kind="stable")
    each = np.split(places, np.cumsum(sizes)[:-1])
    return [pairs.select(np.concatenate([each[number] for number in part])) for part in parts]


def _learnt(config: Config, folder: Path, asked: list[Asked]) -> Point:
    """Train students on the pairs of all rounds so far, and judge them on what is held out."""
    held_out, *rounds = asked
    train = [row for each in rounds for row in each.rows]
    write_rows(folder / "train.jsonl", train, "train")
    agreements, metrics = judge(student_config(config, folder), held_out.margins)
    prices = [each.price for each in asked if each.price is not None]
    money = [price.money for price in prices if price.money is not None]
    return Point(
        round=len(rounds),
        pairs=len(train),
        asked=sum(each.pairs for each in asked),
        requests=sum(price.requests for price in prices) if prices else None,
        money=sum(money) if money else None,
        agreement=fmean(agreements),
        std=stdev(agreements) if len(agreements) > 1 else None,
        metric=fmean(metrics),
    )


def _tell(point: Point, rounds: int) -> None:
    price = "" if point.requests is None else f" ({Price(point.requests, point.money)})"
    log.info(
        "spend     round %d of %d: %d pairs asked for%s, %d learnt, agreement %.3f",
        point.round, rounds, point.asked, price, point.pairs, point.agreement,
    )  # fmt: skip
