"""What every recipe learns from: one task, one student before training, and one set of teachers' logits, as files.

material.json                             how all of them train, and which tmkd settings it was made from
train.jsonl, validation.jsonl, test.jsonl texts and labels; of train also each teacher's logits
ensemble.npz                              the teachers' mean probabilities [pairs, 2] on validation and test
student/                                  the student's encoder, as transformers saves it
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tmkd.evaluation.ensemble import average_probabilities

JUDGED = ("validation", "test")
SPLITS = ("train", *JUDGED)


@dataclass(frozen=True)
class Material:
    """The files of a folder, read.

    Attributes:
        case: how tmkd's students train: steps, epochs, batch_size, learning_rate, warmup, weight_decay,
            max_grad_norm, max_length (tokens of a pair), bf16; and ``settings``, those of tmkd.
        rows: of each split, records of question_id, question, passage and label (1: right); of train also ``teachers``,
            logits [teachers][2].
    """

    folder: Path
    case: dict[str, Any]
    rows: dict[str, list[dict[str, Any]]]

    @classmethod
    def read(cls, folder: Path) -> Material:
        case = json.loads((folder / "material.json").read_text())
        rows = {split: [json.loads(line) for line in _lines(folder, split)] for split in SPLITS}
        return cls(folder, case, rows)

    @property
    def student(self) -> str:
        return str(self.folder / "student")

    def logits(self) -> np.ndarray:
        """Return the teachers' logits of the training pairs, [pairs, teachers, 2]."""
        return np.array([row["teachers"] for row in self.rows["train"]], dtype=np.float32)

    def margins(self) -> np.ndarray:
        """Return the teachers' averaged logit of right minus that of wrong, [pairs]."""
        mean = self.logits().mean(axis=1)
        margins: np.ndarray = mean[:, 1] - mean[:, 0]
        return margins

    def texts(self, split: str) -> list[tuple[str, str]]:
        return [(row["question"], row["passage"]) for row in self.rows[split]]

    def questions(self, split: str) -> list[tuple[list[int], list[int]]]:
        """Return the places of each question's right passages and of its wrong ones, where it has both."""
        found: dict[str, tuple[list[int], list[int]]] = {}
        for place, row in enumerate(self.rows[split]):
            right, wrong = found.setdefault(row["question_id"], ([], []))
            (right if row["label"] else wrong).append(place)
        return [(right, wrong) for right, wrong in found.values() if right and wrong]

    def triplets(self) -> list[tuple[int, int]]:
        """Return every right training passage with every wrong one of its question, as places."""
        return [(one, other) for right, wrong in self.questions("train") for one in right for other in wrong]

    def groups(self) -> list[dict[str, Any]]:
        """Return a record of each training question with its right and wrong passages and their margins.

        The fields are those that FlagEmbedding reads.
        """
        rows, margins = self.rows["train"], self.margins().tolist()
        return [
            {
                "query": rows[right[0]]["question"],
                "pos": [rows[place]["passage"] for place in right],
                "neg": [rows[place]["passage"] for place in wrong],
                "pos_scores": [margins[place] for place in right],
                "neg_scores": [margins[place] for place in wrong],
            }
            for right, wrong in self.questions("train")
        ]


def as_probabilities(answers: np.ndarray) -> np.ndarray:
    """Return probabilities [pairs, 2] of scores [pairs] or [pairs, 1], log-odds of right, or of logits [pairs, 2]."""
    answers = np.asarray(answers, dtype=np.float64).reshape(len(answers), -1)
    if answers.shape[1] == 1:
        answers = np.concatenate([np.zeros_like(answers), answers], axis=1)
    return average_probabilities([answers])


def _lines(folder: Path, split: str) -> list[str]:
    return (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
