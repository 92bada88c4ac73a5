"""The card of an export: its figures are the store's, what is not shown or known is said, and names are only names."""

from __future__ import annotations

import copy
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from datasets import Dataset
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from scipy.special import softmax
from scipy.stats import spearmanr
from typer.testing import CliRunner

from tmkd.choices import CROSS_ENCODER
from tmkd.cli import app
from tmkd.errors import ModelError
from tmkd.evaluation.ensemble import fidelity, log_odds
from tmkd.evaluation.metrics import evaluate
from tmkd.evaluation.score_calibration import Split, calibrate_scores
from tmkd.evaluation.significance import crossed_bootstrap
from tmkd.export.answers import mean_logits
from tmkd.export.calibrated import calibration_of
from tmkd.export.card import write_card
from tmkd.export.markdown import code, plain
from tmkd.export.origin_section import PAPER, SOFTWARE
from tmkd.export.quality import Quality
from tmkd.export.quality_section import quality_section, standing_text
from tmkd.export.receipt import receipt
from tmkd.export.scores_section import scores_section
from tmkd.export.standing import Beside, Standing, standing
from tmkd.export.student import Student
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.report.rows import chance_row, make_row, per_question_by_seed
from tmkd.report.standing import add_fidelity, add_lift, add_versus
from tmkd.report.tables import to_json
from tmkd.reranker import Reranker
from tmkd.store.artifacts import MODEL, Artifact, ArtifactStore
from tmkd.store.predictions import write_predictions

HOSTILE = 'a|b `c` <script>alert(1)</script> [x](http://y) *z* _q_ # h & "d"'
QUESTIONS, PASSAGES = 60, 3
LABELS = np.tile([1, 0, 0], QUESTIONS)
IDS = np.repeat(np.arange(QUESTIONS), PASSAGES).astype(str)
SURE = {"teacher": 4.0, "good 1": 3.0, "good 2": 2.8, "base 1": 0.9, "base 2": 1.0}  # how far right answers stand out


