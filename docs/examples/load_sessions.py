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
import zlib
from pathlib import Path

import numpy as np
import peephole
from websockets.asyncio.client import connect


def inputs(name: str, first: int, last: int, size: int) -> np.ndarray:
    """X of some steps of a session: (last - first, I). Each step has its own."""
    t = np.arange(first, last)[:, None]
    phase = zlib.crc32(name.encode()) % 1000
    return np.sin(phase + 0.1 * t * (1 + np.arange(size))).astype(np.float32)


class Session:
    """A client of one session, which goes on until the session has done some steps."""

    def __init__(self, name: str, steps: int) -> None:
        self.name, self.steps = name, steps
        self.y: list[np.ndarray] = []
        self.latencies: list[float] = []  # seconds

    async def open(self, url: str) -> None:
        """Connects, and learns which step is next."""
        self.socket = await connect(f"{url}/sessions/{self.name}", compression=None)
        welcome = json.loads(await self.socket.recv())
        self.first = welcome["steps"]
        self.x = inputs(self.name, self.first, self.steps, welcome["input_size"])

    async def run(self, rate: float, delay: float) -> None:
        """Sends the steps, so many a second; 0: each after the answer to the one before."""
        begin = time.perf_counter() + delay
        for k, row in enumerate(self.x):
            if rate > 0:
                await asyncio.sleep(max(0, begin + k / rate - time.perf_counter()))
            start = time.perf_counter()
            await self.socket.send(row.tobytes())
            self.y.append(np.frombuffer(await self.socket.recv(), np.float32))
            self.latencies.append(time.perf_counter() - start)

    def wrong_steps(self, net: peephole.Network) -> int:
        """How many y are not those of a stream."""
        x = inputs(self.name, 0, self.steps, net.input_size)
        expected = net.stream().process(x)[self.first :]
        return int((np.reshape(self.y, expected.shape) != expected).any(axis=1).sum())


async def run(
    url: str, sessions: int, steps: int, rate: float, model: Path | None, prefix: str
) -> dict:
    """Runs all sessions at once; returns what is to be printed."""
    each = [Session(f"{prefix}{k}", steps) for k in range(sessions)]
    for session in each:
        await session.open(url)
    start = time.perf_counter()
    spread = 1 / rate if rate > 0 else 0
    await asyncio.gather(*(one.run(rate, spread * k / sessions) for k, one in enumerate(each)))
    seconds = time.perf_counter() - start
    await asyncio.gather(*(session.socket.close() for session in each))
    latencies = np.concatenate([session.latencies for session in each])
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
        result["wrong_steps"] = sum(session.wrong_steps(net) for session in each)
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
    parser.add_argument("--prefix", default="", help="of the sessions' names")
    given = parser.parse_args()
    print(json.dumps(asyncio.run(run(**vars(given)))))


if __name__ == "__main__":
    main()
