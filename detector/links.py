"""The second stage: what no single principal's history shows. One source with many keys, and suspicion that follows a minted credential.

Engines hand out *link records*: exhibits of first uses of a source, of credentials another principal minted, of principals that minted, and of whatever
they decided themselves. ``Links`` takes them in order of event time, from however many engines, and makes decisions of its own. It never reaches back:
nothing it decides changes what an engine scores or learns.

Memory: at most ``SOURCES`` sources, ``PEOPLE`` principals with ``KEPT`` records each and ``RECORDS`` in all (some 1 KiB each), the ones idle longest dropped and counted.

Blind to: a source that takes more than an hour from one key to the next; who minted a credential where the provider does not say for whom.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from detector import crossings
from detector.config import Policy
from detector.decision import ACTIONS, FIRST_REVOCATION, Decision, Reason
from detector.errors import StateError
from detector.event import REFUSED, AuditEvent
from detector.learning import DAY_S, HOUR_S
from detector.reasons import Exhibit
from detector.scoring import DECIDES, HEIR, KNOWN_ESTATE, SIGHTED
from detector.state import EXHIBIT
from detector.verdicts import Verdicts, episode_of
from models.evidence import combined_bits, kept_after
from models.iteration import GATE_OPENS_AT

VERSION = 1
SAVED_VERSION = 2
SOURCES = 200_000
PEOPLE = 20_000
KEPT = 64
RECORDS = 100_000
SEEN = 200_000
ARRAY_32, HEAD_BYTES = b"\xdd", {0xDC: 3, 0xDD: 5}
"""An array's head in MessagePack, and how long one is by its first byte where it is not 1. Source: https://github.com/msgpack/msgpack/blob/master/spec.md, "array format family"."""
SOURCE_ALERT, SOURCE_REVOKE = 4, 5
INHERITED_CAP_BITS, INHERITED_GATE = 6.0, 1.4
CHILD_REVOKED_BITS = 4.0


