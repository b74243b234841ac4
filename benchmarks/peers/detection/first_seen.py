"""First-seen novelty: how surprising it is that this principal shows a value it never showed before, field by field.

A new value's surprise is −log2 of how often the principal brings new values to that field, per hour in which it was active, plus part of how few other
principals have the value. Surprises fade with a half-life, and a field counts with the square root of its sum: many fields at once weigh more than many
values of one, which roll-outs bring. The idea is the "novelty" of access monitoring products ("first time this user ...") with rates instead of flags.

**Blind to:** what the principal did before, in any order and at any rate.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.peers.detection.base import Scores, Stream
from benchmarks.peers.detection.history import fading_sum, marked_before, times_before

HOUR_S = 3600.0
HALF_LIFE_S = 3600.0
PRIOR_HOURS = 5.0
PRIOR_NEW_PER_HOUR = 0.05
RARITY = 0.3
EXPONENT = 0.5


class FirstSeen:
    """See the module's docstring."""

    name = "first_seen"
    tuned = (
        "Weights of nine fields, half-life, exponent, prior and rarity by some forty random steps uphill on shop 21, programs 31 and heavy_tail 41; "
        "the operation's own novelty weighs nothing beside its being refused for the first time."
    )

    def scores(self, stream: Stream) -> Scores:
        """Known at the event's own time. Cost: some 1 s a million events."""
        hours = active_hours_before(stream)
        known = np.cumsum(marked_before(stream.principal, np.ones(len(hours), bool)) == 0)
        total = np.zeros(len(hours))
        for weight, value, told in fields(stream):
            is_new = (times_before(stream.principal, value) == 0) & told
            brought = marked_before(stream.principal, is_new)
            rate = (brought + PRIOR_HOURS * PRIOR_NEW_PER_HOUR) / (hours + PRIOR_HOURS)
            rarity = np.log2((known + 1) / (marked_before(value, is_new) + 1))
            surprise = np.maximum(RARITY * rarity - np.log2(np.minimum(rate, 1.0)), 0.0) * is_new * weight
            faded = fading_sum(stream.time_s, stream.principal, surprise, HALF_LIFE_S, len(stream.principals))
            total += faded**EXPONENT
        return Scores(total, stream.time_s)


def fields(stream: Stream) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Each field's weight, value and whether the event has one, per event."""
    service, refused = service_of(stream), stream.is_error
    always = np.ones(len(refused), bool)
    yield 0.1, service, always
    yield 0.25, stream.network, always
    yield 0.1, stream.client, always
    yield 0.1, stream.resource, stream.resource > 0
    yield 1.0, 2 * stream.operation + refused, refused
    yield 0.1, 2 * service + refused, refused


def service_of(stream: Stream) -> np.ndarray:
    """The service each event's operation belongs to, by number."""
    numbers: dict[str, int] = {}
    of = [numbers.setdefault(name.partition(":")[0], len(numbers)) for name in stream.operations]
    found: np.ndarray = np.array(of, np.int32)[stream.operation]
    return found


def active_hours_before(stream: Stream) -> np.ndarray:
    """In how many hours the principal was active before, int64 of n."""
    hour = (stream.time_s // HOUR_S).astype(np.int64)
    return marked_before(stream.principal, times_before(stream.principal, hour) == 0)
