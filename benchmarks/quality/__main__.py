"""How good the detection is, beside what a user would otherwise run, on the same cases at the same false-revocation rate.

``python -m benchmarks.quality --json`` prints one JSON object: ``rows`` with, for each system and slice, ``contained``, ``episodes``, ``actions_median``,
``actions_p90``, ``seconds_median``, ``false_revocations``, ``identity_days``, ``per_10000``; ``promises`` what the budget allowed beside what came. Without options it runs
the reporting cases, which nothing was tuned on; ``--tuning`` runs those that constants may be fitted to.
"""

import sys
import time
from pathlib import Path

from benchmarks.options import options, tell
from benchmarks.peers.detection.registry import PEERS
from benchmarks.quality import promises
from benchmarks.quality.cases import ROOT, recipes
from benchmarks.quality.running import OURS, run
from benchmarks.quality.table import markdown, rows
from detector.errors import InputError


def main() -> int:
    """Runs the cases, prints the table."""
    parser = options("quality", "Outpace and its peers on labelled cases, at the same false-revocation rate.")
    parser.add_argument("--tuning", action="store_true", help="the cases that constants may be fitted to")
    parser.add_argument("--fresh", action="store_true", help="a new installation: one day to learn from, then a week")
    parser.add_argument(
        "--long", action="store_true", help="eight weeks instead of four: what an estate does once it is settled"
    )
    parser.add_argument("--small", action="store_true", help="one small tuning case, in seconds")
    parser.add_argument("--estate", default="", help="only cases of this estate")
    parser.add_argument("--only", default="", help="these peers, with commas between; 'none' for Outpace alone")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "quality", help="where cases are kept")
    parser.add_argument("--processes", type=int, default=0, help="cases at a time; 0: one a core")
    asked = parser.parse_args()
    part = next((name for name in ("small", "tuning", "fresh", "long") if getattr(asked, name)), "reporting")
    try:
        names = _peers(asked.only)
        wanted = [r for r in recipes(part) if not asked.estate or r.estate == asked.estate]
        if not wanted:
            raise InputError(f"--estate {asked.estate}: no {part} case of it")
        started = time.perf_counter()
        systems = run(wanted, asked.cache, names, asked.processes)
    except InputError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    found, promised = rows(systems), promises.kept(systems[OURS])
    told = {
        "cases": [r.name for r in wanted],
        "part": part,
        "seconds": round(time.perf_counter() - started, 1),
        "rows": found,
        "promises": promised,
    }
    text = f"{markdown(found)}\n\n{promises.markdown(promised)}"
    tell(told, asked.json, lambda _told: _print(part, [r.name for r in wanted], text))
    return 0


def _peers(only: str) -> list[str]:
    known = [peer.name for peer in PEERS]
    if not only:
        return known
    names = [] if only == "none" else only.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"--only {unknown[0]}: no such peer, wanted some of {', '.join(known)}")
    return names


def _print(part: str, cases: list[str], text: str) -> None:
    sys.stdout.write(
        f"{part} cases: {', '.join(cases)}\n\n{text}\n\nA cell: share contained / median actions, – where fewer than half were.\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
