"""What a long-running process frees goes back to the system."""

import os
import subprocess
import sys

import pytest

HOLES = """
import sys, threading
from pathlib import Path
from streams.heap import give_back

if sys.argv[1] == "given back":
    give_back()

def mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

kept = []

def work(number):
    bytes(24 << 20)  # freed: from now on glibc would take blocks up to this size from a heap
    made = [bytes([1]) * (150_000 + 1_000 * n) for n in range(200)]
    kept.extend(made[number::50])

before = mib()
threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(mib() - before - sum(map(len, kept)) / 2**20)
"""


def holes_mib(how: str, **environment: str) -> float:
    """Memory of a process beyond what it holds, after six threads freed most of what they made."""
    ran = subprocess.run(
        [sys.executable, "-c", HOLES, how],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | environment,
    )
    return float(ran.stdout)


@pytest.mark.skipif(not hasattr(os, "confstr") or not (os.confstr_names.get("CS_GNU_LIBC_VERSION")), reason="not glibc")
def test_what_threads_free_goes_back_to_the_system() -> None:
    assert holes_mib("left alone") > 40
    assert holes_mib("given back") < 10


def test_what_the_environment_says_stays() -> None:
    assert holes_mib("given back", MALLOC_MMAP_THRESHOLD_=str(32 << 20), MALLOC_TRIM_THRESHOLD_=str(1 << 30)) > 40


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
