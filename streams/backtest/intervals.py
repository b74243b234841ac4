"""How sure a number is: intervals and tests, all at 95 % and without libraries.

Sources: E. B. Wilson (1927) for a proportion; F. Garwood (1936) for a Poisson count; R. G. Newcombe, "Improved confidence intervals for the difference
between binomial proportions based on paired data" (1998), method 10; the exact sign test on discordant pairs, which is McNemar's exact test.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from statistics import fmean, stdev

Z = 1.959963984540054
"""The normal quantile that leaves 2.5 % above."""
TAIL = 0.025
NEGLIGIBLE = 1e-17


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Wilson's interval of a proportion; (0, 1) where nothing was tried.

    >>> [round(v, 3) for v in wilson(9, 10)]
    [0.596, 0.982]
    """
    if not trials:
        return 0.0, 1.0
    share, z2 = hits / trials, Z * Z / trials
    middle = (share + z2 / 2) / (1 + z2)
    half = Z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials)) / (1 + z2)
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == trials else middle + half)


@lru_cache(maxsize=4096)
def poisson(count: int) -> tuple[float, float]:
    """Garwood's exact interval of the mean behind a count.

    >>> [round(v, 3) for v in poisson(0)], [round(v, 3) for v in poisson(3)]
    ([0.0, 3.689], [0.619, 8.767])
    """
    high = count + 10 + 10 * math.sqrt(count + 1)
    low = _root(lambda mean: 1 - at_most(count - 1, mean) - TAIL, 0.0, float(count)) if count else 0.0
    return low, _root(lambda mean: TAIL - at_most(count, mean), float(count), high)


def at_most(count: int, mean: float) -> float:
    """P(a Poisson count of this mean <= count).

    >>> round(at_most(0, 1.0), 4)
    0.3679
    """
    if count < 0:
        return 0.0
    if mean <= 0:
        return 1.0
    if count <= mean:
        return min(1.0, _tail(count, mean, -1))
    return max(0.0, 1.0 - _tail(count + 1, mean, 1))


def _tail(count: int, mean: float, step: int) -> float:
    """The probabilities from a count outwards, away from the mean, until they add nothing: some square root of the mean of them."""
    term = total = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
    while term > total * NEGLIGIBLE and count + step >= 0:
        term *= count / mean if step < 0 else mean / (count + 1)
        count += step
        total += term
    return total


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def sign_test(gained: int, lost: int) -> float:
    """Two-sided exact p-value of so many changes one way and the other, if either way were as likely.

    >>> sign_test(0, 0), sign_test(5, 0), sign_test(3, 3)
    (1.0, 0.0625, 1.0)
    """
    changed, fewer = gained + lost, min(gained, lost)
    tail = sum(math.comb(changed, k) for k in range(fewer + 1))
    return float(min(1, 2 * tail / 2**changed))


def paired_difference(both: int, gained: int, lost: int, neither: int) -> tuple[float, float, float]:
    """The difference of two shares on the same trials (new - old), and Newcombe's interval of it.

    >>> [round(v, 3) for v in paired_difference(36, 12, 2, 0)]
    [0.2, 0.057, 0.34]
    """
    trials = both + gained + lost + neither
    if not trials:
        return 0.0, -1.0, 1.0
    new, old = (both + gained) / trials, (both + lost) / trials
    (new_low, new_high), (old_low, old_high) = wilson(both + gained, trials), wilson(both + lost, trials)
    phi = _phi(both, gained, lost, neither)

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))

    difference = new - old
    return (
        difference,
        difference - reach(new - new_low, old_high - old),
        difference + reach(new_high - new, old - old_low),
    )


def _phi(both: int, gained: int, lost: int, neither: int) -> float:
    """How far the two go together; Newcombe's correction where they do."""
    product = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    if not product:
        return 0.0
    cross = float(both * neither - gained * lost)
    if cross > 0:
        cross = max(0.0, cross - (both + gained + lost + neither) / 2)
    return cross / math.sqrt(product)


def mean_difference(differences: Sequence[float]) -> tuple[float, float, float] | None:
    """The mean of paired differences and its normal interval; None for fewer than two."""
    if len(differences) < 2:
        return None
    mean, half = fmean(differences), Z * stdev(differences) / math.sqrt(len(differences))
    return mean, mean - half, mean + half


def quantile(values: Sequence[float | None], share: float) -> float | None:
    """The value so large a share of all reached, by nearest rank; None counts as never, and is the answer where too few reached any.

    >>> quantile([1, 5, None, 3], 0.5), quantile([1, 5, None, 3], 0.9), quantile([], 0.5)
    (3, None, None)
    """
    reached = sorted(v for v in values if v is not None)
    rank = math.ceil(share * len(values))
    return reached[max(0, rank - 1)] if values and rank <= len(reached) else None
