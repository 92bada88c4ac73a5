"""Errors as clients read them: one sentence, in the shape that goes with the route, and nothing of the inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import HTTPException
from starlette.responses import JSONResponse

VALIDATION, EMPTY, TOKENIZER, BACKEND, OVERLOADED = "validation", "empty", "tokenizer", "backend", "overloaded"
UNHEALTHY, UNAUTHORIZED = "unhealthy", "unauthorized"
# Names of text-embeddings-inference; it has none for a missing key
STATUS = {VALIDATION: 413, EMPTY: 400, TOKENIZER: 422, BACKEND: 424, OVERLOADED: 429, UNHEALTHY: 503, UNAUTHORIZED: 401}

# What pydantic calls the choices of a field: a client has no such name
UNNAMED = ("body", "texts_shape", "documents_shape", "str", "Document", "list[str]", "list[list[str]]")
NO_JSON = "The body is no valid JSON."


class Refusal(HTTPException):
    """A request that is not answered.

    Args:
        kind: ``error_type`` of the answer.
        sentence: what was expected and what came.
        status: of HTTP; None: the one that goes with the kind.
    """

    def __init__(self, kind: str, sentence: str, status: int | None = None) -> None:
        super().__init__(status or STATUS[kind], sentence)
        self.kind = kind


def refusal(path: str, status: int, kind: str, sentence: str) -> JSONResponse:
    """Return an error in the shape of the route: Jina's, Cohere's, vLLM's, and everywhere else TEI's."""
    body: dict[str, Any] = {"error": sentence, "error_type": kind}
    if path == "/v1/rerank":
        body = {"detail": sentence}
    elif path == "/v2/rerank":
        body = {"message": sentence}
    elif path == "/v1/score":
        body = {"error": {"message": sentence, "type": kind, "param": None, "code": status}}
    headers = {"WWW-Authenticate": "Bearer"} if status == STATUS[UNAUTHORIZED] else None
    return JSONResponse(body, status, headers)


def sentence_of(errors: Sequence[Any]) -> str:
    """Return the first of pydantic's errors as a sentence, without the value that came."""
    first = errors[0]
    names = [part for part in first["loc"] if part not in UNNAMED]
    if first["type"] == "json_invalid":
        return NO_JSON
    if not names:
        return "Expected a JSON object, sent with Content-Type: application/json."
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in names).lstrip(".")
    message = {"missing": "is missing"}.get(first["type"], first["msg"][:1].lower() + first["msg"][1:])
    return f"{place}: {message}."
