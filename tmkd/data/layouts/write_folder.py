"""Pairs as folders of several files, where ids stand for texts: PyLate's, BEIR's, TREC's, MS MARCO's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from tmkd.data.layouts.pairs import OTHER_TEXT, Losses, Pair, by_question, labelled, one_score

Line = Callable[[str, str], str]  # of an id and a text


class _Folder:
    """Files of a folder that are open as long as pairs come; each text is written once."""

    def __init__(self, folder: Path, stack: ExitStack, losses: Losses, split: str) -> None:
        self._folder, self._stack, self._losses = folder, stack, losses
        self.split = split
        self._files: dict[str, IO[str]] = {}
        self._texts: dict[tuple[str, str], int] = {}  # a hash of each text, by its file and id

    def write(self, name: str, line: str) -> None:
        if name not in self._files:
            path = self._folder / name
            path.parent.mkdir(exist_ok=True)
            self._files[name] = self._stack.enter_context(path.open("w", encoding="utf-8", newline=""))
        self._files[name].write(line + "\n")

    def known(self, pairs: Iterable[Pair], queries: tuple[str, Line], documents: tuple[str, Line]) -> Iterator[Pair]:
        """Yield pairs whose texts are written, each with its id; those whose id stands for another text are counted."""
        for pair in pairs:
            texts = (
                (*queries, pair.query_id, pair.question),
                (*documents, pair.document_id, pair.passage),
            )
            if any(self._texts.get((name, own), hash(text)) != hash(text) for name, _, own, text in texts):
                self._losses.left_out[OTHER_TEXT] += 1
                continue
            for name, line, own, text in texts:
                if (name, own) not in self._texts:
                    self._texts[name, own] = hash(text)
                    self.write(name, line(own, text))
            self._losses.pairs += 1
            yield pair


def _object(key: str, text: str, **more: str) -> Line:
    return lambda own, found: json.dumps({key: own, **more, text: found}, ensure_ascii=False)


def _tabbed(own: str, text: str) -> str:
    return f"{own}\t{text}"


def _pylate(pairs: Iterable[Pair], folder: _Folder, losses: Losses) -> None:
    queries = ("queries.jsonl", _object("query_id", "query"))
    documents = ("documents.jsonl", _object("document_id", "document"))
    for group in by_question(folder.known(pairs, queries, documents)):
        row: dict[str, object] = {
            "query_id": group[0].query_id,
            "document_ids": [each.document_id for each in group],
        }
        if one_score(group, losses):
            row["scores"] = [each.score for each in group]
        if all(each.label is not None for each in group):
            row["positive_ids"] = [each.document_id for each in group if each.label]
        else:
            losses.lost["labels"] += sum(each.label is not None for each in group)
        folder.write("scores.jsonl", json.dumps(row, ensure_ascii=False))


def _beir(pairs: Iterable[Pair], folder: _Folder, losses: Losses) -> None:
    queries = ("queries.jsonl", _object("_id", "text"))
    documents = ("corpus.jsonl", _object("_id", "text", title=""))
    qrels = f"qrels/{folder.split}.tsv"
    folder.write(qrels, "query-id\tcorpus-id\tscore")
    for pair in folder.known(_lineable(labelled(pairs, losses), losses, texts=False), queries, documents):
        losses.lost["scores"] += pair.score is not None
        folder.write(qrels, f"{pair.query_id}\t{pair.document_id}\t{int(pair.label)}")


def _trec(pairs: Iterable[Pair], folder: _Folder, losses: Losses) -> None:
    queries = ("queries.jsonl", _object("query_id", "query"))
    documents = ("documents.jsonl", _object("document_id", "document"))
    usable = folder.known(_lineable(_said(pairs, losses), losses, texts=False), queries, documents)
    for group in by_question(usable):
        for pair in group:
            if pair.label is not None:
                folder.write("qrels.txt", f"{pair.query_id} 0 {pair.document_id} {int(pair.label)}")
        losses.lost["scores"] += sum(isinstance(each.score, list) for each in group)
        scored = [(each.score, each) for each in group if isinstance(each.score, float)]
        scored.sort(key=lambda item: -item[0])
        for rank, (score, pair) in enumerate(scored, start=1):
            folder.write("run.txt", f"{pair.query_id} Q0 {pair.document_id} {rank} {score!r} tmkd")


def _msmarco(pairs: Iterable[Pair], folder: _Folder, losses: Losses) -> None:
    usable = _lineable(labelled(pairs, losses), losses, texts=True)
    for pair in folder.known(usable, ("queries.tsv", _tabbed), ("collection.tsv", _tabbed)):
        losses.lost["scores"] += pair.score is not None
        folder.write("qrels.tsv", f"{pair.query_id}\t0\t{pair.document_id}\t{int(pair.label)}")


def _said(pairs: Iterable[Pair], losses: Losses) -> Iterator[Pair]:
    """Yield the pairs that have a label or one score."""
    for pair in pairs:
        if pair.label is None and not isinstance(pair.score, float):
            losses.left_out["pairs without a label or a score"] += 1
        else:
            yield pair


def _lineable(pairs: Iterable[Pair], losses: Losses, texts: bool) -> Iterator[Pair]:
    """Yield the pairs whose ids, and whose texts where these are in lines too, cannot be taken for several fields."""
    for pair in pairs:
        if any(each.split() != [each] for each in (pair.query_id, pair.document_id)):
            losses.left_out["pairs with white space in an id"] += 1
        elif texts and any(mark in pair.question + pair.passage for mark in "\t\n\r"):
            losses.left_out["pairs with tabs or line ends in a text"] += 1
        else:
            yield pair


FOLDERS = {"pylate": _pylate, "beir": _beir, "trec": _trec, "msmarco": _msmarco}


def write_folder(format: str, pairs: Iterable[Pair], folder: Path, losses: Losses, split: str) -> None:
    """Write pairs into an empty folder.

    Args:
        split: of BEIR, whose qrels are in a file a split.
    """
    with ExitStack() as stack:
        FOLDERS[format](pairs, _Folder(folder, stack, losses, split), losses)
