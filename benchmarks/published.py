"""Outpace's own model, unchanged, on a public stream beside published figures: the DARPA edge stream that MIDAS is measured on.

``python -m benchmarks.published --json`` prints one JSON object. Every edge is one use of one resource (destination) by one identity (source). Which of the engine's
numbers is its raw score, and whether a destination is read as operation or as resource, is chosen by ROC-AUC on the first tenth of the minutes and nothing else:
``chosen``; its ``auc`` over all edges is the headline. ``rows``: every candidate and the references, with ``auc_first`` (the tenth), ``auc_rest`` and ``auc``.
``among``: the evidence among edges that repeat nothing. ``kinds``: the attacks with most edges, each against all benign edges. ``published``: the authors' figures.
``seconds`` are of processor time, scoring alone. ``--also`` adds challengers, slowly.

Blind to: whether any of it decides well; an edge stream has no answers, no operations and no attacker who adapts.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.beside import OTHERS, beside
from benchmarks.bursts import burst_bits, midas
from benchmarks.edges import CHOSEN_ON, Edges, read
from benchmarks.metering import READINGS, SCORES, TURNED, as_rows, metered
from benchmarks.options import options, tell
from detector.config import Policy
from detector.engine import Engine
from detector.errors import InputError

DATA = Path(__file__).parents[2] / "shared" / "data"
KINDS_SHOWN = 12
WARM_UP = 1000

PUBLISHED = (
    {"system": "MIDAS", "auc_low": 0.894, "auc_high": 0.905, "seconds": 0.1},
    {"system": "MIDAS-R", "auc_low": 0.949, "auc_high": 0.951, "seconds": 0.6},
    {"system": "MIDAS-F", "auc_low": 0.984, "auc_high": 0.986, "seconds": 1.3},
)
"""The authors' own C++ cores with default settings and five seeds on this stream, raw scores; two cores."""


class Scored(msgspec.Struct, frozen=True):
    """One way to score edges. ``auc_first``: on the ticks that are chosen on; ``auc_rest``: on all others; ``seconds``: of processor time, scoring alone."""

    system: str
    reading: str
    score: str
    auc_first: float
    auc_rest: float
    auc: float
    seconds: float


def roc_auc(score: np.ndarray, is_attack: np.ndarray) -> float:
    """Probability that an attack's score is above a benign one's, a tie counting half (Mann and Whitney 1947). NaN where one of the two is missing.

    >>> roc_auc(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True]))
    0.875
    """
    _values, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    attacks = int(is_attack.sum())
    benign = len(score) - attacks
    if not attacks or not benign:
        return float("nan")
    return float((ranks[place[is_attack]].sum() - attacks * (attacks + 1) / 2) / (attacks * benign))


def scored(edges: Edges, system: str, reading: str, name: str, score: np.ndarray, seconds: float) -> Scored:
    """The figures of one score of every edge."""
    parts = (slice(0, edges.first), slice(edges.first, None), slice(None))
    first, rest, whole = (round(roc_auc(score[part], edges.is_attack[part]), 4) for part in parts)
    return Scored(system, reading, name, first, rest, whole, round(seconds, 1))


def engine_numbers(edges: Edges, reading: str) -> tuple[np.ndarray, float]:
    """What a fresh engine computes of every edge (``METERED``), and the seconds that took."""
    engine = Engine(Policy())
    rows = as_rows(edges, reading, engine)
    started = time.process_time()
    found = metered(engine, rows)
    return found, time.process_time() - started


def candidates(edges: Edges, found: np.ndarray, reading: str, seconds: float) -> list[Scored]:
    """Every number of the engine's as a raw score."""
    return [scored(edges, "Outpace", reading, name, found[name], seconds) for name in SCORES]


def chosen(rows: Iterable[Scored]) -> Scored:
    """The candidate that is best where it may be chosen; of several, the first."""
    return max((row for row in rows if row.system == "Outpace"), key=lambda row: row.auc_first)


def references(edges: Edges) -> Iterator[Scored]:
    """What is not Outpace: MIDAS written from its paper, and bursts in bits, of a destination, a source, a pair, and the most of the three."""
    started = time.process_time()
    score = midas(edges.source, edges.destination, edges.tick)
    yield scored(edges, "MIDAS from its paper", "", "chi-squared", score, time.process_time() - started)
    pair = np.unique(edges.source.astype(np.int64) << 32 | edges.destination, return_inverse=True)[1]
    most = np.zeros(len(pair))
    for name, key in (("destination", edges.destination), ("source", edges.source), ("pair", pair)):
        started = time.process_time()
        bits = burst_bits(key, edges.time_s)
        yield scored(edges, "burst, no part of Outpace", "", name, bits, time.process_time() - started)
        most = np.maximum(most, bits)
    yield scored(edges, "burst, no part of Outpace", "", "most of the three", most, 0.0)


