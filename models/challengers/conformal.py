"""How rare another model's score is in its peer group: a conformal p-value against the group's recent scores.

Source: Vovk, Gammerman, Shafer 2005 (smoothed conformal p-values); the sliding reference trades exactness for drift.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable
from math import log2
from random import Random
from typing import ClassVar, Self

import msgspec

from models.base import Entities, Observation, OnlineModel, load_one_of, seal, unseal
from models.challengers.tempo import TempoModel
from models.challengers.variable_order import VariableOrderModel

_WRAPPED = (VariableOrderModel, TempoModel)
_BYTES_PER_SCORE = 96
_BYTES_PER_REFERENCE = 2048
_BYTES_FOR_RANDOM = 65_536


class Reference:
    """The last ``limit`` scores of one group, in order of arrival and in order of size."""

    __slots__ = ("arrived", "limit", "ranked")

    def __init__(self, limit: int, scores: Iterable[float] = ()) -> None:
        self.limit = limit
        self.arrived = deque(scores)
        self.ranked = sorted(self.arrived)

    def p_value(self, score: float, tie: float) -> float:
        """Share of scores at least as strange, the new one counted in; ties count ``tie`` (0 < tie <= 1).

        >>> Reference(9, [1.0] * 9).p_value(2.0, tie=1.0)
        0.1
        """
        right = bisect_right(self.ranked, score)
        equal = right - bisect_left(self.ranked, score)
        return (len(self.ranked) - right + tie * (equal + 1)) / (len(self.ranked) + 1)

    def add(self, score: float) -> None:
        """Take a score in; beyond the limit the oldest leaves."""
        if len(self.arrived) >= self.limit:
            del self.ranked[bisect_left(self.ranked, self.arrived.popleft())]
        self.arrived.append(score)
        insort(self.ranked, score)


class _State(msgspec.Struct, frozen=True, array_like=True):
    window_scores: int
    inner: bytes
    evicted: int
    groups: list[tuple[int, list[float]]]
    tie: float
    generator: tuple[int, list[int], float | None]


class ConformalModel:
    """-log2 p, with p the conformal p-value of the inner model's score among its group's last ``window_scores``.

    Uniform p when scores of a group are exchangeable. Ties are broken by ``rng``, the caller's seeded generator, drawn
    from once per learned event, so asking twice answers the same. Cost: the inner model's, its
    asking twice, and an insertion into a sorted list.

    It cannot resolve 1e-4: with n scores held, every score above the highest gets the same p, between 0 and 1/(n + 1),
    however far above it is; n = 1,000 tells apart 1 in 1,000 at best. Reaching 1e-4 takes 10,000 exchangeable scores a
    group, and the tail is made of storms, which are not exchangeable. Off by default: the ablation realised 0.5 to 10
    false revocations per 10,000 identity-days for a promised 0.9.

    Blind to: what the inner model is blind to; how far beyond the record a score lies; drift slower than the window.
    """

    name: ClassVar[str] = "conformal"
    unit: ClassVar[str] = "p"
    version: ClassVar[int] = 1
    max_groups: ClassVar[int] = 256

    def __init__(self, inner: OnlineModel, rng: Random, window_scores: int = 1000) -> None:
        self.inner = inner
        self.window_scores = window_scores
        self.max_entities = inner.max_entities
        own = self.max_groups * (_BYTES_PER_REFERENCE + window_scores * _BYTES_PER_SCORE)
        self.max_bytes = inner.max_bytes + own + _BYTES_FOR_RANDOM
        self._groups = Entities[Reference](self.max_groups)
        self._rng = rng
        self._tie = 1.0 - rng.random()

    @property
    def evicted(self) -> int:
        """Groups forgotten here and entities forgotten by the inner model."""
        return self._groups.evicted + self.inner.evicted

    def p_value(self, obs: Observation) -> float:
        """Above 0, at most 1; 1 times the tie-breaker for a group without reference."""
        reference = self._groups.get(obs.group) or Reference(self.window_scores)
        return reference.p_value(self.inner.surprise_bits(obs), self._tie)

    def surprise_bits(self, obs: Observation) -> float:
        """-log2 of the p-value."""
        return -log2(self.p_value(obs))

    def learn(self, obs: Observation) -> None:
        """Add the inner score to the group's reference, then let the inner model learn."""
        score = self.inner.surprise_bits(obs)
        self._groups.touch(obs.group, lambda: Reference(self.window_scores)).add(score)
        self.inner.learn(obs)
        self._tie = 1.0 - self._rng.random()

    def state_bytes(self) -> int:
        """Estimated from above, by scores held."""
        scores = sum(len(reference.ranked) for reference in self._groups.values())
        own = len(self._groups) * _BYTES_PER_REFERENCE + scores * _BYTES_PER_SCORE
        return self.inner.state_bytes() + own + _BYTES_FOR_RANDOM

    def dump(self) -> bytes:
        """Sealed plain numbers, the inner model's sealed state among them."""
        form, words, gauss = self._rng.getstate()
        groups = [(key, list(reference.arrived)) for key, reference in self._groups.items()]
        generator = (form, list(words), gauss)
        state = _State(self.window_scores, self.inner.dump(), self._groups.evicted, groups, self._tie, generator)
        return seal(self.name, self.version, state)

    @classmethod
    def load(cls, data: bytes) -> Self:
        """The dumped model; it may wrap a variable-order or a tempo model."""
        state = unseal(data, cls.name, cls.version, _State)
        rng = Random()  # noqa: S311 - tie-breaking, and its state follows
        model = cls(load_one_of(state.inner, _WRAPPED), rng, state.window_scores)
        form, words, gauss = state.generator
        rng.setstate((form, tuple(words), gauss))
        groups = ((key, Reference(state.window_scores, scores)) for key, scores in state.groups)
        model._groups = Entities(cls.max_groups, groups, state.evicted)
        model._tie = state.tie
        return model
