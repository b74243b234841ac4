"""Frames a worker refuses: each stands in the topic of refused records, and is counted; the log says how many."""

import time
from typing import Any

import msgspec

from detector.errors import Rejection
from streams.confirming import Send
from streams.desk import Desk
from streams.ingest.refused import refused
from streams.logs import logger
from streams.metrics import Metrics
from streams.topics import Topics

log = logger("worker")
TOLD_EVERY_S = 10.0


class Refusals:
    """Refuses frames of ``topics.events``."""

    def __init__(self, topics: Topics, send: Send, metrics: Metrics) -> None:
        self.topics, self.send, self.metrics = topics, send, metrics
        self._untold: list[dict[str, Any]] = []
        self._told_at = -TOLD_EVERY_S

    async def refuse(self, desk: Desk, offset: int, path: str, reason: str) -> None:
        """Refuses the frame at ``offset`` of the desk's partition for what stands at ``path`` in it."""
        stage = "schema" if "version" in reason else "frame"
        origin = f"{self.topics.events}/{desk.shard.partition}"
        self.metrics.rejected.labels(stage).inc()
        self._note(origin, offset, path, reason)
        refusal = refused(Rejection(origin, offset, path, reason), "frames", time.time_ns())
        desk.unconfirmed.append(await self.send(self.topics.rejected, origin.encode(), msgspec.json.encode(refusal)))

    def _note(self, origin: str, offset: int, path: str, reason: str) -> None:
        """One line now and then, with the latest and how many: each refusal stands in the topic."""
        self._untold.append({"origin": origin, "offset": offset, "path": path, "reason": reason[:200]})
        self.tell()

    def tell(self) -> None:
        """Says what has gathered, where the last line is old enough."""
        if self._untold and time.monotonic() - self._told_at >= TOLD_EVERY_S:
            log.warning("frames refused", count=len(self._untold), **self._untold[-1])
            self._untold, self._told_at = [], time.monotonic()
