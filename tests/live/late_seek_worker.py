"""The ``outpace`` command with a client that has fetched frames by the time it seeks. They are thrown away, as Faust does with what comes while the flow is stopped."""

from typing import Any

from streams import faust_app
from streams.cli import main
from streams.logs import logger

FETCH_MS = 5000
_seek = faust_app._Consumer.perform_seek


async def _fetch_then_seek(self: Any) -> None:
    client, changelogs = self._thread._ensure_consumer(), self.app.tables.changelog_topics
    frames = [tp for tp in client.assignment() if tp.topic not in changelogs]
    fetched = await self._thread.call_thread(client.getmany, *frames, timeout_ms=FETCH_MS)
    logger("worker").info("fetched before the seek", frames=sum(map(len, fetched.values())))
    await _seek(self)


if __name__ == "__main__":
    faust_app._Consumer.perform_seek = _fetch_then_seek  # type: ignore[method-assign]
    main()
