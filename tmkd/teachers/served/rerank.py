"""The three rerank APIs: a query and its texts in one request, a score for each in the answer, in any order.

TEI: https://huggingface.github.io/text-embeddings-inference/#/Text%20Embeddings%20Inference/rerank
Jina: https://api.jina.ai/redoc#tag/rerank; vLLM and llama.cpp answer in this shape, too
Cohere: https://docs.cohere.com/v2/reference/rerank
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tmkd.teachers.served.api import number, shown
from tmkd.teachers.served.failures import StrangeAnswer


@dataclass(frozen=True)
class Rerank:
    """One of the rerank APIs, by the names that it uses.

    Attributes:
        path: where it is.
        texts: the field of the request that holds the passages.
        results: the field of the answer that holds the results; None: the answer is their list.
        score: the field of a result that holds its score.
        further: fields of every request.
    """

    path: str
    texts: str
    results: str | None
    score: str
    further: Mapping[str, Any] = field(default_factory=dict)

    def body(self, question: str, passages: Sequence[str]) -> dict[str, Any]:
        return {**self.further, "query": question, self.texts: list(passages)}

    def scores(self, answer: Any, asked: int) -> list[float]:
        results = answer
        if self.results is not None:
            results = answer.get(self.results) if isinstance(answer, dict) else None
        if not isinstance(results, list):
            raise StrangeAnswer(f"expected a list of results, got {shown(answer)}")
        found: dict[int, float] = {}
        for result in results:
            index = result.get("index") if isinstance(result, dict) else None
            if type(index) is not int or not 0 <= index < asked:
                raise StrangeAnswer(f"expected an index from 0 to {asked - 1}, got the result {shown(result)}")
            if index in found:
                raise StrangeAnswer(f"expected one result for each of the {asked} texts, got two for index {index}")
            found[index] = number(result.get(self.score), f"'{self.score}' of index {index}")
        missing = [index for index in range(asked) if index not in found]
        if missing:
            raise StrangeAnswer(f"expected a result for each of the {asked} texts, got none for index {missing[0]}")
        return [found[index] for index in range(asked)]


def rerank(api: str, model: str | None) -> Rerank:
    """Return the API called ``tei``, ``jina`` or ``cohere``; TEI serves one model, so a request names none."""
    if api == "tei":
        return Rerank("/rerank", "texts", None, "score", {"raw_scores": True})
    if api == "jina":
        further = {"model": model, "return_documents": False}
        return Rerank("/v1/rerank", "documents", "results", "relevance_score", further)
    return Rerank("/v2/rerank", "documents", "results", "relevance_score", {"model": model})
