"""Events to rows, for providers whose logs are read record by record.

CloudTrail fills its columns straight from the records; identity providers write a hundredth as much, so their parsers
make ``AuditEvent`` objects and ``EventBatch`` turns a list of them into columns.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np

from detector.columns import ROW, Vocabulary, group_number
from detector.errors import MalformedRecordError, Rejection
from detector.event import Actor, AuditEvent, Path, Provider
from detector.identity.agents import agent_name, network_of
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources.framing import Block, Decoded, decode_block, rejection
from detector.sources.spans import stem_end
from detector.sources.timestamps import FOREVER_NS
from models.hashing import numbered
from models.text_keys import NO_KEY, bytes_key, text_key

SCOPE = "scope:"
"""Begins a resource that is a permission asked for and no thing with a name: `mail.send` is no kin of `mail.read`."""
_MEMO = 1 << 16
_ACTOR_KEYS = ("credential", "principal", "agent")
_ACTOR_NUMBERS = ("group", "path", "marks")


class EventBatch:
    """Rows of a list of events, and the events themselves. ``heirs``: by place, the principal a minted credential speaks for, where that is another."""

    def __init__(
        self, events: list[AuditEvent], vocabulary: Vocabulary, heirs: Mapping[int, str] | None = None
    ) -> None:
        self.events = events
        self.rows = np.zeros(len(events), ROW)
        self._fill_events(vocabulary)
        for place, heir in (heirs or {}).items():
            self.rows[place]["minted_for"] = text_key(heir)
        self._fill_actors()

    def event(self, index: int) -> AuditEvent:
        """The event of one row."""
        return self.events[index]

    def _fill_events(self, vocabulary: Vocabulary) -> None:
        rows, events = self.rows, self.events
        rows["time_s"] = [e.time_s for e in events]
        rows["provider"] = [int(e.provider) for e in events]
        rows["outcome"] = [int(e.outcome) for e in events]
        rows["operation"] = [vocabulary.number(e.provider, e.operation) for e in events]
        networks = [network_of(e.source) for e in events]
        self._fill_keys("event_key", [e.event_id for e in events])
        self._fill_keys("operation_key", [e.operation for e in events])
        rows["resource"] = np.array([named_resource(e.resource) for e in events], np.uint64)
        self._fill_keys("minted", [e.minted for e in events])
        self._fill_keys("network", networks)
        self._fill_keys("source", [e.source if n else "" for e, n in zip(events, networks, strict=True)])

    def _fill_keys(self, column: str, texts: list[str]) -> None:
        self.rows[column] = np.array([text_key(t) for t in texts], np.uint64)

    def _fill_actors(self) -> None:
        known: dict[tuple[Provider, Actor], tuple[int, ...]] = {}
        found = []
        for event in self.events:
            key = (event.provider, event.actor)
            if key not in known:
                known[key] = _actor_row(*key)
            found.append(known[key])
        for place, name in enumerate(_ACTOR_KEYS):
            self.rows[name] = np.array([f[place] for f in found], np.uint64)
        for place, name in enumerate(_ACTOR_NUMBERS, len(_ACTOR_KEYS)):
            self.rows[name] = [f[place] for f in found]


def scopes_of(text: str) -> str:
    """The resource a request for a token names by its scopes, in whatever order and however parted; '' for none.

    >>> scopes_of("orders.write orders.read"), scopes_of("")
    ('scope:orders.read orders.write', '')
    """
    scopes = sorted(set(text.replace(",", " ").split()))
    return f"{SCOPE}{' '.join(scopes)}"[:200] if scopes else ""


@lru_cache(maxsize=1 << 16)
def named_resource(text: str) -> int:
    """The number of a resource known by one name, see ``models.hashing.resource_number``; 0 for none.

    >>> named_resource("secret/payments/db-1") % 2**32 == named_resource("secret/payments/db-2") % 2**32
    True
    """
    if not text:
        return NO_KEY
    name = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    end = len(name) if text.startswith(SCOPE) else stem_end(name, 0, len(name))
    stem = name[:end].tobytes()
    return numbered(text_key(text), bytes_key(stem))


def _actor_row(provider: Provider, actor: Actor) -> tuple[int, ...]:
    keys = (actor.credential_key, actor.principal_key, text_key(actor.agent))
    return (*keys, group_number(provider, actor.path, actor.family), int(actor.path), actor.marks)


class Sighting(NamedTuple):
    """What one record says of who acted, before the operator's rules and files have spoken.

    ``path`` is what the record itself suggests; ``alias`` a second name rules and files may use (a login beside an id).
    """

    credential: str
    principal: str
    path: Path
    agent: str = ""
    address: str = ""
    marks: int = 0
    scope: str = ""
    claims: tuple[tuple[str, str], ...] = ()
    alias: str = ""


class ActorBook:
    """Actors by sighting, each distinct sighting resolved once. Holds at most 65,536."""

    def __init__(self, rules: IdentityRules, feeds: ContextFeeds) -> None:
        self.rules, self.feeds = rules, feeds
        self.known: dict[Sighting, Actor] = {}

    def actor(self, sighting: Sighting) -> Actor:
        """Who acted."""
        found = self.known.get(sighting)
        if found is None:
            if len(self.known) >= _MEMO:
                self.known.clear()
            found = self.known[sighting] = self._resolve(sighting)
        return found

    def _resolve(self, s: Sighting) -> Actor:
        name = s.alias or s.principal
        family = self.rules.family(name, s.agent)
        is_shared = self.rules.is_shared(s.principal) or self.rules.is_shared(name)
        return Actor(
            credential=s.credential,
            principal=s.principal,
            path=self._path(s, name, family),
            family=family,
            agent=agent_name(s.agent),
            scope=s.scope,
            consumer=f"{family}/{network_of(s.address)}" if is_shared else "",
            claims=s.claims,
            marks=s.marks | self._marks(s, name),
        )

    def _path(self, s: Sighting, name: str, family: str) -> Path:
        # A browser speaks for a person only where the record leaves it open: a thief can send any user agent.
        shown = family if s.path is Path.HUMAN or family != "console" else ""
        found = self.rules.path(name, shown, s.path)
        return found if found is not s.path else self.rules.path(s.principal, shown, s.path)

    def _marks(self, s: Sighting, name: str) -> int:
        return self.feeds.marks(s.credential, s.principal, s.address) | self.feeds.marks("", name, s.address)


class EventParser:
    """Turns blocks into batches, one record at a time.

    A provider says what a record is (``record_type``), what it means (``read``), and what betrays that something is wrapped round records (``wrappings``).
    """

    provider: Provider
    record_type: Any
    wrappings: tuple[bytes, ...] = ()

    def __init__(
        self, vocabulary: Vocabulary, rules: IdentityRules, feeds: ContextFeeds, not_after_ns: int = FOREVER_NS
    ) -> None:
        self.vocabulary, self.not_after_ns = vocabulary, not_after_ns
        self.book = ActorBook(rules, feeds)
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self.record_type)
        many: Any = list[self.record_type]  # type: ignore[name-defined]
        self.array_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(many)

    def read(self, record: Any, origin: str) -> AuditEvent | None:
        """The event of one record; None for one whose event another record tells. Raises ``MalformedRecordError(json_path, reason)``."""
        raise NotImplementedError

    def heir_of(self, record: Any, event: AuditEvent) -> str:
        """The principal that the credential this event minted speaks for, as that one's own events name it; '' for the caller or where nobody says."""
        return ""

    def parse(self, block: Block) -> tuple[EventBatch | None, list[Rejection]]:
        """Rows of every usable record, and a rejection for every other one."""
        is_wrapped = any(mark in block.data for mark in self.wrappings)
        decoded = decode_block(block, self.decoder, self.array_decoder, is_wrapped)
        events: list[AuditEvent] = []
        heirs: dict[int, str] = {}
        for position, record in zip(_positions(block, decoded), decoded.records, strict=True):
            try:
                event = self.read(record, block.origin)
                if event is None:
                    continue
                if event.minted and (heir := self.heir_of(record, event)):
                    heirs[len(events)] = heir
                events.append(event)
            except MalformedRecordError as fault:
                decoded.rejected.append(Rejection(block.origin, position, *fault.args))
            except RecursionError as error:
                decoded.rejected.append(rejection(block.origin, position, error))
        return (EventBatch(events, self.vocabulary, heirs) if events else None), decoded.rejected


