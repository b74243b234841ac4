"""Was the promise kept on the cases: by path, in a first week of life, after a change, and week by week."""

from collections.abc import Sequence
from typing import Any

import msgspec

from streams.backtest.calibration import Calibration, calibration
from streams.backtest.figures import CaseScore

TITLES = {
    "report": "whole report",
    "settled": "settled",
    "newborn": "first week of life",
    "changed": "three days after a roll-out",
}


def kept(ours: Sequence[CaseScore]) -> list[dict[str, Any]]:
    """Rows as ``outpace backtest --json`` has them under ``calibration``: each path over each stretch with an identity-day."""
    rows: list[dict[str, Any]] = msgspec.to_builtins(calibration(ours))
    return rows


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table of ``docs/quality.md``: paths over the whole report, then all paths together by stretch."""
    found = [msgspec.convert(row, Calibration) for row in rows]
    chosen = [c for c in found if c.over == "report" or c.path == "all"]
    head = ["path", "over", "identity-days", "revocations promised / measured (95 %)", "", "alerts promised / measured (95 %)", ""]  # fmt: skip
    lines = [head, ["---"] * len(head), *(_cells(c) for c in chosen)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(c: Calibration) -> list[str]:
    return [
        c.path,
        TITLES.get(c.over, c.over),
        f"{c.identity_days:,}",
        f"{c.promised:.2f} / {_rate(c.measured, c.low, c.high)}",
        c.kept,
        f"{c.promised_alerts:.1f} / {_rate(c.measured_alerts, c.alerts_low, c.alerts_high)}",
        c.alerts_kept,
    ]


def _rate(measured: float | None, low: float | None, high: float | None) -> str:
    return "–" if measured is None or low is None or high is None else f"{measured:.2f} ({low:.1f}–{high:.1f})"
