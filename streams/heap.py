"""How a process that runs for weeks keeps its memory: what one thread frees another can use, and looking for garbage never holds it up.

Left alone, glibc gives each thread a heap of its own and raises the size from which it asks the system for a block by itself to that of the largest block ever freed, 32 MiB in the end. Pieces of
snapshots, all of different sizes, made by one thread and freed by another, then leave holes in each: a worker held 460 MiB where it now holds under 300, and that rose for as long as anybody looked.

The interpreter, left alone, looks through everything it holds whenever that grew by a quarter: with a million credentials for 50 to 80 ms, in which nothing else runs.
"""

import ctypes
import gc
import os
import time

HEAPS, BLOCK_BYTES, KEPT_BYTES = 2, 4 << 20, 64 << 20
_SETTINGS = (
    ("MALLOC_ARENA_MAX", -8, HEAPS),
    ("MALLOC_MMAP_THRESHOLD_", -3, BLOCK_BYTES),
    ("MALLOC_TRIM_THRESHOLD_", -1, KEPT_BYTES),
)
"""Environment variable, number in ``malloc.h``, value. Once set, neither size moves by itself.

Blocks from 128 KiB up asked of the system one by one would save a worker 40 MiB more, and cost it a fifth of its speed."""
LONG_S = 0.015


def share_heaps() -> None:
    """Few heaps for all threads, large blocks from the system one by one. To be called before threads start by a process that stays.

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
