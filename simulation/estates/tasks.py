"""What an identity of a messy estate does: tasks, each a short motif of operations, under a Pitman-Yor law that churns.

Stick-breaking: Pitman and Yor, "The two-parameter Poisson-Dirichlet distribution", Annals of Probability 25 (1997).
"""

from dataclasses import dataclass

import numpy as np

from simulation.estates.chance import Dice
from simulation.estates.temper import Temper
from simulation.estates.vocabulary import CHANGES, POWER, READS, WORDS

MOTIF = 8  # longest motif
_STICKS = 90  # where the stick-breaking stops; what is left is spread over the last
_MONTH_DAYS = 30
_SORTS = ("reader", "worker", "powerful")
_SORT_SHARES = (0.38, 0.55, 0.07)  # assumption, see `temper` on permissions used
_WORD_SHARES = {"reader": (0.995, 0.005, 0.0), "worker": (0.62, 0.375, 0.005), "powerful": (0.62, 0.28, 0.10)}
_POWER_OF_ONE_OFFS = 0.01

_OPERATIONS = tuple(word.operation for word in WORDS)
_SERVICES = tuple(dict.fromkeys(word.service for word in WORDS))
_SERVICE_OF = np.array([_SERVICES.index(word.service) for word in WORDS])
_SORT_OF = np.array([word.sort for word in WORDS])
_RANK_OF = np.array([word.rank for word in WORDS], dtype=float)
_SIZE_OF = np.bincount(_SERVICE_OF, minlength=len(_SERVICES))  # services with more operations are used by more

OPERATIONS = _OPERATIONS


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of one identity, one a row: motifs (numbers of `OPERATIONS`, -1 past the end), weights, days alive.

    `lengths` are motifs' lengths; `repeats` how often a motif is run through in one go, on average; `pace_s` the mean time
    between its calls; `objects` how many things it works on; `broken` those that are always refused.
    """

    motifs: np.ndarray
    lengths: np.ndarray
    weights: np.ndarray
    from_day: np.ndarray
    to_day: np.ndarray
    repeats: np.ndarray
    pace_s: np.ndarray
    objects: np.ndarray
    broken: np.ndarray
    words: np.ndarray  # probability of every operation in the identity's wider vocabulary

    def alive(self, day: int) -> np.ndarray:
        """The weights on the day: zero for tasks not yet begun or given up, summing to one."""
        weights = np.where((self.from_day <= day) & (day <= self.to_day), self.weights, 0.0)
        total = weights.sum()
        return weights / total if total else np.full(len(weights), 1 / len(weights))

    def common(self) -> tuple[str, ...]:
        """The operations of the tasks there are on the first day, the heaviest half."""
        alive = self.alive(1)
        chosen = np.argsort(-alive)[: max(1, int((alive > 0.01).sum()))]
        return tuple(dict.fromkeys(OPERATIONS[word] for row in chosen for word in self.motifs[row] if word >= 0))


def drawn(throws: Dice, temper: Temper, days: int, common: np.ndarray) -> Tasks:
    """An identity's tasks for so many days; `common` is how the company's use is spread over the services."""
    words = _words(throws, temper, common)
    weights = _sticks(throws.rng, temper)
    count = len(weights)
    lengths = np.minimum(MOTIF, throws.rng.geometric(throws.span(0.25, 0.7), count))
    motifs = throws.rng.choice(len(OPERATIONS), size=(count, MOTIF), p=words)
    motifs[np.arange(MOTIF) >= lengths[:, None]] = -1
    from_day, to_day = _lives(throws.rng, temper, days, count)
    return Tasks(
        motifs,
        lengths,
        weights,
        from_day,
        to_day,
        1 + throws.rng.pareto(1.7, count).clip(0, 12),
        throws.rng.lognormal(-1.0, 1.4, count),
        1 + throws.rng.pareto(0.7, count).clip(0, 4000).astype(int),
        throws.rng.random(count) < temper.broken,
        words,
    )


def company_use(throws: Dice) -> np.ndarray:
    """How a company's use is spread over the services: few of them carry most."""
    skewed = _SIZE_OF * throws.rng.lognormal(0.0, 1.0, len(_SERVICES))
    return np.asarray(skewed / skewed.sum())


def curiosity(temper: Temper, common: np.ndarray) -> np.ndarray:
    """What a spell of trying something else draws from: the whole vocabulary, mostly reads."""
    shares = np.array((0.88, 0.12 - _POWER_OF_ONE_OFFS, _POWER_OF_ONE_OFFS))
    return _spread(common, temper.zipf, shares)


def _words(throws: Dice, temper: Temper, common: np.ndarray) -> np.ndarray:
    sort = _SORTS[int(throws.rng.choice(3, p=_SORT_SHARES))]
    own = throws.rng.dirichlet(common * throws.span(1.0, 8.0) + 1e-9)
    leaning = _RANK_OF ** -throws.rng.normal(0.0, 0.25)  # its owners' taste within a service
    words = _spread(own, temper.zipf, np.array(_WORD_SHARES[sort])) * leaning
    words *= throws.rng.lognormal(0.0, 1.2, len(words))
    return np.asarray(words / words.sum())


def _spread(services: np.ndarray, zipf: float, shares: np.ndarray) -> np.ndarray:
    heights = services[_SERVICE_OF] * _RANK_OF**-zipf
    for sort in (READS, CHANGES, POWER):
        chosen = sort == _SORT_OF
        total = heights[chosen].sum()
        heights[chosen] *= shares[sort] / total if total else 0.0
    return np.asarray(heights / heights.sum())


def _sticks(rng: np.random.Generator, temper: Temper) -> np.ndarray:
    number = np.arange(1, _STICKS + 1)
    broken = rng.beta(1 - temper.discount, temper.strength + number * temper.discount)
    left = np.concatenate(([1.0], np.cumprod(1 - broken)[:-1]))
    weights = broken * left
    return np.asarray(weights / weights.sum())


def _lives(rng: np.random.Generator, temper: Temper, days: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Half the tasks there are from the start, some until they are given up; the others come when one of those goes."""
    replaced = rng.random(count) < temper.churn * days / _MONTH_DAYS
    change_day = rng.integers(2, max(days, 2) + 1, count)
    is_new = rng.random(count) < 0.5
    from_day = np.where(replaced & is_new, change_day, 1)
    to_day = np.where(replaced & ~is_new, change_day - 1, days + 1)
    from_day[0], to_day[0] = 1, days + 1  # something an identity does for as long as it lives
    return from_day, to_day
