"""How surprising the next operation is after the last one, two and three: interpolated Kneser-Ney over hashed contexts.

Source: Kneser and Ney 1995; Chen and Goodman 1999 (interpolation); Teh 2006 (the same as a Pitman-Yor process).
"""

from collections.abc import Iterable, Iterator
from math import log2
from typing import ClassVar, Self

import msgspec

from models.base import Entities, Observation, seal, unseal
from models.hashing import mix
from models.sequence import PARENT_STRENGTH, STRENGTH, backed_off

_ROOT = 0x6F7264657230_5EED
_TOTAL = 0x746F74616C5F_9D2B
_KINDS = 0x6B696E64735F_41C7
_BYTES_PER_KEY = 200
_BYTES_PER_TABLE = 1024


class Counts:
    """How often an operation followed a context, in two generations of at most ``limit`` keys each.

    A use moves a pair to the young generation; when that is full the old one is dropped whole and the young one grows
    old. So what was not used for a generation is forgotten, and totals always equal the sum of the counts left.
    """

    __slots__ = ("limit", "old", "young")

    def __init__(self, limit: int, young: dict[int, int] | None = None, old: dict[int, int] | None = None) -> None:
        self.limit = limit
        self.young = young if young is not None else {}
        self.old = old if old is not None else {}

    def _get(self, key: int) -> int:
        return self.young.get(key, 0) + self.old.get(key, 0)

    def probability(self, context: int, operation: int, parent: float, strength: float) -> float:
        """P(operation | context), backing off to ``parent``."""
        total = self._get(mix(context, _TOTAL))
        if not total:
            return parent
        return backed_off(self._get(mix(context, operation)), total, self._get(mix(context, _KINDS)), parent, strength)

    def _rejuvenate(self, pair: int, total: int, kinds: int) -> int:
        count = self.old.pop(pair, 0)
        if count:
            self.old[total] -= count
            self.old[kinds] -= 1
        return count

    def add(self, context: int, operation: int) -> bool:
        """Count one use; true when this context had not led to this operation before (as far as remembered)."""
        pair, total, kinds = mix(context, operation), mix(context, _TOTAL), mix(context, _KINDS)
        moved = self._rejuvenate(pair, total, kinds)
        young = self.young
        is_first = not moved and pair not in young
        young[kinds] = young.get(kinds, 0) + (pair not in young)
        young[pair] = young.get(pair, 0) + moved + 1
        young[total] = young.get(total, 0) + moved + 1
        if len(young) > self.limit - 3:
            self.old, self.young = young, {}
        return is_first

    def state_bytes(self) -> int:
        """Estimated from above, at what a dict slot, its key and its value take."""
        return _BYTES_PER_TABLE + _BYTES_PER_KEY * (len(self.young) + len(self.old))


class _History:
    """One principal: its counts and its last operations, newest first."""

    __slots__ = ("counts", "recent")

    def __init__(self, counts: Counts, recent: Iterable[int] = ()) -> None:
        self.counts = counts
        self.recent = list(recent)


class _State(msgspec.Struct, frozen=True, array_like=True):
    max_order: int
    vocabulary: int
    max_entities: int
    evicted: tuple[int, int]
    principals: list[tuple[int, list[int], dict[int, int], dict[int, int]]]
    groups: list[tuple[int, dict[int, int], dict[int, int]]]
    everybody: tuple[dict[int, int], dict[int, int]]


