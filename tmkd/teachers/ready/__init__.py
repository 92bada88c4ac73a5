"""Rerankers and classifiers that are used as they are."""

from tmkd.teachers.ready.teacher import Ready

__all__ = ["Ready"]
