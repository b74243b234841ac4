"""The event times of a batch, all at once where they are written alike."""

import numpy as np

from detector.sources.spans import whole_second_times
from detector.sources.timestamps import EARLIEST_NS, FOREVER_NS, check_span, parse_time_ns


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
