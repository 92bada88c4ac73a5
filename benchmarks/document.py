"""Results as JSON, and as sections of speed.md between markers; what stands outside the markers is kept."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.outcome import Benchmark, Outcome

TEMPLATE = Path(__file__).resolve().parent.parent / "docs" / "results" / "speed.md"
PEERS = ("tmkd", "torch", "transformers", "datasets", "textbrewer", "torchdistill", "sentence-transformers")
VERDICTS = {True: "met", False: "**missed**", None: "not judged"}


def write_result(into: Path, benchmark: Benchmark, size: str, outcome: Outcome) -> None:
    """Write ``<into>/speed/<place>.json`` and the benchmark's two places in ``<into>/speed.md``."""
    place = benchmark.place(size)
    facts = {
        "question": benchmark.question,
        "aim": benchmark.aim,
        "size": size,
        "case": benchmark.sizes[size],
        "date": datetime.date.today().isoformat(),
        "command": f"python -m benchmarks.{benchmark.name} --size {size}",
        "machine": machine(),
        **dataclasses.asdict(outcome),
    }
    (into / "speed").mkdir(parents=True, exist_ok=True)
    (into / "speed" / f"{place}.json").write_text(json.dumps(facts, indent=1) + "\n")
    page = into / "speed.md"
    text = (page if page.exists() else TEMPLATE).read_text()
    text = fill(text, place, section(facts, place))
    page.write_text(fill(text, f"{place} aim", f"{outcome.measured} ({size}): {VERDICTS[outcome.met]}"))


def fill(text: str, marker: str, content: str) -> str:
    """Return the text with ``content`` between ``<!-- marker -->`` and ``<!-- /marker -->``; KeyError without them."""
    begin, end = f"<!-- {marker} -->", f"<!-- /{marker} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise KeyError(f"expected {begin} and {end} once each")
    space = "\n" if "\n" in content else ""
    before, _, rest = text.partition(begin)
    return f"{before}{begin}{space}{content}{space}{end}{rest.partition(end)[2]}"


def section(facts: dict[str, Any], place: str) -> str:
    """Return the generated part of a question: table, what was checked, notes, machine and command."""
    lines = [table(facts["header"], facts["rows"]), ""]
    lines += [f"- Equal: {sentence}." for sentence in facts["checked"]]
    lines += [f"- {sentence}" for sentence in facts["notes"]]
    found = facts["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
    lines += [
        "",
        f"`{facts['command']}` on {facts['date']}, commit {found['commit']}: {found['cpu']}, {found['cores']} cores, "
        f"{found['threads']} threads, {found['memory_gb']} GB, {found['system']}; {packages}. Case: "
        f"`{json.dumps(facts['case'])}`. All runs: [speed/{place}.json](speed/{place}.json).",
    ]
    return "\n".join(lines)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, the first column to the left, the others to the right."""
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> dict[str, Any]:
    """Return what a speed holds for: processor, cores, threads, memory, system, versions and commit."""
    import psutil
    import torch

    from tmkd.store.provenance import provenance, versions

    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "capabilities": dict(torch.cpu.get_capabilities()),
        "packages": versions(PEERS),
        "commit": provenance()["commit"],
    }


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else platform.processor() or "unknown processor"
