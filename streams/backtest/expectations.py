"""Expectations: what a backtest has to reach, kept in a TOML file so that a change that makes detection worse fails.

    [[at_least]]
    slice = { pace = ["machine", "agent"], mimicry = "plain" }
    contained = 0.95

    [[at_most]]
    false_revocations_per_10000 = 1

    [[never]]
    revoked_principal = "arn:aws:iam::123456789012:role/payroll*"

``at_least`` and ``at_most`` take any figure of ``figures.Figures`` on any slice; ``never`` forbids decisions: of a principal (a pattern of ``fnmatch``),
as a loop, or both at once.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec

from detector.errors import ConfigError, InputError
from streams.backtest.figures import (
    BENIGN_KEYS,
    EPISODE_KEYS,
    FIGURES,
    CaseScore,
    Figures,
    Slice,
    attacks_in,
    check_slice,
    figures,
)
from streams.backtest.scoring import Accused
from streams.backtest.slices import label

BENIGN_FIGURES = FIGURES[FIGURES.index("identity_days") :]
"""Figures of identity-days; the debts need both."""
BOTH_FIGURES = ("exposure_debt", "unnoticed_debt")
Bound = Literal["at_least", "at_most"]


class Limit(msgspec.Struct, frozen=True):
    """One figure of one slice, and the least or most it may be."""

    origin: str
    bound: Bound
    where: Slice
    figure: str
    value: float

    @property
    def name(self) -> str:
        """The expectation in words."""
        return f"{label(self.where)}: {self.figure} {self.bound.replace('_', ' ')} {self.value:g}"


class Never(msgspec.Struct, frozen=True):
    """Decisions there must be none of. Patterns as for ``fnmatch``; empty matches all."""

    origin: str
    principal: str = ""
    loop: str = ""
    is_alert: bool = False

    @property
    def name(self) -> str:
        """The expectation in words."""
        deed = "alerted on" if self.is_alert else "revoked"
        return f"never {deed}: {' as '.join(filter(None, (self.principal or 'anybody', self.loop)))}"

    def matches(self, principal: str, loop: str) -> bool:
        """Whether it is about this."""
        return fnmatchcase(principal, self.principal or "*") and fnmatchcase(loop, self.loop or "*")


class Outcome(msgspec.Struct, frozen=True):
    """One expectation and how it went. ``fault``: why it was not met, in one line; empty where it was."""

    name: str
    fault: str = ""


class Expectations(msgspec.Struct, frozen=True):
    """What a file expects."""

    limits: tuple[Limit, ...]
    nevers: tuple[Never, ...]


_Table = dict[str, str | float | int | bool | dict[str, str | list[str]]]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    at_least: list[_Table] = []
    at_most: list[_Table] = []
    never: list[dict[str, str]] = []


def read_expectations(path: str) -> Expectations:
    """The expectations in a TOML file. Raises ``ConfigError`` in one line for what is unknown, or contradicts itself."""
    try:
        found = msgspec.toml.decode(Path(path).read_bytes(), type=_File)
    except OSError as error:
        raise ConfigError(f"expectations {path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"expectations {path}: {error}") from error
    limits = [
        limit
        for bound, tables in (("at_least", found.at_least), ("at_most", found.at_most))
        for number, table in enumerate(tables)
        for limit in _limits(f"expectations {path}: {bound}[{number}]", bound, table)  # type: ignore[arg-type]
    ]
    nevers = [_never(f"expectations {path}: never[{n}]", table) for n, table in enumerate(found.never)]
    if not limits and not nevers:
        raise ConfigError(f"expectations {path}: expects nothing")
    _check_bounds(limits)
    return Expectations(tuple(limits), tuple(nevers))


def _limits(origin: str, bound: Bound, table: _Table) -> list[Limit]:
    where = _slice(origin, table.get("slice", {}))
    found = []
    for figure, value in table.items():
        if figure == "slice":
            continue
        if figure not in FIGURES:
            raise ConfigError(f"{origin}: no figure is called {figure!r}, wanted one of {', '.join(FIGURES)}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{origin}: {figure} = {value!r} is no number")
        _check_has(origin, figure, where)
        found.append(Limit(origin, bound, where, figure, float(value)))
    if not found:
        raise ConfigError(f"{origin}: names no figure")
    return found


def _slice(origin: str, value: object) -> Slice:
    if not isinstance(value, dict):
        raise ConfigError(f"{origin}: slice = {value!r} is no table such as {{ pace = 'machine' }}")
    where = {key: tuple(sorted([v] if isinstance(v, str) else v)) for key, v in sorted(value.items())}
    try:
        check_slice(where, origin)
    except InputError as error:
        raise ConfigError(str(error)) from error
    return where


def _check_has(origin: str, figure: str, where: Slice) -> None:
    needs: set[str] = set()
    if figure in BENIGN_FIGURES:
        needs = set(where) - set(BENIGN_KEYS)
    if figure not in BENIGN_FIGURES or figure in BOTH_FIGURES:
        needs |= set(where) - set(EPISODE_KEYS)
    if needs:
        raise ConfigError(f"{origin}: {figure} is not told apart by {sorted(needs)[0]}")


def _never(origin: str, table: dict[str, str]) -> Never:
    unknown = set(table) - {"revoked_principal", "alerted_principal", "loop"}
    if unknown:
        raise ConfigError(
            f"{origin}: unknown key {sorted(unknown)[0]!r}, wanted revoked_principal, alerted_principal or loop"
        )
    if not table or ("revoked_principal" in table and "alerted_principal" in table):
        raise ConfigError(f"{origin}: wanted revoked_principal or alerted_principal, loop, or one of them with loop")
    is_alert = "alerted_principal" in table
    principal = table.get("alerted_principal", table.get("revoked_principal", ""))
    return Never(origin, principal, table.get("loop", ""), is_alert)


def _check_bounds(limits: Sequence[Limit]) -> None:
    """No figure of a slice may have to be more than it is allowed to be."""
    most = {(repr(m.where), m.figure): m for m in limits if m.bound == "at_most"}
    for least in limits:
        other = most.get((repr(least.where), least.figure))
        if least.bound == "at_least" and other and least.value > other.value:
            raise ConfigError(
                f"{least.origin} contradicts at_most: {label(least.where)}: {least.figure} would have to be at least {least.value:g} and at most {other.value:g}"
            )


def check_possible(expected: Expectations, scores: Sequence[CaseScore]) -> None:
    """Raises ``ConfigError`` where so many attacks have to be contained that somebody would be revoked who never may be."""
    nevers = [n for n in expected.nevers if not n.loop]
    for limit in expected.limits:
        if limit.bound == "at_most" or limit.figure != "contained":
            continue
        attacks = attacks_in(scores, limit.where)
        forbidden = [a for a in attacks for n in nevers if n.principal and fnmatchcase(a.victim, n.principal)]
        if attacks and 1 - len({(a.case, a.episode) for a in forbidden}) / len(attacks) < limit.value:
            never = next(n for n in nevers if fnmatchcase(forbidden[0].victim, n.principal))
            raise ConfigError(
                f"{limit.origin} contradicts {never.origin.rpartition(': ')[2]}: {limit.name}, yet {forbidden[0].victim} may never be revoked"
            )


def judged(expected: Expectations, scores: Sequence[CaseScore]) -> list[Outcome]:
    """How each expectation went, in the order of the file."""
    cache: dict[str, Figures] = {}
    found = []
    for limit in expected.limits:
        key = repr(limit.where)
        cache[key] = cache.get(key) or figures(scores, limit.where)
        found.append(Outcome(limit.name, _fault(limit, cache[key])))
    everybody = [a for score in scores for a in score.accused]
    return found + [Outcome(never.name, _broken(never, everybody)) for never in expected.nevers]


def _fault(limit: Limit, found: Figures) -> str:
    value = getattr(found, limit.figure)
    if limit.figure not in BENIGN_FIGURES and not found.episodes and limit.figure != "episodes":
        return f"{limit.name}: there is no attack in this slice"
    if value is None:
        return f"{limit.name}: too few were contained for it to have a value"
    is_met = value >= limit.value if limit.bound == "at_least" else value <= limit.value
    return "" if is_met else f"{limit.name}: it is {value:.4g}"


def _broken(never: Never, everybody: Iterable[Accused]) -> str:
    for accused in everybody:
        if (never.is_alert or accused.is_revocation) and never.matches(accused.principal, accused.pattern):
            where = f" in {accused.episode}" if accused.episode else ""
            return (
                f"{never.name}: {accused.principal} was, as {accused.pattern or 'no loop'}, by {accused.action}{where}"
            )
    return ""
