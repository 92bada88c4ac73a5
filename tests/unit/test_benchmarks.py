"""The benchmarks' own arithmetic and their page: a figure beside the wrong name would look like a measurement."""

import importlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import distillations
from benchmarks.common import Bench, Benchmark, Outcome, Run, main, must_agree, row, spread, timed
from benchmarks.document import TEMPLATE, fill, table, write_result
from benchmarks.outcome import BASE

WITH_LARGE_TEACHERS = ("arms_and_seeds", "three_teachers")
NAMES = sorted(path.stem for path in TEMPLATE.parents[2].glob("benchmarks/*.py") if "BENCHMARK = " in path.read_text())


def test_every_benchmark_has_its_three_sizes_and_its_two_places_on_the_page() -> None:
    assert len(NAMES) == 16
    for name in NAMES:
        benchmark = importlib.import_module(f"benchmarks.{name}").BENCHMARK
        assert benchmark.name == name
        larger = {BASE} if name in WITH_LARGE_TEACHERS else set()
        assert set(benchmark.sizes) == {"tiny", "short", "full"} | larger
        for place in {benchmark.place(size) for size in benchmark.sizes}:
            page = fill(fill(TEMPLATE.read_text(), place, "the table"), f"{place} aim", "the verdict")
            assert "the table" in page
            assert f"| {benchmark.aim} | <!-- {place} aim -->the verdict" in page, "the page states another aim"


def test_filling_again_leaves_one_result_and_what_is_outside_the_markers() -> None:
    once = fill("before <!-- a -->old<!-- /a --> after", "a", "new\nlines")
    assert once == "before <!-- a -->\nnew\nlines\n<!-- /a --> after"
    assert fill(once, "a", "newer") == "before <!-- a -->newer<!-- /a --> after"
    with pytest.raises(KeyError, match="expected <!-- b -->"):
        fill(once, "b", "new")


def test_missed_aim_is_told_as_missed(tmp_path: Path) -> None:
    benchmark = Benchmark("scoring", "How fast?", "fast", {"tiny": {"pairs": 1}})
    write_result(tmp_path, benchmark, "tiny", Outcome("0.5 times", False, ["who", "s"], [["tmkd", "2"]], ["all of it"]))
    page = (tmp_path / "speed.md").read_text()
    assert "0.5 times (tiny): **missed**" in page
    assert "| tmkd | 2 |" in page and "Equal: all of it." in page and "[speed/scoring.json](speed/scoring.json)" in page
    facts = json.loads((tmp_path / "speed" / "scoring.json").read_text())
    assert facts["met"] is False and facts["case"] == {"pairs": 1} and facts["machine"]["cores"]


def test_larger_teachers_have_their_own_place_beside_the_full_size(tmp_path: Path) -> None:
    benchmark = Benchmark("three_teachers", "How long?", "short", {"full": {"pairs": 1}, BASE: {"pairs": 2}})
    write_result(tmp_path, benchmark, "full", Outcome("0.6", False, ["who", "s"], [["tmkd", "2"]]))
    write_result(tmp_path, benchmark, BASE, Outcome("0.4", True, ["who", "s"], [["tmkd", "3"]]))
    page = (tmp_path / "speed.md").read_text()
    assert "0.6 (full): **missed**" in page and "0.4 (base): met" in page
    assert "| tmkd | 2 |" in page and "| tmkd | 3 |" in page and "(speed/three_teachers_base.json)" in page
    pairs = [json.loads(file.read_text())["case"]["pairs"] for file in sorted((tmp_path / "speed").iterdir())]
    assert pairs == [1, 2]


