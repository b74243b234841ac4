"""How thinly populated the neighbourhood of an event is in its peer group: one half-space forest per group.

Source: Tan, Ting and Liu 2011, as river 0.26 implements it.
"""

from collections.abc import Iterator
from math import isinf, log2, sqrt
from typing import ClassVar, Self

import msgspec
from river.anomaly import HalfSpaceTrees
from river.stats import Mean, Var

from models.base import DENIED, FAILED_AUTHENTICATION, SUCCESS, Entities, Observation, seal, unseal
from models.challengers.tempo import gap_octaves
from models.hashing import mix

_TREES = 25
_HEIGHT = 6
_WINDOW_EVENTS = 250
_NODES = 2 ** (_HEIGHT + 1) - 1
_BYTES_PER_FOREST = 1_600_000
_BYTES_PER_PROFILE = 2048
_REFUSED = (DENIED, FAILED_AUTHENTICATION)
_FEATURES = ("agent", "failed", "fresh", "fresh_rate", "gap", "gap_shift", "refused", "refused_rate", "source")


class _Profile:
    """One principal's running statistics: gap in octaves, share of new operations, share of refusals."""

    __slots__ = ("fresh", "gap", "refused")

    def __init__(self, sums: tuple[float, ...] = (0.0,) * 7) -> None:
        n_gaps, gap, spread, n, fresh, n_refused, refused = sums
        self.gap = Var._from_state(n_gaps, gap, 0.0)
        self.gap._S = spread
        self.fresh = Mean._from_state(n, fresh)
        self.refused = Mean._from_state(n_refused, refused)

    def sums(self) -> tuple[float, ...]:
        """All there is to it, as numbers."""
        gap, fresh, refused = self.gap, self.fresh, self.refused
        return (gap.mean.n, gap.mean.get(), gap._S, fresh.n, fresh.get(), refused.n, refused.get())

    def gap_shift(self, octaves: float) -> float:
        """Distance of a gap from the usual one, 0 to 1; half of it at three standard deviations."""
        if self.gap.n < 2:
            return 0.0
        distance = abs(octaves - self.gap.mean.get()) / (3.0 * sqrt(self.gap.get() + 0.25))
        return float(distance / (1.0 + distance))

    def learn(self, obs: Observation) -> None:
        """Take the observation in."""
        if not isinf(obs.gap_s):
            self.gap.update(gap_octaves(obs.gap_s))
        self.fresh.update(float(obs.fresh))
        self.refused.update(float(obs.outcome in _REFUSED))


_NEWBORN = _Profile()


def features(obs: Observation, profile: _Profile) -> dict[str, float]:
    """The event and its principal's running statistics as numbers from 0 to 1; an infinite gap reads as the longest."""
    octaves = gap_octaves(obs.gap_s)
    return {
        "agent": float(obs.agent_fresh),
        "failed": float(obs.outcome != SUCCESS),
        "fresh": float(obs.fresh),
        "fresh_rate": profile.fresh.get(),
        "gap": octaves / 32.0,
        "gap_shift": profile.gap_shift(octaves),
        "refused": float(obs.outcome in _REFUSED),
        "refused_rate": profile.refused.get(),
        "source": float(obs.source_fresh),
    }


class _ForestState(msgspec.Struct, frozen=True, array_like=True):
    group: int
    counter: int
    is_first_window: bool
    masses: list[int]


class Forest:
    """river's HalfSpaceTrees, whose splits follow from the seed, so that only node masses need storing."""

    __slots__ = ("trees",)

    def __init__(self, seed: int) -> None:
        self.trees = HalfSpaceTrees(n_trees=_TREES, height=_HEIGHT, window_size=_WINDOW_EVENTS, seed=seed)

    def _nodes(self) -> Iterator[object]:
        return (node for tree in self.trees._tree_nodes for node in tree)

    def dump(self, group: int) -> _ForestState:
        """Masses of the running and of the reference window, node by node."""
        masses = [mass for node in self._nodes() for mass in (node.l_mass, node.r_mass)]  # type: ignore[attr-defined]
        return _ForestState(group, self.trees.counter, self.trees._first_window, masses)

    def restore(self, state: _ForestState) -> Self:
        """Grow the trees again and give every node its masses."""
        if len(state.masses) != 2 * _TREES * _NODES:
            raise ValueError(f"a forest has {len(state.masses)} masses; wanted {2 * _TREES * _NODES}")
        self.trees.learn_one(dict.fromkeys(_FEATURES, 0.0))  # type: ignore[no-untyped-call]
        masses = iter(state.masses)
        for node in self._nodes():
            node.l_mass, node.r_mass = next(masses), next(masses)  # type: ignore[attr-defined]
        self.trees.counter, self.trees._first_window = state.counter, state.is_first_window
        return self


