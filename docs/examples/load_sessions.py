"""A load generator for serve.py: many sessions, each with a step now and then.

    python load_sessions.py ws://localhost:8000 --sessions 200 --steps 100 --rate 10

Prints steps per second and the percentiles of the latency, from sending x to receiving y. With
--model, every y is compared with that of a stream of its own, so that a step which was lost or
reordered shows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

import numpy as np
import peephole
from websockets.asyncio.client import connect


def inputs(name: str, first: int, last: int, size: int) -> np.ndarray:
    """X of some steps of a session: (last - first, I). Each step has its own."""
    seed = int.from_bytes(name.encode()[:8], "little")
    t = np.arange(first, last)[:, None]
    return np.sin(1e-3 * (seed % 1000) + 0.1 * t * (1 + np.arange(size))).astype(np.float32)


async def run_session(
    url: str, name: str, steps: int, rate: float, delay: float
) -> tuple[int, np.ndarray, list[float]]:
    """Goes on with a session until it has done `steps`.

    Returns (the first of its steps here, y of those, the latencies in seconds).
    """
    await asyncio.sleep(delay)
    latencies, ys = [], []
    async with connect(f"{url}/sessions/{name}", compression=None, max_queue=None) as socket:
        welcome = json.loads(await socket.recv())
        first = welcome["steps"]
        x = inputs(name, first, steps, welcome["input_size"])
        begin = time.perf_counter()
        for k, row in enumerate(x):
            if rate > 0:
                await asyncio.sleep(max(0, begin + k / rate - time.perf_counter()))
            start = time.perf_counter()
            await socket.send(row.tobytes())
            ys.append(np.frombuffer(await socket.recv(), np.float32))
            latencies.append(time.perf_counter() - start)
    return first, np.array(ys), latencies


async def run(url: str, sessions: int, steps: int, rate: float, model: Path | None) -> dict:
    """Runs all sessions at once; returns what is to be printed."""
    names = [f"{k:05}" for k in range(sessions)]
    spread = 1 / rate if rate > 0 else 0
    start = time.perf_counter()
    each = await asyncio.gather(
        *(
            run_session(url, name, steps, rate, spread * k / sessions)
            for k, name in enumerate(names)
        )
    )
    seconds = time.perf_counter() - start
    latencies = np.concatenate([np.array(found) for _, _, found in each])
    p50, p99, most = np.percentile(latencies, [50, 99, 100])
    result = {
        "sessions": sessions,
        "steps": len(latencies),
        "steps_per_second": len(latencies) / seconds,
        "p50_ms": 1e3 * p50,
        "p99_ms": 1e3 * p99,
        "max_ms": 1e3 * most,
    }
    if model is not None:
        net = peephole.load(model)
        wrong = 0
        for name, (first, y, _) in zip(names, each, strict=True):
            expected = net.stream().process(inputs(name, 0, steps, net.input_size))
            wrong += int((y != expected[first:].astype(np.float32)).any(axis=1).sum())
        result["wrong_steps"] = wrong
    return result


def main() -> None:
    """Prints one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--steps", type=int, default=100, help="of each session")
    parser.add_argument(
        "--rate", type=float, default=10, help="steps a second of each; 0: no pause"
    )
    parser.add_argument("--model", type=Path)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(run(**vars(given)))))


if __name__ == "__main__":
    main()
