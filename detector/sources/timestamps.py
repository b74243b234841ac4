"""Event times: RFC 3339 text to nanoseconds since 1970 UTC, inside a believable span."""

from datetime import UTC, datetime

from detector.errors import Rejection

EARLIEST_NS = int(datetime(2006, 1, 1, tzinfo=UTC).timestamp()) * 10**9
FOREVER_NS = int(datetime(2105, 1, 1, tzinfo=UTC).timestamp()) * 10**9


def parse_time_ns(text: str) -> int:
    """Nanoseconds since 1970 UTC. Raises ``ValueError`` for anything but an RFC 3339 time.

    >>> parse_time_ns("2026-03-02T00:00:01Z")
    1772409601000000000
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (int(moment.replace(microsecond=0).timestamp()) * 10**6 + moment.microsecond) * 1000


def check_span(time_ns: int, text: str, not_after_ns: int) -> int:
    """The time itself. Raises ``ValueError`` when it lies before audit logs existed or in the future: one such record
    would otherwise push the watermark decades ahead and make every honest record late.
    """
    fault = span_fault(time_ns, not_after_ns)
    if fault:
        raise ValueError(f"{text!r} lies {fault}")
    return time_ns


def span_fault(time_ns: int, not_after_ns: int) -> str:
    """Where outside the believable span a time lies; '' inside it."""
    if time_ns < EARLIEST_NS:
        return f"before {format_time(EARLIEST_NS)}"
    return f"ahead of {format_time(not_after_ns)}, the latest believed here" if time_ns > not_after_ns else ""


def format_time(time_ns: int) -> str:
    """RFC 3339 text, milliseconds only where there are any."""
    moment = datetime.fromtimestamp(time_ns // 10**9, UTC)
    milli = time_ns // 10**6 % 1000
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{milli:03d}Z" if milli else "Z")


def no_believable_time(origin: str, position: int, text: str, not_after_ns: int) -> Rejection:
    """The rejection of a CloudTrail record for its time."""
    try:
        fault = span_fault(parse_time_ns(text), not_after_ns)
    except (ValueError, OverflowError):
        fault = ""
    reason = f"{text[:80]!r} is no believable time" + (f", it lies {fault}" if fault else "")
    return Rejection(origin, position, "$.eventTime", reason)
