"""The cases through Outpace and its peers, as many at a time as there are cores."""

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers.detection.registry import PEERS
from benchmarks.quality.cases import Recipe, written
from benchmarks.quality.judging import Evidence, evidence, judged
from benchmarks.quality.stream import Recorder
from detector.config import Policy
from streams.backtest.case import read_case
from streams.backtest.figures import CaseScore
from streams.backtest.pooling import score_run
from streams.backtest.running import run_case

OURS = "outpace"


class Found(NamedTuple):
    """One case: our score of it, and what each peer's scores say."""

    ours: CaseScore
    peers: dict[str, Evidence]


def run(wanted: Sequence[Recipe], cache: Path, names: Sequence[str], processes: int = 0) -> dict[str, list[CaseScore]]:
    """System → its score of each case, ours first."""
    chosen = min(processes or os.cpu_count() or 1, len(wanted))
    tasks = [(recipe, cache, tuple(names)) for recipe in wanted]
    if chosen == 1:
        found = [_one(*task) for task in tasks]
    else:
        with ProcessPoolExecutor(chosen, multiprocessing.get_context("spawn")) as pool:
            found = list(pool.map(_one, *zip(*tasks, strict=True)))
    ours = [f.ours for f in found]
    return {OURS: ours} | {name: judged(ours, [f.peers[name] for f in found]) for name in names}


def _one(recipe: Recipe, cache: Path, names: tuple[str, ...]) -> Found:
    case = read_case(str(written(recipe, cache)))
    recorder, policy = Recorder(), Policy()
    ours = score_run(run_case(case, policy, also=recorder.see), policy)
    stream = recorder.stream(case.report_from_ns / 1e9)
    return Found(ours, {p.name: evidence(case, stream, p.scores(stream)) for p in PEERS if p.name in names})
