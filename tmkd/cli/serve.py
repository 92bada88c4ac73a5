"""``tmkd serve``: a model behind HTTP."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from tmkd.cli.answers import ARTIFACTS, ArtifactsOption, answering
from tmkd.cli.models import (
    BackendOption,
    DeviceOption,
    ExitOption,
    LengthOption,
    ModelArgument,
    PrecisionOption,
    ThreadsOption,
    load,
)
from tmkd.errors import ConfigError

app = typer.Typer()
LIMITS = "Limits"


@app.command(rich_help_panel="Use a student")
@answering()
def serve(
    model: ModelArgument,
    port: Annotated[int, typer.Option("--port", help="0: any that is free.", min=0, max=65535)] = 8080,
    host: Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0: all.")] = "127.0.0.1",
    api_key_env: Annotated[
        str | None, typer.Option("--api-key-env", help="Environment variable with the key that clients must send.")
    ] = None,
    beside: Annotated[str | None, typer.Option("--beside", help="Another model, for the page's second column.")] = None,
    max_texts: Annotated[int, typer.Option(help="Texts of one request.", min=1, rich_help_panel=LIMITS)] = 1000,
    max_bytes: Annotated[int, typer.Option(help="Of one body.", min=1, rich_help_panel=LIMITS)] = 4_000_000,
    max_characters: Annotated[
        int,
        typer.Option(help="Of one request's pairs; the question counts once a text.", min=1, rich_help_panel=LIMITS),
    ] = 4_000_000,
    max_queue: Annotated[int, typer.Option(help="Pairs that wait.", min=1, rich_help_panel=LIMITS)] = 4096,
    max_requests: Annotated[int, typer.Option(help="Requests at once.", min=1, rich_help_panel=LIMITS)] = 512,
    timeout: Annotated[
        float, typer.Option(help="Seconds for one request.", min=0.1, max=86_400, rich_help_panel=LIMITS)
    ] = 60,
    batch_pairs: Annotated[
        int, typer.Option(help="Pairs computed at once; 0: what suits the device.", min=0, rich_help_panel=LIMITS)
    ] = 0,
    batch_tokens: Annotated[
        int, typer.Option(help="Tokens computed at once, with padding.", min=1, rich_help_panel=LIMITS)
    ] = 16_384,
    artifacts: ArtifactsOption = ARTIFACTS,
    exit_at: ExitOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = 0,
    max_length: LengthOption = None,
    backend: BackendOption = "auto",
) -> None:
    """Answer over HTTP as text-embeddings-inference, Jina, Cohere and vLLM do; a page to try it is at /."""
    if not all(find_spec(package) for package in ("fastapi", "uvicorn", "prometheus_client")):
        raise ConfigError("tmkd serve needs fastapi, uvicorn and prometheus-client: pip install 'tmkd[serve]'.")
    from tmkd.serve.app import make_app
    from tmkd.serve.limits import Limits
    from tmkd.serve.metrics import Metrics
    from tmkd.serve.run import bind, key_from, listen
    from tmkd.serve.service import Service
    from tmkd.store.catalogue import locate

    key = key_from(api_key_env)
    limits = Limits(
        texts=max_texts,
        body=max_bytes,
        characters=max_characters,
        queue=max_queue,
        requests=max_requests,
        seconds=timeout,
        batch_pairs=batch_pairs,
        batch_tokens=batch_tokens,
    )
    listener = bind(host, port)
    metrics = Metrics()

    def service(named: str, at: int | None, length: int | None, by: str) -> Service:
        name = locate(named, artifacts).resolve().name  # not the folder that it lies in
        return Service(name, load(named, artifacts, at, device, precision, threads, length, by), limits, metrics)

    served = service(model, exit_at, max_length, backend)
    second = None if beside is None else service(beside, None, None, "auto")
    at = f"[{host}]" if ":" in host else host
    where = f"http://{at}:{listener.getsockname()[1]}"

    def ready() -> None:
        print(f"tmkd: {served.name} answers at {where}; Ctrl-C stops it.", file=sys.stderr, flush=True)
        if key is None and host not in ("127.0.0.1", "localhost", "::1"):
            print("tmkd: anyone who reaches this address may use it; --api-key-env asks for a key.", file=sys.stderr)

    listen(make_app(served, metrics, second, key), listener, timeout, ready)
