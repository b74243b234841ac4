"""How surprising the pause before an event is: a small online mixture of log-normals per principal and peer group."""

from math import erf, isinf, log2, sqrt
from typing import ClassVar, Self

import msgspec

from models.base import Entities, Observation, seal, unseal

_SHORTEST_GAP_S = 0.001
_OCTAVES = 32.0
_COMPONENTS = 3
_NEW_COMPONENT_DEVIATIONS = 3.0
_PRIOR_WEIGHT = 2.0
_PRIOR_VARIANCE = 0.25
_MEMORY_EVENTS = 1024.0
_STRENGTH = 2.0
_BYTES_PER_MIXTURE = 2048


def gap_octaves(gap_s: float) -> float:
    """The gap in octaves above one millisecond, kept within 0 to 32 (50 days).

    >>> gap_octaves(0.001), gap_octaves(0.008), gap_octaves(1e12)
    (0.0, 3.0, 32.0)
    """
    return min(log2(max(gap_s, _SHORTEST_GAP_S) / _SHORTEST_GAP_S), _OCTAVES)


def _below(x: float, mean: float, deviation: float) -> float:
    return 0.5 * (1.0 + erf((x - mean) / (deviation * sqrt(2.0))))


class Component(msgspec.Struct, array_like=True):
    """One log-normal: events it took in, mean in octaves, sum of squared deviations."""

    weight: float
    mean: float
    spread: float = 0.0

    def deviation(self) -> float:
        """Standard deviation in octaves, shrunk to half an octave."""
        return sqrt((self.spread + _PRIOR_WEIGHT * _PRIOR_VARIANCE) / (self.weight + _PRIOR_WEIGHT))

    def mass(self, x: float) -> float:
        """P(within half an octave of x)."""
        deviation = self.deviation()
        return _below(x + 0.5, self.mean, deviation) - _below(x - 0.5, self.mean, deviation)

    def take(self, x: float) -> None:
        """Welford's update."""
        self.weight += 1.0
        step = x - self.mean
        self.mean += step / self.weight
        self.spread += step * (x - self.mean)


class Mixture(msgspec.Struct, array_like=True):
    """At most three log-normals; a gap belongs to the nearest one, or starts one while there is room."""

    components: list[Component] = []

    def mass(self, x: float, parent: float) -> float:
        """P(gap within half an octave of x), backing off to ``parent``."""
        total = sum(component.weight for component in self.components)
        own = sum(component.weight * component.mass(x) for component in self.components)
        return (own + _STRENGTH * parent) / (total + _STRENGTH)

    def learn(self, x: float) -> None:
        """Give x to its component; halve all weights once they sum to more than 1,024 events."""
        distances = [abs(x - c.mean) / c.deviation() for c in self.components]
        if len(distances) < _COMPONENTS and min(distances, default=float("inf")) > _NEW_COMPONENT_DEVIATIONS:
            self.components.append(Component(1.0, x))
        else:
            self.components[distances.index(min(distances))].take(x)
        if sum(component.weight for component in self.components) > _MEMORY_EVENTS:
            self._fade()

    def _fade(self) -> None:
        for component in self.components:
            component.weight *= 0.5
            component.spread *= 0.5
        self.components = [component for component in self.components if component.weight >= 0.5]


class _State(msgspec.Struct, frozen=True, array_like=True):
    max_entities: int
    evicted: tuple[int, int]
    principals: list[tuple[int, Mixture]]
    groups: list[tuple[int, Mixture]]


class TempoModel:
    """-log2 P(the gap falls within a factor of sqrt 2 of what it was), from principal, group, then 32 even octaves.

    Clipped to ``max_bits``; the first event of a principal (no gap) is 0 bits and not learned. Cost: at most 12
    error functions. Off by default: in the ablation tempo earned nothing as evidence; all of CI is machine speed.

    >>> model = TempoModel()
    >>> for i in range(100):
    ...     model.learn(Observation(60.0 * i, principal=1, group=1, operation=1, gap_s=60.0))
    >>> usual, hurried = (Observation(0.0, principal=1, group=1, operation=1, gap_s=gap) for gap in (60.0, 0.1))
    >>> model.surprise_bits(usual) < 1 < 5 < model.surprise_bits(hurried)
    True

    Blind to: what is done; time of day; an intruder at the pace of the victim, or of its group.
    """

    name: ClassVar[str] = "tempo"
    unit: ClassVar[str] = "bits"
    version: ClassVar[int] = 1
    max_groups: ClassVar[int] = 256
    max_bits: ClassVar[float] = 16.0

    def __init__(self, max_entities: int = 4096) -> None:
        self.max_entities = max_entities
        self.max_bytes = (max_entities + self.max_groups) * _BYTES_PER_MIXTURE
        self._principals = Entities[Mixture](max_entities)
        self._groups = Entities[Mixture](self.max_groups)

    @property
    def evicted(self) -> int:
        """Principals and groups forgotten to stay within the bound."""
        return self._principals.evicted + self._groups.evicted

    def surprise_bits(self, obs: Observation) -> float:
        """Bits of the gap, 0 to ``max_bits``."""
        if isinf(obs.gap_s):
            return 0.0
        x = gap_octaves(obs.gap_s)
        mass = 1.0 / _OCTAVES
        for mixture in (self._groups.get(obs.group), self._principals.get(obs.principal)):
            if mixture is not None:
                mass = mixture.mass(x, mass)
        return min(-log2(min(mass, 1.0)), self.max_bits)

    def learn(self, obs: Observation) -> None:
        """Take the gap in, for the principal and its group."""
        if isinf(obs.gap_s):
            return
        x = gap_octaves(obs.gap_s)
        self._principals.touch(obs.principal, Mixture).learn(x)
        self._groups.touch(obs.group, Mixture).learn(x)

    def state_bytes(self) -> int:
        """Estimated from above: each mixture as if full."""
        return (len(self._principals) + len(self._groups)) * _BYTES_PER_MIXTURE

    def dump(self) -> bytes:
        """Sealed plain numbers."""
        evicted = (self._principals.evicted, self._groups.evicted)
        state = _State(self.max_entities, evicted, list(self._principals.items()), list(self._groups.items()))
        return seal(self.name, self.version, state)

    @classmethod
    def load(cls, data: bytes) -> Self:
        """The dumped model."""
        state = unseal(data, cls.name, cls.version, _State)
        model = cls(state.max_entities)
        model._principals = Entities(state.max_entities, state.principals, state.evicted[0])
        model._groups = Entities(cls.max_groups, state.groups, state.evicted[1])
        return model
