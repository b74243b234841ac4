"""Figures of every system by slice: as JSON rows, as a table for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from streams.backtest.figures import CaseScore, Figures, Slice, figures
from streams.backtest.slices import DIMENSIONS, QUICK, label

MIMICRIES = ("plain", "bind", "camo")


def key(where: Slice) -> str:
    """A slice's name in JSON.

    >>> key({"pace": ("machine", "agent"), "mimicry": ("bind",)}), key({})
    ('pace=machine|agent mimicry=bind', 'all')
    """
    return " ".join(f"{name}={'|'.join(values)}" for name, values in where.items()) or "all"


def slices(ours: Sequence[CaseScore]) -> list[Slice]:
    """Everything; quick attacks by mimicry, overall and in each estate; then each dimension's values."""
    quick: list[Slice] = [{"pace": QUICK, "mimicry": (m,)} for m in MIMICRIES]
    estates = sorted({score.estate for score in ours})
    within: list[Slice] = [{**where, "estate": (estate,)} for estate in estates for where in quick]
    single: list[Slice] = [
        {name: (value,)}
        for name in (*DIMENSIONS, "estate")
        for value in sorted({str(getattr(e, name)) for s in ours for e in s.episodes if not e.benign})
    ]
    paths = sorted({d.path for s in ours for d in s.days})
    return [{}, *quick, *within, *single, *({"path": (p,)} for p in paths if {"path": (p,)} not in single)]


def rows(systems: Mapping[str, Sequence[CaseScore]]) -> list[dict[str, Any]]:
    """One row a system and slice; field names are a contract."""
    found = []
    where_all = slices(next(iter(systems.values())))
    for system, scores in systems.items():
        for where in where_all:
            f = figures(scores, where)
            found.append({"system": system, "slice": key(where), "label": label(where), **_picked(f)})
    return found


def _picked(f: Figures) -> dict[str, Any]:
    return {
        "contained": f.contained,
        "contained_low": f.contained_low,
        "contained_high": f.contained_high,
        "episodes": f.episodes,
        "actions_median": f.actions_median,
        "actions_p90": f.actions_p90,
        "seconds_median": f.seconds_median,
        "false_revocations": f.false_revocations,
        "identity_days": f.identity_days,
        "per_10000": f.false_revocations_per_10000,
        "per_10000_low": f.false_revocations_per_10000_low,
        "per_10000_high": f.false_revocations_per_10000_high,
    }


COLUMNS = (
    ("plain", "pace=machine|agent mimicry=plain"),
    ("victim's binding", "pace=machine|agent mimicry=bind"),
    ("camouflage", "pace=machine|agent mimicry=camo"),
    ("human pace", "pace=human"),
    ("slow", "pace=slow"),
)


def markdown(found: Sequence[dict[str, Any]]) -> str:
    """The tables of ``docs/quality.md``: systems by attack, then Outpace by estate and loop, then false revocations."""
    at = {(row["system"], row["slice"]): row for row in found}
    systems = list(dict.fromkeys(row["system"] for row in found))
    head = ["system", *(name for name, _where in COLUMNS), "false revocations per 10,000 identity-days"]
    lines = [_line(head), _line(["---"] * len(head))]
    for system in systems:
        everything = at[system, "all"]
        lines.append(
            _line(
                [
                    system,
                    *(_share(at.get((system, where))) for _name, where in COLUMNS),
                    f"{everything['per_10000']:.2f} ({everything['false_revocations']} in {everything['identity_days']:,})",
                ]
            )
        )
    ours = systems[0]
    lines += ["", _line(["Outpace on", "contained", "95 %", "actions p50 / p90", "seconds p50"]), _line(["---"] * 5)]
    lines += [
        _line(
            [
                row["label"],
                f"{row['contained']:.2f} of {row['episodes']}",
                f"{row['contained_low']:.2f}–{row['contained_high']:.2f}",
                f"{_number(row['actions_median'])} / {_number(row['actions_p90'])}",
                _number(row["seconds_median"]),
            ]
        )
        for row in found
        if row["system"] == ours and row["episodes"] and not row["slice"].startswith(UNPRINTED)
    ]
    lines += ["", _line(["path", "identity-days", "false revocations", "per 10,000", "95 %"]), _line(["---"] * 5)]
    lines += [
        _line(
            [
                row["label"],
                f"{row['identity_days']:,}",
                str(row["false_revocations"]),
                f"{row['per_10000']:.2f}",
                f"{row['per_10000_low']:.2f}–{row['per_10000_high']:.2f}",
            ]
        )
        for row in found
        if row["system"] == ours
        and row["identity_days"]
        and (row["slice"] == "all" or row["slice"].startswith("path="))
    ]
    return "\n".join(lines)


UNPRINTED = ("victim_kind=", "origin=", "path=")
"""Slices that only the JSON has: too many, or always the same."""


def _share(row: dict[str, Any] | None) -> str:
    if row is None or not row["episodes"]:
        return "–"
    return f"{row['contained']:.2f} / {_number(row['actions_median'])}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
