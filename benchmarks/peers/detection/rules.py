"""Threshold rules as Sigma, Elastic and Panther ship them (``rules.toml``), run every five minutes, their alerts added up by principal.

A rule counts what it selects for one principal (events, or distinct operations, services, resources, addresses) in its window up to the end of a run; how far
that is above its threshold, times its risk, is the rule's alert. A team that tunes makes exceptions: what a principal reached on an earlier day becomes its own
threshold for that rule. Alerts of different rules on one principal within a while add up, as in risk-based alerting (Splunk) and Elastic's entity risk score.

**Blind to:** whatever no rule selects, and everything that is over before its run ends.
"""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numba import njit

from benchmarks.peers.detection.base import Scores, Stream
from benchmarks.peers.detection.first_seen import service_of
from benchmarks.peers.detection.history import distinct_since
from benchmarks.peers.detection.schedule import run_ends

DAY_S = 86_400.0
RULES = Path(__file__).with_name("rules.toml")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}):
    """One rule; see the head of ``rules.toml``."""

    name: str
    source: str
    operations: tuple[str, ...]
    counts: Literal["events", "operations", "services", "resources", "networks"]
    threshold: float
    window_s: float
    risk: float
    refused: bool = False

    def selects(self, operation: str) -> bool:
        """Whether it counts this operation.

        >>> next(rule for rule in shipped() if rule.name == "who am I").selects("sts:GetCallerIdentity")
        True
        """
        return any(fnmatchcase(operation, pattern) for pattern in self.operations)


def shipped() -> list[Rule]:
    """The rules of ``rules.toml``."""
    return msgspec.convert(tomllib.loads(RULES.read_text()), dict[str, list[Rule]])["rule"]


class Knobs(NamedTuple):
    """``within_s``: how long an alert counts towards the sum. ``power``: of each alert in the sum; a high one leaves the highest alone. ``doublings``: how far above
    its threshold a rule is counted, at most. ``exceptions``: share of what a principal reached on earlier days that becomes its threshold. ``rarity``: how
    much an alert of a rule few principals set off weighs more. ``grace_days``: principals younger than this set off nothing."""

    within_s: float = DAY_S
    power: float = 0.25
    doublings: float = 1.6
    exceptions: float = 5.0
    rarity: float = 1.0
    grace_days: float = 5.0


class About(NamedTuple):
    """Of each event: when its run ends, whether its principal is old enough to be judged, how many principals were known by then."""

    known_s: np.ndarray
    is_old: np.ndarray
    principals: np.ndarray