@dataclass(frozen=True)
class Store:
    made: dict[str, Artifact]
    logits: dict[str, dict[str, np.ndarray]]

    def probabilities(self, name: str, split: str = "test") -> np.ndarray:
        return softmax(self.logits[name][split].astype(np.float64)[0], axis=-1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A task, a teacher, two rows of two seeds each, and a comparison of them, whose names are hostile."""
    home = ArtifactStore(tmp_path_factory.mktemp("receipt"))
    splits = ("train", "validation", "test")

    def task(work: Path) -> dict:
        texts = [f"text {at}" for at in range(len(LABELS))]
        columns = {"question_id": IDS.tolist(), "question": texts, "passage": texts, "label": LABELS.tolist()}
        for split in splits:
            Dataset.from_dict(columns).save_to_disk(str(work / split))
        sizes = {"pairs": len(LABELS), "questions": QUESTIONS}
        return {name: dict.fromkeys(splits, size) for name, size in sizes.items()} | {"content": "c0ffee"}

    made = {"task": home.build("task", {"data": {"reader": "files"}, "raw": {}}, task, f"task {HOSTILE}")}
    logits: dict[str, dict[str, np.ndarray]] = {}
    for at, (name, sure) in enumerate(SURE.items()):
        random = np.random.default_rng(at)
        margins = {split: random.normal(-1, 1.5, len(LABELS)) + sure * LABELS for split in splits[1:]}
        logits[name] = {
            split: np.stack([-each / 2, each / 2], axis=1)[None].astype(np.float32) for split, each in margins.items()
        }

        def make(work: Path, name: str = name) -> dict:
            write_predictions(work, logits[name])
            if name == "good 1":
                PairClassifier(load_encoder(source="tiny", layers=1, width=16), ["gold"], ["wrong", "right"], 24).save(
                    work / MODEL
                )
            return {"validation": {"map": 0.5}}

        spec = {"task": made["task"].key, "seed": at}
        if name != "teacher":
            spec |= {"teachers": [made["teacher"].key], "targets": "one", "alpha": 0.9, "student": {"encoder": {}}}
        made[name] = home.build("teacher" if name == "teacher" else "stage2", spec, make, f"{name} {HOSTILE}")
    found = Store(made, logits)
    home.build("comparison", {}, lambda work: _compare(work, found), "comparison")
    return found


def _compare(work: Path, store: Store) -> dict:
    runs = {
        "base": [store.probabilities("base 1"), store.probabilities("base 2")],
        f"good {HOSTILE}": [store.probabilities("good 1"), store.probabilities("good 2")],
        "teacher ensemble": [store.probabilities("teacher")],
    }
    members = [["base 1", "base 2"], ["good 1", "good 2"], ["teacher"]]
    rows = [chance_row(LABELS, IDS, LABELS, ["wrong", "right"], True)]
    for (arm, each), names in zip(runs.items(), members, strict=True):
        artifacts = [store.made[name].name for name in names]
        rows.append(make_row(arm, {}, range(len(each)), each, LABELS, IDS, True, artifacts=artifacts))
    values = {arm: per_question_by_seed(each, LABELS, IDS, True) for arm, each in runs.items()}
    add_lift(rows, "map")
    add_fidelity(rows, runs)
    add_versus(rows, values, "base")
    document = to_json(HOSTILE, "data", "0", rows, metric="map")
    (work / "comparison.json").write_text(json.dumps(document))
    return {}


@pytest.fixture(scope="module")
def student(store: Store) -> Student:
    return Student.read(store.made["good 1"].path)


@pytest.fixture(scope="module")
def card(student: Student, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("card")
    write_card(student, CROSS_ENCODER, folder, None, receipt(student, None, None))
    return (folder / "README.md").read_text()


def cells(card: str, first: str) -> list[str]:
    """The cells of the row of a table that begins so, as they are read."""
    rows: list[list[str]] = []
    tokens = MarkdownIt().enable("table").parse(card)
    for before, token in itertools.pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif before.type in ("td_open", "th_open"):
            rows[-1].append("".join(child.content for child in token.children or []))
    return next(row for row in rows if row and row[0].startswith(first))


def test_figures_of_the_card_are_those_of_predictions_and_comparison(store: Store, card: str) -> None:
    own, teacher = store.probabilities("good 1"), store.probabilities("teacher")
    values = {
        name: per_question_by_seed([store.probabilities(name)], LABELS, IDS, True)[0]
        for name in ("good 1", "good 2", "teacher")
    }
    assert cells(card, "this student")[1].startswith(f"{values['good 1'].mean():.4f} (")
    assert cells(card, f"teacher {HOSTILE}")[1] == f"{values['teacher'].mean():.4f}"
    assert cells(card, "chance") == ["chance", f"{(1 + 1 / 2 + 1 / 3) / 3:.4f}"]  # the right one of three anywhere
    same = fidelity(own, teacher)["agreement"]
    assert f"{100 * same:.1f} % of the pairs into the same class as its teachers" in card
    both = crossed_bootstrap(np.stack([values["good 1"], values["good 2"]]), values["teacher"][None], paired=False)
    assert f"{both.difference:+.4f} (95 % interval over questions and seeds {both.low:+.4f} to {both.high:+.4f}" in card
    document = json.loads((next(store.made["task"].path.parent.glob("comparison-*")) / "comparison.json").read_text())
    row = document["rows"][2]
    assert f"MAP of the row is {row['metrics']['map']['mean']:.4f}" in card
    versus = row["versus"]["base"]
    judged = "better than" if versus["p_holm"] < 0.05 else "not shown to be better or worse than"
    assert f"- {judged} base: {versus['difference']:+.4f}" in card
    assert f"train {len(LABELS)} pairs, {QUESTIONS} questions" in card and "`c0ffee`" in card
    assert cells(card, "alpha") == ["alpha", "0.9"]


def test_cutoffs_of_the_card_keep_what_it_says(store: Store, card: str) -> None:
    scores = log_odds(store.probabilities("good 1"))[:, 1]
    row = cells(card, "95 %")
    kept = scores >= float(row[1])
    assert row[3].startswith(f"{100 * kept[LABELS == 1].mean():.1f} % (")
    assert row[4].startswith(f"{100 * kept.mean():.1f} % (")
    assert row[5].startswith(f"{100 * LABELS[kept].mean():.1f} % (")


def test_names_are_read_as_they_are_and_do_nothing(store: Store, card: str) -> None:
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(card.split("---\n", 2)[2])
    inline = [child for token in tokens for child in token.children or []]
    assert not [each for each in (*tokens, *inline) if each.type in ("html_block", "html_inline", "link_open")]
    title = next(token for at, token in enumerate(tokens) if at and tokens[at - 1].type == "heading_open")
    assert "".join(child.content for child in title.children or []) == store.made["good 1"].manifest["what"]
    assert plain("1\n2") == "1 2" and code("a`b|") == "``a`b\\|``"


def test_front_matter_is_what_the_hub_reads_and_names_nothing_that_is_not_known(card: str) -> None:
    data = ModelCard(card).data.to_dict()
    assert data["pipeline_tag"] == "text-ranking" and data["metrics"] == ["map"]
    assert data["library_name"] == "sentence-transformers" and "reranker" in data["tags"]
    assert not {"license", "base_model", "datasets", "language"} & data.keys()
    assert "This export: none was given" in card
    assert cells(card, "data") == ["data", HOSTILE, "not known"]


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        (Beside("KD", 0.01, -0.001, 0.02, 0.051, True), "not shown to be better or worse than KD: +0.0100"),
        (Beside("KD", 0.01, 0.001, 0.02, 0.049, True), "- better than KD: +0.0100 (95 % interval over questions and "
         "seeds +0.0010 to +0.0200; p (Holm) 0.049)"),
        (Beside("KD", -0.01, -0.02, -0.001, 0.0001), "- worse than KD: -0.0100 (95 % interval over questions and seeds "
         "-0.0200 to -0.0010; p below 0.001)"),
        (Beside("KD", 0.01), "not tested against KD: +0.0100, without an interval"),
    ],
)  # fmt: skip
def test_what_a_test_does_not_show_is_not_claimed(beside: Beside, said: str) -> None:
    text = standing_text(Standing("comparison-1", "name", 0, "TMKD", 5, "map", 0.9, None, [beside]))
    assert said in text
    assert ("better than" in text or "worse than" in text) == (beside.shown or "not shown" in text)


def test_rows_of_several_students_or_of_an_exit_are_not_the_students_own(store: Store, tmp_path: Path) -> None:
    home = ArtifactStore(tmp_path)
    spec = {"task": "none"}
    artifact = home.build("stage2", spec, lambda work: {}, "alone")
    row = {"arm": "m-o-m", "settings": {}, "seeds": [1], "artifacts": [artifact.name, "stage2-other"]}
    of_exit = {"arm": "TMKD, exit 1", "settings": {"exit": 1}, "seeds": [1], "artifacts": [artifact.name]}
    text = json.dumps({"experiment": "x", "rows": [row, of_exit]})
    home.build("comparison", {}, lambda work: {"size": (work / "comparison.json").write_text(text)}, "comparison")
    assert standing(artifact, True) is None
    assert "not known whether it is better" in standing_text(None)


def test_export_that_reads_other_texts_than_its_student_has_no_figures(student: Student, tmp_path: Path) -> None:
    model = copy.copy(student.model)
    model.long = "best_chunk"
    known = receipt(Student(student.artifact, model, student.ranking), None, None)
    assert known.calibration == known.quality and known.standing is None
    write_card(student, CROSS_ENCODER, tmp_path, None, known)
    assert "an export reads their beginnings" in (tmp_path / "README.md").read_text()


def test_student_away_from_its_store_has_no_figures(student: Student, tmp_path: Path) -> None:
    artifact = Artifact(tmp_path / student.artifact.name, student.artifact.manifest)
    (tmp_path / artifact.name).mkdir()
    (tmp_path / artifact.name / "manifest.json").write_text(json.dumps(artifact.manifest))
    alone = Student(artifact, student.model, student.ranking)
    known = receipt(alone, None, "mit")
    assert isinstance(known.quality, str) and isinstance(known.calibration, str) and known.standing is None
    write_card(alone, CROSS_ENCODER, tmp_path, None, known)
    text = (tmp_path / "README.md").read_text()
    assert text.count("expected the task that it was trained on beside it") == 2
    assert "ECE" not in text and "chance" not in text and str(tmp_path) not in text
    front = yaml.safe_load(text.split("---\n")[1])
    assert "metrics" not in front and front["license"] == "mit"


def test_reranker_of_a_student_gives_calibrated_scores_where_they_are_asked_for(store: Store, tmp_path: Path) -> None:
    reranker = Reranker.from_pretrained(store.made["good 1"].path, device="cpu", precision="fp32")
    texts = ["what", "what", "why"], ["amber", "birch", "fjord fjord"]
    plain_ones, calibrated = reranker.score(*texts), reranker.score(*texts, calibrated=True)
    assert np.array_equal(calibrated, reranker.calibration.apply(plain_ones))
    assert np.array_equal(np.argsort(calibrated[:, 1]), np.argsort(plain_ones[:, 1]))
    assert not np.allclose(calibrated, plain_ones)
    assert [each.target for each in reranker.cutoffs] == [0.99, 0.95, 0.9, 0.8]
    with pytest.raises(ModelError, match="Expected a reranker that from_pretrained made"):
        _ = Reranker(reranker.model, reranker.runtime).cutoffs
    shorter = Reranker.from_pretrained(store.made["good 1"].path, device="cpu", precision="fp32", max_length=16)
    with pytest.raises(
        ModelError, match="max_length: expected the 24 tokens that the calibration and the cut-offs are of"
    ):
        shorter.score(*texts, calibrated=True)


def test_citation_is_that_of_the_project() -> None:
    project = yaml.safe_load((Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8"))
    paper = project["preferred-citation"]
    assert project["title"] == SOFTWARE and f"title = {{{paper['title']}}}" in PAPER and paper["url"] in PAPER
    names = " and ".join(f"{each['family-names']}, {each['given-names']}" for each in paper["authors"])
    assert f"author = {{{names}}}" in PAPER and f"year = {{{paper['year']}}}" in PAPER


@pytest.mark.thorough
def test_export_has_a_card_a_map_and_cutoffs_that_are_read_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmkd.export.latency.SECONDS", 0.0)
    arguments = ["--to", "cross-encoder", "--into", str(tmp_path / "out"), "--threads", "1", "--license", "mit"]
    found = CliRunner().invoke(app, ["export", str(store.made["good 1"].path), *arguments])
    assert found.exit_code == 0, found.output
    text = (tmp_path / "out" / "README.md").read_text()
    assert "20 passages of one question at once: " in text and "one thread" in text
    assert ModelCard.load(tmp_path / "out" / "README.md").data.license == "mit"
    student, exported = (
        Reranker.from_pretrained(store.made["good 1"].path, device="cpu", precision="fp32"),
        Reranker.from_pretrained(tmp_path / "out", threads=1),
    )
    assert exported.calibration == student.calibration  # one head: both give the same scores
    texts = ["what", "why"], ["amber", "fjord fjord"]
    assert exported.score(*texts, calibrated=True) == pytest.approx(student.score(*texts, calibrated=True), abs=1e-4)
    (tmp_path / "out" / "calibration.json").write_text("{}")
    with pytest.raises(ModelError, match="expected what tmkd export wrote but it is broken"):
        _ = Reranker.from_pretrained(tmp_path / "out", threads=1).cutoffs
    (tmp_path / "out" / "calibration.json").unlink()
    with pytest.raises(ModelError, match=r"expected calibration\.json"):
        _ = Reranker.from_pretrained(tmp_path / "out", threads=1).cutoffs


def of_grades(home: ArtifactStore, labels: np.ndarray, details: dict) -> tuple[Artifact, dict[str, np.ndarray]]:
    """A student of one logit and its teacher, beside their task; and their scores of the test split."""
    splits = ("train", "validation", "test")

    def task(work: Path) -> dict:
        texts = [f"text {at}" for at in range(len(labels))]
        columns = {"question_id": IDS.tolist(), "question": texts, "passage": texts, "label": labels.tolist()}
        for split in splits:
            Dataset.from_dict(columns).save_to_disk(str(work / split))
        sizes = {
            name: dict.fromkeys(splits, count) for name, count in (("pairs", len(labels)), ("questions", QUESTIONS))
        }
        return sizes | {"content": "c0ffee"}

    of = home.build("task", {"data": {"reader": "files"}, "raw": {}}, task, "task")
    scores, made = {}, {}
    for seed, name in enumerate(("teacher", "stage2")):
        scores[name] = (labels + np.random.default_rng(seed).normal(0, 1.5, len(labels))).astype(np.float32)

        def make(work: Path, own: np.ndarray = scores[name]) -> dict:
            write_predictions(work, {split: own[None, :, None] for split in splits[1:]})
            PairClassifier(load_encoder(source="tiny", layers=1, width=16), ["gold"], ["score"], 24).save(work / MODEL)
            return details

        spec = {"task": of.key, "teachers": [made["teacher"].key] if made else [], "student": {"encoder": {}}}
        made[name] = home.build(name, spec, make, name)
    return made["stage2"], scores


def test_card_of_a_student_of_grades_has_ndcg_beside_chance_and_its_teacher(tmp_path: Path) -> None:
    grades = np.tile([3, 1, 0], QUESTIONS)
    details = {"validation": {"map": 0.5, "ndcg": 0.5, "spearman": 0.5}, "label_kind": "graded"}
    artifact, scores = of_grades(ArtifactStore(tmp_path / "artifacts"), grades, details)
    student = Student.read(artifact.path)
    write_card(student, CROSS_ENCODER, tmp_path, None, receipt(student, None, None))
    text = (tmp_path / "README.md").read_text()
    expected = {name: evaluate(own[:, None], grades, IDS, True, kind="graded")["ndcg"] for name, own in scores.items()}
    assert cells(text, "this student")[1].startswith(f"{expected['stage2']:.4f} (")
    assert cells(text, "teacher")[1] == f"{expected['teacher']:.4f}"
    discount = 1 / np.log2(3)  # of rank 2; gains are 2³ − 1, 2¹ − 1 and 0
    assert cells(text, "chance") == ["chance", f"{8 / 3 * (1 + discount + 1 / 2) / (7 + discount):.4f}"]
    both = spearmanr(scores["stage2"], scores["teacher"]).statistic
    assert f"correlation of its scores with the mean scores of its teachers is {both:.3f}." in text
    assert "nDCG" in text and "the same class" not in text and "They are not calibrated" in text
    assert ModelCard(text).data.to_dict()["metrics"] == ["ndcg"]


def test_card_of_a_student_of_numbers_has_spearman_beside_no_correlation(tmp_path: Path) -> None:
    numbers = np.random.default_rng(5).normal(size=len(LABELS))
    details = {"validation": {"spearman": 0.5, "mse": 0.5}, "label_kind": "float"}
    artifact, scores = of_grades(ArtifactStore(tmp_path / "artifacts"), numbers, details)
    found = receipt(Student.read(artifact.path), None, None).quality
    assert isinstance(found, Quality)
    expected = spearmanr(scores["stage2"], numbers).statistic
    assert (found.name, found.chance) == ("spearman", 0)
    assert found.value == pytest.approx(expected) and found.low < expected < found.high
    assert cells(quality_section(found, None), "chance") == ["chance", "0.0000"]


@pytest.mark.parametrize(("low", "said"), [(0.4, True), (0.5, True), (0.51, False)])
def test_student_whose_interval_holds_chance_is_not_shown_to_be_better(low: float, said: bool) -> None:
    text = quality_section(Quality("map", 0.6, low, 0.7, 0.5, 10, 30, None, []), None)
    assert ("not shown to be better than chance" in text) == said


def test_cutoffs_of_an_export_are_of_the_scores_that_it_gives() -> None:
    logits = np.array([[[0.0, 1.0], [0.0, 6.0]], [[2.0, 0.0], [0.0, 1.0]]])  # two heads, margins 1, 6 and −2, 1
    assert log_odds(mean_logits(logits))[:, 1] == pytest.approx([-0.5, 3.5])


def test_map_and_cutoffs_that_do_not_hold_on_the_test_split_are_said_not_to(store: Store) -> None:
    own, labels = store.probabilities("good 1"), LABELS
    other = own[np.argsort(np.random.default_rng(0).random(len(own)))]  # a test split on which scores mean nothing
    found = calibrate_scores(Split(own, labels, IDS.tolist()), Split(other, labels, IDS.tolist()))
    text = scores_section(found, "A score is a logit.")
    assert found.test.after.brier != found.test.before.brier
    assert ("the map does not help" in text) == (found.test.after.brier > found.test.before.brier)
    assert "the interval does not hold the aim" in text


def test_student_of_one_logit_has_no_probabilities(store: Store, tmp_path: Path) -> None:
    def make(work: Path) -> dict:
        write_predictions(work, {split: np.zeros((1, len(LABELS), 1), np.float32) for split in ("validation", "test")})
        PairClassifier(load_encoder(source="tiny", layers=1, width=16), ["gold"], ["score"], 24).save(work / MODEL)
        return {"validation": {"map": 0.5}}

    spec = {"task": store.made["task"].key, "student": {"encoder": {}}, "seed": "of grades"}
    artifact = ArtifactStore(store.made["task"].path.parent).build("stage2", spec, make, "of grades")
    with pytest.raises(ModelError, match="it learnt grades or numbers, whose scores are no probabilities"):
        calibration_of(artifact, exported=True)
    write_card(student := Student.read(artifact.path), CROSS_ENCODER, tmp_path, None, receipt(student, None, None))
    text = (tmp_path / "README.md").read_text()
    assert "a sigmoid of it means nothing. They are not calibrated: it learnt grades" in text and "ECE" not in text
