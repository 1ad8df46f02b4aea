"""A server of many sessions on one model, over WebSockets.

    pip install starlette uvicorn websockets
    python serve.py model.safetensors --snapshot sessions.npz --port 8000

A client connects to ws://localhost:8000/sessions/NAME and receives a text, JSON: the sizes of
the model, and "steps", the steps that the session has done: more than 0 if it continues. Then each
binary message of the client is an array of float32 (T, I), and each answer one of (T, O).

A session outlives its connection, by --idle-timeout seconds. With --snapshot, sessions also outlive
the server: they are saved every --every seconds and at its end, and loaded at its start.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import peephole
import uvicorn
from peephole.serving import Batcher, SessionClosed
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

# Codes of closed WebSockets.
UNSUPPORTED, TRY_AGAIN_LATER = 1003, 1013


async def serve_session(socket: WebSocket) -> None:
    """One connection."""
    batcher: Batcher = socket.app.state.batcher
    name = socket.path_params["name"]
    await socket.accept()
    try:
        session = batcher.sessions.get(name) or batcher.open(name)
    except RuntimeError as error:  # the pool is full
        return await socket.close(TRY_AGAIN_LATER, str(error))
    sizes = {"input_size": batcher.input_size, "output_size": batcher.output_size}
    await socket.send_text(json.dumps({"steps": session.steps, **sizes}))
    try:
        while True:
            x = np.frombuffer(await socket.receive_bytes(), np.float32)
            y = await session.process(x.reshape(-1, batcher.input_size))
            await socket.send_bytes(y.astype(np.float32, copy=False).tobytes())
    except WebSocketDisconnect:
        pass
    except (ValueError, KeyError) as error:  # not an array of float32 (T, I), or a text
        await socket.close(UNSUPPORTED, str(error)[:100])
    except SessionClosed as error:
        await socket.close(TRY_AGAIN_LATER, str(error)[:100])


async def show_metrics(request: Request) -> JSONResponse:
    """What `Batcher.metrics` says."""
    metrics = request.app.state.batcher.metrics()
    shown = {name: getattr(metrics, name) for name in ("sessions", "waiting", "steps", "batches")}
    for name in ("queueing", "latency", "computing"):
        shown[name] = {k: v for k, v in vars(getattr(metrics, name)).items() if v == v}
    return JSONResponse(shown)


def application(
    model: Any, capacity: int, snapshot: Path | None = None, every: float = 10, **options: Any
) -> Starlette:
    """The server of a model; `options` are those of `Batcher`."""

    async def save_often(batcher: Batcher) -> None:
        while snapshot is not None:
            await asyncio.sleep(every)
            await batcher.save(snapshot)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with Batcher(model.sessions(capacity), **options) as batcher:
            if snapshot is not None and snapshot.exists():
                batcher.load(snapshot)
            app.state.batcher = batcher
            saving = asyncio.create_task(save_often(batcher))
            yield
            saving.cancel()
            await batcher.drain()
            if snapshot is not None:
                await batcher.save(snapshot)

    routes = [
        WebSocketRoute("/sessions/{name}", serve_session),
        Route("/metrics", show_metrics),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    """Runs the server until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--capacity", type=int, default=1000)
    parser.add_argument("--max-delay", type=float, default=1e-3, help="seconds")
    parser.add_argument("--idle-timeout", type=float, default=300, help="seconds")
    parser.add_argument("--snapshot", type=Path)
    parser.add_argument("--every", type=float, default=10, help="seconds")
    given = parser.parse_args()
    app = application(
        peephole.load(given.model),
        given.capacity,
        given.snapshot,
        given.every,
        max_delay=given.max_delay,
        idle_timeout=given.idle_timeout,
    )
    uvicorn.run(app, port=given.port, log_level="warning", ws_per_message_deflate=False)


if __name__ == "__main__":
    main()
