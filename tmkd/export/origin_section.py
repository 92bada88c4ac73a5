"""The card's sections on what a student was made from: data, encoder, settings, limits, licences, whom to cite."""

from __future__ import annotations

from tmkd.export.markdown import bullets, code, plain, table
from tmkd.export.origin import NOT_KNOWN, Origin, Part
from tmkd.export.student import Student

PAPER = """@inproceedings{yang2020model,
  title = {Model Compression with Two-stage Multi-teacher Knowledge Distillation for Web Question Answering System},
  author = {Yang, Ze and Shou, Linjun and Gong, Ming and Lin, Wutao and Jiang, Daxin},
  booktitle = {Proceedings of the 13th International Conference on Web Search and Data Mining (WSDM)},
  year = {2020},
  url = {https://arxiv.org/abs/1910.08381}
}"""
SOFTWARE = "tmkd: two-stage multi-teacher knowledge distillation for question answering"


def made_section(origin: Origin, student: Student) -> str:
    """Say what it was made from, and by which settings."""
    sizes = "; ".join(
        f"{split} {pairs:,} pairs, {questions:,} questions" for split, (pairs, questions) in origin.sizes.items()
    )
    fingerprint = f"; SHA-256 of its content {code(origin.content)}" if origin.content else ""
    facts = [
        f"Data: {plain(origin.data.what)}{f' ({sizes})' if sizes else ''}{fingerprint}.",
        f"Encoder before training: {plain(origin.encoder.what)}.",
        f"Stage 1: {plain(origin.stage1) if origin.stage1 else 'none'}.",
        f"Parameters: {student.model.parameter_count:,}.",
    ]
    settings = [[code(name), code(value)] for name, value in origin.settings]
    return "\n\n".join(["## How it was made", bullets(facts), table(["setting", "value"], settings, 2)])


def limits_section(origin: Origin, student: Student) -> str:
    """Say what it was not made for, as far as that is known."""
    return "## Limits\n\n" + bullets(
        [
            f"It reads {student.model.max_length} tokens of a question and a passage together; the rest is cut.",
            f"It was judged on {plain(origin.data.what)} alone: how good it is on other data is not known.",
            "Languages: not known; it knows those of its encoder and its data, if any.",
            "It scores how well a passage answers, not whether what the passage says is true.",
        ]
    )


def licences_section(origin: Origin, license: str | None) -> str:
    """List the licences of all that it was made of, as their own metadata names them."""
    parts = [
        ("encoder", origin.encoder),
        *(("teachers", each) for each in origin.teachers),
        ("data", origin.data),
        *(("data", each) for each in origin.sources),
        *([("stage 1", Part(origin.stage1, None, None))] if origin.stage1 else []),
    ]
    body = [[kind, plain(part.what), plain(part.license or NOT_KNOWN)] for kind, part in parts]
    own = plain(license) if license else "none was given"
    return (
        f"## Licences\n\nThis export: {own}. What it was made of, each by its own metadata:\n\n"
        f"{table(['', 'name', 'licence'], body, 3)}"
    )


def citation_section(version: str) -> str:
    """Say whom to cite: the paper, and the software (CITATION.cff)."""
    of = f"The method is that of the paper; the software is {SOFTWARE}, version {version}."
    return f"## Citation\n\n{of}\n\n```bibtex\n{PAPER}\n```"
