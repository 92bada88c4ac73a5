"""The endpoints that score, one function each."""

from __future__ import annotations

import math
import time
import uuid
from typing import Any

import numpy as np
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from tmkd.evaluation.ensemble import log_odds
from tmkd.serve.refusals import VALIDATION, Refusal
from tmkd.serve.service import Scored, Service
from tmkd.serve.shapes import AnyRerank, CohereRerank, JinaRerank, TeiPredict, TeiRerank, VllmScore, texts_of

SEARCH_UNIT = 100  # documents that Cohere counts as one


def scoring_routes(service: Service) -> APIRouter:
    """Return the routes of all four servers, answered by one model."""
    routes = APIRouter()

    @routes.post("/rerank")
    async def rerank(body: AnyRerank) -> JSONResponse:
        """TEI's shape where the body has texts, Jina's where it has documents."""
        return await (tei(service, body) if isinstance(body, TeiRerank) else jina(service, body))

    @routes.post("/v1/rerank")
    async def rerank_v1(body: JinaRerank) -> JSONResponse:
        """Jina's shape."""
        return await jina(service, body)

    @routes.post("/v2/rerank")
    async def rerank_v2(body: CohereRerank) -> JSONResponse:
        """Cohere's shape."""
        texts = texts_of(body.documents)
        scored = await service.score([body.query] * len(texts), texts, passage_tokens=body.max_tokens_per_doc)
        units = {"search_units": math.ceil(len(texts) / SEARCH_UNIT)}
        meta = {"api_version": {"version": "2"}, "billed_units": units}
        results = relevance(scored, texts, body.top_n, bool(body.return_documents))
        return answer({"id": str(uuid.uuid4()), "results": results, "meta": meta}, scored)

    @routes.post("/predict")
    async def predict(body: TeiPredict) -> JSONResponse:
        """TEI's shape: every class with its score, the likeliest first."""
        check_direction(body.truncation_direction)
        single = bool(body.inputs) and isinstance(body.inputs[0], str)
        pairs: Any = [body.inputs] if single else body.inputs
        for pair in pairs:
            if len(pair) != 2:
                raise Refusal(VALIDATION, "inputs: expected [question, passage], or a list of such pairs.", 422)
        questions, passages = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        scored = await service.score(questions, passages, body.truncate is not False)
        names = service.engine.classes
        raw = body.raw_scores and len(names) > 1
        found = log_odds(scored.probabilities) if raw else scored.probabilities
        rows = [[{"label": names[at], "score": float(row[at])} for at in np.argsort(-row)] for row in found]
        return answer(rows[0] if single else rows, scored)

    @routes.post("/v1/score")
    async def score(body: VllmScore) -> JSONResponse:
        """vLLM's shape: scores in the order of the pairs."""
        first, second = ([text] if isinstance(text, str) else text for text in (body.text_1, body.text_2))
        if len(first) == 1:
            first = first * len(second)
        if len(first) != len(second):
            raise Refusal(VALIDATION, "text_1: expected one text, or as many as text_2 has.", 422)
        scored = await service.score(first, second)
        scores = scored.last(raw=body.use_activation is False)
        data = [{"index": at, "object": "score", "score": float(each)} for at, each in enumerate(scores)]
        about = {"id": f"score-{uuid.uuid4().hex}", "object": "list", "created": int(time.time())}
        return answer({**about, "model": service.name, "data": data, "usage": usage(scored)}, scored)

    return routes


async def tei(service: Service, body: TeiRerank) -> JSONResponse:
    """Answer as text-embeddings-inference does."""
    check_direction(body.truncation_direction)
    scored = await service.score([body.query] * len(body.texts), body.texts, body.truncate is not False)
    scores = scored.last(bool(body.raw_scores))
    text = (lambda at: {"text": body.texts[at]}) if body.return_text else (lambda _: {})
    return answer([{"index": at, "score": float(scores[at]), **text(at)} for at in scored.order()], scored)


async def jina(service: Service, body: JinaRerank) -> JSONResponse:
    """Answer as Jina does."""
    texts = texts_of(body.documents)
    scored = await service.score([body.query] * len(texts), texts)
    results = relevance(scored, texts, body.top_n, body.return_documents is not False)
    return answer({"model": service.name, "results": results, "usage": usage(scored)}, scored)


def relevance(scored: Scored, texts: list[str], top_n: int | None, shown: bool) -> list[dict[str, Any]]:
    """Return results as Jina and Cohere have them, the best first; all of them for a ``top_n`` of 0 or None."""
    scores = scored.last()
    text = (lambda at: {"document": {"text": texts[at]}}) if shown else (lambda _: {})
    order = scored.order()[: top_n or None]
    return [{"index": at, "relevance_score": float(scores[at]), **text(at)} for at in order]


def usage(scored: Scored) -> dict[str, int]:
    """Return the tokens that the model read."""
    return {"prompt_tokens": scored.tokens, "total_tokens": scored.tokens}


def answer(content: Any, scored: Scored) -> JSONResponse:
    """Return JSON; headers have the tokens, and how many pairs lost text."""
    headers = {"x-compute-tokens": str(scored.tokens), "x-cut-pairs": str(scored.cut)}
    return JSONResponse(content, headers=headers)


def check_direction(direction: str | None) -> None:
    """Refuse to cut texts at their beginning: the model was trained on their beginnings."""
    if direction is not None and direction.lower() != "right":
        raise Refusal(VALIDATION, "truncation_direction: expected Right, the only one that this server has.", 422)
