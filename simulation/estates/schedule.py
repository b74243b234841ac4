"""When programs run: cron expressions, fixed intervals, self-exciting arrivals, office hours.

Arrivals are a Hawkes process in its cluster form (Hawkes and Oakes, 1974): each arrival sets off a Poisson number of
further ones, which makes the bursts that request-driven work shows (Shahrad et al., "Serverless in the Wild", USENIX
ATC 2020; Karsai, Jo and Kaski, "Bursty Human Dynamics", 2018).
"""

from collections.abc import Callable, Sequence

import numpy as np

from simulation.estates.chance import Dice
from simulation.estates.today import Today

Trigger = Callable[[Today, Dice], list[float]]

DAY_S = 86_400
_HOUR_S, _MINUTE_S = 3600, 60
_LAST = 0  # stands for the last day of the month
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))

OFFICE = (1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 18, 16, 13, 16, 18, 17, 14, 9, 5, 3, 2, 2, 1, 1)
EVENING = (4, 2, 1, 1, 1, 1, 2, 4, 6, 7, 8, 8, 9, 9, 9, 9, 10, 12, 15, 18, 19, 17, 12, 7)
FLAT = (1,) * 24


def cron(expression: str, jitter_s: float = 50.0) -> Trigger:
    """Runs at the times a five-field cron expression names (UTC), each up to `jitter_s` late.

    Fields hold `*`, numbers, ranges, steps and lists; the day of the month may be `L`, its last day. ValueError for
    anything else. As cron does, a day matches by month day or weekday where both are given.
    """
    minutes, hours, days, months, weekdays = _fields(expression)

    def due(today: Today, dice: Dice) -> list[float]:
        if not _is_due(today, days, months, weekdays):
            return []
        times = [today.midnight_s + hour * _HOUR_S + minute * _MINUTE_S for hour in hours for minute in minutes]
        return [at_s + dice.span(0, jitter_s) for at_s in times]

    return due


def every(period_s: float, phase: float, jitter: float = 0.02) -> Trigger:
    """A loop that sleeps `period_s` between turns, give or take the share `jitter`; `phase` is in [0, 1)."""

    def due(today: Today, dice: Dice) -> list[float]:
        turns = int(DAY_S / period_s)
        noise = dice.rng.random(turns) * jitter
        times: list[float] = ((np.arange(turns) + phase * (1 - jitter) + noise) * period_s + today.midnight_s).tolist()
        return times

    return due


def arrivals(
    a_day: float, profile: Sequence[float], branching: float, decay_s: float, weekend: float = 1.0, offset_h: int = 0
) -> Trigger:
    """Events that set each other off: `a_day` on average, `branching` (below 1) further ones each, within `decay_s`.

    `profile` weighs the 24 hours of the local day, which is `offset_h` ahead of UTC; `weekend` scales days off.
    """
    weights = np.roll(np.array(profile, dtype=float), -offset_h)
    shares = weights / weights.sum()

    def due(today: Today, dice: Dice) -> list[float]:
        mean = a_day * today.load * (1 - branching) * (1.0 if today.workday else weekend)
        count = int(dice.rng.poisson(mean))
        hours = dice.rng.choice(24, size=count, p=shares)
        first = (hours + dice.rng.random(count)) * _HOUR_S
        times = cascade(dice.rng, first, branching, decay_s)
        return _listed(times[times < 2 * DAY_S] + today.midnight_s)

    return due


def cascade(rng: np.random.Generator, first: np.ndarray, branching: float, decay_s: float) -> np.ndarray:
    """The first arrivals and all they set off, generation after generation, in no order."""
    generations = [first]
    while generations[-1].size:
        last = generations[-1]
        children = rng.poisson(branching, last.size)
        generations.append(np.repeat(last, children) + rng.exponential(decay_s, int(children.sum())))
    return np.concatenate(generations)


def on_day(day: int, hour: float) -> Trigger:
    """Once, on one day."""
    return lambda today, dice: [today.midnight_s + hour * _HOUR_S] if today.day == day else []


def in_office(sessions: float, offset_h: int = 0, weekend: float = 0.03) -> Trigger:
    """Spells of work by a person: `sessions` on an average working day, hardly any on days off, between 8 and 19."""

    def due(today: Today, dice: Dice) -> list[float]:
        mean = sessions if today.workday else sessions * weekend
        starts = (8 + 10.5 * dice.rng.beta(1.6, 1.8, int(dice.rng.poisson(mean))) - offset_h) * _HOUR_S
        return _listed(starts % DAY_S + today.midnight_s)

    return due


def _listed(times: np.ndarray) -> list[float]:
    listed: list[float] = np.sort(times).tolist()
    return listed


def _is_due(today: Today, days: set[int] | None, months: set[int] | None, weekdays: set[int] | None) -> bool:
    date = today.date
    if months is not None and date.month not in months:
        return False
    by_day = days is not None and (date.day in days or (_LAST in days and today.last_of_month))
    by_weekday = weekdays is not None and (date.isoweekday() % 7) in weekdays
    return by_day or by_weekday or (days is None and weekdays is None)


def _fields(
    expression: str,
) -> tuple[list[int], list[int], set[int] | None, set[int] | None, set[int] | None]:
    parts = expression.split()
    if len(parts) != len(_BOUNDS):
        raise ValueError(f"a cron expression has five fields, got {expression!r}")
    minute, hour, day, month, weekday = (
        _values(part, low, high, expression) for part, (low, high) in zip(parts, _BOUNDS, strict=True)
    )
    sundays = None if weekday is None else {value % 7 for value in weekday}
    return sorted(minute or range(60)), sorted(hour or range(24)), day, month, sundays


def _values(part: str, low: int, high: int, expression: str) -> set[int] | None:
    if part == "*":
        return None
    chosen: set[int] = set()
    for piece in part.split(","):
        chosen |= {_LAST} if piece == "L" and high == 31 else _span(piece, low, high, expression)
    return chosen


def _span(piece: str, low: int, high: int, expression: str) -> set[int]:
    span, _, step = piece.partition("/")
    first, _, last = span.partition("-")
    try:
        start = low if span == "*" else int(first)
        end = int(last) if last else (high if step or span == "*" else start)
        chosen = set(range(start, end + 1, int(step or 1)))
    except ValueError:
        raise ValueError(f"cannot read {piece!r} in the cron expression {expression!r}") from None
    if not chosen or start < low or end > high:
        raise ValueError(f"{piece!r} is out of range in the cron expression {expression!r}")
    return chosen
