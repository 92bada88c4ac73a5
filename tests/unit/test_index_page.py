"""The page of a comparison, by parsing it."""

from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tmkd.config import Config, PathsConfig
from tmkd.pipelines import stage3
from tmkd.report import detail_tables
from tmkd.report.facts import Agreement, Calibration, Facts, Head, Mistake, Mistakes, Source, Training
from tmkd.report.figures import pareto
from tmkd.report.headline import headline
from tmkd.report.index_page import LONGEST, to_page
from tmkd.report.page_figures import page_figures
from tmkd.report.rows import Row
from tmkd.store.artifacts import ArtifactStore

HOSTILE = 'a</span><script>alert("x")</script> 🙂 \0 $x_1$ & <b>'


def row(arm: str, mean: float, seeds: int = 2, speed: float | None = None, **more) -> Row:
    std = 0.01 if seeds > 1 else None
    metrics = {"map": {"values": [mean] * max(seeds, 1), "mean": mean, "std": std}}
    return Row(arm, {"majority": "wrong"}, list(range(seeds)), metrics, speed, 17_000_000, [f"stage2-{arm}"], **more)


def versus(difference: float, p: float) -> dict[str, dict[str, float]]:
    test = {"difference": difference, "low": difference - 0.01, "high": difference + 0.01, "p_value": p, "p_holm": p}
    return {"KD": test}


def some_rows(p: float = 0.02) -> list[Row]:
    return [
        row("chance", 0.4, 0),
        row("KD", 0.70, speed=500, lift=0.75),
        row("MKD", 0.72, speed=500, lift=0.8, versus=versus(0.02, p)),
        row("m-o-m", 0.76, speed=160, lift=0.9, versus=versus(0.06, p)),
        row("teacher 1", 0.79, 1, speed=100, lift=0.98, versus=versus(0.09, 0.001)),
        row("teacher ensemble", 0.8, 1, speed=50, lift=1.0, versus=versus(0.1, 0.001)),
    ]


def training(row: str, seed: int | None) -> Training:
    return Training(f"stage2-{seed}", "a student", row, seed, [0.5, 0.7, 0.6], 2, 0.4, 12.0, 2e9)


def test_training_loss_is_drawn_where_the_store_has_it() -> None:
    def shown(*loss: float) -> str:
        learnt = replace(training("KD", 1), loss=loss)
        return str(page_figures(some_rows(), "map", {}, Facts([learnt])).curves)

    assert "The loss, from the first epoch to the last: KD: 0.900 to 0.250" in shown(0.9, 0.5, 0.25)
    assert "loss" not in shown()
    assert page_figures(some_rows(), "map", {}, Facts()).curves is None


def some_facts(text: str = "text") -> Facts:
    mean = {"values": [0.5], "mean": 0.5, "std": None}
    mistake = Mistake("q", text, 0.1, text, text, None, None, {"KD": (0.1, 0.9), "teacher 1": (None, 0.8)})
    return Facts(
        [training("KD", 1), training("KD", 2), training("teacher 1", None)],
        [Head("KD", "gold", mean), Head("KD", "teacher 1", mean)],
        [Calibration("KD", mean, mean)],
        Agreement(["teacher 1", "teacher ensemble"], [[1.0, 0.9], [0.9, 1.0]], [[1.0, 0.55], [0.55, None]]),
        Mistakes("KD", "map", 3, 8, [mistake]),
        [Source("stage2-1", text, ["KD"], None, "3.12", {"torch": "2.9"})],
        "tmkd stage3 'method=[kd,mkd]'",
    )


