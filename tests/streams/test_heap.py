"""A process that stays: what it frees is used again, and looking for garbage does not hold it up."""

import os
import subprocess
import sys

import pytest

HOLES = """
import sys, threading
from pathlib import Path
from streams.heap import LARGE_BYTES, share_heaps

if sys.argv[1] == "shared":
    share_heaps(LARGE_BYTES)

def mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

kept, done, over = [], threading.Semaphore(0), threading.Event()

def work(number):
    bytes(24 << 20)  # freed: from now on glibc would take blocks up to this size from a heap
    made = [bytes([1]) * (150_000 + 1_000 * n) for n in range(200)]
    kept.extend(made[number::50])
    del made
    done.release()
    over.wait()

before = mib()
threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
for thread in threads:
    thread.start()
    done.acquire()
print(mib() - before - sum(map(len, kept)) / 2**20)
over.set()
"""


def holes_mib(how: str, **environment: str) -> float:
    """Memory of a process beyond what it holds, after six threads, one after another, freed most of what they made: 50 MiB each."""
    ran = subprocess.run(
        [sys.executable, "-c", HOLES, how],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | environment,
    )
    return float(ran.stdout)


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="not glibc")
def test_what_one_thread_frees_another_can_use() -> None:
    assert holes_mib("left alone") > 200
    assert holes_mib("shared") < 150


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="not glibc")
def test_what_the_environment_says_stays() -> None:
    assert holes_mib("shared", MALLOC_ARENA_MAX="8") > 200


PAUSES = """
import gc, time, weakref
from streams.heap import LONG_S, keep_pauses_short

class Ring:
    pass

def collected_s():
    started_s = time.thread_time()
    gc.collect()
    return time.thread_time() - started_s

gc.disable()  # it would be looked through while it is made
keep_pauses_short()
held = [[n] for n in range(1_000_000)]
ring = Ring()
ring.itself = ring
dead, ring = weakref.ref(ring), None
long_s = collected_s()
assert dead() is None, "garbage stayed"
assert long_s > LONG_S and gc.get_freeze_count() > 1_000_000
assert collected_s() < long_s / 4
del held
assert gc.get_freeze_count() < 1_000_000, "what was dropped is not free"
before = gc.get_freeze_count()
gc.collect()
assert gc.get_freeze_count() == before, "a short collection made things stay"
"""


def test_what_survived_a_long_collection_is_not_looked_through_again() -> None:
    subprocess.run([sys.executable, "-c", PAUSES], check=True)
