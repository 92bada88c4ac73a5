"""A trained student as its users want it: a question and passages in, the passages in order out."""

from tmkd.reranker.reranker import Reranker

__all__ = ["Reranker"]