class VariableOrderModel:
    """Bits of the operation given the principal's last 0 to ``max_order`` operations, then its group, then everybody.

    A shorter context learns only the first use in the longer one; so does the group from the principal, and everybody
    from the group. Contexts are 64-bit hashes kept per principal; a collision makes things look slightly less strange.
    Cost: three dict reads a context. Off by default: in the ablation contexts 1-3 earned nothing over order 0.

    >>> model = VariableOrderModel()
    >>> for operation in (11, 12) * 50:
    ...     model.learn(Observation(0.0, principal=1, group=1, operation=operation))
    >>> again, other = (Observation(0.0, principal=1, group=1, operation=o) for o in (11, 12))
    >>> model.surprise_bits(again) < 0.1 < 3 < model.surprise_bits(other)
    True

    Blind to: pace, source, outcome; order across principals; patterns longer than ``max_order``.
    """

    name: ClassVar[str] = "variable_order"
    unit: ClassVar[str] = "bits"
    version: ClassVar[int] = 1
    max_groups: ClassVar[int] = 64
    keys_per_principal: ClassVar[int] = 384
    keys_per_group: ClassVar[int] = 4096

    def __init__(self, max_order: int = 3, vocabulary: int = 20_000, max_entities: int = 1024) -> None:
        if not 0 <= max_order <= 3:
            raise ValueError(f"max_order is {max_order}; wanted 0 to 3")
        self.max_order = max_order
        self.vocabulary = vocabulary
        self.max_entities = max_entities
        own = _BYTES_PER_TABLE + 2 * self.keys_per_principal * _BYTES_PER_KEY
        group = _BYTES_PER_TABLE + 2 * self.keys_per_group * _BYTES_PER_KEY
        self.max_bytes = max_entities * own + (self.max_groups + 1) * group
        self._principals = Entities[_History](max_entities)
        self._groups = Entities[Counts](self.max_groups)
        self._everybody = Counts(self.keys_per_group)

    @property
    def evicted(self) -> int:
        """Principals and groups forgotten to stay within the bound."""
        return self._principals.evicted + self._groups.evicted

    def _contexts(self, recent: list[int]) -> Iterator[int]:
        context = _ROOT
        yield context
        for operation in recent[: self.max_order]:
            context = mix(context, operation)
            yield context

    def probability(self, obs: Observation) -> float:
        """P(operation) now; over the whole vocabulary it sums to one."""
        p = self._everybody.probability(_ROOT, obs.operation, 1.0 / self.vocabulary, PARENT_STRENGTH)
        group = self._groups.get(obs.group)
        if group is not None:
            p = group.probability(_ROOT, obs.operation, p, PARENT_STRENGTH)
        own = self._principals.get(obs.principal)
        if own is not None:
            for context in self._contexts(own.recent):
                p = own.counts.probability(context, obs.operation, p, STRENGTH)
        return p

    def surprise_bits(self, obs: Observation) -> float:
        """-log2 P(operation)."""
        return -log2(self.probability(obs))

    def learn(self, obs: Observation) -> None:
        """Count the operation in the longest context, and below it as long as the use was a first one."""
        own = self._principals.touch(obs.principal, lambda: _History(Counts(self.keys_per_principal)))
        group = self._groups.touch(obs.group, lambda: Counts(self.keys_per_group))
        contexts = reversed(list(self._contexts(own.recent)))
        is_first = all(own.counts.add(context, obs.operation) for context in contexts)
        if is_first and group.add(_ROOT, obs.operation):
            self._everybody.add(_ROOT, obs.operation)
        own.recent = [obs.operation, *own.recent][: self.max_order]

    def state_bytes(self) -> int:
        """Estimated from above, by keys held."""
        own = sum(history.counts.state_bytes() for history in self._principals.values())
        return own + sum(counts.state_bytes() for counts in self._groups.values()) + self._everybody.state_bytes()

    def dump(self) -> bytes:
        """Sealed plain counts."""
        state = _State(
            self.max_order,
            self.vocabulary,
            self.max_entities,
            (self._principals.evicted, self._groups.evicted),
            [(key, row.recent, row.counts.young, row.counts.old) for key, row in self._principals.items()],
            [(key, counts.young, counts.old) for key, counts in self._groups.items()],
            (self._everybody.young, self._everybody.old),
        )
        return seal(self.name, self.version, state)

    @classmethod
    def load(cls, data: bytes) -> Self:
        """The dumped model."""
        state = unseal(data, cls.name, cls.version, _State)
        model = cls(state.max_order, state.vocabulary, state.max_entities)
        own = ((k, _History(Counts(cls.keys_per_principal, y, o), recent)) for k, recent, y, o in state.principals)
        group = ((key, Counts(cls.keys_per_group, young, old)) for key, young, old in state.groups)
        model._principals = Entities(state.max_entities, own, state.evicted[0])
        model._groups = Entities(cls.max_groups, group, state.evicted[1])
        model._everybody = Counts(cls.keys_per_group, *state.everybody)
        return model
