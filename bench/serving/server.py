"""The server of docs/examples/serve.py over another engine, which computes each step as it comes.

python -m bench.serving.server onnxruntime model.safetensors 8000
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import peephole
import peephole.interop
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

# (x (1, T, I), state or None) -> (y (1, T, O), state)
Engine = Callable[[np.ndarray, Any], tuple[np.ndarray, Any]]


def onnxruntime_engine(model: peephole.Network) -> Engine:
    """Of one thread; a session's state goes in and comes out."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        peephole.interop.to_onnx(model, path)
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options)
    names = [f"{part}_l{k}" for k in range(len(model.hidden_sizes)) for part in "hc"]
    outputs = ["y", *(f"final_{name}" for name in names)]

    def run(x: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        y, *final = session.run(outputs, {"x": x, **(state or {})})
        return y, dict(zip((f"initial_{name}" for name in names), final, strict=True))

    return run


def torch_engine(model: peephole.Network) -> Engine:
    """Of one thread, without gradients."""
    import torch

    torch.set_num_threads(1)
    module = peephole.interop.to_torch(model)

    def run(x: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        with torch.inference_mode():
            h, state = module.lstm(torch.from_numpy(x), state)
            return module.head(h).numpy(), state

    return run


ENGINES = {"onnxruntime": onnxruntime_engine, "torch": torch_engine}


async def serve_session(socket: WebSocket) -> None:
    """One connection; its state ends with it."""
    model, engine = socket.app.state.model, socket.app.state.engine
    await socket.accept()
    sizes = {"input_size": model.input_size, "output_size": model.output_size}
    await socket.send_text(json.dumps({"steps": 0, **sizes}))
    state = None
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            x = np.frombuffer(await socket.receive_bytes(), np.float32)
            y, state = engine(x.reshape(1, -1, model.input_size).copy(), state)
            await socket.send_bytes(y.tobytes())


async def ready(_: Request) -> JSONResponse:
    """Answers as soon as the server does."""
    return JSONResponse({})


def application(engine: str, path: str) -> Starlette:
    """The server of a model."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.model = peephole.load(path)
        app.state.engine = ENGINES[engine](app.state.model)
        yield

    routes = [WebSocketRoute("/sessions/{name}", serve_session), Route("/metrics", ready)]
    return Starlette(routes=routes, lifespan=lifespan)


if __name__ == "__main__":
    app = application(sys.argv[1], sys.argv[2])
    uvicorn.run(app, port=int(sys.argv[3]), log_level="error", ws_per_message_deflate=False)
