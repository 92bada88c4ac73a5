"""How good is the same student by tmkd, and by what one might take instead, from the same teachers' soft labels?

    python -m benchmarks.recipes --size short --folder reports/recipes [RECIPE ...] [tmkd's settings ...]

Equal: the teachers and their logits of the training pairs (those of tmkd's store), the layers that a student starts
from, the training pairs, the steps and the pairs of a step, the tokens of a pair, the precision, and the evaluation.
Each project keeps its loss, its model around the layers, its order of pairs and its way to choose an epoch. None of the
peers has a stage 1: TMKD, which also learns from unlabelled pairs, stands beside recipes of one stage.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import ROOT
from benchmarks.document import machine, table
from benchmarks.recipe_list import BASELINE, RECIPES
from benchmarks.recipe_material import Material
from benchmarks.recipe_runs import read_run, run_all, run_once
from benchmarks.recipe_table import HEADER, judge, lines, raw

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"settings": ["experiment=[smoke,recipes]"], "seeds": [1], "in_process": True},
    "short": {"settings": ["experiment=[default_full,recipes]", "data=documentation"], "seeds": [1, 2]},
    "full": {"settings": ["experiment=recipes", "data=wikiqa"], "seeds": [1, 2, 3, 4, 5]},
}


def report(folder: Path, names: Sequence[str], case: Mapping[str, Any], command: str) -> list[list[str]]:
    """Judge the runs that are done; write ``recipes.json``, ``.csv`` and ``.md`` and return the table's cells."""
    answers: dict[str, dict[int, dict[str, np.ndarray]]] = {}
    costs: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        for seed in case["seeds"]:
            if done := read_run(folder, name, seed):
                answers.setdefault(RECIPES[name].title, {})[seed] = done.answers
                costs.setdefault(RECIPES[name].title, []).append(done.costs)
    material, baseline = Material.read(folder), RECIPES[BASELINE].title
    rows, validation = judge(material, answers, baseline)
    header = [cell.format(baseline=baseline) for cell in HEADER]
    cells = lines(rows, validation, costs, baseline)
    facts = {"command": command, "case": material.case, "machine": machine()}
    (folder / "recipes.json").write_text(
        json.dumps(facts | {"rows": raw(rows, validation, costs)}, indent=1) + "\n", encoding="utf-8"
    )
    (folder / "recipes.md").write_text(table(header, cells) + "\n", encoding="utf-8")
    with (folder / "recipes.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *cells])
    return cells


def main(arguments: Sequence[str] | None = None) -> list[list[str]]:
    """Make the material, do the runs, write the table and return its cells; or be the process of one run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", default="short", choices=SIZES)
    parser.add_argument("--folder", type=Path, default=ROOT / "reports" / "recipes", help="of runs and tables")
    parser.add_argument("--seeds", type=_numbers, help="in place of the size's: 1,2,3")
    parser.add_argument("--times", action="store_true", help="train tmkd's first seed again, to see what it costs")
    parser.add_argument("--table", action="store_true", help="of the runs that are done; train nothing")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("asked", nargs="*", help=f"recipes, of {', '.join(RECIPES)}; and settings of tmkd")
    asked = parser.parse_intermixed_args(arguments)
    if asked.run:
        run_once(asked.folder, asked.run, asked.seeds[0], asked.times)
        return []
    settings = [word for word in asked.asked if "=" in word or word.startswith("~")]
    names = [word for word in asked.asked if word not in settings] or list(RECIPES)
    if unknown := sorted(set(names) - set(RECIPES)):
        parser.error(f"expected recipes of {', '.join(RECIPES)}, got {', '.join(unknown)}")
    case = SIZES[asked.size] | {"times": asked.times} | ({"seeds": asked.seeds} if asked.seeds else {})
    names = list(dict.fromkeys([BASELINE, *names]))
    if not asked.table:
        names = _installed(names)
        _train([*case["settings"], *settings], asked.folder, names, case)
    command = " ".join(sys.argv[1:] if arguments is None else arguments)
    cells = report(asked.folder, names, case, f"python -m benchmarks.recipes {command}")
    print((asked.folder / "recipes.md").read_text(encoding="utf-8"), file=sys.stderr)
    return cells


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _installed(names: Sequence[str]) -> list[str]:
    missing = {RECIPES[name].package for name in names if find_spec(RECIPES[name].package) is None}
    if missing:
        print(f"left out, as they are not installed: {', '.join(sorted(missing))}", file=sys.stderr)
    return [name for name in names if RECIPES[name].package not in missing]


def _train(settings: Sequence[str], folder: Path, names: Sequence[str], case: Mapping[str, Any]) -> None:
    import tmkd
    from benchmarks.recipe_export import write_material

    write_material(tmkd.compose(settings), settings, folder)
    run_all(folder, names, case)


if __name__ == "__main__":
    main()
