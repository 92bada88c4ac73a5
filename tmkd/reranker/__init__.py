"""A trained student as its users want it: a question and passages in, the passages in order out."""

from tmkd.collector import collector_paused

with collector_paused():  # torch and transformers come with it
    from tmkd.reranker.reranker import Reranker

__all__ = ["Reranker"]
