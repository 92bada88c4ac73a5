"""Rows, tables and files of a small comparison."""

import csv
import io
import json
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tmkd.config import Config, PathsConfig
from tmkd.measures import title
from tmkd.pipelines import stage3
from tmkd.report.figures import accuracy_against_speed
from tmkd.report.folder import write_report
from tmkd.report.headline import headline
from tmkd.report.rows import BASELINE, CHANCE, Row, chance_row, json_safe, make_row, per_question_by_seed
from tmkd.report.standing import add_fidelity, add_interval, add_lift, add_versus
from tmkd.report.tables import markdown_lines, print_table, to_csv, to_json, to_markdown
from tmkd.store.artifacts import ArtifactStore

LABELS = np.array([1, 0] * 6)
QUESTIONS = np.repeat(np.arange(6), 2)
ARMS = ["student without distillation", BASELINE, "m-o-m", "TKD (1avg-o-1)", "TMKD", "teacher 1", "teacher ensemble"]


def right_on(questions: int) -> np.ndarray:
    """Return probabilities which order the first so many of six questions rightly: MAP 0.5 + questions / 12."""
    rightly = np.isin(QUESTIONS, range(questions))
    score = np.where(rightly == LABELS, 0.9, 0.1)
    return np.stack([1 - score, score], axis=1)


@pytest.fixture
def rows() -> list[Row]:
    runs = {arm: [right_on(index % 7), right_on((index + 2) % 7)] for index, arm in enumerate(ARMS)}
    runs["teacher 1"] = runs["teacher 1"][:1]
    made = [
        make_row(arm, {"heads": 3}, range(len(p)), p, LABELS, QUESTIONS, True, 2000.0 / (1 + 9 * (i > 4)), 45_700_000)
        for i, (arm, p) in enumerate(runs.items())
    ]
    add_versus(made, {arm: per_question_by_seed(p, LABELS, QUESTIONS, True) for arm, p in runs.items()})
    return made


def test_row_has_the_sample_standard_deviation_and_none_for_one_seed(rows: list[Row]) -> None:
    two, one = rows[1], rows[5]
    assert two.metrics["map"]["values"] == pytest.approx([0.5 + 1 / 12, 0.5 + 3 / 12])
    assert two.mean("map") == pytest.approx(0.5 + 2 / 12)
    assert two.std("map") == pytest.approx((2 / 12) / 2**0.5)  # n - 1; with n it would be 1 / 12
    assert one.std("map") is None


def test_interval_is_that_of_the_mean_over_questions_and_seeds(rows: list[Row]) -> None:
    one, alike = rows[5], np.full((3, 6), 0.25)
    values = np.array([[0.0, 1.0] * 50])
    add_interval(rows, {one.arm: values, rows[0].arm: alike, rows[1].arm: np.ones((2, 1))})
    assert rows[0].interval == [0.25, 0.25] and rows[1].interval is None  # of a single question nothing is known
    assert one.interval == pytest.approx([0.5 - 1.96 * 0.05, 0.5 + 1.96 * 0.05], abs=0.01)  # √(¼ / 100) = 0.05
    far = np.repeat([[0.2], [0.5], [0.8]], 100, axis=1)  # what seeds do counts, too
    add_interval(rows, {one.arm: far})
    assert one.interval[0] < 0.3 and one.interval[1] > 0.7


def test_versus_is_the_difference_of_the_main_metric_from_the_baseline(rows: list[Row]) -> None:
    tmkd = rows[4].versus[BASELINE]
    assert tmkd["difference"] == pytest.approx(rows[4].mean("map") - rows[1].mean("map")) == pytest.approx(3 / 12)
    assert tmkd["low"] <= tmkd["difference"] <= tmkd["high"]
    assert tmkd["p_holm"] >= tmkd["p_value"]
    assert rows[1].versus == {}


def test_rows_without_the_baseline_are_left_as_they_are(rows: list[Row]) -> None:
    assert add_versus(rows, {}, baseline="absent") == rows


def test_seeds_without_predictions_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        make_row("MKD", {}, [1, 2], [right_on(3)], LABELS, QUESTIONS, True)


