"""Causal language models that are asked about each pair."""

from tmkd.teachers.causal.teacher import Causal

__all__ = ["Causal"]
