"""One day as a program meets it: the date, what is broken, and what the trail does not log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from simulation import operations
from simulation.estates.chance import Dice

_GLOBAL = frozenset({"iam", "sts", "route53", "organizations", "cloudfront", "ce", "budgets", "support"})


@dataclass(frozen=True, slots=True)
class Outage:
    """A service that answers `share` of all calls with "rate exceeded" between two moments (Unix seconds)."""

    service: str
    from_s: float
    to_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Failover:
    """Regional calls go to `region` between two moments (Unix seconds): a disaster-recovery exercise."""

    from_s: float
    to_s: float
    region: str


@dataclass(frozen=True, slots=True)
class Today:
    """What is so for everybody on a day (`denied`: for one identity); `load` scales how much there is to do.

    `unlogged` names services whose data events the trail does not record: such calls happen and leave no trace.
    """

    day: int
    midnight_s: int
    workday: bool = True
    load: float = 1.0
    unlogged: frozenset[str] = frozenset()
    outages: Sequence[Outage] = ()
    failover: Failover | None = None
    denied: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def date(self) -> datetime:
        """The date, at UTC midnight."""
        return datetime.fromtimestamp(self.midnight_s, UTC)

    @property
    def stamp(self) -> str:
        """The date as a path: 2026/03/02."""
        return _stamp(self.midnight_s)

    @property
    def last_of_month(self) -> bool:
        """Whether tomorrow is another month."""
        return (self.date + timedelta(days=1)).day == 1

    def is_logged(self, operation: str) -> bool:
        """Whether the trail records the operation."""
        return _is_logged(operation, self.unlogged)

    def trouble(self, operation: str, at_s: float, dice: Dice) -> str:
        """How the call fails for reasons outside the program: denied, throttled, or empty."""
        if operation in self.denied:
            from_s, to_s = self.denied[operation]
            if from_s <= at_s < to_s:
                return "denied"
        for outage in self.outages:
            if outage.from_s <= at_s < outage.to_s and operation.startswith(outage.service):
                return "throttled" if dice.chance(outage.share) else ""
        return ""

    def region(self, operation: str, at_s: float) -> str:
        """The region the call is sent to, empty for the caller's own."""
        moved = self.failover
        if moved is None or not moved.from_s <= at_s < moved.to_s:
            return ""
        return "" if operation.partition(":")[0] in _GLOBAL else moved.region


@lru_cache(maxsize=128)
def _stamp(midnight_s: int) -> str:
    return datetime.fromtimestamp(midnight_s, UTC).strftime("%Y/%m/%d")


@lru_cache(maxsize=8192)
def _is_logged(operation: str, unlogged: frozenset[str]) -> bool:
    return operation.partition(":")[0] not in unlogged or not operations.is_data_event(operation)
