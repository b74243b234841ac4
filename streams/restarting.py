"""Starting a worker again, in the same process place but as a new program: whatever threads, sockets and group membership the old one had are gone with it.

What the next one must know travels in the environment: how often this happened lately, and which frames broke an engine.
"""

import os
import sys
from typing import NamedTuple

VARIABLE = "OUTPACE_RESTARTED"
CALM_S = 120.0
"""A worker that ran this long starts counting afresh."""
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
MOST_BROKEN = 100


class Past(NamedTuple):
    """What earlier lives of this process left: how many restarts in a row, and frames as (partition, offset) that broke an engine."""

    restarts: int = 0
    broken: frozenset[tuple[int, int]] = frozenset()

    @property
    def wait_s(self) -> float:
        """How long to wait before the next start."""
        return float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self.restarts, 10)))

    def written(self) -> str:
        """As the environment carries it.

        >>> Past(2, frozenset({(0, 7), (3, 4)})).written()
        '2 0/7 3/4'
        """
        places = (f"{partition}/{offset}" for partition, offset in sorted(self.broken)[-MOST_BROKEN:])
        return " ".join([str(self.restarts), *places])


def read_past(text: str) -> Past:
    """The past as it was written; none for anything else.

    >>> read_past("2 0/7 3/4") == Past(2, frozenset({(0, 7), (3, 4)})), read_past("nonsense")
    (True, Past(restarts=0, broken=frozenset()))
    """
    try:
        restarts, *places = text.split()
        pairs = (place.split("/") for place in places)
        return Past(int(restarts), frozenset((int(partition), int(offset)) for partition, offset in pairs))
    except ValueError:
        return Past()


def following(past: Past, ran_s: float, broken: set[tuple[int, int]]) -> Past:
    """The past of the next life."""
    return Past(0 if ran_s > CALM_S else past.restarts + 1, frozenset(broken))


def start_again(past: Past) -> None:
    """Replaces this program by a fresh one with the same arguments. Does not return."""
    os.environ[VARIABLE] = past.written()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - the very command this process was started with


def end_now(code: int) -> None:
    """Ends the process with this exit code though threads of libraries still run. Does not return."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
