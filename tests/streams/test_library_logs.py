"""The libraries' loud logs become one line a fault."""

import logging

from streams.library_logs import Once


def record(message: str, line: int = 1, error: BaseException | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("aiokafka", logging.ERROR, "client.py", line, message, (), exc_info)


def test_the_same_place_tells_once_and_later_how_often_it_did_not() -> None:
    now = [0.0]
    once = Once(60.0, lambda: now[0])
    assert once.filter(record("no node"))
    assert not once.filter(record("no node 2"))
    assert once.filter(record("something else", line=2))
    now[0] = 61.0
    later = record("no node 3")
    assert once.filter(later)
    assert later.getMessage() == "no node 3 (1 more since last told)"


def test_a_traceback_becomes_its_last_line() -> None:
    told = record("Crashed\n  reason", error=ValueError("of\nthis"))
    assert Once().filter(told)
    assert told.getMessage() == "Crashed reason (ValueError: of this)"
    assert told.exc_info is None
