"""Runs whose results have known keys: between them, every kind of result and every way to make one."""

from __future__ import annotations

SMOKE = "experiment=smoke"
CASES: dict[str, list[str]] = {
    "every arm": [SMOKE, "method=all", "student.seeds=[1,2]"],
    "default": [SMOKE],
    "families": ["experiment=[smoke,families]"],
    "distilbert": ["experiment=[smoke,distilbert]"],
    "two switches": ["experiment=[smoke,ablation/two_switches]"],
    "teacher counts": ["experiment=[smoke,ablation/teacher_count]"],
    "soft losses": ["experiment=[smoke,ablation/soft_loss]"],
    "stage 1 targets": ["experiment=[smoke,ablation/stage1_target]"],
    "separate heads": ["experiment=[smoke,ablation/head_init]"],
    "corpus sizes": ["experiment=[smoke,ablation/corpus_size]"],
    "weights": [
        SMOKE, "method=tmkd", "method.teacher_weights=fixed", "stage1.teacher_weights=fixed", "method.weights=[1,2,3]",
    ],
    "agreement": [SMOKE, "method=tmkd", "method.teacher_weights=agreement", "stage1.teacher_weights=confidence"],
    "stage 1 with heads": [SMOKE, "method=tmkd", "stage1.targets=heads", "stage1.share=0.5", "corpus.pairs=20"],
    "schedules": [SMOKE, "method=[kd,mkd]", "method.loss=kl", "method.temperature=4", "method.temperature_end=1",
        "method.alpha=1", "method.alpha_end=0.5", "method.schedule=cosine"],
    "blend": [SMOKE, "method=kd", "method.mix=blend"],
    "weigh": [SMOKE, "method=kd", "method.mix=weigh"],
    "student from a teacher": [SMOKE, "method=[kd,tmkd]", "student.init=teacher", "student.keep=every"],
    "student of its own": [SMOKE, "method=kd", "student.encoder.source=tiny", "student.encoder.layers=3", "student.encoder.width=64",
        "student.max_length=24", "student.token_types=false", "student.pooling=first"],
    "bilstm": [SMOKE, "method=[kd,tmkd]", "student=bilstm", "student.layers=null", "student.encoder.width=32"],
    "exits": [SMOKE, "method=[kd,tmkd]", "student.exits=[1,2]", "student.exit_threshold=0.9"],
    "terms of both stages": [SMOKE, "method=tmkd", "+terms=pkd", "method.terms.pkd.stages=[1,2]"],
    "stage 1 of terms": [SMOKE, "method=tmkd", "+terms=fitnets", "stage1.kind=terms", "method.terms.fitnets.stages=[1]"],
    "heads not carried": [SMOKE, "method=tmkd", "method.carry_heads=false", "method.head_init=separate"],
    "peers of two sizes": [SMOKE, "method=mutual", "method.online.peers=[{layers: 3},{layers: 2}]", "method.online.weight=0.5"],
    "own text": [SMOKE, "method=tmkd", "corpus=task"],
    "mined": [SMOKE, "method=tmkd", "corpus=mined", "corpus.path=${example:corpus.jsonl}", "corpus.passages=${example:corpus.jsonl}"],
    "trainer": [SMOKE, "method=[gold,tmkd]", "trainer.warmup=0.2", "trainer.schedule=constant", "encoder.max_length=32"],
    "own settings of arms": [SMOKE, "method=[kd,tmkd]", "+method.arms.kd.set.student.layers=2",
        "+method.arms.tmkd.set.stage1.epochs=2", "+method.arms.tmkd.set.corpus.pairs=15"],
}  # fmt: skip
