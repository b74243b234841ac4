"""Elastic's new-terms rules: a term of a principal (operation, address, client, ...) that was not seen in the days before raises an alert, every five minutes.

Shipped ones ask this of chosen operations ("First Time Seen AWS Secret Value Accessed in Secrets Manager", "AWS STS GetCallerIdentity API Called for the First
Time", "AWS SSM SendCommand Execution by Rare User", "AWS IAM Long-Term Access Key First Seen from Source IP", "Kubernetes Forbidden Request from Unusual User
Agent"; elastic/detection-rules) over 5 to 14 days of history. Here every field is a rule with a risk, an operation that one of ``rules.toml`` selects one more,
and a principal's alerts of the last runs are added up.

**Blind to:** what was seen once within the history, however often it happens now, and everything that is over before its run ends.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.peers.detection.base import Scores, Stream
from benchmarks.peers.detection.first_seen import service_of
from benchmarks.peers.detection.history import last_s, sum_since
from benchmarks.peers.detection.rules import DAY_S, age_s, shipped
from benchmarks.peers.detection.schedule import run_ends


class Knobs(NamedTuple):
    """``history_days``: what was last seen longer ago is new again. ``lookback_s``: of how long the alerts are added up. ``grace_days``: principals younger than
    this have no history to be compared with. ``exponent``: of the number of alerts of one field. Else each field's risk."""

    history_days: float = 14.0
    lookback_s: float = 3600.0
    grace_days: float = 7.0
    operation: float = 0.0
    service: float = 0.5
    network: float = 1.0
    client: float = 2.0
    resource: float = 0.0
    refused: float = 2.0
    selected: float = 2.0
    exponent: float = 0.5


class NewTerms:
    """See the module's docstring."""

    name = "new_terms"
    tuned = (
        "History, look-back, grace, exponent and the risks of seven fields by some sixty random steps uphill on shop 21, programs 31 and heavy_tail 41; any new operation, "
        "address and client at once, for everybody, contained 3 in 100 attacks of the first two."
    )

    def __init__(self, knobs: Knobs = Knobs()) -> None:  # noqa: B008 (immutable)
        self.knobs = knobs

    def scores(self, stream: Stream) -> Scores:
        """Known at the end of the event's run. Cost: some 1 s a million events."""
        known_s = run_ends(stream.time_s)
        since_s = known_s - self.knobs.lookback_s
        has_history = age_s(stream) >= self.knobs.grace_days * DAY_S
        score = np.zeros(len(known_s))
        for risk, value, told in self._fields(stream):
            if risk:
                seen_s = last_s(stream.time_s, stream.principal, value)
                is_new = (stream.time_s - seen_s > self.knobs.history_days * DAY_S) & told & has_history
                terms = sum_since(
                    stream.time_s, since_s, stream.principal, is_new.astype(float), len(stream.principals)
                )
                score += risk * terms**self.knobs.exponent
        return Scores(score, known_s)

    def _fields(self, stream: Stream) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
        always = np.ones(len(stream.time_s), bool)
        knobs, refused = self.knobs, stream.is_error
        yield knobs.operation, stream.operation, always
        yield knobs.service, service_of(stream), always
        yield knobs.network, stream.network, always
        yield knobs.client, stream.client, always
        yield knobs.resource, stream.resource, stream.resource > 0
        yield knobs.refused, 2 * stream.operation + refused, refused
        yield knobs.selected, stream.operation, is_watched(stream)


def is_watched(stream: Stream) -> np.ndarray:
    """Whether a shipped rule that needs but one event selects the event's operation, bool of n."""
    rules = [rule for rule in shipped() if rule.threshold <= 1 and not rule.refused]
    watched = np.array([any(rule.selects(name) for rule in rules) for name in stream.operations], bool)
    found: np.ndarray = watched[stream.operation]
    return found
