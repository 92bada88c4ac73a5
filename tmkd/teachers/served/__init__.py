"""Teachers behind an endpoint: rerankers and chat models, asked over HTTP, and never twice for one pair."""

from tmkd.teachers.served.served import Served

__all__ = ["Served"]
