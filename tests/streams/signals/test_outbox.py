"""The outbox holds what it was given: over kill -9, in order, once, until it is settled."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import StateError
from streams.signals.outbox import Outbox
from streams.signals.store import open_store, transaction

WRITER = """
import sys, time
from pathlib import Path
from streams.signals.outbox import Outbox
from streams.signals.store import open_store

outbox = Outbox(open_store(Path(sys.argv[1])))
for number in range(100_000):
    outbox.put("s", f"jti-{number}", "session_revoked", b"{}", time.time())
    print(number, flush=True)
"""


def outbox(folder: Path, **changed: float) -> Outbox:
    return Outbox(open_store(folder / "signals.sqlite"), **changed)  # type: ignore[arg-type]


def fill(box: Outbox, count: int, now_s: float = 100.0, stream: str = "s") -> None:
    for number in range(count):
        assert box.put(stream, f"jti-{number}", "session_revoked", b"%d" % number, now_s)


def numbers(box: Outbox, now_s: float = 100.0, stream: str = "s") -> list[int]:
    return [int(waiting.claims) for waiting in box.due(stream, now_s, 1000)]


@pytest.mark.parametrize("after", [3, 25])
def test_what_was_put_survives_a_kill_at_any_moment(tmp_path: Path, after: int) -> None:
    path = tmp_path / "signals.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    said = [int(writer.stdout.readline()) for _ in range(after)]
    os.kill(writer.pid, signal.SIGKILL)
    said += [int(line) for line in writer.stdout if line.strip().isdigit()]
    writer.wait()
    writer.stdout.close()
    held = Outbox(open_store(path))
    jtis = [waiting.jti for waiting in held.due("s", time.time(), 10_000)]
    assert jtis[: len(said)] == [f"jti-{number}" for number in said]
    assert len(jtis) - len(said) in (0, 1)
    held.store.close()


def test_sets_leave_in_order_and_none_passes_one_that_has_to_wait(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    fill(box, 3)
    assert numbers(box) == [0, 1, 2]
    box.postpone(box.due("s", 100.0, 1)[0], 110.0)
    assert numbers(box) == []
    assert box.next_due_s("s") == 110.0
    assert numbers(box, 110.0) == [0, 1, 2]
    assert box.due("s", 110.0, 1)[0].tries == 1
    box.store.close()


def test_what_was_settled_is_not_put_again(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    fill(box, 2)
    assert not box.put("s", "jti-0", "session_revoked", b"again", 100.0)
    assert box.settle("s", ["jti-0", "nobody's"], 100.0) == ["session_revoked"]
    assert not box.put("s", "jti-0", "session_revoked", b"again", 100.0)
    assert box.put("another", "jti-0", "session_revoked", b"0", 100.0)
    assert (numbers(box), len(box)) == ([1], 2)
    box.store.close()


def test_too_old_and_too_many_are_let_go_and_counted(tmp_path: Path) -> None:
    box = outbox(tmp_path, keep_s=50.0, most_waiting=3)
    fill(box, 2, now_s=10.0, stream="old")
    fill(box, 5, now_s=100.0)
    assert box.expire(100.0) == (2, 2)
    assert numbers(box) == [2, 3, 4]
    assert box.expire(100.0) == (0, 0)
    box.store.close()


def test_only_what_is_about_the_stream_passes_where_it_is_paused(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    fill(box, 2)
    box.put("s", "v", "verification", b"9", 100.0, is_control=True)
    assert [w.jti for w in box.due("s", 100.0, 9, only_control=True)] == ["v"]
    assert (box.waiting("s"), box.waiting("s", only_control=True)) == (3, 1)
    assert box.forget_stream("s") == 3
    box.store.close()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    box = outbox(tmp_path)

    def fail() -> None:
        with transaction(box.store):
            fill(box, 3)
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail()
    assert len(box) == 0
    fill(box, 1)
    box.store.close()


def test_the_store_is_its_owners_alone_and_of_one_version(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "signals.sqlite"
    open_store(path).close()
    assert path.stat().st_mode & 0o777 == 0o600
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(StateError, match="version 99"):
        open_store(path)
    (tmp_path / "junk").write_bytes(b"no database at all, but long enough to be taken for one")
    with pytest.raises(StateError, match="junk"):
        open_store(tmp_path / "junk")


STEPS = st.lists(st.tuples(st.sampled_from(["put", "settle", "postpone", "restart"]), st.integers(0, 5)), max_size=25)


@settings(deadline=None)
@given(steps=STEPS)
def test_nothing_is_lost_doubled_or_turned_round_whatever_happens(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("outbox")
    box, expected, done = outbox(folder), list[int](), set[int]()
    for step, number in steps:
        if step == "put":
            assert box.put("s", f"jti-{number}", "e", b"%d" % number, 0.0) == (number not in done | set(expected))
            if number not in done and number not in expected:
                expected.append(number)
        elif step == "settle":
            assert bool(box.settle("s", [f"jti-{number}"], 0.0)) == (number in expected)
            if number in expected:
                expected.remove(number)
                done.add(number)
        elif step == "postpone" and expected:
            box.postpone(box.due("s", 1e9, 1)[0], 5.0)
        elif step == "restart":
            box.store.close()
            box = outbox(folder)
        assert numbers(box, 1e9) == expected
    box.store.close()
