"""How a process that runs for weeks keeps its memory: what it frees goes back to the system.

Left alone, glibc gives each thread a heap of its own and raises the size from which it asks the system for a block by itself to that of the largest block ever freed, 32 MiB in the end. Pieces of
snapshots, all of different sizes and made by one thread, freed by another, then leave holes: a worker's memory was twice what it held, and rose for as long as anybody looked.
"""

import ctypes
import os

BLOCK_BYTES = 128 << 10
"""glibc's own starting point; once set it stays there. Smaller blocks are the interpreter's."""
HEAPS = 2
_SETTINGS = (
    ("MALLOC_MMAP_THRESHOLD_", -3, BLOCK_BYTES),
    ("MALLOC_TRIM_THRESHOLD_", -1, BLOCK_BYTES),
    ("MALLOC_ARENA_MAX", -8, HEAPS),
)
"""Environment variable, number in ``malloc.h``, value."""


def give_back() -> None:
    """Large blocks from the system one by one, few heaps for all threads. To be called before threads start; what the environment says stays. Nothing where the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for variable, number, value in _SETTINGS:
        if variable not in os.environ:
            mallopt(number, value)