def test_undefined_values_are_null_in_json_and_floats_are_whole(rows: list[Row]) -> None:
    one_class = make_row("MKD", {"alpha": np.float32(0.5)}, [0], [right_on(3)], LABELS * 0 + 1, QUESTIONS, False)
    document = json.loads(json.dumps(to_json("e", "d", "f", [*rows, one_class], pairs=12), allow_nan=False))
    assert list(document) == ["experiment", "data", "fingerprint", "pairs", "rows"]
    assert document["rows"][-1]["metrics"]["auc"] == {"values": [None], "mean": None, "std": None}
    assert document["rows"][0]["metrics"]["map"]["mean"] == rows[0].mean("map")
    columns = "arm settings seeds metrics pairs_per_second parameters artifacts train_seconds train_bytes"
    assert list(document["rows"][0]) == [*columns.split(), "lift", "kept", "to_ensemble", "interval", "versus"]


def test_json_safe_reaches_into_nested_numpy() -> None:
    value = {1: (np.int64(2), np.array([np.nan, 1.5])), "x": [float("inf"), None, True]}
    assert json_safe(value) == {"1": [2, [None, 1.5]], "x": [None, None, True]}


def test_csv_reads_back_at_full_precision(rows: list[Row]) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(rows, "map"))))
    assert [line["arm"] for line in lines] == ARMS
    assert float(lines[4]["map_mean"]) == rows[4].mean("map")
    assert float(lines[4]["p_value"]) == rows[4].versus[BASELINE]["p_value"]
    assert lines[5]["map_std"] == lines[1]["difference"] == ""


def test_markdown_shows_mean_std_and_difference_and_says_what_they_are(rows: list[Row]) -> None:
    text = to_markdown("WikiQA", "abc123", rows, "map", questions=6, pairs=1200)
    assert "| KD (1-o-1) | 2 | 0.667 ± 0.118 |" in text
    assert "| 2,000 | 45.70 | – | – | +0.250 |" in text
    resampled = (
        "a bootstrap (9,999 resamples) of 6 questions and, crossed with them, of the 2 seeds of a row (paired where "
        "both rows have the same); rows of one run, like teachers, have none to draw: that choice is not covered"
    )
    for said in ("WikiQA", "abc123", "6 questions", "1,200 pairs", resampled, "minus that of KD (1-o-1)"):
        assert said in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_caption_says_that_one_seed_is_not_covered(rows: list[Row]) -> None:
    text = to_markdown("d", "f", [replace(row, seeds=[1]) for row in rows], "map", questions=6)
    assert "of 6 questions; no row has more than one run, so the choice of seeds is not covered; p (Holm)" in text


def test_p_sees_the_choice_of_seeds() -> None:
    # Better on all questions with one seed, as good with the other: sure over questions, unsure over seeds.
    probabilities = {BASELINE: [right_on(0), right_on(0)], "lucky": [right_on(6), right_on(0)]}
    made = [make_row(arm, {}, [1, 2], p, LABELS, QUESTIONS, True) for arm, p in probabilities.items()]
    add_versus(made, {arm: per_question_by_seed(p, LABELS, QUESTIONS, True) for arm, p in probabilities.items()})
    assert made[1].versus[BASELINE]["p_value"] > 0.2
    assert made[1].versus[BASELINE]["low"] < 0


@pytest.fixture
def with_chance(rows: list[Row]) -> list[Row]:
    made = [chance_row(LABELS, QUESTIONS, np.array([0, 0, 0, 1]), ["wrong", "right"], True), *rows]
    add_lift(made, "map")
    return made


