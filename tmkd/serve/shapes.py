"""Requests of four servers, by their own names: text-embeddings-inference, Jina, Cohere and vLLM."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag


class Shape(BaseModel):
    """Types are taken as they are: "3" is no number. Fields that are not known here are left out of account."""

    model_config = ConfigDict(strict=True)


class Document(Shape):
    """A passage as an object."""

    text: str


class TeiRerank(Shape):
    """``POST /rerank`` of text-embeddings-inference."""

    query: str
    texts: list[str]
    raw_scores: bool | None = False
    return_text: bool | None = False
    truncate: bool | None = True
    truncation_direction: str | None = "Right"


class TeiPredict(Shape):
    """``POST /predict`` of text-embeddings-inference: a pair, or a list of pairs."""

    inputs: Annotated[
        list[str] | list[list[str]],
        Field(json_schema_extra={"examples": [["a question", "a passage"], [["a question", "a passage"]]]}),
    ]
    raw_scores: bool | None = False
    truncate: bool | None = True
    truncation_direction: str | None = "Right"


class JinaRerank(Shape):
    """``POST /v1/rerank`` of Jina, and of vLLM."""

    query: str
    documents: list[str | Document]
    model: str | None = None
    top_n: Annotated[int, Field(ge=0)] | None = None
    return_documents: bool | None = True


class CohereRerank(Shape):
    """``POST /v2/rerank`` of Cohere."""

    query: str
    documents: list[str | Document]
    model: str | None = None
    top_n: Annotated[int, Field(ge=1)] | None = None
    max_tokens_per_doc: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool | None = False


class VllmScore(Shape):
    """``POST /v1/score`` of vLLM: one text and one, one and many, or as many and many."""

    text_1: str | list[str]
    text_2: str | list[str]
    model: str | None = None
    use_activation: bool | None = None


def _kind(body: Any) -> str:
    has = set(body) if isinstance(body, dict) else set()
    return "documents_shape" if "documents" in has and "texts" not in has else "texts_shape"


AnyRerank = Annotated[
    Annotated[TeiRerank, Tag("texts_shape")] | Annotated[JinaRerank, Tag("documents_shape")], Discriminator(_kind)
]


def texts_of(documents: list[str | Document]) -> list[str]:
    """Return the texts of documents."""
    return [document if isinstance(document, str) else document.text for document in documents]