def by_kind(edges: Edges, score: np.ndarray, is_repeat: np.ndarray) -> list[dict[str, Any]]:
    """The kinds of attack with most edges: how many, from how many sources in how many minutes, share of repeats, AUC against all benign edges. Benign first."""
    counts = np.bincount(edges.kind, minlength=len(edges.kinds))
    attacks = [
        k for k in np.argsort(-counts, kind="stable").tolist() if counts[k] and edges.is_attack[edges.kind == k][0]
    ]
    found = [_kind(edges, "benign", ~edges.is_attack, None, is_repeat)]
    return found + [_kind(edges, edges.kinds[k], edges.kind == k, score, is_repeat) for k in attacks[:KINDS_SHOWN]]


def _kind(edges: Edges, name: str, own: np.ndarray, score: np.ndarray | None, is_repeat: np.ndarray) -> dict[str, Any]:
    among = own | ~edges.is_attack
    return {
        "kind": name,
        "edges": int(own.sum()),
        "sources": len(np.unique(edges.source[own])),
        "minutes": len(np.unique(edges.tick[own])),
        "repeats": round(float(is_repeat[own].mean()), 3),
        "auc": None if score is None else round(roc_auc(score[among], own[among]), 3),
    }


def among(edges: Edges, numbers: np.ndarray) -> list[dict[str, Any]]:
    """How the evidence tells apart the edges the model says anything about: those that repeat nothing, and of them the first uses."""
    parts = {"all": np.ones(len(numbers), bool), "no repeat": ~numbers["is_repeat"], "first use": numbers["is_first"]}
    return [
        {
            "edges": name,
            "count": int(part.sum()),
            "anomalous": round(float(edges.is_attack[part].mean()), 4),
            "auc": round(roc_auc(numbers["evidence"][part], edges.is_attack[part]), 4),
        }
        for name, part in parts.items()
    ]


def measured(edges: Edges, also: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every figure."""
    engine_numbers(edges.head(WARM_UP), READINGS[0])
    found = {reading: engine_numbers(edges, reading) for reading in READINGS}
    rows = [row for reading, (numbers, took) in found.items() for row in candidates(edges, numbers, reading, took)]
    best = chosen(rows)
    numbers, took = engine_numbers(edges, TURNED)
    rows.append(scored(edges, "Outpace turned round", TURNED, "evidence", numbers["evidence"], took))
    rows += references(edges)
    for name in also:
        started = time.process_time()
        score = beside(edges, name)
        rows.append(scored(edges, "beside the engine", "", name, score, time.process_time() - started))
    numbers = found[best.reading][0]
    return {
        "edges": len(edges.tick),
        "ticks": edges.ticks,
        "nodes": len(edges.names),
        "anomalous": round(float(edges.is_attack.mean()), 4),
        "chosen_on": {"edges": edges.first, "anomalous": int(edges.is_attack[: edges.first].sum())},
        "chosen": msgspec.to_builtins(best),
        "auc": best.auc,
        "rows": msgspec.to_builtins(rows),
        "among": among(edges, found["operation"][0]),
        "kinds": by_kind(edges, numbers[best.score], numbers["is_repeat"]),
        "published": list(PUBLISHED),
    }


def _print(told: dict[str, Any]) -> None:
    """The table for people, in Markdown."""
    out, best = sys.stdout.write, told["chosen"]
    out(
        f"{told['edges']:,} edges, {told['anomalous']:.1%} anomalous, {told['nodes']:,} nodes, {told['ticks']:,} minutes.\n"
    )
    first = told["chosen_on"]
    out(
        f"Chosen on {first['edges']:,} edges, {first['anomalous']:,} of them anomalous: {best['score']} by {best['reading']}.\n\n"
    )
    out("| system | reading | score | first tenth | the rest | all | seconds |\n|---|---|---|---|---|---|---|\n")
    for row in told["rows"]:
        mark = " (chosen)" if row == best else ""
        out(_line((row | {"score": row["score"] + mark}).values()))
    for row in told["published"]:
        out(_line((row["system"], "", "published", "", "", f"{row['auc_low']}–{row['auc_high']}", row["seconds"])))
    for name in ("among", "kinds"):
        out("\n" + _line(told[name][0]) + _line("---" for _ in told[name][0]))
        for row in told[name]:
            out(_line("" if value is None else value for value in row.values()))


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in cells)} |\n"


def main() -> int:
    """Reads the stream, prints the figures. Exit 2 where there is no stream to read."""
    parser = options("published", "Outpace's model on the DARPA edge stream, beside what is published.")
    parser.add_argument("--data", type=Path, default=DATA, help="the data folder; default: beside the project")
    parser.add_argument("--share", type=float, default=1.0, help="only this first share of the minutes")
    parser.add_argument("--also", default="", help=f"challengers, with commas between: {', '.join(OTHERS)}")
    asked = parser.parse_args()
    also = tuple(name for name in asked.also.split(",") if name)
    try:
        if unknown := [name for name in also if name not in OTHERS]:
            raise InputError(f"--also {unknown[0]}: no such challenger, wanted some of {', '.join(OTHERS)}")
        if not CHOSEN_ON < asked.share <= 1.0:
            raise InputError(f"--share {asked.share}: wanted more than {CHOSEN_ON} and at most 1")
        edges = read(asked.data)
    except InputError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    tell(measured(edges.head(edges.until(asked.share)), also), asked.json, _print)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
