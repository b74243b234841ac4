"""Whether a principal has lately become more surprising to another model: ADWIN over that model's bits.

Source: Bifet and Gavaldà 2007, as river 0.26 implements it.
"""

from typing import ClassVar, Self

import msgspec
from river.drift import ADWIN

from models.base import Entities, Observation, OnlineModel, load_one_of, seal, unseal
from models.challengers.tempo import TempoModel
from models.challengers.variable_order import VariableOrderModel

_WRAPPED = (VariableOrderModel, TempoModel)
_BYTES_PER_WINDOW = 8192
_CHECK_EVERY_EVENTS = 8


class _Watch:
    """One principal: its window, and for how many more events a detected rise counts."""

    __slots__ = ("adwin", "detected", "events_left")

    def __init__(self, delta: float, window: bytes = b"", detected: bool = False, events_left: int = 0) -> None:
        self.adwin = ADWIN(delta=delta, clock=_CHECK_EVERY_EVENTS)  # type: ignore[no-untyped-call]
        self.detected = detected
        self.events_left = events_left
        if window:
            self.adwin._helper.__setstate__(window)
            self.adwin._drift_detected = detected

    def window(self) -> bytes:
        """The window as river's own byte state: numbers, no code."""
        return bytes(self.adwin._helper.__getstate__())

    def update(self, bits: float, hold_events: int) -> bool:
        """Take a score in; true at a detected rise of the mean, which is held for ``hold_events`` events."""
        before = self.adwin.estimation
        self.adwin.update(bits)  # type: ignore[no-untyped-call]
        self.detected = bool(self.adwin.drift_detected)
        is_rise = self.detected and self.adwin.estimation > before
        self.events_left = hold_events if is_rise else max(self.events_left - 1, 0)
        return is_rise


class _State(msgspec.Struct, frozen=True, array_like=True):
    inner: bytes
    signal_bits: float
    hold_events: int
    delta: float
    max_entities: int
    evicted: int
    changes: int
    principals: list[tuple[int, bytes, bool, int]]


class DriftModel:
    """``signal_bits`` for the ``hold_events`` events after ADWIN saw the principal's mean surprise rise, else 0.

    The answer is about the principal up to now, not about the observation asked for. A fall of the mean is no signal.
    ``changes`` counts the rises. ADWIN looks every 8 events at confidence 1 - ``delta``. The windows live in river's
    compiled code and are stored as the bytes it exports; the seal's checksum is checked before they are handed back.
    Cost: the inner model's and one ADWIN update. Off by default, not measured apart: its nearest relative, a CUSUM over
    surprisal, contained .11 to .14 of the attacks, and looking every 8 events is late where the budget is five.

    Blind to: a single strange event; slow drift; strangeness of a principal that was always strange.
    """

    name: ClassVar[str] = "drift"
    unit: ClassVar[str] = "bits"
    version: ClassVar[int] = 1

    def __init__(
        self,
        inner: OnlineModel,
        signal_bits: float = 4.0,
        hold_events: int = 32,
        delta: float = 0.002,
        max_entities: int = 1024,
    ) -> None:
        self.inner = inner
        self.signal_bits = signal_bits
        self.hold_events = hold_events
        self.delta = delta
        self.max_entities = max_entities
        self.max_bytes = inner.max_bytes + max_entities * _BYTES_PER_WINDOW
        self.changes = 0
        self._principals = Entities[_Watch](max_entities)

    @property
    def evicted(self) -> int:
        """Windows forgotten here and entities forgotten by the inner model."""
        return self._principals.evicted + self.inner.evicted

    def surprise_bits(self, obs: Observation) -> float:
        """0 or ``signal_bits``."""
        watch = self._principals.get(obs.principal)
        return self.signal_bits if watch is not None and watch.events_left else 0.0

    def learn(self, obs: Observation) -> None:
        """Let ADWIN see the inner score, then the inner model the observation."""
        watch = self._principals.touch(obs.principal, lambda: _Watch(self.delta))
        self.changes += watch.update(self.inner.surprise_bits(obs), self.hold_events)
        self.inner.learn(obs)

    def state_bytes(self) -> int:
        """Estimated from above: each window as if it held 10^9 events."""
        return self.inner.state_bytes() + len(self._principals) * _BYTES_PER_WINDOW

    def dump(self) -> bytes:
        """Sealed plain numbers, the inner model's sealed state, and river's byte state of each window."""
        rows = [(key, w.window(), w.detected, w.events_left) for key, w in self._principals.items()]
        state = _State(
            self.inner.dump(),
            self.signal_bits,
            self.hold_events,
            self.delta,
            self.max_entities,
            self._principals.evicted,
            self.changes,
            rows,
        )
        return seal(self.name, self.version, state)

    @classmethod
    def load(cls, data: bytes) -> Self:
        """The dumped model; it may wrap a variable-order or a tempo model."""
        state = unseal(data, cls.name, cls.version, _State)
        inner = load_one_of(state.inner, _WRAPPED)
        model = cls(inner, state.signal_bits, state.hold_events, state.delta, state.max_entities)
        rows = ((key, _Watch(state.delta, window, detected, left)) for key, window, detected, left in state.principals)
        model._principals = Entities(state.max_entities, rows, state.evicted)
        model.changes = state.changes
        return model