class Page(HTMLParser):
    """What a page holds: the elements, their ids, the cells of each table by its label, and all its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.tables, self._label = "", {}, ""
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self._label = dict(attrs).get("aria-label", "")
            self.tables[self._label] = []
        elif tag == "tr":
            self.tables[self._label].append([])
        elif tag in ("td", "th"):
            self.tables[self._label][-1].append("")

    def handle_data(self, data) -> None:
        self.text += data
        if self._label and self.tables[self._label] and self.tables[self._label][-1]:
            self.tables[self._label][-1][-1] += data.strip()

    def handle_endtag(self, tag) -> None:
        if tag == "table":
            self._label = ""

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def page(rows: list[Row] | None = None, facts: Facts | None = None, data: str = "WikiQA", **extra) -> str:
    rows = some_rows() if rows is None else rows
    return to_page("demo", data, "abc123", rows, "map", {"questions": 8, "pairs": 32, **extra}, "KD", facts or Facts())


@pytest.fixture(scope="module")
def whole() -> str:
    return page(facts=some_facts())


def test_result_and_row_to_take_come_first(whole: str) -> None:
    text = Page(whole).text
    assert "8 questions, 32 pairs" in " ".join(text.split()) and "abc123" in text
    first, reasons, table = (text.index(each) for each in ("Take m-o-m", "It has the highest MAP", "All rows"))
    assert first < reasons < table
    assert [each.value for each in headline(some_rows(), "map", "KD").facts] == [
        "0.760 ± 0.010", "90\xa0%", "160 pairs/s", "17.00 M",
    ]  # fmt: skip
    assert "3.2 times as fast as the teacher ensemble" in text
    assert "MKD is better than the baseline, too, and 3.1 times as fast (MAP 0.720)." in text


def test_main_table_groups_rows_and_names_its_column_in_each_cell(whole: str) -> None:
    read = Page(whole)
    assert read.tables["Rows"] == [
        ["row", "MAP", "lift", "Δ [95 %]", "p (Holm)", "pairs/s", "params (M)"],
        ["Students"],
        ["KD", "0.700 ± 0.010", "75\xa0%", "baseline", "–", "500", "17.00"],
        ["MKD", "0.720 ± 0.010", "80\xa0%", "+0.020 [+0.010, +0.030]", "0.020better", "500", "17.00"],
        ["m-o-mtake this", "0.760 ± 0.010", "90\xa0%", "+0.060 [+0.050, +0.070]", "0.020better", "160", "17.00"],
        ["Teachers and chance"],
        ["teacher 1", "0.790", "98\xa0%", "+0.090 [+0.080, +0.100]", "0.001better", "100", "17.00"],
        ["teacher ensemble", "0.800", "100\xa0%", "+0.100 [+0.090, +0.110]", "0.001better", "50", "17.00"],
        ["chance", "0.400", "–", "–", "–", "–", "17.00"],
    ]
    columns = Counter(attrs["data-column"] for attrs in read.all("td") if "data-column" in attrs)
    assert columns["lift"] >= 6  # a phone shows no header
    assert all("scope" in attrs for attrs in read.all("th"))


def test_sections_stand_where_there_is_something_to_show(whole: str) -> None:
    bare = [replace(each, pairs_per_second=None) for each in some_rows()]
    read = Page(page(bare))
    assert len(read.all("details")) == len(read.all("summary")) == 1 and "All columns" in read.text
    assert not read.all("svg")
    full = Page(whole)
    assert len(full.all("details")) == 6
    assert not any("open" in attrs for attrs in full.all("details"))
    for found in ("worst mistakes", "Training", "Teachers and students", "Calibration", "How it was made"):
        assert found in full.text and found not in read.text
    notes = {"overlap": [], "cut": [], "machine": {"cores": 2}}
    assert "cores 2" in Page(page(bare, **notes)).text


def test_details_are_in_the_tables(whole: str) -> None:
    tables = Page(whole).tables
    assert tables["Training"][1:3] == [["KD"], ["seed 1", "3", "2", "0.700", "12", "2.00"]]
    assert tables["Agreement of teachers"][1] == ["teacher 1", "1.000 (1.00)", "0.900 (0.55)"]
    assert tables["Agreement of teachers"][2][2] == "1.000 (–)"
    assert ["teacher 1", "0.500"] in tables["Heads"] and ["all heads", "0.700 ± 0.010"] in tables["Heads"]
    assert tables["Calibration"][1] == ["KD", "0.500", "0.500"]
    assert "tmkd stage3 'method=[kd,mkd]'" in Page(whole).text and "torch 2.9" in Page(whole).text


def test_texts_of_the_data_stay_texts() -> None:
    rows = [replace(each, pairs_per_second=None) for each in some_rows()]
    rows[2].arm = HOSTILE
    html = page(rows, replace(some_facts(HOSTILE), training=()), data=HOSTILE)
    read = Page(html)
    assert not read.all("script") and not read.all("b") and "\0" not in html
    assert read.text.count(HOSTILE.replace("\0", "\ufffd")) >= 5
    assert {"dir": "auto"} in read.all("span")  # or a Hebrew text would turn what stands beside it


def test_names_in_figures_stay_texts() -> None:
    rows = some_rows()
    rows[2].arm = name = "<script>x</script> & $\\no{math$"
    read = Page(page(rows))
    assert not read.all("script")
    assert read.text.count(name) >= 4  # both tables, the figure and its description


def test_name_that_is_wider_than_a_figure_is_cut_there_alone() -> None:
    rows = some_rows()
    rows[2].arm = name = f"MKD ({'settings, ' * 20}layers = 3)"
    html = page(rows)
    drawn = html[html.index("</desc>") : html.index("</svg>")]
    assert "MKD (settings, setting…settings, layers = 3)" in drawn and name not in drawn
    assert html.count(name) >= 3


def test_long_text_says_how_much_of_it_is_left_out() -> None:
    text = "word " * 200
    read = Page(page([replace(each, pairs_per_second=None) for each in some_rows()], some_facts(text)))
    kept = LONGEST // 5 * 5 - 1
    assert f"({len(text) - kept} more characters)" in read.text and "word…" in read.text


def test_page_needs_no_other_file_and_is_the_same_each_time(whole: str) -> None:
    assert page(facts=some_facts()) == whole
    read = Page(whole)
    references = [value or "" for _, attrs in read.tags for name, value in attrs.items() if name in ("src", "href")]
    assert not references and not read.all("link")
    linked = [value or "" for _, attrs in read.tags for name, value in attrs.items() if name == "xlink:href"]
    ids = Counter(attrs["id"] for _, attrs in read.tags if "id" in attrs)
    assert linked and all(value.startswith("#") and value[1:] in ids for value in linked)
    assert set(ids.values()) == {1}  # or a figure would use another's marks


def test_figures_are_read_aloud_and_follow_the_colour_scheme(whole: str) -> None:
    read = Page(whole)
    figures = read.all("svg")
    assert len(figures) == 2
    ids = {attrs["id"] for _, attrs in read.tags if "id" in attrs}
    for attrs in figures:
        assert attrs["role"] == "img" and set((attrs["aria-labelledby"] or "").split()) <= ids
    assert "m-o-m: 0.760 at 160" in read.text and "On the Pareto front: teacher ensemble" in read.text
    assert "prefers-color-scheme: dark" in whole
    drawn = whole[whole.index("<svg") : whole.rindex("</svg>")]
    assert "#000000" not in drawn and "#ffffff" not in drawn and "var(--blue)" in drawn


def test_row_that_is_not_shown_to_be_better_is_not_called_better() -> None:
    found = headline(some_rows(p=0.2), "map", "KD")
    assert found.take == "KD"
    assert found.sentences[0].startswith("m-o-m has the highest MAP, 0.760 ± 0.010, but is not shown to be better")
    assert found.sentences[0].endswith("p (Holm) 0.200.")
    assert "No row of students is shown to be better than KD." in found.sentences[1]


def test_fidelity_has_no_columns_that_no_row_has() -> None:
    rows = some_rows()
    value = {"values": [0.9], "mean": 0.9, "std": None}
    rows[1].metrics["correlation"] = value
    found = detail_tables.fidelity_table(rows)
    assert found and found.header == ["row", "correlation"] and [line.name for line in found.groups[0][1]] == ["KD"]
    assert detail_tables.fidelity_table(some_rows()) is None


def test_interval_of_the_metric_stands_with_it() -> None:
    rows = some_rows()
    rows[3].interval = [0.71, 0.8125]
    assert headline(rows, "map", "KD").facts[0].note == "95\xa0% interval 0.710 to 0.812; 2\xa0seeds"
    rows[3].interval = [0.4, 1.2]  # a bootstrap of two seeds does not know that MAP ends at 1
    assert "0.400 to 1.000" in headline(rows, "map", "KD").facts[0].note


def test_best_row_that_is_the_baseline_and_rows_without_one() -> None:
    rows = some_rows()
    assert headline(rows[:2], "map", "KD").take == "KD"
    assert "It is the baseline" in headline(rows[:2], "map", "KD").sentences[0]
    untested = headline(rows, "map", None)
    assert untested.take == "m-o-m" and "no baseline" in untested.sentences[0]
    assert headline([rows[0], rows[-1]], "map", "KD").take is None


def test_better_row_is_taken_where_the_best_mean_is_not_shown_to_be_better() -> None:
    rows = some_rows()
    rows[3].versus = versus(0.06, 0.3)
    found = headline(rows, "map", "KD")
    assert found.take == "MKD" and "MKD is the best row that is shown to be better" in found.sentences[1]


def test_ensemble_that_is_no_better_than_chance_is_named() -> None:
    rows = [replace(each, lift=None, to_ensemble=0.1) for each in some_rows()]
    assert "no better than chance" in headline(rows, "map", "KD").sentences[-1]


def test_pareto_front_counts_speeds_within_ten_percent_as_equal() -> None:
    places = {"slow": (10.0, 0.9), "dominated": (20.0, 0.6), "good": (104.0, 0.8), "noise": (108.0, 0.7)}
    assert pareto(places) == ["slow", "good"]
    assert pareto(places | {"equal but fast": (300.0, 0.8)}) == ["slow", "equal but fast"]


def test_page_of_an_earlier_version_does_not_stay(tmp_path: Path) -> None:
    config = Config(name="new", paths=PathsConfig(str(tmp_path / "artifacts"), str(tmp_path / "reports")))
    folder = tmp_path / "reports" / "new"
    folder.mkdir(parents=True)
    (folder / "comparison.html").write_text("old")
    (folder / "mine.txt").write_text("mine")

    def make(work: Path) -> dict[str, int]:
        (work / "index.html").write_text("new")
        return {}

    stage3._publish(config, ArtifactStore(tmp_path / "artifacts").build("comparison", {}, make, "comparison"))
    assert {path.name for path in folder.iterdir()} >= {"index.html", "mine.txt"}
    assert not (folder / "comparison.html").exists()
