"""The report as one HTML file."""

import re
from base64 import b64decode
from pathlib import Path

import matplotlib.pyplot as plt

from tmkd.report.page import to_html

TEXT = """# mine & yours

| arm | MAP |
| :-- | --: |
| KD <b>bold</b> | 0.75 |
| a \\| b | 0.76 |

![a figure](figure.png)
"""


def test_page_holds_its_figures_and_needs_no_other_file(tmp_path: Path) -> None:
    plt.figure().savefig(tmp_path / "figure.png")
    page = to_html(TEXT, tmp_path)
    (source,) = re.findall(r'src="([^"]*)"', page)
    assert b64decode(source.removeprefix("data:image/png;base64,")) == (tmp_path / "figure.png").read_bytes()
    assert "href" not in page
    assert "<title>mine &amp; yours</title>" in page


def test_cells_are_text_whatever_they_look_like(tmp_path: Path) -> None:
    page = to_html(TEXT.partition("![")[0], tmp_path)
    assert re.findall(r"<td.*?>(.*?)</td>", page) == ["KD &lt;b&gt;bold&lt;/b&gt;", "0.75", "a | b", "0.76"]
    assert page.count("text-align:right") == 3
