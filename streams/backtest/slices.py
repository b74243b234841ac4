"""Which slices a table shows, in which order."""

from collections.abc import Sequence
from typing import NamedTuple

from detector.event import Path
from streams.backtest.figures import CaseScore, Figures, Slice, figures

DIMENSIONS = ("loop", "pace", "mimicry", "path", "freshness", "origin", "victim_kind")
ORDER = {
    "pace": ("machine", "agent", "human", "slow"),
    "mimicry": ("plain", "bind", "camo"),
    "path": tuple(p.name.lower() for p in Path),
    "freshness": ("long_lived", "minted"),
    "origin": ("simulated", "captured"),
}
QUICK = ("machine", "agent")
"""Paces no human keeps up with."""


class Row(NamedTuple):
    """One slice with its figures. ``group``: the dimension it belongs to."""

    group: str
    where: Slice
    figures: Figures

    @property
    def name(self) -> str:
        """What to call it."""
        return label(self.where)


def label(where: Slice) -> str:
    """A slice in words.

    >>> label({"pace": ("machine", "agent"), "mimicry": ("bind",)}), label({})
    ('machine or agent, bind', 'all')
    """
    return ", ".join(" or ".join(values) for values in where.values()) or "all"


def attack_rows(scores: Sequence[CaseScore]) -> list[Row]:
    """All attacks, the quick ones by mimicry, then each dimension's values that occur."""
    rows = [Row("all", {}, figures(scores))]
    for mimicry in _values(scores, "mimicry"):
        where = {"pace": QUICK, "mimicry": (mimicry,)}
        rows.append(Row("pace and mimicry", where, figures(scores, where)))
    for key in DIMENSIONS:
        rows += [Row(key, {key: (v,)}, figures(scores, {key: (v,)})) for v in _values(scores, key)]
    return [row for row in rows if row.figures.episodes]


def benign_rows(scores: Sequence[CaseScore]) -> list[Row]:
    """All counted identity-days, then by path."""
    paths = [p for p in ORDER["path"] if any(d.path == p for score in scores for d in score.days)]
    return [
        Row("all", {}, figures(scores)),
        *(Row("path", {"path": (p,)}, figures(scores, {"path": (p,)})) for p in paths),
    ]


def _values(scores: Sequence[CaseScore], key: str) -> list[str]:
    found = {str(getattr(e, key)) for score in scores for e in score.episodes if not e.benign}
    order = ORDER.get(key, ())
    return sorted(found, key=lambda value: (order.index(value) if value in order else len(order), value))
