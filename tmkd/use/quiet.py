"""Libraries that print bars and warnings of their own: a command's output is the answer alone."""

from __future__ import annotations


def quiet() -> None:
    """Keep transformers and datasets from printing."""
    from datasets import disable_progress_bars
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()