def test_chance_is_a_row_without_seeds_cost_or_test(with_chance: list[Row]) -> None:
    chance = with_chance[0]
    assert (chance.mean("map"), chance.mean("accuracy"), chance.mean("auc")) == (0.75, 0.5, 0.5)
    values = {row.arm: np.full((2, 6), 0.5) for row in with_chance if row.arm != CHANCE}
    add_versus(with_chance, values)
    assert chance.versus == {}  # Holm's correction does not count it
    text = to_markdown("d", "f", with_chance, "map")
    (line,) = [line for line in text.splitlines() if line.startswith("| chance |")]
    assert line == (
        "| chance | – | 0.750 | 0.750 | 0.815 | 0.500 | 0.500 | 0.000 | 0.947 | -0.042 | – | – | – | – | – | – | – |"
    )
    assert (
        "Chance is the MAP, MRR and nDCG expected of a random order of each question's passages; the accuracy of "
        "always answering 'wrong', the most frequent class of the training split; AUC 0.5."
    ) in text
    assert "Lift is the share of the lead over chance" in text
    first = next(csv.DictReader(io.StringIO(to_csv(with_chance, "map"))))
    assert (first["arm"], first["seeds"], first["lift"], first["p_value"]) == ("chance", "", "0.0", "")


def test_lift_is_the_share_of_the_lead_over_chance(with_chance: list[Row]) -> None:
    tmkd, ensemble = with_chance[5], with_chance[-1]
    assert ensemble.mean("map") == pytest.approx(0.5 + 3.5 / 12)
    assert tmkd.lift == pytest.approx((tmkd.mean("map") - 0.75) / (ensemble.mean("map") - 0.75))
    assert tmkd.kept == pytest.approx(tmkd.mean("map") / ensemble.mean("map"))
    assert (ensemble.lift, ensemble.kept, ensemble.to_ensemble) == (1.0, 1.0, 0.0)
    line = list(csv.DictReader(io.StringIO(to_csv(with_chance, "map"))))[5]
    # unrounded, so that no document has to subtract what was rounded
    assert float(line["to_ensemble"]) == tmkd.mean("map") - ensemble.mean("map")
    assert float(line["lift"]) == tmkd.lift
    named = [replace(row, lift=None) for row in with_chance]
    named[-1].metrics["map"]["mean"] = 0.7  # below chance: there is no lead to have a share of
    add_lift(named, "map")
    assert [row.lift for row in named] == [None] * len(named)


def test_ensemble_whose_correlation_is_below_0_is_told_and_rows_have_their_difference_from_it() -> None:
    right = np.arange(6.0)
    runs = {"student without distillation": right, "teacher ensemble": -right}
    made = [
        chance_row(right, range(6), right, ["score"], False, kind="float"),
        *(make_row(arm, {}, [1], [p[:, None]], right, range(6), False, kind="float") for arm, p in runs.items()),
    ]
    add_lift(made, "spearman")
    assert [row.to_ensemble for row in made] == pytest.approx([1, 2, 0])
    assert {row.kept for row in made} == {row.lift for row in made} == {None}
    assert headline(made, "spearman", None).sentences[-1].startswith("The teacher ensemble is no better than chance")


def test_fidelity_of_chance_is_left_out(with_chance: list[Row]) -> None:
    add_fidelity([with_chance[0], with_chance[-1]], {with_chance[-1].arm: [right_on(3)]})
    assert "agreement" not in with_chance[0].metrics


@pytest.mark.parametrize("chance", [0.6, 0.1])
def test_figure_has_a_line_for_chance_or_says_that_it_is_below(
    with_chance: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chance: float
) -> None:
    saved = []
    monkeypatch.setattr("tmkd.report.figures.save", lambda figure, _: saved.append(figure))
    with_chance[0].metrics["map"]["mean"] = chance
    accuracy_against_speed(with_chance, tmp_path / "figure.png", "map")
    axes = saved[0].axes[0]
    drawn = [line for line in axes.lines if list(line.get_ydata()) == [chance, chance]]
    assert len(drawn) == (chance == 0.6)
    assert ("chance, 0.100, is below" in axes.get_ylabel()) == (chance == 0.1)


def test_bar_in_a_name_makes_no_column() -> None:
    *_, line = markdown_lines(["arm", "MAP"], [["mutual (layers = all | layers = 3)", "0.7"]])
    assert line == "| mutual (layers = all \\| layers = 3) | 0.7 |"


def judged_by(metric: str) -> list[Row]:
    runs = {"KD (1-o-1)": [right_on(3), right_on(4)], "MKD": [right_on(5), right_on(6)]}
    made = [chance_row(LABELS, QUESTIONS, np.array([0, 0, 1]), ["wrong", "right"], True, metric=metric)]
    made += [make_row(arm, {}, [1, 2], p, LABELS, QUESTIONS, True, metric=metric) for arm, p in runs.items()]
    values = {arm: per_question_by_seed(p, LABELS, QUESTIONS, True, metric=metric) for arm, p in runs.items()}
    add_lift(made, metric)
    add_versus(made, values)
    return made


