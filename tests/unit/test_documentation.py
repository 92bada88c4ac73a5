import sys
from pathlib import Path

import pytest

from tmkd.data import documentation
from tmkd.data.documentation import parse_source, read_objects, source_versions, split_docstring
from tmkd.errors import DataError

PROSE = "The first paragraph of prose tells what the object does and why anyone would ever want to use it."
SOURCE = f'''"""Tools that read small example files.

{PROSE}
"""
raise RuntimeError("whoever imports this module has lost")

class Reader:
    """Read the rows of an example.

    {PROSE}
    """

    def rows(self):
        """Return all rows of the example.

        {PROSE}
        """
        def helper():
            """Return what nobody outside sees.

            {PROSE}
            """

    def _hidden(self):
        """Return all the hidden rows here.

        {PROSE}
        """

def terse():
    """Return all rows of nothing."""
'''


def install(folder: Path, name: str, files: dict[str, str]) -> None:
    info = folder / f"{name}-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    for path, source in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(source)
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))


def test_objects_are_named_by_their_public_path_and_never_imported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "fakedocs", {"fakedocs/io/_reader.py": SOURCE, "fakedocs/tests/thing.py": SOURCE})
    found = read_objects(("fakedocs",))
    assert [item.qualified_name for item in found] == ["fakedocs.io", "fakedocs.io.Reader", "fakedocs.io.Reader.rows"]
    assert {item.package for item in found} == {"fakedocs"}
    assert {item.module for item in found} == {"fakedocs.io"}
    assert found[2].summary == "Return all rows of the example."
    assert found[2].prose == PROSE
    assert "fakedocs" not in sys.modules


def test_a_file_that_is_no_python_is_passed_over():
    assert list(parse_source(b"print 'old'", parts=("old",), package="p")) == []


def test_missing_package_is_named():
    with pytest.raises(DataError, match=r"'no-such-package-here' of .* is not installed"):
        read_objects(("no-such-package-here",))
    with pytest.raises(DataError, match="not installed"):
        source_versions(["no-such-package-here"])


def test_versions_are_known_without_parsing(monkeypatch):
    monkeypatch.setattr(documentation, "parse_source", None)
    versions = source_versions(["numpy", "python"])
    assert list(versions) == ["numpy", "python"]
    assert versions["python"].startswith("3.")


@pytest.mark.parametrize(
    "noise",
    [
        "Parameters\n----------\nx : int\n    The table's words.\n\nThe table's afterthought.",
        "See Also\n--------\nother : The table's words.",
        ">>> table()\nThe table's words",
        ".. versionadded:: 1.2 table",
        "Args:\n    x: The table's words.",
        ":param x: the table",
        "- a bullet of the table",
        "    table = code()",
        "=====  =====\ntable  words\n=====  =====",
    ],
)
def test_prose_leaves_out_tables_code_and_lists(noise):
    summary, prose = split_docstring(f"Do one thing.\n\nBefore it\nall.\n\n{noise}\n\nNotes\n-----\nAfter it all.")
    assert summary == "Do one thing."
    assert prose.startswith("Before it all.")
    assert prose.endswith("After it all.")
    assert "table" not in prose


def test_markup_is_taken_off():
    _, prose = split_docstring("Do one thing.\n\nSee :class:`~pkg.Thing` [1]_ and ``x`` with *stress*, 2*a*b::")
    assert prose == "See pkg.Thing and x with stress, 2*a*b:"


def test_second_sentence_of_the_first_paragraph_is_prose():
    assert split_docstring("Return it all. Then stop\nfor e.g. a rest.") == (
        "Return it all.",
        "Then stop for e.g. a rest.",
    )


@pytest.mark.parametrize("summary", ["f(x) -> y", "The following things:", "This does nothing.", ".. note:: A thing."])
def test_what_asks_nothing_is_no_summary(summary):
    assert split_docstring(f"{summary}\n\n{PROSE}") == ("", "")
