"""What every online model gives: surprise in bits about an observation, before it learns from it.

Observations are frozen; state is plain data, sealed with a checksum and read back without running code from it; every
map is bounded, and what idles longest leaves and is counted.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from hashlib import blake2b
from typing import ClassVar, Generic, Protocol, Self, TypeVar

import msgspec

T = TypeVar("T")

SUCCESS, DENIED, FAILED_AUTHENTICATION, THROTTLED, ERROR = range(5)
"""Values of ``Observation.outcome``."""

_SEAL = "outpace-model"
_SEAL_VERSION = 1


class ModelStateError(ValueError):
    """A sealed model state is damaged, of another model, or of another version."""


class Observation(msgspec.Struct, frozen=True):
    """One event as a model sees it; keys are stable 64-bit numbers (``models.hashing``), times are seconds.

    ``outcome`` is 0 success, 1 denied, 2 failed authentication, 3 throttled, 4 error. ``gap_s`` is the time since the
    principal's previous event, infinite when there was none. ``fresh``: the principal never used the operation;
    ``source_fresh`` and ``agent_fresh``: it never came from this source, or with this agent.
    """

    time_s: float
    principal: int
    group: int
    operation: int
    outcome: int = SUCCESS
    gap_s: float = float("inf")
    fresh: bool = False
    source_fresh: bool = False
    agent_fresh: bool = False


class OnlineModel(Protocol):
    """A bounded learner that answers first and learns after; ``models.checks.check_model`` holds it to that.

    ``unit`` says what the bits are the negative log2 of: ``bits`` a probability or mass, ``p`` a p-value.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    max_bytes: int
    max_entities: int

    @property
    def evicted(self) -> int:
        """How many entities were forgotten to stay within the bound."""

    def surprise_bits(self, obs: Observation) -> float:
        """Surprise in bits, higher is stranger. Changes nothing: asked twice, it answers the same."""

    def learn(self, obs: Observation) -> None:
        """Take the observation in."""

    def state_bytes(self) -> int:
        """Memory the state takes now, estimated from above; never more than ``max_bytes``."""

    def dump(self) -> bytes:
        """The whole state, sealed; equal states give equal bytes."""

    @classmethod
    def load(cls, data: bytes) -> Self:
        """A model that answers as the dumped one would; ``ModelStateError`` when the bytes are not its own."""


class Entities(Generic[T]):
    """A map of at most ``limit`` keys; the one idle longest makes room and is counted.

    >>> seen = Entities[str](limit=2)
    >>> _ = [seen.touch(key, str) for key in (7, 8, 7, 9)]
    >>> [key for key, _ in seen.items()], seen.evicted
    ([7, 9], 1)
    """

    __slots__ = ("_rows", "evicted", "limit")

    def __init__(self, limit: int, rows: Iterable[tuple[int, T]] = (), evicted: int = 0) -> None:
        if limit < 1:
            raise ValueError(f"limit is {limit}; at least 1 entity is needed")
        self._rows: OrderedDict[int, T] = OrderedDict(rows)
        self.limit = limit
        self.evicted = evicted

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: int) -> T | None:
        """The row of this key, without counting as use."""
        return self._rows.get(key)

    def touch(self, key: int, make: Callable[[], T]) -> T:
        """The row of this key, made if absent, and now the most recently used."""
        row = self._rows.get(key)
        if row is None:
            if len(self._rows) >= self.limit:
                self._rows.popitem(last=False)
                self.evicted += 1
            row = self._rows[key] = make()
        else:
            self._rows.move_to_end(key)
        return row

    def items(self) -> Iterator[tuple[int, T]]:
        """Keys and rows, idle longest first."""
        return iter(self._rows.items())

    def values(self) -> Iterator[T]:
        """Rows, idle longest first."""
        return iter(self._rows.values())


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    seal: str
    seal_version: int
    model: str
    version: int
    checksum: bytes
    state: bytes


def _checksum(model: str, version: int, state: bytes) -> bytes:
    return blake2b(f"{model}/{version}/".encode() + state, digest_size=16).digest()


def seal(model: str, version: int, state: msgspec.Struct) -> bytes:
    """The state as msgpack under a header of name, version and BLAKE2b checksum: against accident, not forgery."""
    packed = msgspec.msgpack.encode(state)
    sealed = _Sealed(_SEAL, _SEAL_VERSION, model, version, _checksum(model, version, packed), packed)
    return msgspec.msgpack.encode(sealed)


def _open(data: bytes) -> _Sealed:
    try:
        sealed = msgspec.msgpack.decode(data, type=_Sealed)
    except msgspec.MsgspecError as error:
        raise ModelStateError(f"model state is not a sealed state: {error}") from error
    if (sealed.seal, sealed.seal_version) != (_SEAL, _SEAL_VERSION):
        raise ModelStateError(f"model state has seal {sealed.seal!r} v{sealed.seal_version}, wanted v{_SEAL_VERSION}")
    if sealed.checksum != _checksum(sealed.model, sealed.version, sealed.state):
        raise ModelStateError(f"model state of {sealed.model!r} is damaged: its checksum does not match")
    return sealed


def unseal(data: bytes, model: str, version: int, kind: type[T]) -> T:
    """The state inside sealed bytes; ``ModelStateError`` unless intact and of this model and version."""
    sealed = _open(data)
    if (sealed.model, sealed.version) != (model, version):
        raise ModelStateError(f"model state is of {sealed.model!r} v{sealed.version}, wanted {model!r} v{version}")
    try:
        return msgspec.msgpack.decode(sealed.state, type=kind)
    except msgspec.MsgspecError as error:
        raise ModelStateError(f"model state of {model!r} does not have its form: {error}") from error


def load_one_of(data: bytes, allowed: Collection[type[OnlineModel]]) -> OnlineModel:
    """The sealed model, if its class is one of ``allowed``: how a wrapper reads the model it wraps."""
    name = _open(data).model
    for kind in allowed:
        if kind.name == name:
            return kind.load(data)
    raise ModelStateError(f"model state is of {name!r}, wanted one of {sorted(kind.name for kind in allowed)}")
