"""Question answering from documentation: the summary asks, "name: prose" of the same object answers.

The qualified name stands in front of each passage because bare prose seldom says what it is about, and then a
neighbour answers as well. Whole groups of modules go to one split, so that no text is trained and tested on.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from random import Random

from datasets import Dataset

from tmkd.data.candidates import top_candidates
from tmkd.data.documentation import STANDARD_LIBRARY, DocObject
from tmkd.data.schema import SPLITS, Task, pair_id
from tmkd.errors import DataError

CLASSES = ("wrong", "right")
FOUND = 20  # a question is asked only if its own passage is among that many of the search engine's best
POOL = 10  # wrong passages are drawn from that many; from 20, TF-IDF alone already orders nearly all of them rightly
TASK_SHARE = 0.4  # of the objects; the rest is the corpus's
SAME_TEXT = 0.6  # Jaccard similarity of the runs of three words from which two texts are one


def build_task(
    objects: Iterable[DocObject],
    *,
    questions: tuple[int, int, int],
    negatives: int,
    passage_words: int,
    seed: int,
) -> Task:
    """Return the ranking task: each question with its right passage and ``negatives`` wrong ones of the same split.

    Args:
        objects: the documentation; near-duplicates are left out.
        questions: how many for train, validation and test.
        negatives: wrong passages per question: lexical neighbours, and one of the same package if there is one.
        passage_words: passages are cut to this length.
        seed: of the split, of the sample and of the draw.
    """
    parts = _share_out(distinct(objects, passage_words=passage_words), questions, seed)
    splits = {}
    for split, part, wanted in zip(SPLITS, parts, questions, strict=True):
        splits[split] = _ranking_rows(part, wanted, negatives, passage_words, Random(f"{seed}-{split}"), split)
    return Task("documentation", CLASSES, ranking=True, splits=splits)


def build_corpus(
    objects: Iterable[DocObject],
    *,
    questions: int,
    candidates: int,
    random: int,
    passage_words: int,
    seed: int,
) -> Dataset:
    """Return unlabelled pairs: each question with the search engine's best ``candidates`` and ``random`` others.

    The question's own passage is not put in by force: a search engine does not know it either.
    """
    items = distinct(objects, passage_words=passage_words)
    rng = Random(f"{seed}-corpus")
    passages = [passage(item, passage_words) for item in items]
    rows = []
    for i, best in _asked(items, passages, questions, candidates, rng, "corpus"):
        drawn = rng.sample(range(len(items)), min(candidates + random, len(items)))  # some may be among the best
        others = [j for j in drawn if j not in best[:candidates]]
        rows += [_row(items[i], passages[j]) for j in best[:candidates] + others[:random]]
    return Dataset.from_list(rows)


def divide(objects: Iterable[DocObject], *, passage_words: int, seed: int) -> tuple[list[DocObject], list[DocObject]]:
    """Return the objects of the labelled task and those of the corpus: no group of modules and no text is in both.

    The shares are fixed, so that a corpus of another size leaves the task, and every teacher, as they are.
    """
    items = distinct(objects, passage_words=passage_words)
    task, corpus = _share_out(items, (TASK_SHARE, 1 - TASK_SHARE), seed)
    return task, corpus


def distinct(objects: Iterable[DocObject], *, passage_words: int) -> list[DocObject]:
    """Return the objects by name, without those that ask or answer almost what an earlier one does.

    So a wrong passage is neither a copy of the right one nor the answer to the same question.
    """
    questions, answers = _Texts(), _Texts()
    kept = []
    for item in sorted(objects, key=lambda item: item.qualified_name):
        answer = " ".join(item.prose.split()[:passage_words])
        if not questions.hold(item.summary) and not answers.hold(answer):
            questions.add(item.summary)
            answers.add(answer)
            kept.append(item)
    return kept


def passage(item: DocObject, words: int) -> str:
    """Return the passage of an object, cut to that many words."""
    return " ".join(f"{item.qualified_name}: {item.prose}".split()[:words])


def module_group(item: DocObject) -> str:
    """Return what is never divided between splits: ``email`` of the standard library, but ``sympy.physics.optics``."""
    return ".".join(item.module.split(".")[: 1 if item.package == STANDARD_LIBRARY else 3])


class _Texts:
    """Texts that are compared by their runs of three words, through an inverted index."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._holders: dict[tuple[str, ...], list[int]] = defaultdict(list)

    def add(self, text: str) -> None:
        runs = _runs(text)
        for run in runs:
            self._holders[run].append(len(self._sizes))
        self._sizes.append(len(runs))

    def hold(self, text: str) -> bool:
        runs = _runs(text)
        shared = Counter(i for run in runs for i in self._holders.get(run, ()))
        return any(n >= SAME_TEXT * (len(runs) + self._sizes[i] - n) for i, n in shared.items())


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return set(zip(words, words[1:], words[2:])) or {tuple(words)}


