"""What a backtest leaves behind: the scores of each case, from which every figure follows; saved by ``--json``, read by ``--compare``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from detector.errors import InputError
from streams.backtest.calibration import calibration
from streams.backtest.figures import CaseScore, Figures, figures
from streams.backtest.slices import attack_rows, benign_rows

VERSION = 1
MIMICRIES = ("plain", "bind", "camo")


class CurvePoint(msgspec.Struct, frozen=True):
    """One budget the cases were run again under, in false revocations per 10,000 identity-days, and what came of it; ``all`` and by mimicry."""

    per_10000: float
    figures: dict[str, Figures]


class Result(msgspec.Struct, frozen=True):
    """A backtest. ``policy``: what it is called; ``scores``: one a case."""

    version: int
    policy: str
    scores: tuple[CaseScore, ...]
    curve: tuple[CurvePoint, ...] = ()


def curve_point(per_10000: float, scores: Sequence[CaseScore]) -> CurvePoint:
    """A point of the curve."""
    found = {"all": figures(scores)}
    for mimicry in MIMICRIES:
        of_it = figures(scores, {"mimicry": (mimicry,)})
        if of_it.episodes:
            found[mimicry] = of_it
    return CurvePoint(per_10000, found)


def as_json(result: Result, **more: Any) -> bytes:
    """The result with the figures of every slice of the table, as one JSON object. ``more``: further keys."""
    seen: dict[str, dict[str, Any]] = {}
    for row in (*attack_rows(result.scores), *benign_rows(result.scores)):
        seen.setdefault(repr(row.where), {"slice": row.where, **msgspec.structs.asdict(row.figures)})
    out = {
        "version": result.version,
        "policy": result.policy,
        "figures": list(seen.values()),
        "calibration": calibration(result.scores),
        "curve": result.curve,
        **more,
        "scores": result.scores,
    }
    return msgspec.json.encode(out) + b"\n"


def read_result(path: str) -> Result:
    """A result that was saved. Raises ``InputError`` for anything else."""
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=Result)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no saved backtest: {error}") from error
    if found.version != VERSION:
        raise InputError(f"{path}: a backtest of version {found.version}, this Outpace reads {VERSION}")
    return found
