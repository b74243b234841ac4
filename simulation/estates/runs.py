"""A messy identity's day as columns: runs of its tasks, and now and then a spell of something else."""

from dataclasses import dataclass

import numpy as np

from simulation.estates.life import DAY_S
from simulation.estates.tasks import OPERATIONS, Tasks
from simulation.estates.temper import Temper

MOST_CALLS = 1500  # of an identity-day; the mean is what the budget of a simulation has to bear
_SLIP = 0.02  # share of calls within a task that are something else the identity knows


@dataclass(frozen=True, slots=True)
class Rows:
    """Calls of a day as columns: seconds since midnight, operation, hand, object, whether it is refused for good."""

    at_s: np.ndarray
    words: np.ndarray
    hands: np.ndarray
    things: np.ndarray
    broken: np.ndarray


def task_rows(
    done: Tasks, rng: np.random.Generator, starts: np.ndarray, profiles: np.ndarray, day: int, is_first: bool
) -> Rows:
    """The calls of task runs that start at those seconds of the day; `profiles` are the hands'
    rhythms, one a row. The very first run of all (`is_first`) is one of the first task."""
    chosen = np.searchsorted(np.cumsum(done.alive(day)), rng.random(len(starts)) * 0.999999).clip(
        0, len(done.weights) - 1
    )
    sizes = np.minimum(120, np.ceil(done.lengths[chosen] * rng.exponential(done.repeats[chosen])).astype(int)).clip(1)
    if is_first:
        chosen[0], sizes[0] = 0, done.lengths[0]
    keep = np.cumsum(sizes) <= MOST_CALLS
    chosen, sizes, starts = chosen[keep], sizes[keep], starts[keep]
    task = np.repeat(chosen, sizes)
    place = np.arange(len(task)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    words = done.motifs[task, place % done.lengths[task]]
    slips = rng.random(len(task)) < _SLIP
    words[slips] = rng.choice(done.motifs[done.motifs >= 0], int(slips.sum()))
    gaps = rng.exponential(done.pace_s[task])
    waited = np.cumsum(gaps) - gaps
    at_s = np.repeat(starts, sizes) + waited - np.repeat(waited[np.cumsum(sizes) - sizes], sizes)
    hands_of = np.repeat(_held_by(rng, starts, profiles), sizes)
    things = (rng.random(len(task)) ** 2 * done.objects[task]).astype(int)
    return Rows(at_s, words, hands_of, things, done.broken[task])


def curious_rows(words: np.ndarray, rng: np.random.Generator, company: Temper) -> Rows:
    """A spell of something else, on few days: some operations of the whole vocabulary, one after the other."""
    spells = int(rng.poisson(company.one_offs_a_day))
    sizes = np.minimum(12, rng.geometric(0.4, spells))
    count = int(sizes.sum())
    at_s = np.repeat(rng.random(spells) * (DAY_S - 3600), sizes) + np.cumsum(rng.exponential(20.0, count))
    chosen = rng.choice(len(OPERATIONS), count, p=words)
    return Rows(at_s, chosen, np.zeros(count, dtype=int), rng.integers(0, 4, count), rng.random(count) < 0.25)


def _held_by(rng: np.random.Generator, starts: np.ndarray, profiles: np.ndarray) -> np.ndarray:
    """Whose hand starts each run: the likelier the more it works at that hour."""
    shares = profiles[:, (starts // 3600).astype(int) % 24].cumsum(axis=0)
    return np.asarray((rng.random(len(starts)) * shares[-1] >= shares).sum(axis=0))
