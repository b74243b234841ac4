"""How a process that runs for weeks keeps its memory: what it frees goes back to the system, and looking for garbage never holds it up.

Left alone, glibc gives each thread a heap of its own and raises the size from which it asks the system for a block by itself to that of the largest block ever freed, 32 MiB in the end. Pieces of
snapshots, all of different sizes and made by one thread, freed by another, then leave holes: a worker's memory was twice what it held, and rose for as long as anybody looked.

The interpreter, left alone, looks through everything it holds whenever that grew by a quarter: with a million credentials for 50 to 80 ms, in which nothing else runs.
"""

import ctypes
import gc
import os
import time

BLOCK_BYTES = 128 << 10
"""glibc's own starting point; once set it stays there. Smaller blocks are the interpreter's."""
HEAPS = 2
_SETTINGS = (
    ("MALLOC_MMAP_THRESHOLD_", -3, BLOCK_BYTES),
    ("MALLOC_TRIM_THRESHOLD_", -1, BLOCK_BYTES),
    ("MALLOC_ARENA_MAX", -8, HEAPS),
)
"""Environment variable, number in ``malloc.h``, value."""
LONG_S = 0.015


def give_back() -> None:
    """Large blocks from the system one by one, few heaps for all threads. To be called before threads start by a process that stays.

    What the environment says stays as it is; nothing is done where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for variable, number, value in _SETTINGS:
        if variable not in os.environ:
            mallopt(number, value)


def keep_pauses_short() -> None:
    """What is there by now is not looked through for garbage again; nor is, later, what survives a full collection of more than ``LONG_S`` of processor time.

    Just then nothing in it is garbage. What is dropped later is freed all the same, unless it is part of a cycle: of those there are few, a connection's or a failed task's.
    """
    gc.collect()
    gc.freeze()
    if _look not in gc.callbacks:
        gc.callbacks.append(_look)


_started_s = 0.0


def _look(phase: str, info: dict[str, int]) -> None:
    global _started_s
    if info["generation"] < 2:
        return
    if phase == "start":
        _started_s = time.thread_time()
    elif time.thread_time() - _started_s > LONG_S:
        gc.freeze()
