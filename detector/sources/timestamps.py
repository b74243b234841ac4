"""Event times: RFC 3339 text to nanoseconds since 1970 UTC, inside a believable span."""

from datetime import UTC, datetime

import numpy as np

from detector.errors import Rejection
from detector.sources.spans import whole_second_times

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


class TimeColumn:
    """Times of a batch: whole-second UTC stamps all at once by compiled code, anything else text by text, each distinct one parsed once.

    ``not_after_ns`` may move: live it follows the clock.
    """

    def __init__(self, not_after_ns: int, remembers: int = 100_000) -> None:
        self.known: dict[str, float] = {}
        self.not_after_ns = not_after_ns
        self.remembers = remembers

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Seconds since 1970 (f8); NaN where a text is no believable time."""
        joined = "\n".join(texts)
        if len(joined) == 21 * len(texts) - 1 and joined.isascii():
            times = whole_second_times(np.frombuffer(joined.encode(), np.uint8), len(texts))
            if not np.isnan(times).any():
                times[(times * 1e9 < EARLIEST_NS) | (times * 1e9 > self.not_after_ns)] = np.nan
                return times
        get = self.known.get
        values = [get(t) for t in texts]
        if None in values:
            values = [self._parsed(t) if v is None else v for t, v in zip(texts, values, strict=True)]
        found = np.array(values, np.float64)
        found[found * 1e9 > self.not_after_ns] = np.nan
        return found

    def seconds(self, text: str) -> float:
        """Seconds since 1970 of one text; NaN where it is no believable time."""
        known = self.known.get(text)
        seconds = self._parsed(text) if known is None else known
        return float("nan") if seconds * 1e9 > self.not_after_ns else seconds

    def _parsed(self, text: str) -> float:
        """The same whatever the latest time believed just now: what lies ahead today may be remembered until tomorrow."""
        if len(self.known) > self.remembers:
            self.known.clear()
        try:
            seconds = check_span(parse_time_ns(text), text, FOREVER_NS) / 1e9
        except (ValueError, OverflowError):
            seconds = float("nan")
        self.known[text] = seconds
        return seconds
