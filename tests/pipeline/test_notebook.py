"""The notebook of the documentation runs from its first cell to its last, in an empty folder."""

import json

import pytest

from tests.configs.test_examples import ROOT

NOTEBOOK = json.loads((ROOT / "docs/first_student.ipynb").read_text(encoding="utf-8"))
CODE = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_notebook_has_the_format_of_a_notebook_and_no_outputs():
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    assert {cell["cell_type"] for cell in NOTEBOOK["cells"]} == {"code", "markdown"}
    code = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.thorough
def test_notebook_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in CODE:
        exec(code, names)
    assert len(names["students"]) == 2
    assert "TMKD" in capsys.readouterr().out
    assert {each["corpus_id"] for each in names["ranking"]} == {0, 1}
    assert names["exported"].proof is not None  # sentence-transformers scored with it
    assert (tmp_path / "student/modules.json").is_file()
