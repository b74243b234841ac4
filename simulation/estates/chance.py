"""Chance for programs and people: dice thrown from one generator, in blocks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import exp, log
from typing import TypeVar

import numpy as np

Side = TypeVar("Side")

_BLOCK = 128


class Dice:
    """Throws from one generator. `one()` is uniform on [0, 1) and cheap: numbers are drawn in blocks of 128."""

    __slots__ = ("one", "rng")

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.one: Callable[[], float] = _uniform(rng).__next__

    def chance(self, share: float) -> bool:
        """True in `share` of all throws."""
        return self.one() < share

    def below(self, count: int) -> int:
        """A whole number from 0 up to but not including `count`."""
        return int(self.one() * count)

    def between(self, least: int, most: int) -> int:
        """A whole number from `least` to `most`, both possible."""
        return least + int(self.one() * (most - least + 1))

    def span(self, least: float, most: float) -> float:
        """A number from `least` up to `most`."""
        return least + self.one() * (most - least)

    def wait(self, mean: float) -> float:
        """An exponential waiting time."""
        return -mean * log(1.0 - self.one())

    def around(self, median: float, sigma: float) -> float:
        """A log-normal number: `sigma` 1 means two thirds lie within a factor of e of the median."""
        return median * exp(sigma * float(self.rng.standard_normal()))

    def pick(self, sides: Sequence[Side]) -> Side:
        """One of the sides, each as likely."""
        return sides[int(self.one() * len(sides))]

    def some(self, sides: Sequence[Side], least: int, most: int) -> list[Side]:
        """From `least` to `most` different sides, in the order given."""
        wanted = min(self.between(least, most), len(sides))
        chosen = self.rng.permutation(len(sides))[:wanted]
        return [sides[number] for number in sorted(chosen)]

    def weighted(self, weights: Mapping[Side, float]) -> Side:
        """A key of the mapping, as often as its weight says."""
        left = self.one() * sum(weights.values())
        for side, weight in weights.items():
            left -= weight
            if left < 0:
                return side
        return side

    def letters(self, count: int) -> str:
        """`count` lower-case hexadecimal digits."""
        return "".join("0123456789abcdef"[int(self.one() * 16)] for _ in range(count))


def dice(*key: int) -> Dice:
    """Dice of their own for everything the key names: a seed, a member, a day."""
    return Dice(np.random.default_rng(list(key)))


def _uniform(rng: np.random.Generator) -> Iterator[float]:
    while True:
        yield from rng.random(_BLOCK).tolist()
