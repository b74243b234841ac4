"""The replay runner: captured logs through the same engine that runs live, on a laptop, with no broker."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from detector.columns import Vocabulary
from detector.config import Policy, read_policy
from detector.decision import Decision
from detector.engine import Engine
from detector.errors import ConfigError, InputError, Rejection
from detector.event import Provider
from detector.identity.context import ContextFeeds, read_names
from detector.identity.rules import IdentityRules, read_rules
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.keycloak import KeycloakParser
from detector.sources.okta import OktaParser
from detector.sources.timestamps import FOREVER_NS
from streams.inputs import opened
from streams.merge import Merge, Parse

CLOCK_SKEW_NS = 86_400 * 10**9
KEPT_REJECTIONS = 1000


class Summary(msgspec.Struct):
    """What a replay did; field names are a contract."""

    events: int = 0
    rejected: int = 0
    credentials: int = 0
    principals: int = 0
    decisions: int = 0
    revocations: int = 0
    alerts: int = 0
    by_path: dict[str, int] = {}
    by_pattern: dict[str, int] = {}
    seconds: float = 0.0
    events_per_second: float = 0.0
    duplicates: int = 0
    late: int = 0
    evicted: int = 0
    identity_days: dict[str, int] = {}
    baseline_events: int = 0
    baseline_rejected: int = 0


def load_policy(path: str | None) -> Policy:
    """The policy in a file, or the defaults."""
    return read_policy(_bytes_of(path, "policy"), path) if path else Policy()


def _bytes_of(path: str, what: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{what} {path}: {error.strerror or error}") from error


def load_feeds(policy: Policy, beside: str | None) -> ContextFeeds:
    """The operator's credential files, relative to the policy file."""

    def names(path: str) -> frozenset[str]:
        return (
            read_names(_bytes_of(_beside(path, beside), "context file").decode("utf-8", "replace"))
            if path
            else frozenset()
        )

    context = policy.context
    return ContextFeeds(names(context.exposed), names(context.canaries), names(context.retired), context.bindings)


def _beside(path: str, beside: str | None) -> str:
    return str(Path(beside).parent / path) if beside and not Path(path).is_absolute() else path


def load_rules(policy: Policy, beside: str | None) -> IdentityRules:
    """Identity rules, the operator's first."""
    path = policy.identity.rules
    return IdentityRules(read_rules(_bytes_of(_beside(path, beside), "identity rules"), path) if path else None)


class Replay:
    """One replay: an engine, its parsers, and what came of it."""

    def __init__(self, policy: Policy, policy_path: str | None = None, not_after_ns: int | None = None) -> None:
        self.policy = policy
        vocabulary = Vocabulary()
        self.engine = Engine(policy, vocabulary)
        feeds, rules = load_feeds(policy, policy_path), load_rules(policy, policy_path)
        limit = min(FOREVER_NS, time.time_ns() + CLOCK_SKEW_NS) if not_after_ns is None else not_after_ns
        self.parsers: dict[Provider, Parse] = {
            Provider.AWS: CloudTrailParser(vocabulary, rules, feeds, limit).parse,
            Provider.OKTA: OktaParser(vocabulary, rules, feeds, limit).parse,
            Provider.KEYCLOAK: KeycloakParser(vocabulary, rules, feeds, limit).parse,
        }
        self.rejected: list[Rejection] = []
        self.rejected_count = 0
        self.decisions: list[Decision] = []
        self.baseline_events = 0
        self.baseline_rejected = 0
        self.events = 0
        self.duplicates = 0
        self.seconds = 0.0

    def learn(
        self, paths: list[str], source: Provider | None = None, progress: Callable[[int], None] | None = None
    ) -> None:
        """Learns a baseline without deciding. Raises ``InputError`` when nothing in it was usable: nobody meant to learn nothing."""
        before, refused, kept = self._seen(), self.rejected_count, len(self.rejected)
        events = self.engine.counters()["events"]
        for _ in self._run(paths, source, False, progress):
            pass
        self.baseline_events += self.engine.counters()["events"] - events
        self.baseline_rejected += self.rejected_count - refused
        self._check_usable(before, kept, f"--baseline {', '.join(paths)}")

    def run(
        self, paths: list[str], source: Provider | None = None, progress: Callable[[int], None] | None = None
    ) -> Iterator[Decision]:
        """Decisions as they fall. Raises ``InputError`` when nothing usable was found."""
        before, kept, counted = self._seen(), len(self.rejected), self.engine.counters()
        for decision in self._run(paths, source, True, progress):
            self.decisions.append(decision)
            yield decision
        after = self.engine.counters()
        self.events += after["events"] - counted["events"]
        self.duplicates += after["duplicates"] - counted["duplicates"]
        self._check_usable(before, kept, ", ".join(paths))

    def _check_usable(self, seen_before: int, kept_before: int, what: str) -> None:
        if self._seen() == seen_before:
            first = "".join(f": {r}" for r in self.rejected[kept_before : kept_before + 1])
            raise InputError(f"no usable audit record in {what[:200]}{first}")

    def _seen(self) -> int:
        """Usable records so far, doubled ones too."""
        counters = self.engine.counters()
        return counters["events"] + counters["duplicates"]

    def _run(
        self, paths: list[str], source: Provider | None, decides: bool, progress: Callable[[int], None] | None
    ) -> Iterator[Decision]:
        started = time.perf_counter()
        merge = Merge(opened(paths), self.parsers, source, self.policy.lateness_s)
        for rows in merge.frames():
            yield from self.engine.process(rows, merge.reorder.batches, decides)
            self._note_rejected(merge)
            if progress:
                progress(merge.bytes_read)
        self._note_rejected(merge)
        self.seconds += time.perf_counter() - started

    def _note_rejected(self, merge: Merge) -> None:
        self.rejected_count += merge.rejected.total
        merge.rejected.total = 0
        self.rejected += merge.rejected[: KEPT_REJECTIONS - len(self.rejected)]
        merge.rejected.clear()

    def summary(self) -> Summary:
        """Counts of the whole run."""
        counters, live = self.engine.counters(), self.engine.state.live
        days = self.engine.state.plain["identity_days"]
        return Summary(
            events=self.events,
            rejected=self.rejected_count,
            credentials=live["credentials"],
            principals=live["principals"],
            decisions=len(self.decisions),
            revocations=sum(d.is_revocation for d in self.decisions),
            alerts=sum(d.action == "alert" for d in self.decisions),
            by_path=dict(Counter(d.path for d in self.decisions)),
            by_pattern=dict(Counter(d.pattern for d in self.decisions)),
            seconds=round(self.seconds, 3),
            events_per_second=round((self.events + self.baseline_events) / self.seconds, 1) if self.seconds else 0.0,
            duplicates=self.duplicates,
            late=counters["late"],
            evicted=counters["evicted"],
            identity_days={
                name: int(days[i]) for i, name in enumerate(("human", "workload", "delegated", "emergency"))
            },
            baseline_events=self.baseline_events,
            baseline_rejected=self.baseline_rejected,
        )
