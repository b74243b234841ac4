"""How a process that runs for weeks keeps its memory: what one thread frees another can use, and looking for garbage never holds it up.

Left alone, glibc gives each thread a heap of its own and raises the size from which it asks the system for a block by itself to that of the largest block ever freed, 32 MiB in the end. Pieces of
snapshots, all of different sizes, made by one thread and freed by another, then leave holes in each: a worker's memory rose for as long as anybody looked.

The interpreter, left alone, looks through everything it holds whenever that grew by a quarter: with a million credentials for 50 to 80 ms, in which nothing else runs.
"""

import ctypes
import gc
import os
import time

HEAPS = 2
SMALL_BYTES = 128 << 10
"""From this size on blocks come from the system one by one, and go back one by one: glibc's own starting point."""
LARGE_BYTES = 4 << 20
"""For who takes in and gives out blocks of a MiB all the time: asked of the system each time, they would cost ingest a fifth of its rate."""
LONG_S = 0.015


def share_heaps(block_bytes: int = SMALL_BYTES) -> None:
    """Few heaps for all threads, blocks of ``block_bytes`` and more from the system one by one. To be called before threads start by a process that stays.

    What the environment says stays as it is; nothing is done where the C library is not glibc. Numbers are those of ``malloc.h``; once set, neither size moves by itself.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for variable, number, value in (
        ("MALLOC_ARENA_MAX", -8, HEAPS),
        ("MALLOC_MMAP_THRESHOLD_", -3, block_bytes),
        ("MALLOC_TRIM_THRESHOLD_", -1, 16 * block_bytes if block_bytes > SMALL_BYTES else block_bytes),
    ):
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