def _positions(block: Block, decoded: Decoded[Any]) -> list[int]:
    """Where each record stands; blank lines are lines, so the count of records does not give it."""
    if decoded.positions is not None:
        return decoded.positions
    if not block.is_lines or block.data.count(b"\n") + 1 == len(decoded.records):
        return list(range(decoded.first, decoded.first + len(decoded.records)))
    return [decoded.first + i for i, line in enumerate(block.data.split(b"\n")) if line.strip()]


def text_of(value: Any) -> str:
    """A text, or a number as text; '' for anything else.

    >>> text_of(42), text_of(None), text_of(["a"])
    ('42', '', '')
    """
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def branch_of(value: Any, name: str) -> dict[str, Any]:
    """The object under ``name`` of an object; {} for anything else."""
    return as_object(as_object(value).get(name))


def as_object(value: Any) -> dict[str, Any]:
    """``value`` as an object; {} when it is none. Log warehouses keep some objects as JSON text: that is read too.

    >>> as_object('{"userId": "00u1"}')
    {'userId': '00u1'}
    """
    if isinstance(value, str) and value[:1] == "{":
        try:
            value = msgspec.json.decode(value.encode("utf-8", "surrogatepass"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def identifier(value: Any) -> str:
    """An id safe to keep: a bearer token that strayed into an id field is kept only as its hash.

    >>> identifier("00T1example"), identifier("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln")[:7]
    ('00T1example', 'hashed:')
    """
    text = text_of(value)
    is_bearer = text.startswith(("eyJ", "SSWS ", "Bearer ")) or len(text) > 128
    return f"hashed:{text_key(text):016x}" if is_bearer else text


def unattributed(origin: str) -> str:
    """The stand-in for an actor a record does not name: the log it came from."""
    return f"unattributed:{origin.replace(chr(92), '/').rpartition('/')[2]}"