@pytest.mark.parametrize("metric", ["mrr@1", "r@1", "auc"])
def test_chosen_metric_leads_and_is_what_is_tested(metric: str) -> None:
    chance, base, other = judged_by(metric)
    difference = other.mean(metric) - base.mean(metric)
    assert other.versus["KD (1-o-1)"]["difference"] == pytest.approx(difference) and difference > 0
    assert base.lift == pytest.approx(
        (base.mean(metric) - chance.mean(metric)) / (other.mean(metric) - chance.mean(metric))
    )
    rows = [chance, base, other]
    shown = title(metric)
    text = to_markdown("d", "f", rows, metric)
    assert re.search(rf"\| arm \| seeds \| {shown} \|", text)
    assert f"has in {shown}" in text and f"Δ is the {shown} minus" in text
    assert to_csv(rows, metric).startswith(f"arm,seeds,{metric}_mean,")
    out = io.StringIO()
    print_table(rows, metric, console=Console(file=out, width=40))
    assert "…" not in out.getvalue() and shown in out.getvalue()


def test_names_with_brackets_are_shown_as_they_are(with_chance: list[Row]) -> None:
    out = io.StringIO()
    named = [replace(row, arm=f"[red]{row.arm}[/b]") for row in with_chance]
    print_table(named, "map", "my data [v2] [/b]", baseline=None, console=Console(file=out, width=200))
    assert "my data [v2] [/b]" in out.getvalue() and f"[red]{with_chance[0].arm}[/b]" in out.getvalue()


@pytest.mark.parametrize(("width", "terminal"), [(128, True), (80, True), (40, False)])
def test_terminal_table_is_never_cut(with_chance: list[Row], width: int, terminal: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, no_color=True)
    print_table(with_chance, "map", "demo", console=console)
    text = out.getvalue()
    assert "…" not in text
    assert "0.667±0.118" in text
    assert "(Holm)" in text
    assert ("AUC" in text) == (width != 80)
    if not terminal:
        assert "\x1b" not in text
        assert max(map(len, text.splitlines())) <= 128


def test_markdown_says_where_a_bilstm_has_its_word_vectors_from(rows: list[Row]) -> None:
    bilstm = [replace(row, settings={"word_vectors": "random"}) for row in rows]
    assert "Word vectors of the Bi-LSTM before training: random." in to_markdown("d", "f", bilstm, "map")
    assert "ord vectors" not in to_markdown("d", "f", rows, "map")


def test_rows_say_how_near_they_are_to_the_ensemble_in_the_last_row(rows: list[Row]) -> None:
    # right_on(3) and right_on(6) differ on three questions of six, right_on(3) and right_on(4) on one
    ensemble = replace(rows[-1], seeds=[0])
    add_fidelity([rows[4], ensemble], {"TMKD": [right_on(6), right_on(4)], ensemble.arm: [right_on(3)]})
    assert rows[4].metrics["agreement"]["values"] == pytest.approx([1 / 2, 5 / 6])
    log_odds = 0.8 * np.log(9)  # KL between (0.9, 0.1) and (0.1, 0.9)
    assert rows[4].mean("divergence") == pytest.approx(log_odds * (1 / 2 + 1 / 6) / 2)
    assert (ensemble.mean("agreement"), ensemble.mean("divergence")) == (1.0, 0.0)
    text = to_markdown("d", "f", [rows[4], ensemble], "map")
    assert "| agreement | KL |" in text and "| 0.667 ± 0.236 |" in text and "in nats" in text
    line = next(csv.DictReader(io.StringIO(to_csv([rows[4], ensemble], "map"))))
    assert float(line["agreement_mean"]) == pytest.approx(2 / 3)


