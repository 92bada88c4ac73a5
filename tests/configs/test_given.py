"""What a run is given and would not read is refused: it had been another run, without a word."""

import pytest

from tests.configs.test_compose import composed
from tmkd.errors import ConfigError

OWN = ["data=files", "data.train=a.tsv", "data.test=b.tsv"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        # the built-in documentation would have been learnt and judged in their place
        (["data.train=train.tsv"], r"data\.train: expected data=files \(or data\.reader=hub\) beside it, .* got train"),
        (["data.path=stanfordnlp/snli"], r"data\.path: expected data=files .*, since data\.reader is documentation"),
        (["corpus.path=corpus.jsonl"], r"corpus\.path: expected corpus=files, hub, mined or task beside it, since"),
        (["corpus=files", "corpus.path=a", "corpus.passages=b"], r"corpus\.passages: expected corpus=mined beside it"),
        (["corpus=smoke", "corpus.random=3"], r"corpus\.random: expected corpus=documentation, mined or task beside"),
        (["corpus.seed=2"], r"corpus\.seed: expected corpus=mined or task beside it"),
        (["data=smoke", "data.validation_share=0.3"], r"0\.1 where data\.validation is set .*validation=null"),
        (["data.validation_share=0.3"], r"0\.1 where data\.reader is documentation \(data\.questions"),
        (["data=smoke", "data.negatives=9"], r"data\.negatives: expected 3 where data\.reader is files"),
        (["encoder.seed=2"], r"encoder\.seed: expected 1 where encoder\.source is embedded, not tiny or bilstm, got 2"),
        (["student.encoder.layers=1"], r"expected 3 where student\.encoder\.source is same, .*\(set student\.layers\)"),
        (["teachers.roster.0.encoder.width=64"], r"teachers\.roster\.0\.encoder\.width: expected 32 where"),
        (["method.temperature=4"], r"method\.temperature: expected 1.0 where no soft loss is kl, ce, .* got 4"),
        (["method.weights=[1,2,3]"], r"method\.weights: expected method\.teacher_weights=fixed .* beside it, got"),
        (
            ["stage1.temperature=4", "method.loss=kl"],
            r"stage1\.temperature: expected 1.0 where no loss of stage 1 is kl,",
        ),
        (
            ["method.margin_pairs=right_wrong"],
            r"margin_pairs: expected all where no soft loss is margin_mse or ranknet",
        ),
        (
            ["method.temperature_end=2"],
            r"method\.temperature_end: expected null where no soft loss is kl, ce, ",
        ),
        (["method.schedule=cosine"], r"method\.schedule: expected linear where alpha_end and temperature_end are null"),
        (["method.trust_by=none"], r"method\.trust_by: expected first_word where no teacher_weights are learnt"),
        (["language.kl=2"], r"language\.kl: expected 5\.0 where stage1\.kind is not language, got 2"),
        (
            ["method.online.refresh=9"],
            r"method\.online\.refresh: expected 50 where method\.online\.kind is none",
        ),
        (["method.exits.alpha=0.3"], r"method\.exits\.alpha: expected 0\.\d+ where student\.exits is empty, got 0\.3"),
        # its weight would have been the same from the first step on
        (["+terms=rkd", "method.terms.rkd_angles.warm_up=0.2"], r"angles\.warm_up: expected 0\.0 where end is null"),
        (
            ["+terms=rkd", "method.terms.rkd_angles.schedule=step"],
            r"schedule: expected linear .* stays at 50 \(set end",
        ),
        (["+terms=rkd", "method.terms.rkd_angles.relation_heads=4"], r"expected null .* not queries, keys or values"),
        (
            ["+terms=self_attention", "method.terms.self_attention.layers=top"],
            r"layers: expected null .* from the next",
        ),
        (["student.encoder.words=99"], r"student\.encoder\.words: expected 15000 where .* is same, not bilstm"),
    ],
)
def test_source_that_does_not_read_a_setting_is_named(overrides, said):
    with pytest.raises(ConfigError, match=said):
        composed(*overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["data=wikiqa", "data.reader=files", "data.train=a.tsv", "data.test=b.tsv"],
        ["experiment=smoke", "encoder=minilm"],
        ["corpus=task", "corpus.path=a.jsonl"],
        ["method.temperature=4", "method.arms.tmkd.loss=kl"],
        ["stage1.temperature=4", "+method.arms.tmkd.set.stage1.loss=kl"],
        ["method.weights=[1,2,3]", "stage1.teacher_weights=fixed"],
        ["method.schedule=cosine", "+method.arms.kd.set.method.alpha_end=0.5"],
        ["language.kl=2", "+method.arms.tmkd.set.stage1.kind=language"],
        ["method.online.refresh=9", "+method.arms.kd.set.method.online={kind: codistillation}"],
        ["method.exits.alpha=0.3", "+method.arms.kd.set.student.exits=[1]"],
        ["corpus.path=a.jsonl", "+method.arms.tmkd.set.corpus.reader=files"],
        ["+terms=rkd", "method.terms.rkd_angles.end=5", "method.terms.rkd_angles.warm_up=0.2"],
        ["+terms=rkd", "method.terms.rkd_angles.warm_up=0.2", "+method.arms.mkd.set.method.terms.rkd_angles.end=5"],
        ["+terms=[minilmv2,self_attention]"],
        ["student.encoder.words=99", "+method.arms.kd.set={student: bilstm}"],
    ],
)
def test_settings_of_presets_and_of_arms_are_no_mistakes(overrides):
    composed(*overrides)


