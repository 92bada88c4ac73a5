"""The card of an export, ``README.md``: what the folder is, how good, and what it was made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tmkd.choices import CROSS_ENCODER, CUT, HF, ONNX, ONNX_INT8, OPENVINO
from tmkd.export import markdown
from tmkd.export.checkpoint import HEADS
from tmkd.export.graph import FILE, OPENVINO_FILE, SCORES
from tmkd.export.int8 import int8_file
from tmkd.export.latency import PASSAGES, Latency
from tmkd.export.markdown import bullets, code, plain
from tmkd.export.origin_section import citation_section, licences_section, limits_section, made_section
from tmkd.export.quality import Quality
from tmkd.export.quality_section import quality_section
from tmkd.export.receipt import Receipt
from tmkd.export.scores_section import scores_section
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


def write_card(student: Student, target: str, folder: Path, proof: Proof | None, receipt: Receipt) -> None:
    """Write ``README.md`` into a folder that is otherwise whole."""
    labels, kind, model = student.labels, student.model.encoder.config, student.model
    version = versions(["tmkd"])["tmkd"]
    if len(model.classes) == 1:
        meaning = "A score is one logit: it learnt grades or numbers, and a sigmoid of it means nothing."
    elif len(labels) == 1:
        meaning = f"A score is one logit, the log-odds of {code(labels[0])}: the higher, the more surely so."
    else:
        meaning = f"There are {len(labels)} logits, of {', '.join(map(code, labels))}; softmax makes probabilities."
    if len(labels) == 2:
        meaning += f" A score is their difference, the log-odds of {code(labels[-1])}."
    right = "right answers" if student.ranking else f"pairs of {code(labels[-1])}"
    sections = [
        f"# {plain(student.artifact.manifest['what'])}",
        f"Scores a question with a passage. {kind.model_type}, {kind.num_hidden_layers} layers, width "
        f"{kind.hidden_size}; reads {model.max_length} tokens of a pair.",
        "```python\n" + _code(target, folder) + "\n```",
        quality_section(receipt.quality, receipt.standing),
        scores_section(receipt.calibration, meaning, right),
        _speed(receipt.latency),
        "## What was lost",
        bullets(losses(student, target, proof)) or "Nothing.",
        "## Checked",
        table(proof) if proof else "Nothing: it was exported with `--no-verify`.",
        made_section(receipt.origin, student),
        limits_section(receipt.origin, student),
        licences_section(receipt.origin, receipt.license),
        citation_section(version),
        f"Made by tmkd {version} from {code(student.artifact.name)} (`{MANIFEST}`: SHA-256 "
        f"`{checksum(student.artifact.path / MANIFEST)}`).",
    ]
    header = yaml.safe_dump(front_matter(student, target, proof, receipt), sort_keys=False)
    (folder / "README.md").write_text(f"---\n{header}---\n\n" + "\n\n".join(sections) + "\n", encoding="utf-8")


def front_matter(student: Student, target: str, proof: Proof | None, receipt: Receipt) -> dict[str, Any]:
    """Return the metadata of the hub; what is not known has no key."""
    metric = receipt.quality.name if isinstance(receipt.quality, Quality) else proof and proof.metric
    known = {
        "license": receipt.license,
        "base_model": receipt.origin.encoder.hub,
        "datasets": [receipt.origin.data.hub] if receipt.origin.data.hub else None,
        "metrics": [metric] if metric else None,
    }
    return {
        "pipeline_tag": "text-ranking" if student.ranking else "text-classification",
        "library_name": "sentence-transformers" if target == CROSS_ENCODER else "transformers",
        "tags": ["sentence-transformers", "cross-encoder", *(["reranker"] if student.ranking else [])],
        **{name: value for name, value in known.items() if value},
    }


def _speed(latency: Latency | None) -> str:
    if latency is None:
        return "## Speed\n\nNot measured."
    threads = "one thread" if latency.threads == 1 else f"{latency.threads} threads"
    return (
        f"## Speed\n\n{PASSAGES} passages of one question at once: {latency.median:.1f} ms (median of {latency.runs} "
        f"runs; 95 % took less than {latency.slow:.1f} ms). Many pairs, {latency.batch} at once: "
        f"{latency.pairs_per_second:,.0f} a second. By {latency.program}, {threads}, on {plain(latency.processor)}; a "
        f"pair has {latency.words:.0f} words on average. Measured once, when this was exported, whatever else the "
        "machine did."
    )


def losses(student: Student, target: str, proof: Proof | None) -> list[str]:
    """Return what differs from the student as ``tmkd.Reranker`` runs it, a sentence each."""
    model, found = student.model, []
    if not student.exact:
        found.append(
            f"The student averages the probabilities of {len(model.predicting)} heads; here their "
            f"{'margins' if len(student.labels) == 1 else 'logits'} are averaged."
        )
    head = HEADS.get(model.encoder.config.model_type)  # None: of a decoder
    if target == HF and head is not None and head.tanh:
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
    body = []
    for each in proof.rows:
        difference = "" if each.difference is None else f"{each.difference:.1e}"
        body.append((each.program, str(each.pairs), difference, "" if each.metric is None else f"{each.metric:.4f}"))
    rows = markdown.table(("program", "pairs", "largest difference", proof.metric), body)
    notes = [f"Pairs: {proof.source}.", *(f"Not installed, and so not asked: {name}." for name in proof.missing)]
    return "\n".join([rows, "", *notes])


def _code(target: str, folder: Path) -> str:
    if target in (ONNX, ONNX_INT8):
        file = FILE if target == ONNX else int8_file(folder).relative_to(folder)
        return GRAPH.format(file=file.as_posix(), scores=SCORES)
    if target == OPENVINO:
        return INTEL.format(file=OPENVINO_FILE.as_posix(), scores=SCORES)
    return CROSS if target == CROSS_ENCODER else f"{CROSS}\n\n{PLAIN}"
