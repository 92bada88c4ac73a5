"""The card of an export, ``README.md``: what the folder is, how to load it, and what was lost on the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from tmkd.choices import CROSS_ENCODER, CUT, HF, ONNX, ONNX_INT8, OPENVINO
from tmkd.export.checkpoint import HEADS
from tmkd.export.graph import FILE, OPENVINO_FILE, SCORES
from tmkd.export.int8 import int8_file
from tmkd.export.student import Student
from tmkd.export.verification import Proof
from tmkd.store.artifacts import MANIFEST, checksum
from tmkd.store.provenance import versions

CROSS = """from sentence_transformers import CrossEncoder

CrossEncoder("FOLDER").predict([("a question", "a passage")])"""
PLAIN = """from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer, model = (kind.from_pretrained("FOLDER") for kind in (AutoTokenizer, AutoModelForSequenceClassification))
model(**tokenizer("a question", "a passage", truncation=True, return_tensors="pt")).logits"""
GRAPH = """import onnxruntime
from transformers import AutoTokenizer

tokens = AutoTokenizer.from_pretrained("FOLDER")("a question", "a passage", truncation=True, return_tensors="np")
onnxruntime.InferenceSession("FOLDER/{file}").run(["{scores}"], dict(tokens))"""
INTEL = """import openvino
from transformers import AutoTokenizer

tokens = AutoTokenizer.from_pretrained("FOLDER")("a question", "a passage", truncation=True, return_tensors="np")
openvino.Core().compile_model("FOLDER/{file}", "CPU")(dict(tokens))["{scores}"]"""


def write_card(student: Student, target: str, folder: Path, proof: Proof | None) -> None:
    """Write ``README.md`` into a folder that is otherwise whole."""
    labels, kind = student.labels, student.model.encoder.config
    front = {
        "pipeline_tag": "text-ranking" if student.ranking else "text-classification",
        "library_name": "sentence-transformers" if target == CROSS_ENCODER else "transformers",
        "tags": ["sentence-transformers", "cross-encoder", *(["reranker"] if student.ranking else [])],
        "metrics": [proof.metric] if proof else [],
    }
    if len(student.model.classes) == 1:
        meaning = "One logit, the score itself: it learnt grades or numbers, and a sigmoid of it means nothing."
    elif len(labels) == 1:
        meaning = (
            f"One logit: the log-odds of `{labels[0]}`, good for sorting; sigmoid makes a probability of it, which is "
            "not calibrated."
        )
    else:
        meaning = f"{len(labels)} logits, of {', '.join(f'`{name}`' for name in labels)}; softmax makes probabilities."
    sections = [
        f"# {student.artifact.manifest['what']}",
        f"Scores a question with a passage. {kind.model_type}, {kind.num_hidden_layers} layers, width "
        f"{kind.hidden_size}; reads {student.model.max_length} tokens of a pair. {meaning}",
        "```python\n" + _code(target, folder) + "\n```",
        "## What was lost",
        "\n".join(f"- {each}" for each in losses(student, target, proof)) or "Nothing.",
        "## Checked",
        table(proof) if proof else "Nothing: it was exported with `--no-verify`.",
        f"Made by tmkd {versions(['tmkd'])['tmkd']} from `{student.artifact.name}` (`{MANIFEST}`: SHA-256 "
        f"`{checksum(student.artifact.path / MANIFEST)}`).",
    ]
    header = yaml.safe_dump(front, sort_keys=False)
    (folder / "README.md").write_text(f"---\n{header}---\n\n" + "\n\n".join(sections) + "\n", encoding="utf-8")


def losses(student: Student, target: str, proof: Proof | None) -> list[str]:
    """Return what differs from the student as ``tmkd.Reranker`` runs it, a sentence each."""
    model, found = student.model, []
    if not student.exact:
        found.append(
            f"The student averages the probabilities of {len(model.predicting)} heads; here their "
            f"{'margins' if len(student.labels) == 1 else 'logits'} are averaged."
        )
    if target == HF and HEADS[model.encoder.config.model_type].tanh:
        found.append("The score goes through a tanh: it is off by less than 0.0001 up to 25, and bent above.")
    if target == ONNX_INT8:
        found.append("Weights and activations have 8 bits.")
    if model.long != CUT:
        found.append(f"Longer passages lose their end; the student reads another part of them (long={model.long}).")
    if model.exits.layers:
        found.append("Early exits are not in it: all pairs run through all layers.")
    if found and proof is not None:
        before, after = proof.rows[0].metric, proof.rows[-1].metric
        if before is not None and after is not None:
            found.append(f"{proof.metric} went from {before:.4f} to {after:.4f} ({proof.source}).")
        if proof.order is not None:
            found.append(
                f"Another passage leads {100 * proof.order.top_changed:.2f} % of {proof.order.questions} questions; "
                f"Kendall's τ of the two orders is {proof.order.kendall:.4f}, Spearman's ρ {proof.order.spearman:.4f}."
            )
    return found


def table(proof: Proof) -> str:
    """Return what every program said, as Markdown."""
    rows: list[Sequence[str]] = [("program", "pairs", "largest difference", proof.metric), (":--", "--:", "--:", "--:")]
    for each in proof.rows:
        difference = "" if each.difference is None else f"{each.difference:.1e}"
        rows.append((each.program, str(each.pairs), difference, "" if each.metric is None else f"{each.metric:.4f}"))
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    notes = [f"Pairs: {proof.source}.", *(f"Not installed, and so not asked: {name}." for name in proof.missing)]
    return "\n".join([*lines, "", *notes])


def _code(target: str, folder: Path) -> str:
    if target in (ONNX, ONNX_INT8):
        file = FILE if target == ONNX else int8_file(folder).relative_to(folder)
        return GRAPH.format(file=file.as_posix(), scores=SCORES)
    if target == OPENVINO:
        return INTEL.format(file=OPENVINO_FILE.as_posix(), scores=SCORES)
    return CROSS if target == CROSS_ENCODER else f"{CROSS}\n\n{PLAIN}"
