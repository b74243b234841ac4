"""The receiving side without HTTP: a SET is believed or refused, taken once, and made into facts, which are written to a file the parsers read.

One ``Receiver`` a transmitter. ``take`` returns only when the SET and its facts are on the disk: then its sender may forget it.
"""

import hmac
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from detector.errors import StateError
from streams.logs import logger
from streams.signals import events
from streams.signals.errors import RefusedSetError
from streams.signals.inbox import Inbox
from streams.signals.incoming import concerns_us, facts_of, missing_member
from streams.signals.record import NoRecorder, Received, Recorder
from streams.signals.sets import SecurityEvent
from streams.signals.settings import Believed
from streams.signals.store import transaction
from streams.signals.subjects import Opaque
from streams.signals.tally import NoTally, Tally
from streams.signals.verifying import KeyFinder, Trust, verified

log = logger("signals")


class Taken(NamedTuple):
    """A SET that was taken. ``is_new`` False: it was taken before and changed nothing."""

    event: SecurityEvent
    is_new: bool


class Receiver:
    """Takes the SETs of one transmitter. ``critical``: what its metadata call ``critical_subject_members``. ``learned``: called after new facts."""

    def __init__(
        self,
        believed: Believed,
        keys: KeyFinder,
        store: sqlite3.Connection,
        clock_s: Callable[[], float],
        tally: Tally | None = None,
        max_bytes: int = 64 << 10,
        recorder: Recorder | None = None,
    ) -> None:
        self.believed, self.keys, self.clock_s = believed, keys, clock_s
        self.trust = Trust(
            issuer=believed.issuer, audience=(believed.audience,), max_age_s=believed.max_age_s, max_bytes=max_bytes
        )
        self.inbox = Inbox(store)
        self.tally: Tally = tally or NoTally()
        self._recorder: Recorder = recorder or NoRecorder()
        self.critical: tuple[str, ...] = ()
        self.stream_id = ""
        self.expected_state = ""
        self.verified_s = 0.0
        self.status: events.Status = "enabled"
        self.learned: Callable[[], None] = lambda: None

    async def take(self, token: bytes, jti: str = "") -> Taken:
        """Takes a SET in. ``jti``: what it was announced under, where it was polled. Raises ``RefusedSetError``, counted, and ``KeysUnavailableError``."""
        event = None
        try:
            event = await verified(token, self.trust, self.keys, self.clock_s())
            if jti and jti != event.jti:
                raise RefusedSetError("claims", f"jti {event.jti[:120]!r} came as {jti[:120]!r}")
            if self.inbox.has(event.issuer, event.jti):
                self.tally.note_set_repeated()
                return Taken(event, False)
            self._check_subject(event)
            return self._taken(event)
        except RefusedSetError as error:
            self.note_refused(error.reason, event, jti)
            log.warning("SET refused", transmitter=self.believed.name, reason=error.reason, text=str(error)[:300])
            raise

    def note_refused(self, reason: str, event: SecurityEvent | None = None, jti: str = "") -> None:
        """Counts a SET that is refused and puts it on record. ``event``: where its signature held; ``jti``: what it was announced under."""
        self.tally.note_set_refused(reason)
        with transaction(self.inbox.store):
            known = self._received(event) if event else self._received_nothing()._replace(jti=jti[:512])
            self._recorder.note_set(known._replace(refusal=reason))

    def _received(self, event: SecurityEvent) -> Received:
        known = self._received_nothing()
        return known._replace(jti=event.jti, event=events.name_of(event.event), subject=event.subject)

    def _received_nothing(self) -> Received:
        return Received(self.believed.name, self.believed.issuer, int(self.clock_s() * 1e9))

    def _check_subject(self, event: SecurityEvent) -> None:
        if isinstance(event.event, events.CONTROL) and event.subject != Opaque(self.stream_id):
            raise RefusedSetError("subject", "an event about a stream that is not ours")
        if missing := missing_member(event.subject, self.critical, self.believed.tenants):
            raise RefusedSetError("subject", f"member {missing!r} is critical and not understood")
        if isinstance(event.event, events.Verification) and not self._is_expected(event.event.state):
            raise RefusedSetError("state", "verification with another state than we asked for")

    def _is_expected(self, state: str | None) -> bool:
        """A transmitter may verify unasked, then without a state (section 8.1.4)."""
        return state is None or hmac.compare_digest(state.encode(), self.expected_state.encode())

    def _taken(self, event: SecurityEvent) -> Taken:
        now_s = self.clock_s()
        is_wanted = concerns_us(event.subject, self.believed.tenants)
        facts = facts_of(event, self.believed, int(now_s * 1e9)) if is_wanted else []
        until_s = now_s + self.trust.max_age_s + 2 * self.trust.skew_s
        with transaction(self.inbox.store):
            self.inbox.take(event.issuer, event.jti, facts, until_s)
            self._recorder.note_set(self._received(event)._replace(facts=len(facts)))
        self.tally.note_set_received(events.name_of(event.event))
        self._heed(event.event)
        if facts:
            self.learned()
        log.info(
            "SET taken",
            transmitter=self.believed.name,
            event_type=events.uri_of(event.event)[:200],
            jti=event.jti,
            facts=len(facts),
        )
        return Taken(event, True)

    def _heed(self, event: events.Event) -> None:
        """What is about the stream itself."""
        if isinstance(event, events.Verification):
            self.verified_s = self.clock_s()
        elif isinstance(event, events.StreamUpdated):
            self.status = event.status
            log.warning(
                "transmitter changed the stream's status",
                transmitter=self.believed.name,
                status=event.status,
                reason=event.reason,
            )


def write_facts(inbox: Inbox, path: Path) -> None:
    """Replaces the facts file in one step by what the inbox knows. Raises ``StateError``."""
    fresh = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(inbox.facts())
        fresh.replace(path)
    except OSError as error:
        raise StateError(f"signals.facts {path}: {error.strerror or error}") from error