def _share_out(items: Sequence[DocObject], wanted: Sequence[float], seed: int) -> list[list[DocObject]]:
    """Divide each package's groups of modules into parts in proportion to what is wanted."""
    groups: dict[str, list[DocObject]] = defaultdict(list)
    for item in items:
        groups[module_group(item)].append(item)
    names = sorted(groups)
    Random(f"{seed}-groups").shuffle(names)
    names.sort(key=lambda name: -len(groups[name]).bit_length())  # large ones first, or none fits at the end
    sizes = Counter(item.package for item in items)
    missing = {package: [size * share / sum(wanted) for share in wanted] for package, size in sizes.items()}
    parts: list[list[DocObject]] = [[] for _ in wanted]
    for name in names:
        gaps = missing[groups[name][0].package]
        neediest = gaps.index(max(gaps))
        parts[neediest] += groups[name]
        gaps[neediest] -= len(groups[name])
    return [sorted(part, key=lambda item: item.qualified_name) for part in parts]


def _asked(
    items: list[DocObject], passages: list[str], questions: int, candidates: int, rng: Random, where: str
) -> list[tuple[int, list[int]]]:
    """Return the sampled questions, each with what the search engine finds for it, best first.

    Only questions whose own passage is among the finds are asked: to the others the documentation has no answer.
    """
    _require(len(items), max(questions, candidates + 1), where)
    found = top_candidates([item.summary for item in items], passages, max(FOUND, candidates)).tolist()
    answered = [i for i, best in enumerate(found) if i in best]
    _require(len(answered), questions, where)
    return [(i, found[i]) for i in sorted(rng.sample(answered, questions))]


def _ranking_rows(
    items: list[DocObject], questions: int, negatives: int, passage_words: int, rng: Random, where: str
) -> Dataset:
    passages = [passage(item, passage_words) for item in items]
    rows = []
    for i, best in _asked(items, passages, questions, negatives + 1, rng, where):
        neighbours = [j for j in best if j != i]
        wrong = rng.sample(neighbours[: max(POOL, negatives)], negatives)
        kin = [j for j, item in enumerate(items) if item.package == items[i].package and j != i]
        if kin and not set(kin) & set(wrong):  # else the package's name alone would give the right passage away
            wrong[-1] = rng.choice(kin)
        order = [i, *wrong]
        rng.shuffle(order)
        rows += [{**_row(items[i], passages[j]), "label": int(j == i)} for j in order]
    return Dataset.from_list(rows)


def _row(item: DocObject, answer: str) -> dict[str, str]:
    return {
        "id": pair_id(item.summary, answer),
        "question_id": item.qualified_name,
        "question": item.summary,
        "passage": answer,
    }


def _require(there: int, wanted: int, where: str) -> None:
    if there < wanted:
        raise DataError(
            f"The documentation gives {there} questions for the {where} split but {wanted} are needed; "
            "lower the numbers of questions or add packages to data.packages."
        )
