"""The circuit breaker: however sure the detector is, only so much is taken away by machine; beyond it, alerts.

Three limits: commands a minute, commands a minute on one path, and different principals as a share of the fleet in a window. What goes beyond one opens the breaker for
``open_s``: everything for the first and last, its own path for the second.

Exact over every window, whichever way the clock goes: of each limit ``n`` the ``n`` latest stamps are kept, and one more is admitted only where fewer than ``n`` of them lie
within the window before now or after now. A clock set back therefore admits nothing until it has caught up; ``reset`` is the operator's way out.

The fleet is as large as the policy states; else as the command says its worker counted, or the last that said so. A count differs from one command to the next, so whoever was
admitted within the window is remembered whatever the limit is by now; then it is exact as long as the clock goes forward.

Blind to: what people take away themselves; a fleet nobody stated or counted.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from detector.config import Breaker
from detector.policy.guardrails import RevocationCommand
from detector.sources.timestamps import format_time

MINUTE_NS = 60 * 10**9
ALL = "all"


class BreakerState(msgspec.Struct, frozen=True):
    """What was admitted lately. ``stamps``: latest times by limit (ns since 1970, rising); ``principals``: latest time of each; ``open_until``: by what is open.

    ``fleet_size``: what a command said last; 0 where none did.
    """

    stamps: dict[str, tuple[int, ...]] = msgspec.field(default_factory=dict)
    principals: dict[str, int] = msgspec.field(default_factory=dict)
    open_until: dict[str, int] = msgspec.field(default_factory=dict)
    version: int = 1
    fleet_size: int = 0

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


def passed(state: BreakerState, config: Breaker, command: RevocationCommand, now_ns: int) -> Passage:
    """Admits one command, or not, and gives the state after it."""
    if command.fleet_size and command.fleet_size != state.fleet_size:
        state = replace(state, fleet_size=command.fleet_size)
    if state.is_open(command.path, now_ns):
        until = format_time(state.opened_until(command.path))
        return Passage(state, False, f"the circuit breaker is open until {until}")
    scope, why = _exceeded(state, config, command, now_ns)
    if why:
        opened = now_ns + int(config.open_s * 1e9)
        text = f"{why}; the circuit breaker opens until {format_time(opened)}, alerts only"
        return Passage(replace(state, open_until={**state.open_until, scope: opened}), False, text, True)
    return Passage(_counted(state, config, command, now_ns), True)


def reset(state: BreakerState, now_ns: int, scope: str = "", *, forgets: bool = False) -> BreakerState:
    """Closed by an operator; stamps from a clock that ran ahead are forgotten, the others count on.

    ``scope``: ``all`` or a path, to close that alone; '' for everything. ``forgets``: what was admitted counts no more either: of one path its own commands, else also the principals.
    """
    is_whole = scope in ("", ALL)
    kept = {
        key: () if forgets and (is_whole or key == scope) else tuple(s for s in stamps if s <= now_ns)
        for key, stamps in state.stamps.items()
    }
    return BreakerState(
        {key: stamps for key, stamps in kept.items() if stamps},
        {} if forgets and is_whole else {n: stamp for n, stamp in state.principals.items() if stamp <= now_ns},
        {key: until for key, until in state.open_until.items() if scope not in ("", key)},
        fleet_size=state.fleet_size,
    )


class Used(msgspec.Struct, frozen=True):
    """How one scope of the breaker stands. ``scope``: ``all`` or a path; ``most`` commands within a minute, None where no limit is set; ``principals``: of the whole fleet, within the window."""

    scope: str
    open_until_ns: int
    used: int
    most: int | None
    principals: int | None = None
    most_principals: int | None = None


def standing(state: BreakerState, config: Breaker, paths: Iterable[str], now_ns: int) -> list[Used]:
    """How full each limit is and what is open, the whole first. ``open_until_ns``: ns since 1970, 0 where it is closed."""
    window_ns = int(config.window_s * 1e9)
    used = [Used(ALL, _still_open(state, ALL, now_ns), _within(state, ALL, now_ns), config.per_minute)]
    used[0] = replace(
        used[0],
        principals=sum(stamp > now_ns - window_ns for stamp in state.principals.values()),
        most_principals=fleet_limit(config, state.fleet_size),
    )
    by_path: Mapping[str, int] = config.per_minute_by_path  # type: ignore[assignment]  # its keys are path names
    for path in paths:
        open_ns = _still_open(state, path, now_ns)
        if open_ns or path in by_path:
            used.append(Used(path, open_ns, _within(state, path, now_ns), by_path.get(path)))
    return used


def _still_open(state: BreakerState, scope: str, now_ns: int) -> int:
    until = state.open_until.get(scope, 0)
    return until if until > now_ns else 0


def _within(state: BreakerState, scope: str, now_ns: int) -> int:
    return sum(stamp > now_ns - MINUTE_NS for stamp in state.stamps.get(scope, ()))


def fleet_limit(config: Breaker, counted: int = 0) -> int | None:
    """Most principals in a window; None where nobody knows how large the fleet is. At least one of a stated fleet, ``least_principals`` of a counted one.

    >>> fleet_limit(Breaker(fleet_size=1000)), fleet_limit(Breaker(), 1000), fleet_limit(Breaker(), 20), fleet_limit(Breaker())
    (50, 50, 3, None)
    """
    size = config.fleet_size or counted
    if not size:
        return None
    least = 1 if config.fleet_size else config.least_principals
    return max(least, int(config.share_of_fleet * size + 1e-9)) if config.share_of_fleet > 0.0 else 0


def _exceeded(state: BreakerState, config: Breaker, command: RevocationCommand, now_ns: int) -> tuple[str, str]:
    """What opens (``all`` or a path) and the sentence why; two empty strings where every limit has room."""
    for key, most in _rates(config, command.path).items():
        if _within(state, key, now_ns) >= most:
            name = "breaker.per_minute" if key == ALL else f"breaker.per_minute_by_path.{key}"
            return key, f"{most} commands within a minute are all {name} allows"
    most_principals = fleet_limit(config, state.fleet_size)
    if most_principals is None:
        return "", ""
    others = _recent_others(state.principals, principal_key(command), now_ns - int(config.window_s * 1e9))
    return (ALL, _share_used(config, state.fleet_size, most_principals)) if others >= most_principals else ("", "")


def _share_used(config: Breaker, counted: int, most: int) -> str:
    fleet = f"{config.fleet_size} there are" if config.fleet_size else f"{counted} counted"
    return f"{most} principals within {config.window_s:.0f} s, of {fleet}, are all breaker.share_of_fleet = {config.share_of_fleet:g} allows"


def _rates(config: Breaker, path: str) -> dict[str, int]:
    by_path: Mapping[str, int] = config.per_minute_by_path  # type: ignore[assignment]  # its keys are path names
    return {ALL: config.per_minute} | ({path: by_path[path]} if path in by_path else {})


def _recent_others(principals: Mapping[str, int], own: str, since_ns: int) -> int:
    return sum(stamp > since_ns and name != own for name, stamp in principals.items())


def _counted(state: BreakerState, config: Breaker, command: RevocationCommand, now_ns: int) -> BreakerState:
    stamps = dict(state.stamps)
    for key, most in _rates(config, command.path).items():
        stamps[key] = tuple(sorted((*stamps.get(key, ()), now_ns))[-most:])
    principals = dict(state.principals)
    most_principals = fleet_limit(config, state.fleet_size)
    if most_principals is not None:
        own, since_ns = principal_key(command), now_ns - int(config.window_s * 1e9)
        principals[own] = max(now_ns, principals.get(own, 0))
        latest = sorted(principals.items(), key=lambda entry: (-entry[1], entry[0]))
        principals = {name: stamp for n, (name, stamp) in enumerate(latest) if n <= most_principals or stamp > since_ns}
    return replace(state, stamps=stamps, principals=principals)


def principal_key(command: RevocationCommand) -> str:
    """Which member of the fleet a command is about."""
    return "\x1f".join((command.provider, command.scope, command.principal))
