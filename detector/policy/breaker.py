"""The circuit breaker: however sure the detector is, only so much is taken away by machine; beyond it, alerts.

Three limits: commands a minute, commands a minute on one path, and different principals as a share of the fleet in a window. What goes beyond one opens the breaker for
``open_s``: everything for the first and last, its own path for the second.

Exact over every window, whichever way the clock goes: of each limit ``n`` the ``n`` latest stamps are kept, and one more is admitted only where fewer than ``n`` of them lie
within the window before now or after now. A clock set back therefore admits nothing until it has caught up; ``reset`` is the operator's way out.

Blind to: what people take away themselves; a fleet whose size nobody stated.
"""

from collections.abc import Mapping

import msgspec

from detector.config import Breaker
from detector.policy.guardrails import RevocationCommand
from detector.sources.timestamps import format_time

MINUTE_NS = 60 * 10**9
ALL = "all"


class BreakerState(msgspec.Struct, frozen=True):
    """What was admitted lately. ``stamps``: latest times by limit (ns since 1970, rising); ``principals``: latest time of each; ``open_until``: by what is open."""

    stamps: dict[str, tuple[int, ...]] = msgspec.field(default_factory=dict)
    principals: dict[str, int] = msgspec.field(default_factory=dict)
    open_until: dict[str, int] = msgspec.field(default_factory=dict)
    version: int = 1

    def is_open(self, path: str, now_ns: int) -> bool:
        """Whether commands of this path are alerts for now."""
        return self.opened_until(path) > now_ns

    def opened_until(self, path: str) -> int:
        """Until when (ns since 1970) it is open for this path; 0 where it never was."""
        return max(self.open_until.get(ALL, 0), self.open_until.get(path, 0))


class Passage(msgspec.Struct, frozen=True):
    """What the breaker says to one command. ``text``: why not; ``opens``: this very command opened it, which is to be said loudly."""

    state: BreakerState
    is_admitted: bool
    text: str = ""
    opens: bool = False


def passed(
    state: BreakerState, config: Breaker, command: RevocationCommand, now_ns: int, fleet_size: int = 0
) -> Passage:
    """Admits one command, or not, and gives the state after it. ``fleet_size``: principals there are, where the configuration does not say."""
    if state.is_open(command.path, now_ns):
        until = format_time(state.opened_until(command.path))
        return Passage(state, False, f"the circuit breaker is open until {until}")
    scope, why = _exceeded(state, config, command, now_ns, fleet_size)
    if why:
        opened = now_ns + int(config.open_s * 1e9)
        text = f"{why}; the circuit breaker opens until {format_time(opened)}, alerts only"
        after = msgspec.structs.replace(state, open_until={**state.open_until, scope: opened})
        return Passage(after, False, text, True)
    return Passage(_counted(state, config, command, now_ns, fleet_size), True)


def reset(state: BreakerState, now_ns: int) -> BreakerState:
    """Closed by an operator; stamps from a clock that ran ahead are forgotten, the others count on."""
    return BreakerState(
        {key: tuple(s for s in stamps if s <= now_ns) for key, stamps in state.stamps.items()},
        {name: stamp for name, stamp in state.principals.items() if stamp <= now_ns},
    )


def fleet_limit(config: Breaker, fleet_size: int = 0) -> int | None:
    """Most principals in a window; None where the fleet's size is not known. At least one, so that a small fleet is not left without any help."""
    size = config.fleet_size or fleet_size
    if not size:
        return None
    return max(1, int(config.share_of_fleet * size + 1e-9)) if config.share_of_fleet > 0.0 else 0


def _exceeded(
    state: BreakerState, config: Breaker, command: RevocationCommand, now_ns: int, fleet_size: int
) -> tuple[str, str]:
    """What opens (``all`` or a path) and the sentence why; two empty strings where every limit has room."""
    for key, most in _rates(config, command.path).items():
        if sum(stamp > now_ns - MINUTE_NS for stamp in state.stamps.get(key, ())) >= most:
            name = "breaker.per_minute" if key == ALL else f"breaker.per_minute_by_path.{key}"
            return key, f"{most} commands within a minute are all {name} allows"
    most_principals = fleet_limit(config, fleet_size)
    if most_principals is None:
        return "", ""
    others = _recent_others(state.principals, principal_key(command), now_ns - int(config.window_s * 1e9))
    if others >= most_principals:
        text = f"{most_principals} principals within {config.window_s:.0f} s are all breaker.share_of_fleet = {config.share_of_fleet:g} allows"
        return ALL, text
    return "", ""


def _rates(config: Breaker, path: str) -> dict[str, int]:
    by_path: Mapping[str, int] = config.per_minute_by_path  # type: ignore[assignment]  # its keys are path names
    return {ALL: config.per_minute} | ({path: by_path[path]} if path in by_path else {})


def _recent_others(principals: Mapping[str, int], own: str, since_ns: int) -> int:
    return sum(stamp > since_ns and name != own for name, stamp in principals.items())


def _counted(
    state: BreakerState, config: Breaker, command: RevocationCommand, now_ns: int, fleet_size: int
) -> BreakerState:
    stamps = dict(state.stamps)
    for key, most in _rates(config, command.path).items():
        stamps[key] = tuple(sorted((*stamps.get(key, ()), now_ns))[-most:])
    principals = dict(state.principals)
    most_principals = fleet_limit(config, fleet_size)
    if most_principals is not None:
        own = principal_key(command)
        principals[own] = max(now_ns, principals.get(own, 0))
        latest = sorted(principals.items(), key=lambda entry: (-entry[1], entry[0]))[: most_principals + 1]
        principals = dict(latest)
    return BreakerState(stamps, principals, state.open_until)


def principal_key(command: RevocationCommand) -> str:
    """Which member of the fleet a command is about."""
    return "\x1f".join((command.provider, command.scope, command.principal))
