"""How many identities the whole fleet has, as far as one worker can tell."""

import time
from collections.abc import Mapping

from detector.fleet import fleet_size
from streams.config import Settings
from streams.desk import Desk

COUNTED_EVERY_S = 60.0
"""How old the count of the fleet may be that a command carries."""


class FleetCount:
    """Counts from the partitions at this worker, as ``desks`` holds them by number."""

    def __init__(self, settings: Settings, desks: Mapping[int, Desk]) -> None:
        self.settings, self.desks = settings, desks
        self._fleet, self._counted_at = 1, -COUNTED_EVERY_S

    def identities(self) -> int:
        """Identities of the whole fleet, as far as this worker's share of the partitions tells: each principal falls into any of them alike. Counted now and then; at least one."""
        if time.monotonic() >= self._counted_at + COUNTED_EVERY_S:
            held = sum(fleet_size(desk.shard.engine.state, self.settings) for desk in self.desks.values())
            self._fleet = max(1, round(held * self.settings.kafka.partitions / max(1, len(self.desks))))
            self._counted_at = time.monotonic()
        return self._fleet
