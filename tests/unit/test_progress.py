"""What bars say of a run that goes on from an earlier one."""

from __future__ import annotations

import io
import time

from tqdm import tqdm

from tmkd.progress import done_before


def test_what_an_earlier_run_did_is_no_speed_of_this_one() -> None:
    with tqdm(total=1000, file=io.StringIO(), mininterval=0) as bar:
        done_before(bar, 900)
        time.sleep(0.05)
        bar.update(10)
        assert bar.n == 910
        assert 0 < bar.format_dict["rate"] <= 10 / 0.05


def test_a_bar_that_is_not_shown_counts_too() -> None:
    with tqdm(total=1000, disable=True) as bar:
        done_before(bar, 900)
        assert bar.n == 900
