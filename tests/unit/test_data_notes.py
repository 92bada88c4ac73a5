"""What the report says of the data and the machines behind its rows."""

from tmkd.report.data_notes import data_notes, machines_text

OLD, NEW = (
    {"processor": "Chip", "device": "cpu", "precision": precision, "threads": 2} for precision in ("fp32", "bf16")
)
NOTHING = {"labelled": 0, "pairs": 0}


def cut(split, count, rows=("TMKD",), length=64, at_most=False):
    return {
        "rows": list(rows), "split": split, "max_length": length, "pairs": 1000, "cut": {"pairs": count},
        "at_most": at_most,
    }  # fmt: skip


def test_nothing_known_is_no_section():
    assert data_notes({}) == ""
    assert data_notes({"overlap": [], "cut": [], "computed_on": {"TMKD": [OLD], "teacher 1": [OLD]}}) == ""


def test_shared_questions_and_labelled_pairs_are_said():
    splits = {"train": {"labelled": 622, "pairs": 6672}, "validation": NOTHING, "test": NOTHING}
    assert data_notes({"overlap": [{"pairs": 16000, "splits": splits}]}) == (
        "\n## Data\n\n- Corpus of 16,000 pairs. Pairs that share a question with a split: 6,672 of train (41.7 %), 0 "
        "of validation (0.0 %) and 0 of test (0.0 %); identical pairs: 622 of train, 0 of validation and 0 of test.\n"
    )
    nothing = {"pairs": 80, "splits": dict.fromkeys(splits, NOTHING)}
    assert "none of its 80 pairs has a question of train, validation or test." in data_notes({"overlap": [nothing]})


def test_cut_pairs_are_said_of_each_split_and_an_upper_bound_is_called_one():
    said = data_notes({"cut": [cut("train", 240), cut("test", 12, at_most=True)]})
    assert said.endswith(
        "- Longer than the 64 tokens that are read: 240 of 1,000 pairs of train (24.0 %); up to 12 of 1,000 pairs of "
        "test (1.2 %).\n"
    )


def test_rows_that_read_other_lengths_are_told_apart():
    said = data_notes({"cut": [cut("train", 240), cut("train", 9, ["teacher 1", "teacher 2"], 128)]})
    assert "the 64 tokens that are read by TMKD: 240 of" in said
    assert "the 128 tokens that are read by teacher 1, teacher 2: 9 of" in said


def test_rows_that_read_another_part_of_long_passages_are_told_apart():
    said = data_notes({"cut": [cut("train", 240), {**cut("train", 240), "long": "first_last"}]})
    assert "the 64 tokens that are read by TMKD: 240 of" in said
    assert "the 64 tokens that are read by TMKD, and shortened to their beginning and end (first_last): 240 of" in said


def test_rows_of_one_machine_are_not_spoken_of():
    assert machines_text({"MKD": [OLD], "TMKD": [OLD]}) == ""
    assert machines_text({"MKD": None, "TMKD": None}) == ""  # nobody knows, so there is nothing to tell apart


def test_rows_that_were_trained_with_another_precision_are_named():
    said = machines_text({"MKD": [OLD], "TMKD": [OLD, NEW], "teacher 1": None})
    assert said.endswith(
        ": Chip, cpu, fp32, 2 threads: MKD, TMKD; Chip, cpu, bf16, 2 threads: TMKD; not recorded: teacher 1"
    )
    gpu = {**NEW, "device": "cuda", "accelerator": "Card", "threads": 1}
    assert "Chip, Card, bf16, 1 thread: KD" in machines_text({"KD": [gpu], "MKD": [OLD]})
