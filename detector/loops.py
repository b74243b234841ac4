"""The named loops: which attacker pattern an episode's signals add up to. Read from ``data/loops.toml``."""

from functools import cache
from importlib import resources

import msgspec

from detector.errors import ConfigError
from detector.event import Path
from detector.language import SIGNALS
from models.seeking import COUNTER_BITS, COUNTER_MAX


class NamedLoop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One loop: the signals it needs, the paths it belongs to, and what the frameworks call it."""

    name: str
    weight: int
    techniques: tuple[str, ...]
    text: str
    frameworks: tuple[str, ...] = ()
    needs: dict[str, int] = msgspec.field(default_factory=dict)
    paths: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def fits(self, counts: dict[str, int], path: Path, kind: str) -> bool:
        """Whether an episode with these signal counts is this loop."""
        if kind and kind in self.kinds:
            return True
        if self.paths and path.name.lower() not in self.paths:
            return False
        if self.name == "break_glass_overrun":
            return kind == "lease"
        return all(counts.get(signal, 0) >= count for signal, count in self.needs.items())


class _LoopFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    loop: tuple[NamedLoop, ...]


@cache
def named_loops() -> tuple[NamedLoop, ...]:
    """The shipped loops, heaviest first."""
    data = resources.files("detector").joinpath("data/loops.toml").read_bytes()
    loops = msgspec.toml.decode(data, type=_LoopFile).loop
    for loop in loops:
        for signal in loop.needs:
            if signal not in (*SIGNALS, "any"):
                raise ConfigError(f"loops.toml: {loop.name} needs unknown signal {signal!r}")
    return tuple(sorted(loops, key=lambda loop: -loop.weight))


def signal_counts(packed: int) -> dict[str, int]:
    """Signal counts of an episode from its packed counters; ``any`` is their sum."""
    counts: dict[str, int] = {
        name: (packed >> (k * int(COUNTER_BITS))) & int(COUNTER_MAX) for k, name in enumerate(SIGNALS)
    }
    counts["any"] = sum(counts.values())
    return counts


def name_loop(packed: int, path: Path, kind: str = "") -> NamedLoop:
    """The heaviest loop that fits; reconnaissance fits always."""
    counts = signal_counts(packed)
    return next(loop for loop in named_loops() if loop.fits(counts, path, kind))