@pytest.mark.parametrize("peer", ["transformers Trainer, live teachers", "TextBrewer, live teachers"])
@pytest.mark.parametrize("targets", ["average", "heads"])
def test_teachers_of_unequal_shapes_teach_a_peer_what_they_teach_tmkd(peer: str, targets: str, tmp_path: Path) -> None:
    if peer.startswith("TextBrewer"):
        pytest.importorskip("textbrewer")  # which only the benchmarks' own environment has
    shapes = [[4, 48], [2, 64], None]
    case = {"encoder": "tiny", "teachers": 3, "shapes": shapes, "batch_size": 8, "seeds": [1], "precision": "fp32"}
    case |= {"arms": [[targets, 0.9]], "check_steps": 3, "in_process": True}
    [said] = distillations.check(Bench("three_teachers", tmp_path, distillations.run), case, ["tmkd", peer])
    assert "6 values" in said
    [folder] = tmp_path.glob("check-*")
    configs = [json.loads((folder / f"teacher-{n}" / "encoder" / "config.json").read_text()) for n in (1, 2, 3)]
    assert [[config["num_hidden_layers"], config["hidden_size"]] for config in configs] == [[4, 48], [2, 64], [3, 32]]


def test_unequal_work_ends_the_benchmark() -> None:
    assert "0.5 apart at most" in must_agree("losses", [1.0, 2.0], [1.0, 2.5], 0.5)
    for other in ([1.0, 2.5], [1.0], [1.0, float("nan")]):
        with pytest.raises(SystemExit, match="Not equal work: losses"):
            must_agree("losses", [1.0, 2.0], other, 0.1)


def test_row_is_the_median_of_all_rounds_against_the_first_contender() -> None:
    runs = [Run(seconds, 2_000_000_000, {}) for seconds in (9.0, 2.0, 4.0)]
    assert row("peer", runs, [Run(2.0, 1, {})]) == ["peer", "4 (2–9)", "2.00", "2.00"]
    assert spread([3.0, 1.0, 2.0]) == {"min": 1.0, "median": 2.0, "max": 3.0}
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| :-- | --: |\n| 1 | 2 |"


def test_contenders_take_turns_at_beginning() -> None:
    order: list[str] = []
    bench = Bench("scoring", Path("."), lambda name, case, folder: order.append(name) or {"seconds": 1.0})
    runs = bench.measure(["a", "b"], {"rounds": 3, "in_process": True})
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert len(runs["a"]) == 3


def test_memory_of_what_a_command_starts_counts_and_a_kill_is_told() -> None:
    hold = "import time; held = bytearray(80_000_000); time.sleep(20)"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    peak_seen: list[int] = []

    def late() -> bool:
        peak_seen.append(1)
        return len(peak_seen) > 15

    code, _, peak, killed = timed([sys.executable, "-c", start], until=late, every=0.1)
    assert killed and code != 0
    assert peak > 80_000_000


def test_contender_writes_its_answer_where_the_measuring_process_reads_it(monkeypatch, tmp_path: Path) -> None:
    asked = ["x", "--contender", "tmkd", "--case", '{"pairs": 3}', "--folder", str(tmp_path)]
    monkeypatch.setattr("sys.argv", asked)
    benchmark = Benchmark("scoring", "How fast?", "fast", {"short": {}})
    main(
        benchmark, lambda name, case, _: {"seconds": 1.5, "who": name, **case}, lambda *_: pytest.fail("not asked for")
    )
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["who"] == "tmkd" and answer["pairs"] == 3 and answer["seconds"] == 1.5 and answer["peak_bytes"] > 0


def test_operations_of_one_linear_map_are_counted_by_hand() -> None:
    from benchmarks.matrix_product import products

    config = SimpleNamespace(hidden_size=2, intermediate_size=3, num_hidden_layers=1)
    # one pair of 5 tokens: 5 (4·2·2 + 2·2·3) multiply-adds in maps, 2·5·5·2 in attention, 2·4 in the heads
    assert products(config, [5], 4) == 3 * 2 * (5 * 28 + 100 + 8)


def test_page_names_every_command_that_makes_it() -> None:
    assert re.search(r"^make bench SIZE=full", TEMPLATE.read_text(), re.MULTILINE)
