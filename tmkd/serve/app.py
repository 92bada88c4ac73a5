"""The application: routes, errors, the page, and the guard around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from tmkd.serve.guard import Guard
from tmkd.serve.metrics import Metrics
from tmkd.serve.page import HEADERS, PAGE
from tmkd.serve.refusals import BACKEND, NO_JSON, UNHEALTHY, VALIDATION, Refusal, refusal, sentence_of
from tmkd.serve.routes import scoring_routes, tei
from tmkd.serve.service import Service
from tmkd.serve.shapes import TeiRerank


def make_app(service: Service, metrics: Metrics, beside: Service | None = None, key: str | None = None) -> ASGIApp:
    """Return the application, as ASGI.

    Args:
        beside: another model, which the page shows in a second column.
        key: what clients must send; None: nothing.
    """
    services = [each for each in (service, beside) if each is not None]

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        for each in services:
            each.close()

    app = FastAPI(title="tmkd", version=version("tmkd"), docs_url=None, redoc_url=None, lifespan=life)
    app.include_router(scoring_routes(service))

    @app.get("/health")
    async def health() -> Response:
        """200 while the model can answer, else 503."""
        if not all(each.healthy for each in services):
            raise Refusal(UNHEALTHY, "unhealthy")
        return Response()

    @app.get("/info")
    async def info() -> dict[str, Any]:
        """The model and the limits, by TEI's names."""
        return _info(service) | ({"beside": beside.name} if beside else {})

    @app.get("/metrics")
    async def show_metrics() -> Response:
        """Prometheus's text format."""
        return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return Response(PAGE, headers=HEADERS, media_type="text/html; charset=utf-8")

    if beside is not None:
        other = beside

        @app.post("/beside", include_in_schema=False)
        async def rerank_beside(body: TeiRerank) -> JSONResponse:
            return await tei(other, body)

    _answer_errors(app, metrics)
    paths = {"/", "/health", "/info", "/metrics", "/beside", *app.openapi()["paths"]}
    return Guard(app, service.limits, metrics, paths, key)


def _info(service: Service) -> dict[str, Any]:
    limits, classes = service.limits, service.engine.classes
    labels = {"id2label": dict(enumerate(classes)), "label2id": {name: at for at, name in enumerate(classes)}}
    return {
        "model_id": service.name,
        "model_sha": None,
        "model_dtype": "bfloat16" if service.runtime.bf16 else "float32",
        "model_type": {"reranker" if len(classes) <= 2 else "classifier": labels},
        "max_concurrent_requests": limits.requests,
        "max_input_length": service.engine.max_length,
        "max_batch_tokens": limits.batch_tokens,
        "max_batch_requests": service.batch_pairs,
        "max_client_batch_size": limits.texts,
        "auto_truncate": True,
        "tokenization_workers": 1,
        "version": version("tmkd"),
        "sha": None,
        "docker_label": None,
    }


def _answer_errors(app: FastAPI, metrics: Metrics) -> None:
    """Give every error the shape of its route."""

    def respond(request: Request, status: int, kind: str, sentence: str) -> JSONResponse:
        metrics.error(kind)
        return refusal(request.url.path, status, kind, sentence)

    @app.exception_handler(RequestValidationError)
    async def wrong_body(request: Request, error: RequestValidationError) -> JSONResponse:
        return respond(request, 422, VALIDATION, sentence_of(error.errors()))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        kind = error.kind if isinstance(error, Refusal) else VALIDATION
        if error.status_code == 400 and not isinstance(error, Refusal):  # not UTF-8, or nested too deeply
            return respond(request, 422, kind, NO_JSON)
        found = respond(request, error.status_code, kind, error.detail)
        found.headers.update(error.headers or {})
        return found

    @app.exception_handler(Exception)
    async def failed(request: Request, _: Exception) -> JSONResponse:
        return respond(request, 500, BACKEND, "The server failed to answer this request.")