def test_report_is_whole_and_the_same_bytes_each_time(rows: list[Row], tmp_path: Path) -> None:
    extra = {"questions": 6, "pairs": 12, "teacher_counts": {"TMKD": [(1, 0.6, 0.01), (2, 0.7, None)]}}
    for name in ("first", "second"):
        write_report(tmp_path / name, "demo", "WikiQA", "abc", rows, "map", extra)
        accuracy_against_speed(rows, tmp_path / name / "figure.svg", "map")
    first, second = ({f.name: f.read_bytes() for f in (tmp_path / name).iterdir()} for name in ("first", "second"))
    figures = {"map_against_speed.png", "map_against_teacher_count.png"}
    texts = {f"comparison.{ending}" for ending in ("json", "csv", "md")} | {"index.html"}
    assert set(first) == {"figure.svg"} | texts | figures
    assert first == second
    assert all(name.encode() in first["comparison.md"] for name in figures)


def test_a_failed_write_leaves_the_old_file_and_no_debris(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [replace(row, pairs_per_second=None) for row in rows]  # without figures, which are slow to draw
    write_report(tmp_path, "old", "WikiQA", "abc", rows, "map")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_report(tmp_path, "new", "WikiQA", "abc", rows, "map")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_labels_of_arms_with_one_speed_and_one_score_do_not_overlap(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for row in rows:
        row.pairs_per_second = 2000.0
        row.metrics["map"]["mean"] = 0.7
    saved = []
    monkeypatch.setattr("tmkd.report.figures.save", lambda figure, _: saved.append(figure))
    accuracy_against_speed(rows, tmp_path / "figure.png", "map")
    axes = saved[0].axes[0]
    saved[0].canvas.draw()  # lays out the axes
    heights = sorted(axes.transData.transform((2000.0, text.get_position()[1]))[1] for text in axes.texts)
    assert len(heights) == len(ARMS)
    assert min(np.diff(heights)) > axes.texts[0].get_fontsize() * saved[0].dpi / 72


@pytest.mark.parametrize(
    ("arm", "settings", "group"),
    [
        ("TKD (1-o-1)", {"pretrain": True, "targets": "one"}, "student, distilled in two stages"),
        ("m-o-m after stage 1", {"pretrain": True, "targets": "students"}, "student, distilled in two stages"),
        (
            "stage 1 alone",
            {"pretrain": True, "targets": "heads", "fine_tune": False},
            "student, distilled in one stage",
        ),
        ("stage 1, then gold labels alone", {"pretrain": True, "targets": "none"}, "student, distilled in one stage"),
        ("student without distillation", {"pretrain": False, "targets": "none"}, "student, gold labels only"),
        (
            "student without distillation, 3 generations",
            {"pretrain": False, "targets": "none", "generations": 3},
            "student, distilled in one stage",
        ),
    ],
)
def test_figure_says_of_a_row_in_how_many_stages_it_was_distilled(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arm: str, settings: dict, group: str
) -> None:
    saved = []
    monkeypatch.setattr("tmkd.report.figures.save", lambda figure, _: saved.append(figure))
    accuracy_against_speed([replace(rows[0], arm=arm, settings=settings)], tmp_path / "figure.png", "map")
    assert saved[0].axes[0].get_legend().get_texts()[0].get_text() == group


def test_comparisons_of_one_name_that_end_together_are_copied_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(name="both", paths=PathsConfig(str(tmp_path / "artifacts"), str(tmp_path / "reports")))

    def made(number: int):
        def make(work: Path) -> dict[str, int]:
            (work / "comparison.md").write_text(str(number))
            return {}

        return ArtifactStore(tmp_path / "artifacts").build("comparison", {"n": number}, make, "comparison")

    first, second = made(1), made(2)
    copied = shutil.copyfile
    other = threading.Thread(target=lambda: stage3._publish(config, second))

    def copy(source: Path, target: Path) -> None:
        copied(source, target)
        if threading.current_thread() is not other:  # while the first one's file has not its name yet
            other.start()
            other.join(0.5)

    monkeypatch.setattr(stage3.shutil, "copyfile", copy)
    folder = stage3._publish(config, first)
    other.join()
    assert (folder / "comparison.md").read_text() == "2"
    assert {path.name for path in folder.iterdir()} <= {"comparison.md", ".comparison.lock"}
