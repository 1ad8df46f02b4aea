"""Many sessions on one model, in a server that uses asyncio.

`Batcher` collects the steps that arrive within a short time, and computes them in one call of a
pool of sessions:

    async with Batcher(model.sessions(1000)) as batcher:
        session = batcher.open("alice")
        y = await session.step(x)
"""

from peephole.serving.batcher import Batcher
from peephole.serving.metrics import Metrics, Times
from peephole.serving.session import Session, SessionClosed

__all__ = ["Batcher", "Metrics", "Session", "SessionClosed", "Times"]