class ThresholdRules:
    """See the module's docstring."""

    name = "threshold_rules"
    tuned = (
        "Six knobs (window of the sum, power, cap, exceptions, rarity, grace) by some sixty random steps uphill on shop 21, programs 31 and heavy_tail 41; risks and thresholds "
        "as shipped. Without exceptions and the sum, each rule by itself, no threshold contained an attack of the first two."
    )

    def __init__(self, knobs: Knobs = Knobs()) -> None:  # noqa: B008 (immutable)
        self.knobs = knobs

    def scores(self, stream: Stream) -> Scores:
        """Known at the end of the event's run. Cost: some 2 s a million events."""
        known_s = run_ends(stream.time_s)
        about = About(known_s, age_s(stream) >= self.knobs.grace_days * DAY_S, np.cumsum(_firsts(stream.principal)))
        alerts = [self._alerts(stream, about, rule) for rule in shipped()]
        rows = np.concatenate([at for at, _height in alerts])
        heights = np.concatenate([height for _at, height in alerts])
        rules = np.repeat(np.arange(len(alerts)), [len(at) for at, _height in alerts])
        order = np.argsort(rows, kind="stable")
        rows, heights, rules = rows[order], heights[order], rules[order]
        score = np.zeros(len(known_s))
        shape = (len(stream.principals), len(alerts))
        _add_up(stream.time_s, stream.principal, rows, rules, heights, self.knobs.within_s, shape, score)
        return Scores(score, known_s)

    def _alerts(self, stream: Stream, about: About, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
        """Rows at which the rule speaks, and how loud."""
        knobs = self.knobs
        rows = _selected(stream, rule)
        principal, time_s = stream.principal[rows], stream.time_s[rows]
        value = _counted(stream, rule, rows)
        since_s = about.known_s[rows] - rule.window_s
        found = distinct_since(time_s, since_s, principal, value, len(stream.principals), int(value.max(initial=0)) + 1)
        level = found / rule.threshold
        own = knobs.exceptions * reached_before(time_s, principal, level, len(stream.principals))
        speaks = (level >= 1.0) & (level > own) & about.is_old[rows]
        rows, principal, level, own = rows[speaks], principal[speaks], level[speaks], own[speaks]
        height = rule.risk * np.minimum(np.log2(1.0 + level / np.maximum(1.0, own)), knobs.doublings)
        rarity = np.log2(1.0 + about.principals[rows] / np.cumsum(_firsts(principal)))
        return rows, (height * rarity**knobs.rarity) ** knobs.power


def _selected(stream: Stream, rule: Rule) -> np.ndarray:
    chosen = np.array([rule.selects(name) for name in stream.operations], bool)[stream.operation]
    return np.flatnonzero(chosen & stream.is_error if rule.refused else chosen)


def _counted(stream: Stream, rule: Rule, rows: np.ndarray) -> np.ndarray:
    """What is counted at each row, numbered so that no two principals share a number."""
    if rule.counts == "events":
        return np.arange(len(rows))
    column = {
        "operations": stream.operation,
        "services": service_of(stream),
        "resources": stream.resource,
        "networks": stream.network,
    }[rule.counts][rows].astype(np.int64)
    own = stream.principal[rows] * (column.max(initial=0) + 1) + column
    number: np.ndarray = np.unique(own, return_inverse=True)[1]
    return number


@njit(cache=True)
def reached_before(time_s: np.ndarray, principal: np.ndarray, level: np.ndarray, principals: int) -> np.ndarray:
    """The highest level each event's principal reached on days before the event's own, float64 of n."""
    before, today, day = np.zeros(principals), np.zeros(principals), np.zeros(principals)
    found = np.empty(len(level))
    for i in range(len(level)):
        p = principal[i]
        now = np.floor(time_s[i] / DAY_S)
        if now > day[p]:
            before[p], today[p], day[p] = max(before[p], today[p]), 0.0, now
        today[p] = max(today[p], level[i])
        found[i] = before[p]
    return found


def age_s(stream: Stream) -> np.ndarray:
    """For how long each event's principal has been known, seconds, float64 of n."""
    first = np.full(len(stream.principals), np.inf)
    np.minimum.at(first, stream.principal, stream.time_s)
    age: np.ndarray = stream.time_s - first[stream.principal]
    return age


def _firsts(values: np.ndarray) -> np.ndarray:
    found = np.zeros(len(values), bool)
    found[np.unique(values, return_index=True)[1]] = True
    return found


@njit(cache=True)
def _add_up(
    time_s: np.ndarray,
    principal: np.ndarray,
    rows: np.ndarray,
    rules: np.ndarray,
    heights: np.ndarray,
    within_s: float,
    shape: tuple[int, int],
    score: np.ndarray,
) -> None:
    height, at_s = np.zeros(shape), np.full(shape, -np.inf)
    for i in range(len(rows)):
        p, r, now = principal[rows[i]], rules[i], time_s[rows[i]]
        if heights[i] >= height[p, r] or now - at_s[p, r] > within_s:
            height[p, r] = heights[i]
            at_s[p, r] = now
        total = 0.0
        for k in range(shape[1]):
            if now - at_s[p, k] <= within_s:
                total += height[p, k]
        score[rows[i]] = total
