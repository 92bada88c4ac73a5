"""The paper's numbers beside ours: cells by hand, claims over several tasks, and columns that come one by one."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tmkd.config import (
    ArmConfig,
    ClaimConfig,
    Config,
    DataConfig,
    EncoderConfig,
    MethodConfig,
    PathsConfig,
    RowConfig,
    Stage2Config,
    StudentConfig,
    TableConfig,
    TeacherConfig,
    TeachersConfig,
)
from tmkd.errors import ConfigError, DataError
from tmkd.pipelines.tables import COLUMN, add_column, check_columns, encoders, report_folder
from tmkd.report import text_tables
from tmkd.report.claims import judge
from tmkd.report.latex import escape, to_latex
from tmkd.report.paper_table import Claim, PaperRow, PaperTable, in_order
from tmkd.report.rows import CHANCE, Row
from tmkd.report.standing import add_lift
from tmkd.report.table_folder import claims_csv, results_csv, write_table
from tmkd.report.task_column import ClaimTest, Column, claim_tests
from tmkd.store.artifacts import ArtifactStore

TABLE = PaperTable(
    "One stage or two",
    "Numbers of the paper's Table 5",
    None,
    {
        "KD": PaperRow("kd", {"DeepQA": 77.35, "RTE": 55.23, "QPS": 217, "parameters": 45.69}),
        "TKD": PaperRow("tkd", {"DeepQA": 80.12, "RTE": 67.35}),
        "all": PaperRow("ensemble", {"DeepQA": 81.66}),
    },
    [Claim("TKD", "KD"), Claim("TKD", "all", ["DeepQA"])],
)


def row(values: list[float], metric: str = "map") -> Row:
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    metrics = {metric: {"values": values, "mean": float(np.mean(values)), "std": std}}
    return Row("arm", {}, list(range(len(values))), metrics, 458.4, 17_240_000, [f"stage2-{value}" for value in values])


def between(chance: float, ensemble: float, metric: str, **rows: list[float]) -> dict[str, Row]:
    """Return rows of these values, that of chance before them, which know where they stand."""
    made = {label: row(values, metric) for label, values in rows.items()}
    made = {CHANCE: replace(row([chance], metric), arm=CHANCE, settings={"majority": "wrong"}, seeds=[]), **made}
    add_lift([*made.values(), row([ensemble], metric)], metric)
    return made


def test_of(better: str, worse: str, difference: float, p: float) -> ClaimTest:
    return ClaimTest(better, worse, difference, p, difference - 0.02, difference + 0.02)


test_of.__test__ = False  # type: ignore[attr-defined]

WIKIQA = Column(
    "WikiQA", "abc", "DeepQA", True, "map", 243, 2351, "Teachers here: MiniLM", "some CPU",
    between(0.40, 0.80, "map", KD=[0.70, 0.72], TKD=[0.75, 0.77], all=[0.80]),
    [test_of("TKD", "KD", 0.05, 0.01), test_of("TKD", "all", -0.04, 0.5)],
)  # fmt: skip
RTE = Column(
    "RTE", "def", "RTE", False, "accuracy", 277, 277, "Teachers here: MiniLM", "some CPU",
    between(0.50, 0.60, "accuracy", KD=[0.58], TKD=[0.57]),
    [test_of("TKD", "KD", -0.01, 0.04)],
)  # fmt: skip


def test_cells_are_the_papers_ours_the_difference_and_the_shares_of_the_ensemble_lift_first() -> None:
    grid = text_tables.results(TABLE, [WIKIQA, RTE])
    assert grid.groups == [("", 1), ("WikiQA", 5), ("RTE", 5)]
    assert grid.header == ["", *["paper", "ours", "Δ", "lift", "kept"] * 2]
    assert grid.body == [
        # what is kept flatters: at 50 % by chance, of 60 %, nothing learnt keeps five sixths
        ["chance", "–", "40.00", "–", "0.0", "50.0", "–", "50.00", "–", "0.0", "83.3"],
        # 0.71 - 77.35 %, 0.31 / 0.40, 0.71 / 0.80; one seed has no deviation
        ["KD", "77.35", "71.00 ± 1.41", "-6.35", "77.5", "88.8", "55.23", "58.00", "+2.77", "80.0", "96.7"],
        ["TKD", "80.12", "76.00 ± 1.41", "-4.12", "90.0", "95.0", "67.35", "57.00", "-10.35", "70.0", "95.0"],
        # neither the paper nor we have the ensemble on RTE
        ["all", "81.66", "80.00", "-1.66", "100.0", "100.0", "–", "–", "–", "–", "–"],
    ]


def test_table_without_the_papers_numbers_has_no_column_for_them() -> None:
    own = replace(TABLE, rows={label: PaperRow(row.arm, {}) for label, row in TABLE.rows.items()})
    grid = text_tables.results(own, [WIKIQA])
    assert grid.header == ["", "ours", "lift", "kept"]
    assert grid.body[1] == ["KD", "71.00 ± 1.41", "77.5", "88.8"]
    assert "The paper has no such table" in grid.caption
    assert "paper" not in text_tables.cost(own, [WIKIQA]).header


def test_speed_and_size_stand_beside_the_papers() -> None:
    grid = text_tables.cost(TABLE, [WIKIQA, RTE])
    assert grid.header == ["", *["paper", "WikiQA", "RTE"] * 2]
    assert grid.body[0] == ["KD", "217", "458", "458", "45.69", "17.24", "17.24"]
    assert grid.body[2] == ["all", "–", "458", "–", "–", "17.24", "–"]
    assert len(grid.body) == 3  # chance has neither


def test_caption_says_which_data_metric_and_encoders_are_not_the_papers() -> None:
    caption = text_tables.results(TABLE, [WIKIQA, RTE]).caption
    assert "WikiQA stands in for DeepQA: 243 questions (fingerprint abc), judged by MAP" in caption
    assert "judged by MAP, where the paper has accuracy." in caption
    assert "RTE is the paper's: 277 pairs (fingerprint def), judged by accuracy." in caption
    assert caption.count("Teachers here: MiniLM.") == 1
    assert "The paper's teachers are BERT-large" in caption
    assert "lift, the share of our teacher ensemble's lead over chance; kept, the share of" in caption
    assert "WikiQA: Chance is the MAP expected of a random order of each question's passages." in caption
    assert "RTE: Chance is the accuracy of always answering 'wrong', the most frequent class of the training" in caption
    other = text_tables.results(
        TABLE, [WIKIQA, replace(RTE, paper=None, encoders="Teachers here: random weights")]
    ).caption
    assert "RTE is none of the paper's data sets" in other
    assert "WikiQA: Teachers here: MiniLM. RTE: Teachers here: random weights." in other


def test_caption_says_where_a_bilstm_has_its_word_vectors_from() -> None:
    def beside(sources: dict[str, str]) -> str:
        rows = {
            **WIKIQA.rows,
            **{name: replace(row([0.6]), settings={"word_vectors": s}) for name, s in sources.items()},
        }
        return text_tables.results(TABLE, [replace(WIKIQA, rows=rows), RTE]).caption

    assert "ord vectors" not in beside({})
    assert "Word vectors of the Bi-LSTM before training: random." in beside({"KD": "random", "TKD": "random"})
    assert "random (KD), glove.txt (TKD)." in beside({"KD": "random", "TKD": "glove.txt"})


def test_holm_is_over_all_claims_and_columns() -> None:
    verdicts = judge(TABLE, [WIKIQA, RTE])
    assert [(v.test.better, v.test.worse, v.column.task) for v in verdicts] == [
        ("TKD", "KD", "WikiQA"), ("TKD", "KD", "RTE"), ("TKD", "all", "WikiQA"),
    ]  # fmt: skip
    assert [v.p_holm for v in verdicts] == pytest.approx([0.03, 0.08, 0.5])
    # A column less is a comparison less: p-values are corrected again.
    assert [v.p_holm for v in judge(TABLE, [WIKIQA])] == pytest.approx([0.02, 0.5])


@pytest.mark.parametrize(
    ("difference", "p", "verdict"),
    [
        (0.05, 0.049, "holds"),
        (0.05, 0.05, "not decided"),
        (-0.05, 0.049, "reversed"),
        (-0.05, 0.2, "not decided"),
        (0.0, 0.001, "not decided"),
    ],
)
def test_verdict_needs_a_direction_and_significance(difference: float, p: float, verdict: str) -> None:
    column = replace(RTE, tests=[test_of("TKD", "KD", difference, p)])
    assert [found.ours for found in judge(TABLE, [column])] == [verdict]


def test_claim_about_one_run_is_not_compared_and_others_do_not_pay_for_it() -> None:
    alike = replace(RTE, rows={**RTE.rows, "TKD": RTE.rows["KD"]}, tests=[test_of("TKD", "KD", 0.0, 1.0)])
    verdicts = judge(TABLE, [WIKIQA, alike])
    assert [(verdict.ours, verdict.p_holm) for verdict in verdicts] == [
        ("holds", 0.02), ("one run", None), ("not decided", 0.5),
    ]  # fmt: skip
    grid = text_tables.claims(TABLE, verdicts)
    assert (grid.body[1][3], grid.body[1][-1]) == ("one run", "–")
    assert "adjusted for all comparisons of this table (2)" in grid.caption
    one_run = list(csv.DictReader(io.StringIO(claims_csv(verdicts))))[1]  # 0 of 2 would read as a claim that failed
    assert (one_run["seeds_for"], one_run["seeds"], one_run["p_holm"]) == ("", "", "")


def test_papers_own_numbers_are_asked_too() -> None:
    worse = {**TABLE.rows, "TKD": PaperRow("tkd", {"DeepQA": 77.0})}
    assert [verdict.paper for verdict in judge(TABLE, [WIKIQA, RTE])] == [True, True, False]
    verdicts = judge(replace(TABLE, rows=worse), [WIKIQA, RTE])
    assert [verdict.paper for verdict in verdicts] == [False, None, False]
    cells = text_tables.claims(replace(TABLE, rows=worse), verdicts).body
    assert [line[2] for line in cells] == ["does not hold", "–", "does not hold"]


def test_claims_are_shown_with_interval_p_and_the_share_of_the_ensemble() -> None:
    grid = text_tables.claims(TABLE, judge(TABLE, [WIKIQA, RTE]))
    assert grid.body == [
        ["TKD > KD", "WikiQA", "holds", "holds", "+5.00", "[+3.00, +7.00]", "2 of 2", "0.010", "0.030"],
        ["TKD > KD", "RTE", "holds", "not decided", "-1.00", "[-3.00, +1.00]", "0 of 1", "0.040", "0.080"],
        # 0.76 / 0.80, and 80.12 / 81.66
        [
            "TKD > all", "WikiQA", "does not hold", "not decided; lift 90.0 %, keeps 95.0 % (paper: 98.1 %)",
            "-4.00", "[-6.00, -2.00]", "0 of 2", "0.500", "0.500",
        ],
    ]  # fmt: skip
    assert "adjusted for all comparisons of this table (3)" in grid.caption
    resampled = "a bootstrap (9,999 resamples) of 243 questions and, crossed with them, of the 2 seeds of a row"
    assert (
        f"WikiQA: {resampled}" in grid.caption and "rows of one run, like teachers, have none to draw" in grid.caption
    )
    alone = "RTE: a bootstrap (9,999 resamples) of 277 questions; no row has more than one run, so the choice of seeds"
    assert f"{alone} is not covered. A question is drawn with all its pairs." in grid.caption


def test_claim_is_tested_on_its_rows_values_with_one_seed_beside_all() -> None:
    values = {"KD": np.array([[0.0, 1.0], [1.0, 0.0]]), "all": np.array([[1.0, 1.0]])}
    rows = {"KD": row([0.5, 0.5]), "all": row([1.0])}
    (found,) = claim_tests([("all", "KD")], rows, values)
    assert (found.better, found.worse, found.difference, found.low, found.high) == ("all", "KD", 0.5, 0.5, 0.5)


def test_seeds_that_agree_with_a_claim_are_counted_seed_by_seed() -> None:
    # The mean over seeds alone would hide that the third seed says otherwise.
    rows = {"KD": row([0.70, 0.72, 0.75]), "TKD": row([0.75, 0.77, 0.74]), "all": row([0.72])}
    column = replace(WIKIQA, rows=rows)
    assert column.agreeing(test_of("TKD", "KD", 0.03, 0.01)) == (2, 3)
    assert column.agreeing(test_of("all", "KD", 0.0, 1.0)) == (1, 3)  # equal is not higher
    assert column.agreeing(test_of("KD", "all", 0.0, 1.0)) == (1, 3)


def test_rows_of_other_seeds_are_not_paired() -> None:
    # The same deviation of the first seed in both rows: taken out where seeds are paired, doubled where they are not.
    values = {"KD": np.array([[0.9] * 50, [0.1] * 50]), "TKD": np.array([[1.0] * 50, [0.2] * 50])}
    rows = {"KD": row([0.9, 0.1]), "TKD": row([1.0, 0.2])}
    (paired,) = claim_tests([("TKD", "KD")], rows, values)
    rows["TKD"] = replace(rows["TKD"], seeds=[7, 8])
    (own,) = claim_tests([("TKD", "KD")], rows, values)
    assert paired.difference == own.difference == pytest.approx(0.1)
    assert paired.p_value < 0.001 < 0.2 < own.p_value
    column = replace(WIKIQA, rows={**WIKIQA.rows, **rows}, tests=[own])
    assert column.agreeing(own) is None  # no seed meets its like
    assert text_tables.claims(TABLE, judge(TABLE, [column])).body[0][6] == "–"


def test_column_reads_back_from_json() -> None:
    assert Column.from_json(json.loads(json.dumps(WIKIQA.to_json(), allow_nan=False))) == WIKIQA


def test_columns_stand_in_the_papers_order() -> None:
    other = replace(RTE, task="another", paper=None)
    assert [column.task for column in in_order([other, RTE, WIKIQA])] == ["WikiQA", "RTE", "another"]


def test_latex_escapes_what_it_would_read_as_a_command() -> None:
    assert escape(r"50% of a_b & c#1 {$x} ~ ^ \ < > |") == (
        r"50\% of a\_b \& c\#1 \{\$x\} \textasciitilde{} \textasciicircum{} \textbackslash{} $<$ $>$ $|$"
    )
    assert escape("KD (1-o-1): [-0.50, -3]") == "KD (1-o-1): [$-$0.50, $-$3]"
    assert escape("α = 0.1 ± 2, – 3 × Δ") == r"$\alpha$ = 0.1 $\pm$ 2, -- 3 $\times$ $\Delta$"


def test_latex_table_has_as_many_cells_in_each_line_as_columns() -> None:
    grid = text_tables.results(TABLE, [WIKIQA, RTE])
    lines = to_latex(grid, "table5").splitlines()
    assert r"\begin{tabular}{lrrrrrrrrrr}" in lines
    assert r"\multicolumn{1}{c}{} & \multicolumn{5}{c}{WikiQA} & \multicolumn{5}{c}{RTE} \\" in lines
    assert r"\cmidrule(lr){2-6} \cmidrule(lr){7-11}" in lines
    assert r"chance & -- & 40.00 & -- & 0.0 & 50.0 & -- & 50.00 & -- & 0.0 & 83.3 \\" in lines
    assert r"KD & 77.35 & 71.00 $\pm$ 1.41 & $-$6.35 & 77.5 & 88.8 & 55.23 & 58.00 & +2.77 & 80.0 & 96.7 \\" in lines
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert [line.count("&") for line in body] == [10, 10, 10, 10]
    assert [line for line in lines if line.startswith(r"\begin") or line.startswith(r"\end")] == [
        r"\begin{table}", r"\begin{tabular}{lrrrrrrrrrr}", r"\end{tabular}", r"\end{table}",
    ]  # fmt: skip
    assert all(line.isascii() for line in lines)


def test_csv_has_a_line_for_each_row_and_task_at_full_precision() -> None:
    lines = list(csv.DictReader(io.StringIO(results_csv(TABLE, [WIKIQA, RTE]))))
    assert [(line["row"], line["task"]) for line in lines] == [
        ("chance", "WikiQA"), ("chance", "RTE"),
        ("KD", "WikiQA"), ("KD", "RTE"), ("TKD", "WikiQA"), ("TKD", "RTE"), ("all", "WikiQA"),
    ]  # fmt: skip
    chance, first = lines[0], lines[2]
    assert (float(chance["ours"]), float(chance["lift"]), chance["seeds"]) == (40.0, 0.0, "")
    assert float(first["ours"]) == 100 * WIKIQA.rows["KD"].metrics["map"]["mean"]
    assert float(first["difference"]) == pytest.approx(71.0 - 77.35)
    assert (first["data_set"], first["stands_in"], first["metric"], first["seeds"]) == ("DeepQA", "True", "map", "0 1")
    # unrounded, to be read off rather than subtracted from what was rounded
    assert float(first["lift"]) == pytest.approx(77.5) and float(first["to_ensemble"]) == pytest.approx(-9.0)
    assert (first["paper_million_parameters"], first["parameters"], lines[3]["std"]) == ("45.69", "17240000", "")
    claims = list(csv.DictReader(io.StringIO(claims_csv(judge(TABLE, [WIKIQA, RTE])))))
    assert [(line["verdict"], line["paper_holds"]) for line in claims] == [
        ("holds", "True"), ("not decided", "True"), ("not decided", "False"),
    ]  # fmt: skip
    assert [(line["seeds_for"], line["seeds"]) for line in claims] == [("2", "2"), ("0", "1"), ("0", "2")]
    assert [line["questions"] for line in claims] == ["243", "277", "243"]


@pytest.mark.parametrize("axis", [None, "layers"])
def test_files_are_the_same_bytes_each_time(tmp_path: Path, axis: str | None) -> None:
    rows = {label: replace(row, x=float(place)) for place, (label, row) in enumerate(TABLE.rows.items())}
    for name, columns in (("first", [WIKIQA, RTE]), ("second", [RTE, WIKIQA])):
        (tmp_path / name).mkdir()
        write_table(tmp_path / name, "table5", replace(TABLE, axis=axis, rows=rows), columns)
    first, second = ({f.name: f.read_bytes() for f in (tmp_path / name).iterdir()} for name in ("first", "second"))
    assert set(first) == {"table.md", "table.html", "table.csv", "table.tex", "table.png", "claims.csv"}
    assert first == second
    assert first["table.png"].startswith(b"\x89PNG")
    text = first["table.md"].decode()
    tables = [[line.count("|") for line in part.splitlines() if line.startswith("|")] for part in text.split("##")]
    assert [set(counts) for counts in tables[:3]] == [{12}, {8}, {10}]


def test_figure_draws_ours_and_the_papers_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    from tmkd.report import table_figure

    saved = []
    monkeypatch.setattr(table_figure, "save", lambda figure, _: saved.append(figure))
    table_figure.draw_table(TABLE, [WIKIQA, RTE], Path("x.png"))
    axes = saved[0].axes[0]
    assert [[round(bar.get_height()) for bar in bars] for bars in axes.containers if hasattr(bars, "patches")] == [
        [71, 58], [76, 57], [80],
    ]  # fmt: skip
    marks = [list(line.get_ydata()) for line in axes.lines if line.get_markeredgewidth() == 2 and len(line.get_ydata())]
    assert marks == [[77.35, 55.23], [80.12, 67.35], [81.66]]
    (chance,) = [found for found in axes.collections if found.get_label() == "chance"]
    assert [round(float(segment[0][1])) for segment in chance.get_segments()] == [40, 50]
    assert axes.get_ylim()[0] <= 40  # no bar starts above what is had for nothing
    assert "MAP" in axes.get_ylabel() and "accuracy" in axes.get_ylabel()
    # a bar of no length would say that one seed's spread is known to be nothing
    uppers = [np.array(bars[1][1].get_ydata(), float) for bars in axes.containers if not hasattr(bars, "patches")]
    assert [np.isnan(upper).tolist() for upper in uppers] == [[False, True], [False, True], [True]]
    assert uppers[0][0] == pytest.approx(100 * (0.71 + WIKIQA.rows["KD"].std("map")))


def config(tmp_path: Path, data: str = "WikiQA", **settings: object) -> Config:
    rows = {label: RowConfig(row.arm, row.paper) for label, row in TABLE.rows.items()}
    claims = [ClaimConfig(claim.better, claim.worse, claim.where) for claim in TABLE.claims]
    return Config(
        name="table5",
        data=DataConfig(name=data),
        table=TableConfig(TABLE.title, TABLE.source, rows=rows, claims=claims),
        paths=PathsConfig(str(tmp_path / "artifacts"), str(tmp_path / "reports")),
    )


def published(tmp_path: Path, column: Column, number: int = 1):
    def make(work: Path) -> dict[str, int]:
        (work / COLUMN).write_text(json.dumps(column.to_json()))
        return {}

    return ArtifactStore(tmp_path / "artifacts").build("comparison", {"task": column.task, "n": number}, make, "table")


def test_columns_come_one_by_one_and_a_new_one_replaces_its_own_alone(tmp_path: Path) -> None:
    folder = add_column(config(tmp_path), published(tmp_path, WIKIQA))
    assert folder == tmp_path / "reports" / "table5"
    assert "| KD | 77.35 | 71.00 ± 1.41 | -6.35 | 77.5 | 88.8 |\n" in (folder / "table.md").read_text()
    assert "adjusted for all comparisons of this table (2)" in (folder / "table.md").read_text()

    add_column(config(tmp_path, "RTE"), published(tmp_path, RTE))
    text = (folder / "table.md").read_text()
    assert "| KD | 77.35 | 71.00 ± 1.41 | -6.35 | 77.5 | 88.8 | 55.23 | 58.00 | +2.77 | 80.0 | 96.7 |" in text
    assert "adjusted for all comparisons of this table (3)" in text
    before = (folder / "columns" / "WikiQA.json").read_bytes()

    better = replace(RTE, rows=between(0.50, 0.60, "accuracy", KD=[0.59], TKD=[0.57]))
    add_column(config(tmp_path, "RTE"), published(tmp_path, better, 2))
    text = (folder / "table.md").read_text()
    assert "| KD | 77.35 | 71.00 ± 1.41 | -6.35 | 77.5 | 88.8 | 55.23 | 59.00 | +3.77 | 90.0 | 98.3 |" in text
    assert "58.00" not in text
    assert (folder / "columns" / "WikiQA.json").read_bytes() == before
    assert {path.name for path in folder.iterdir() if path.name != ".table.lock"} == {
        "columns", "table.md", "table.html", "table.csv", "table.tex", "table.png", "claims.csv",
    }  # fmt: skip


def test_two_tasks_of_one_file_name_are_not_taken_for_one(tmp_path: Path) -> None:
    add_column(config(tmp_path, "my task"), published(tmp_path, replace(RTE, task="my task")))
    with pytest.raises(ConfigError, match="'my-task' beside 'my task'; rename one"):
        add_column(config(tmp_path, "my-task"), published(tmp_path, replace(RTE, task="my-task")))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"rows": {}, "tests": [], "task": "old"}'])
def test_file_that_is_no_column_is_named(tmp_path: Path, text: str) -> None:
    stray = tmp_path / "reports" / "table5" / "columns" / "old.json"
    stray.parent.mkdir(parents=True)
    stray.write_text(text)
    for read in (check_columns, lambda told: add_column(told, published(tmp_path, WIKIQA))):
        with pytest.raises(DataError, match=r"old\.json: expected a column of the table, as this version writes it"):
            read(config(tmp_path))


def test_column_of_an_earlier_version_is_refused_before_training_but_for_the_one_that_is_made_again(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "reports" / "table5" / "columns"
    folder.mkdir(parents=True)
    old = RTE.to_json()
    del old["rows"][CHANCE]
    (folder / "RTE.json").write_text(json.dumps(old))
    with pytest.raises(DataError, match=r"RTE\.json: expected a column of the table, as this version writes it"):
        check_columns(config(tmp_path))
    check_columns(config(tmp_path, "RTE"))
    add_column(config(tmp_path, "RTE"), published(tmp_path, RTE))
    assert "| chance | – | 50.00 |" in (tmp_path / "reports" / "table5" / "table.md").read_text()


@pytest.mark.parametrize(("name", "folder"), [("RTE", "RTE"), ("a task/of: mine", "a-task-of-mine")])
def test_folder_of_a_task_is_a_plain_one(tmp_path: Path, name: str, folder: str) -> None:
    assert report_folder(config(tmp_path, name)) == tmp_path / "reports" / "table5" / folder


def test_comparison_without_a_table_stays_where_it_was(tmp_path: Path) -> None:
    plain = replace(config(tmp_path), table=TableConfig())
    assert report_folder(plain) == tmp_path / "reports" / "table5"


def test_encoders_are_told_as_they_are_set() -> None:
    own = EncoderConfig("hub", "bert-large-uncased")
    roster = [TeacherConfig(), TeacherConfig(seed=2), TeacherConfig(encoder=own)]
    told = encoders(Config(teachers=TeachersConfig(3, roster), student=StudentConfig(1)))
    assert told.startswith("Teachers here: 3 × MiniLM and bert-large-uncased; students")
    assert "the bottom 1 layer of MiniLM" in told
    two = Config(teachers=TeachersConfig(2, roster), student=StudentConfig(None, encoder=EncoderConfig("tiny")))
    assert "2 × MiniLM; " in encoders(two) and "random weights (3 × 32)" in encoders(two)


def test_columns_whose_students_learn_differently_are_told_apart() -> None:
    two_seeds = replace(Config(), student=StudentConfig(3, seeds=[1, 2]), stage2=Stage2Config(1e-4, epochs=1))
    assert encoders(two_seeds).endswith("; 2 seeds, stage 2: 1 epoch at 0.0001, α = 0.9")
    pretrained = replace(two_seeds, method=MethodConfig(0.5, arms={"tmkd": ArmConfig(pretrain=True)}))
    assert encoders(pretrained).endswith("; 2 seeds, stage 1: 1 epoch at 0.0002, stage 2: 1 epoch at 0.0001, α = 0.5")