@pytest.mark.parametrize("given", ["method.loss=[]", "method.terms=5", "corpus.reader={}", "stage1.teacher_weights=[]"])
def test_what_an_arm_cannot_set_is_no_traceback_before_its_settings_are_checked(given):
    composed(f"+method.arms.kd.set.{given}")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        # two peers would have been trained
        (
            ["method=mutual", "method.online.peers=3"],
            r"online\.peers: expected method\.arms\.mutual\.set\.method\.online\.peers in its place, .*\(2\), got 3",
        ),
        (
            ["method=born_again", "method.alpha=0.3"],
            r"born_again\.set\.method\.alpha in its place, .* \(0\.5\), got 0\.3",
        ),
        (["experiment=ranking", "method.loss=adr_mse"], r"arms\.pointwise_mse\.loss in its place, since each arm has"),
        # the whole file would have been the corpus
        (
            ["corpus=files", "corpus.path=a.tsv", "corpus.questions=500"],
            r"corpus\.questions: expected corpus\.reader=documentation beside it, .*\(corpus\.pairs limits others\)",
        ),
        (["data=smoke", "data.questions=[5,5,5]"], r"data\.questions: expected data\.reader=documentation beside it"),
        (
            ["corpus=task", "corpus.separator=tab"],
            r"corpus\.separator: expected corpus\.reader=files or mined beside it",
        ),
        # the documentation would have been read, or files as they are
        (["data.labels={no: wrong}"], r"data\.labels: expected data\.reader=files or hub beside it, since it"),
        (["corpus.question=query"], r"corpus\.question: expected corpus\.reader=files, hub or mined beside it, since"),
        (["corpus=task", "corpus.split=test"], r"corpus\.split: expected corpus\.reader=files or hub beside it"),
        (["encoder.layers=2"], r"encoder\.layers: expected encoder\.source=tiny or bilstm beside .* \(student\.layers"),
        (["method=mutual", "method.online={peers: 3}"], r"arms\.mutual\.set\.method\.online\.peers in its place"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_typed_setting_that_nothing_reads_is_refused(overrides, said):
    with pytest.raises(ConfigError, match=said):
        composed(*overrides, stage="stage3")


@pytest.mark.parametrize(
    "overrides",
    [
        ["method=[mutual,born_again]", "method.alpha=0.3"],  # one of the two takes it
        ["experiment=smoke", "encoder=minilm"],  # it has layers for the tiny encoder, which nobody typed
        ["encoder=tiny", "encoder.layers=2"],
        ["method=mutual", "method.online.peers=2"],  # what the arm has, too
        ["method=mutual", "method.online={peers: 2}"],
        ["experiment=ranking", "method.loss=ranknet"],  # what some arms have
        # the corpus of documentation is made of them, whatever the task is
        [*OWN, "corpus=documentation", "data.packages=[python]", "data.passage_words=9"],
        ["data.on_bad_row=skip", "corpus=files", "corpus.path=a.tsv"],
        # a teacher's own training pairs, which are files whatever the task is
        ["data=documentation", "teachers.roster.0.train=own.jsonl", "data.format=flag_embedding"],
        ["data=glue/rte", "teachers.roster.0.train=own.csv", "data.separator=semicolon"],
        ["data=glue/rte", "teachers.roster.0.train=own.jsonl", "data.format=flag_embedding", "data.extra_columns=[a]"],
    ],
    ids=" ".join,
)
def test_typed_setting_that_is_read_is_taken(overrides):
    assert composed(*overrides)


# what `tmkd mine` alone reads there: of its file of passages, and to name the columns that it writes
MINED = [
    ["mine.passages=passages.csv", "corpus.separator=semicolon", "corpus.passage=text"],
    ["corpus.stop_words=de", "corpus.characters=2"],
    ["data.question=query"],
]


@pytest.mark.parametrize("overrides", MINED, ids=" ".join)
def test_setting_that_mining_reads_is_taken_by_it_and_refused_by_a_stage_that_does_not(overrides):
    assert composed(*overrides), "from Python, where any stage may come"
    assert composed(*overrides, stage="mine")
    with pytest.raises(ConfigError, match=r"expected (data|corpus)\.reader=.* beside it, since it is documentation"):
        composed(*overrides, stage="stage3")
