"""How fast an intruder decides: machine, agent, human, and low-and-slow.

A pace is seconds between one decision and the next. An agent reads an answer and picks the next try in 2 to 8 s, and now
and then sends two calls at once; people take breaks; low-and-slow spreads twenty decisions over a day or two.
Sources: 67 s from harvest to first use of a leaked key (xebia.com/blog/what-happens-when-you-leak-aws-credentials-and-how-aws-minimizes-the-damage);
eight minutes to administrator with a language model's help (darkreading.com/cloud-security/8-minute-access-ai-aws-environment-breach).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Pace:
    """Least and most seconds between decisions; how often two calls go out at once, how often there is a break, and how
    long it lasts; `budget` is the least and the most calls it has patience for, `cover_s` the longest pause in its cover."""

    name: str
    gap_s: tuple[int, int]
    budget: tuple[int, int]
    together: float = 0.0
    pausing: float = 0.0
    pause_s: tuple[int, int] = (0, 0)
    cover_s: int = 20
    is_skewed: bool = False

    def next_s(self, rng: np.random.Generator) -> int:
        """Seconds until the next decision."""
        if rng.random() < self.together:
            return 0
        if rng.random() < self.pausing:
            return int(rng.integers(self.pause_s[0], self.pause_s[1] + 1))
        least, most = self.gap_s
        if self.is_skewed:
            return int(np.exp(rng.uniform(np.log(least), np.log(most))))
        return int(rng.integers(least, most + 1))

    def patience(self, rng: np.random.Generator) -> int:
        """How many calls of its own this intruder makes at most."""
        return int(rng.integers(self.budget[0], self.budget[1] + 1))


PACES: Mapping[str, Pace] = {
    "machine": Pace("machine", (0, 2), (20, 70)),
    "agent": Pace("agent", (2, 8), (15, 50), together=0.1),
    "human": Pace("human", (20, 120), (12, 35), pausing=0.06, pause_s=(600, 2700), cover_s=120),
    "slow": Pace("slow", (240, 10_800), (10, 26), cover_s=1800, is_skewed=True),
}