class _State(msgspec.Struct, frozen=True, array_like=True):
    seed: int
    max_entities: int
    evicted: tuple[int, int]
    principals: list[tuple[int, tuple[float, ...]]]
    forests: list[_ForestState]


class HalfSpaceTreesModel:
    """-log2(1 - anomaly score) of the event in its group's forest; 0 until the group has seen 250 events.

    1 - score is the share of the largest possible mass, so these bits rank and are no probability: they cannot exceed
    ``log2(2**7 - 1)``, just under 7, and cannot resolve 1e-4. Stored as plain masses: river grows the same trees from
    the same seed. Cost: a walk down 25 trees to ask and to learn; up to 1.6 MB a group. Off by default: the
    ablation found 31 of 145 attacks above the highest of 3,861 benign identity-days.

    Blind to: which operation it is; anomalies that come packed together in one window; anything before 250 events.
    """

    name: ClassVar[str] = "half_space_trees"
    unit: ClassVar[str] = "bits"
    version: ClassVar[int] = 1
    max_groups: ClassVar[int] = 16

    def __init__(self, seed: int, max_entities: int = 4096) -> None:
        self.seed = seed
        self.max_entities = max_entities
        self.max_bytes = max_entities * _BYTES_PER_PROFILE + self.max_groups * _BYTES_PER_FOREST
        self._principals = Entities[_Profile](max_entities)
        self._forests = Entities[Forest](self.max_groups)

    @property
    def evicted(self) -> int:
        """Principals and groups forgotten to stay within the bound."""
        return self._principals.evicted + self._forests.evicted

    def surprise_bits(self, obs: Observation) -> float:
        """0 to just under 7."""
        forest = self._forests.get(obs.group)
        if forest is None:
            return 0.0
        profile = self._principals.get(obs.principal) or _NEWBORN
        share = 1.0 - forest.trees.score_one(features(obs, profile))  # type: ignore[no-untyped-call]
        return -log2(max(share, 1.0 / _NODES))

    def learn(self, obs: Observation) -> None:
        """Add mass to the group's forest, then update the principal's statistics."""
        profile = self._principals.touch(obs.principal, _Profile)
        forest = self._forests.touch(obs.group, lambda: Forest(mix(self.seed, obs.group)))
        forest.trees.learn_one(features(obs, profile))  # type: ignore[no-untyped-call]
        profile.learn(obs)

    def state_bytes(self) -> int:
        """Estimated from above, by forests and principals held."""
        return len(self._principals) * _BYTES_PER_PROFILE + len(self._forests) * _BYTES_PER_FOREST

    def dump(self) -> bytes:
        """Sealed plain numbers."""
        state = _State(
            self.seed,
            self.max_entities,
            (self._principals.evicted, self._forests.evicted),
            [(key, profile.sums()) for key, profile in self._principals.items()],
            [forest.dump(group) for group, forest in self._forests.items()],
        )
        return seal(self.name, self.version, state)

    @classmethod
    def load(cls, data: bytes) -> Self:
        """The dumped model."""
        state = unseal(data, cls.name, cls.version, _State)
        model = cls(state.seed, state.max_entities)
        own = ((key, _Profile(sums)) for key, sums in state.principals)
        grown = ((f.group, Forest(mix(state.seed, f.group)).restore(f)) for f in state.forests)
        model._principals = Entities(state.max_entities, own, state.evicted[0])
        model._forests = Entities(cls.max_groups, grown, state.evicted[1])
        return model
