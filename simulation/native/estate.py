"""An estate of one provider: who lives there, what each of them does on a day, and the records of it.

The same seed gives the same records; an attack added to a day changes no benign record of it.
Base rates of change (roll-outs, upgrades, moves, broken policies, throttling, outages, births) are assumptions: see `_fate` and `_BIRTH_RATE`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from simulation.native import days
from simulation.native.shape import DAY_S, Act, Change, Kind, Native, Provider, Resident

START = "2026-03-02"
_MONTH_DAYS = 30
_BIRTH_RATE = 0.12  # of workloads, a month
_MONTHLY = {"rollout": 0.25, "upgrade": 0.35, "move": 0.08, "policy": 0.15, "throttle": 0.3, "outage": 0.1}
_HOMES = ("shop", "payments", "search", "ops", "data", "mail", "stock", "media")


class NativeEstate:
    """An estate of `identities` members watched for `days` days from `start` (UTC midnight); days count from 1.

    ValueError for an estate of nobody or of no days.
    """

    def __init__(self, provider: Provider, seed: int, identities: int = 60, days: int = 8, start: str = START) -> None:
        if identities < 1 or days < 1:
            raise ValueError(
                f"an estate needs at least one identity and one day, got identities={identities}, days={days}"
            )
        self.provider, self.seed, self.days = provider, seed, days
        self.identities = cast(provider, seed, identities, days)
        self._start_s = int(datetime.strptime(start, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())

    def midnight_s(self, day: int) -> int:
        """Unix seconds at which the day begins."""
        return self._start_s + (day - 1) * DAY_S

    def acts(self, resident: Resident, day: int) -> list[Act]:
        """What the resident does on the day, in time order."""
        if not resident.born_day <= day <= self.days:
            return []
        rng = np.random.default_rng([self.seed, resident.number, 3, day])
        kind = days.as_of(resident, day)
        shift = days.Shift(self.provider, resident, kind, self.seed, day, self.midnight_s(day), rng)
        return days.acts(shift)

    def benign(self, day: int) -> list[Native]:
        """Every benign record of the day, in event-time order."""
        return sorted(record for _, records in self.lived(day) for record in records)

    def lived(self, day: int) -> Iterator[tuple[list[Act], list[Native]]]:
        """Member by member, what each does on the day, and the records of it."""
        for resident in self.identities:
            acts = self.acts(resident, day)
            yield acts, self.written(acts, np.random.default_rng([self.seed, resident.number, 4, day]))

    def written(self, acts: list[Act], rng: np.random.Generator) -> list[Native]:
        """The records of some acts, one each, in their order."""
        made = []
        for act in acts:
            event_id = self.provider.event_id(rng)
            made.append(Native(act.at_s, event_id, self.provider.record(act, event_id)))
        return made


def cast(provider: Provider, seed: int, identities: int, days: int) -> tuple[Resident, ...]:
    """The members in a fixed order: one of every kind, then more; a larger estate begins with those of a smaller one."""
    kinds = provider.kinds
    weights = np.array([kind.weight for kind in kinds])
    made = []
    for number in range(identities):
        rng = np.random.default_rng([seed, number, 1])
        kind = kinds[number] if number < len(kinds) else kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
        made.append(_resident(kind, number, len(kinds), rng, days))
    return tuple(made)


def _resident(kind: Kind, number: int, named: int, rng: np.random.Generator, days: int) -> Resident:
    is_copy = number >= named
    name = f"{kind.name}-{number}" if is_copy else kind.name
    home = _HOMES[int(rng.integers(len(_HOMES)))] if kind.home == "shop" and is_copy else kind.home
    is_new = is_copy and kind.path == "workload" and kind.counted and days > 1
    born = int(rng.integers(2, days + 1)) if is_new and rng.random() < _BIRTH_RATE * days / _MONTH_DAYS else 1
    return Resident(kind, name, number, name, home, born, _fate(kind, rng, days))


def _fate(kind: Kind, rng: np.random.Generator, days: int) -> tuple[Change, ...]:
    if kind.path != "workload" or not kind.counted:
        return ()
    return tuple(
        Change(what, int(rng.integers(1, days + 1)), int(rng.integers(100)))
        for what, rate in _MONTHLY.items()
        if rng.random() < rate * days / _MONTH_DAYS
    )
