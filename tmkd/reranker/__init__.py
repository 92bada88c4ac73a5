"""A trained student as its users want it: a question and passages in, the passages in order out."""

from tmkd.collector import loading

with loading():  # torch and transformers come with it
    from tmkd.reranker.reranker import Reranker

__all__ = ["Reranker"]