class Link(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One link record. ``numbers``: an ``EXHIBIT``; ``flags``: why it was handed out; ``kind`` and ``action``: what its engine decided on this event.

    ``parent``: key of the principal that minted the credential, 0 for nobody else; ``first_s``: the credential's first use; ``born_s``: its principal's.
    """

    version: int
    numbers: bytes
    event: AuditEvent
    flags: int
    kind: int
    action: str
    has_acted: bool
    level: int
    born_s: float
    first_s: float
    parent: int

    @property
    def exhibit(self) -> Exhibit:
        """Its numbers and its event."""
        return Exhibit(np.frombuffer(self.numbers, EXHIBIT)[0], self.event)


class Source(msgspec.Struct, gc=False):
    """One address: first sighting, the hour being counted, the principals newly reached in it and their records."""

    first_s: float
    window_s: float
    last_s: float = 0.0
    count: int = 0
    reached: dict[int, float] = {}
    visits: dict[int, Link] = {}


class Person(msgspec.Struct, gc=False):
    """One principal: its last records, and what the lineage adds to its own evidence (bits and gate as of ``at_s``; they fade alike)."""

    trail: list[Link] = []
    bits: float = 0.0
    gate: float = 0.0
    at_s: float = 0.0
    quiet_until_s: float = 0.0
    reasons: tuple[Reason, ...] = ()

    def fade(self, now: float) -> None:
        """Lets what was added fade to ``now``."""
        kept = kept_after(now - self.at_s)
        self.bits, self.gate, self.at_s = self.bits * kept, self.gate * kept, max(now, self.at_s)

    def clear(self) -> None:
        """Starts afresh after a revocation, as the principal's own evidence does."""
        self.bits, self.gate, self.reasons = 0.0, 0.0, ()


_Key = tuple[float, str, int, int]


class SavedLinks(msgspec.Struct, frozen=True):
    """Everything the second stage remembers. Its long lists are encoded in pieces, and each of ``people`` is decoded by itself: all at once they would hold the interpreter for a tenth of a second."""

    version: int
    waiting: list[tuple[_Key, int, Link]]
    sources: list[tuple[int, Source]]
    busy: list[int]
    people: list[msgspec.Raw]
    inherited: list[int]
    seen: list[_Key]
    revoked: list[tuple[int, str]]
    standing: list[tuple[int, tuple[str, float]]]
    dropped: int
    taken: int


_person = msgspec.msgpack.Decoder(tuple[int, Person])


class Links:
    """Takes link records, gives decisions. Deterministic: the same records give the same decisions, in whatever order they came before the watermark."""

    def __init__(self, policy: Policy) -> None:
        self.verdicts = Verdicts(policy)
        self.knobs = self.verdicts.knobs
        self.waiting: list[tuple[_Key, int, Link]] = []
        self.sources: OrderedDict[int, Source] = OrderedDict()
        self.busy: OrderedDict[int, None] = OrderedDict()
        self.people: OrderedDict[int, Person] = OrderedDict()
        self.inherited: OrderedDict[int, None] = OrderedDict()
        self.seen: OrderedDict[_Key, None] = OrderedDict()
        self.records = 0
        self.dropped = 0
        self.taken = 0

    def take(self, links: Iterable[Link]) -> None:
        """Takes records in. One handed out before (an engine that started again) changes nothing."""
        for link in links:
            x = link.exhibit.x
            key = (float(x["time_s"]), link.event.event_id, int(x["principal"]), int(x["credential"]))
            if key in self.seen:
                continue
            if link.event.event_id:
                _remember(self.seen, key, SEEN)
            self.taken += 1
            heapq.heappush(self.waiting, (key, self.taken, link))

    def saved(self) -> SavedLinks:
        """What is remembered, to be written down."""
        return SavedLinks(
            SAVED_VERSION,
            _in_pieces(sorted(self.waiting, key=lambda entry: entry[:2]), 512),
            _in_pieces(list(self.sources.items()), 512),
            list(self.busy),
            _in_pieces(list(self.people.items()), 32),
            list(self.inherited),
            _in_pieces(list(self.seen), 2048),
            list(self.verdicts.revoked.items()),
            list(self.verdicts.standing.items()),
            self.dropped,
            self.taken,
        )

    def restore(self, saved: SavedLinks) -> None:
        """Goes on from what was written down. Raises ``StateError`` for another version."""
        if saved.version != SAVED_VERSION:
            raise StateError(f"second stage of version {saved.version}, this Outpace reads version {SAVED_VERSION}")
        try:
            people = [_person.decode(each) for each in saved.people]
        except msgspec.DecodeError as error:
            raise StateError(f"second stage is not readable: {error}") from error
        self.waiting = list(saved.waiting)
        self.sources, self.people = OrderedDict(saved.sources), OrderedDict(people)
        self.records = sum(len(person.trail) for person in self.people.values())
        self.busy = OrderedDict.fromkeys(saved.busy)
        self.inherited, self.seen = OrderedDict.fromkeys(saved.inherited), OrderedDict.fromkeys(saved.seen)
        self.verdicts.revoked = OrderedDict(saved.revoked)
        self.verdicts.standing = OrderedDict(saved.standing)
        self.dropped, self.taken = saved.dropped, saved.taken

    def advance(self, watermark_s: float) -> list[Decision]:
        """Decisions of all records before the watermark, in order of (time, event id): no record of an earlier time is to come."""
        return [decision for _time, decision in self.timed(watermark_s)]

    def timed(self, watermark_s: float) -> list[tuple[float, Decision]]:
        """The same, each with the time of the record behind it in seconds."""
        found = []
        while self.waiting and self.waiting[0][0][0] < watermark_s:
            key, _, link = heapq.heappop(self.waiting)
            found += [(key[0], decision) for decision in self._weigh(link)]
        return found

    def _weigh(self, link: Link) -> list[Decision]:
        exhibit = link.exhibit
        now = float(exhibit.x["time_s"])
        person = self._person(int(exhibit.x["principal"]))
        self.records += len(person.trail) < KEPT
        person.trail.append(link)
        del person.trail[:-KEPT]
        while self.records > RECORDS and len(self.people) > 1:
            self._forget_one()
        person.fade(now)
        found = self._heard(link, exhibit, person, now)
        if link.flags & HEIR:
            self._inherit(link, exhibit, person, now)
        found += self._judge(person, link, exhibit, now)
        if link.flags & SIGHTED:
            found += self._sighted(link, exhibit, now)
        return found

    def _person(self, key: int) -> Person:
        person = self.people.get(key)
        if person is None:
            person = self.people[key] = Person()
            if len(self.people) > PEOPLE:
                self._forget_one()
        self.people.move_to_end(key)
        return person

    def _forget_one(self) -> None:
        """The principal idle longest leaves."""
        self.records -= len(self.people.popitem(last=False)[1].trail)
        self.dropped += 1

    def _heard(self, link: Link, exhibit: Exhibit, person: Person, now: float) -> list[Decision]:
        """Notes what the engine itself decided on this event; a revocation warns whoever minted the credential."""
        was_revoked = self.verdicts.is_revoked(exhibit)
        if link.action:
            self.verdicts.is_news(exhibit, link.action)
            if ACTIONS.index(link.action) >= FIRST_REVOCATION:
                self.verdicts.note_revoked(exhibit)
        if link.kind not in crossings.ACTING:
            return []
        person.clear()
        return [] if was_revoked else self._warn_parent(link, exhibit, now)

    # one source, many keys

    def _sighted(self, link: Link, exhibit: Exhibit, now: float) -> list[Decision]:
        key, principal = int(exhibit.x["source"]), int(exhibit.x["principal"])
        source = self._source(key, now)
        if now - source.first_s > DAY_S or not is_another_hand(exhibit):
            return []
        if now - source.window_s > HOUR_S:
            source.window_s, source.count = now, 0
        is_new = now - source.reached.get(principal, -HOUR_S * 2) > HOUR_S
        if is_new or int(exhibit.x["credential"]) in source.visits or len(source.visits) < KEPT:
            source.visits[int(exhibit.x["credential"])] = link
        if not is_new:
            return []
        source.reached[principal] = now
        source.count += 1
        if not link.flags & DECIDES:
            return []
        if source.count >= SOURCE_REVOKE and not link.has_acted and not self.verdicts.is_revoked(exhibit):
            return self._revoke_visitors(source, exhibit, now)
        if source.count == SOURCE_ALERT and not link.level:
            return self._said(crossings.SOURCE_ALERTED, link, exhibit)
        return []

    def _source(self, key: int, now: float) -> Source:
        source = self.sources.get(key)
        if source is None:
            source = self.sources[key] = Source(now, now)
            if len(self.sources) > SOURCES:
                self.busy.pop(self.sources.popitem(last=False)[0], None)
                self.dropped += 1
        source.last_s = now
        for order in (self.sources, self.busy):
            order[key] = order.get(key)  # type: ignore[assignment]
            order.move_to_end(key)
        self._rest(now)
        return source

    def _rest(self, now: float) -> None:
        """Sources nobody came from for an hour keep their dates only."""
        while self.busy:
            key = next(iter(self.busy))
            source = self.sources[key]
            if now - source.last_s <= HOUR_S:
                return
            source.reached, source.visits = {}, {}
            del self.busy[key]

    def _revoke_visitors(self, source: Source, trigger: Exhibit, now: float) -> list[Decision]:
        found = []
        for visit in list(source.visits.values()):
            exhibit = visit.exhibit
            if now - float(exhibit.x["time_s"]) <= HOUR_S and not self.verdicts.is_revoked(exhibit):
                found += self._said(crossings.SOURCE_REVOKED, visit, exhibit, trigger)
                found += self._acted(visit, exhibit, now)
        return found

    # lineage

    def _inherit(self, link: Link, exhibit: Exhibit, person: Person, now: float) -> None:
        """Adds, once a credential, what its minter had above its offset when the credential was first used."""
        key = int(exhibit.x["credential"])
        parent = self.people.get(link.parent)
        if key in self.inherited:
            return
        _remember(self.inherited, key, 2 * PEOPLE)
        before = [r for r in parent.trail if r.exhibit.x["time_s"] < link.first_s + 1.0] if parent else []
        if not parent or not before:
            return
        x, top = before[-1].exhibit.x, kept_after(link.first_s - parent.at_s)
        kept = kept_after(link.first_s - float(x["time_s"]))
        a, b = (float(x[name]) * kept + parent.bits * top for name in ("a", "b"))
        own = (combined_bits(a, b) if a > 0.0 else 0.0) - self.verdicts.offset(float(x["threshold"]), before[-1].event)
        if own <= 0.0:
            return
        since = kept_after(now - link.first_s)
        self._add(
            person,
            min(INHERITED_CAP_BITS, own) * since,
            min(INHERITED_GATE, float(x["gate"]) * kept + parent.gate * top) * since,
            Reason("lineage", 0.0, link.event.event_id, "minted by a credential already under suspicion"),
        )

    def _warn_parent(self, link: Link, exhibit: Exhibit, now: float) -> list[Decision]:
        """A revoked child is evidence about whoever minted it, if that one is under suspicion already."""
        parent = self.people.get(link.parent) if link.parent else None
        if parent is None or not parent.trail or link.parent == int(exhibit.x["principal"]):
            return []
        last = parent.trail[-1]
        if last.exhibit.x["a"] <= 0.0 and parent.bits <= 0.0:
            return []
        parent.fade(now)
        text = "a credential it minted was revoked"
        self._add(parent, CHILD_REVOKED_BITS, 0.0, Reason("lineage", 0.0, link.event.event_id, text))
        return self._judge(parent, last, last.exhibit, now, exhibit)

    def _add(self, person: Person, bits: float, gate: float, reason: Reason) -> None:
        person.bits += bits
        person.gate += gate
        person.reasons = (*person.reasons[-3:], msgspec.structs.replace(reason, bits=round(bits, 2)))

    def _judge(
        self, person: Person, link: Link, exhibit: Exhibit, now: float, trigger: Exhibit | None = None
    ) -> list[Decision]:
        """The engine's own rules on a principal's last numbers with the lineage's bits on top."""
        if person.bits <= 0.0 or not link.flags & DECIDES:
            return []
        x = exhibit.x
        kept = kept_after(now - float(x["time_s"]))
        a, b = float(x["a"]) * kept + person.bits, float(x["b"]) * kept + person.bits
        evidence = combined_bits(a, b)
        cold = float(x["cold"]) * kept + person.bits if x["is_cold"] or x["cold"] > 0.0 else 0.0
        inherited = person.gate if _has_stepped(person, int(x["credential"]), now) else 0.0
        kind = self._kind(person, link, exhibit, evidence, cold, float(x["gate"]) * kept + inherited, now)
        if not kind:
            return []
        bits = cold if kind in (crossings.COLD_ALERT, crossings.COLD_REVOKE) else evidence
        found = self._said(kind, link, exhibit, trigger, person.reasons, bits)
        if kind in crossings.ACTING:
            return found + self._acted(link, exhibit, now)
        person.quiet_until_s = now + DAY_S
        return found

    def _kind(
        self, person: Person, link: Link, exhibit: Exhibit, evidence: float, cold: float, gate: float, now: float
    ) -> int:
        threshold, age_s = float(exhibit.x["threshold"]), now - link.born_s
        may_act = not link.has_acted and not self.verdicts.is_revoked(exhibit)
        may_alert = not link.level and now > person.quiet_until_s
        is_open = gate >= GATE_OPENS_AT
        if is_open and may_act and evidence >= threshold and age_s >= self.knobs.young_s:
            return crossings.REVOKE
        if gate >= crossings.COLD_GATE and age_s < DAY_S:
            known = crossings.KNOWN_ESTATE_BITS if link.flags & KNOWN_ESTATE else 0.0
            if is_open and may_act and cold >= self.knobs.cold_revoke:
                return crossings.COLD_REVOKE
            if may_alert and cold >= self.knobs.cold_alert + known:
                return crossings.COLD_ALERT
        if is_open and may_alert and evidence >= self.verdicts.alerts_at(threshold, link.event):
            return crossings.ALERT
        return 0

    # saying it

    def _said(
        self,
        kind: int,
        link: Link,
        exhibit: Exhibit,
        trigger: Exhibit | None = None,
        inherited: tuple[Reason, ...] = (),
        evidence_bits: float | None = None,
    ) -> list[Decision]:
        if not link.flags & DECIDES:
            return []
        trail = self._person(int(exhibit.x["principal"])).trail
        episode = episode_of([r.exhibit for r in trail], exhibit)
        decision = self.verdicts.decision(kind, exhibit, episode, trigger, inherited, evidence_bits)
        if not self.verdicts.is_news(exhibit, decision.action):
            return []
        if decision.is_revocation:
            self.verdicts.note_revoked(exhibit)
        return [decision]

    def _acted(self, link: Link, exhibit: Exhibit, now: float) -> list[Decision]:
        self._person(int(exhibit.x["principal"])).clear()
        return self._warn_parent(link, exhibit, now)


def _has_stepped(person: Person, credential: int, now: float) -> bool:
    """Whether anything was tried with the credential within the hour that its principal had not done before, or that was refused. A new hand alone comes with every
    roll-out, to the minter and to what it mints alike; it does not open the gate by what is inherited."""
    recent = (r.exhibit.x for r in reversed(person.trail))
    return any(is_step(x) for x in recent if int(x["credential"]) == credential and now - float(x["time_s"]) <= HOUR_S)


def is_step(x: np.void) -> bool:
    """Whether an exhibit is a first use or a refusal."""
    return bool(x["count"] == 0.0 or x["outcome"] in REFUSED)


def is_another_hand(exhibit: Exhibit) -> bool:
    """Whether a first use of a source looks like another hand, not like another route: a client new to the principal, or from a network new to it a call
    that it never made or that was refused. Behind a new gateway everybody goes on as before."""
    x = exhibit.x
    return bool(x["new_agent_p"] >= 0.0 or (x["new_network_p"] >= 0.0 and is_step(x)))


def _in_pieces(items: list[Any], size: int) -> Any:
    """A list as ``msgspec.Raw``, encoded ``size`` entries at a time so that other threads get their turn in between.

    >>> msgspec.msgpack.decode(msgspec.msgpack.encode(_in_pieces(list(range(1000)), 90))) == list(range(1000))
    True
    """
    pieces = [msgspec.msgpack.encode(items[start : start + size]) for start in range(0, len(items), size)]
    head = ARRAY_32 + len(items).to_bytes(4, "big")
    return msgspec.Raw(head + b"".join(piece[HEAD_BYTES.get(piece[0], 1) :] for piece in pieces))


def _remember(order: OrderedDict, key: object, limit: int) -> None:  # type: ignore[type-arg]
    order[key] = None
    if len(order) > limit:
        order.popitem(last=False)
