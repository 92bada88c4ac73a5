"""FlagEmbedding: its fine-tuning of encoder-only rerankers, with knowledge_distillation.

It learns groups of a right passage and several wrong ones: the cross-entropy of the right one, plus that of the
teachers' softmax over the group, of their averaged margins.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from FlagEmbedding.abc.finetune.reranker import (
    AbsRerankerDataArguments,
    AbsRerankerModelArguments,
    AbsRerankerTrainingArguments,
)
from FlagEmbedding.finetune.reranker.encoder_only.base import EncoderOnlyRerankerRunner
from sentence_transformers import CrossEncoder

from benchmarks.contenders.recipe_of_sentence_transformers import predict
from benchmarks.recipe_clock import Clock
from benchmarks.recipe_material import JUDGED, Material

GROUP = 8  # the default of train_group_size; a question with fewer wrong passages would repeat them


def answer(
    material: Material, seed: int, work: Path, clock: Clock, learning_rate: float | None
) -> dict[str, np.ndarray]:
    """Return probabilities [pairs, 2] of validation and test.

    Args:
        learning_rate: None: tmkd's, with its warm-up.
    """
    case, data = material.case, work / "train.jsonl"
    questions = material.groups()
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in questions), encoding="utf-8")
    group = min(GROUP, 1 + max(len(row["neg"]) for row in questions), case["batch_size"])
    question_length = case["max_length"] // 4
    ours = {"warmup_steps": case["warmup"]} if not learning_rate else {}
    with clock:
        EncoderOnlyRerankerRunner(
            AbsRerankerModelArguments(model_name_or_path=material.student),
            AbsRerankerDataArguments(
                train_data=[str(data)],
                cache_path=str(work / "cache"),
                train_group_size=group,
                query_max_len=question_length,
                passage_max_len=case["max_length"] - question_length,
                knowledge_distillation=True,
            ),
            AbsRerankerTrainingArguments(
                output_dir=str(work / "model"),
                max_steps=case["steps"],
                per_device_train_batch_size=max(1, case["batch_size"] // group),
                dataloader_drop_last=True,
                learning_rate=learning_rate or case["learning_rate"],
                weight_decay=case["weight_decay"],
                bf16=case["bf16"],
                seed=seed,
                use_cpu=True,
                save_strategy="no",
                dataloader_pin_memory=False,
                report_to=[],
                **ours,
            ),
        ).run()
        reader = CrossEncoder(str(work / "model"), max_length=case["max_length"], device="cpu")
        return {split: predict(reader, material, split) for split in JUDGED}
