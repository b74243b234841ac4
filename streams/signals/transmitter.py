"""The transmitting side without HTTP: streams receivers manage, and SETs into the outbox of every stream that wants them.

A receiver is a name in the settings; it sees and changes its own streams only. ``jti`` follows from stream and cause, so that the same cause told twice (after a crash) is
one SET. Delivery is ``pushing.py`` and ``transmitter_web.py``.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from streams.signals import events, subjects
from streams.signals.configuration import (
    POLL,
    PUSH,
    Delivery,
    StatusMessage,
    StreamConfig,
    StreamRequest,
    host_of,
    url_fault,
)
from streams.signals.errors import RefusedRequestError, RefusedSetError
from streams.signals.events import CONTROL, Event, Status
from streams.signals.outbox import Outbox
from streams.signals.sets import SecurityEvent, claims_of
from streams.signals.settings import Allowed, Transmit
from streams.signals.store import transaction
from streams.signals.streams import Stream, Streams
from streams.signals.subjects import Opaque, Subject
from streams.signals.tally import NoTally, Tally

SUPPORTED = tuple(
    uri
    for uri, kind in events.TYPES.items()
    if kind
    in (
        events.SessionRevoked,
        events.CredentialChange,
        events.RiskLevelChange,
        events.CredentialCompromise,
        events.AccountDisabled,
        events.AccountEnabled,
        events.SessionsRevoked,
    )
)
"""What we ever say of our own accord. A caller of ``send`` may say more."""
VERIFY_EVERY_S = 10
MOST_SUBJECTS = 10_000


class Message(NamedTuple):
    """One thing to tell every stream that wants it. ``cause``: the same for the same happening, whenever it is told."""

    subject: Subject
    event: Event
    cause: str
    transaction: str = ""


class Transmitter:
    """Streams and their SETs. ``wake``: called with a stream's id when something new waits there. ``supported``: types we offer."""

    def __init__(
        self,
        settings: Transmit,
        store: sqlite3.Connection,
        clock_s: Callable[[], float],
        new_id: Callable[[], str],
        tally: Tally | None = None,
        supported: Sequence[str] = SUPPORTED,
    ) -> None:
        self.settings, self.clock_s, self.new_id = settings, clock_s, new_id
        self.receivers: dict[str, Allowed] = {receiver.name: receiver for receiver in settings.receivers}
        self.tally: Tally = tally or NoTally()
        self.streams = Streams(store)
        self.outbox = Outbox(store, settings.keep_s, settings.most_waiting)
        self.supported = tuple(supported)
        self.wake: Callable[[str], None] = lambda _stream_id: None
        self._store = store

    def send(self, messages: Sequence[Message]) -> int:
        """Puts messages into the outbox of every stream that wants them, all or none of them; how many SETs that were. Durable once it returns."""
        now_s, woken = self.clock_s(), []
        listening = [stream for stream in self.streams.all() if stream.status != "disabled"]
        with transaction(self._store):
            for stream in listening:
                for message in messages:
                    if self._wants(stream, message) and self._put(stream, message, now_s):
                        woken.append(stream.stream_id)
        for stream_id in dict.fromkeys(woken):
            self.wake(stream_id)
        return len(woken)

    def create(self, receiver: str, request: StreamRequest) -> StreamConfig:
        """A new stream, section 8.1.1.1. Raises ``RefusedRequestError``."""
        if len(self.streams.of(receiver)) >= self.settings.most_streams:
            raise RefusedRequestError(409, f"receiver has {self.settings.most_streams} streams, no more are allowed")
        stream = Stream(stream_id=self.new_id(), receiver=receiver)
        stream = self._applied(stream, request, is_whole=True)
        self.streams.write(stream)
        return self.config(stream)

    def update(self, receiver: str, request: StreamRequest, is_whole: bool) -> StreamConfig:
        """A stream changed: what is missing stays, or with ``is_whole`` goes (sections 8.1.1.3 and 8.1.1.4). Raises ``RefusedRequestError``."""
        stream = self.stream(receiver, request.stream_id if isinstance(request.stream_id, str) else "")
        self._check_supplied(stream, request)
        stream = self._applied(stream, request, is_whole)
        self.streams.write(stream)
        self.wake(stream.stream_id)
        return self.config(stream)

    def delete(self, receiver: str, stream_id: str) -> None:
        """A stream no more, nor what waited in it. Raises ``RefusedRequestError``."""
        stream = self.stream(receiver, stream_id)
        with transaction(self._store):
            self.streams.delete(stream.stream_id)
            self._drop(stream.stream_id)

    def stream(self, receiver: str, stream_id: str) -> Stream:
        """A receiver's stream. Raises ``RefusedRequestError`` 404, for another's too."""
        found = self.streams.get(stream_id)
        if found is None or found.receiver != receiver:
            raise RefusedRequestError(404, "no such stream")
        return found

    def configs(self, receiver: str) -> list[StreamConfig]:
        """Every stream of a receiver."""
        return [self.config(stream) for stream in self.streams.of(receiver)]

    def config(self, stream: Stream) -> StreamConfig:
        """A stream as its receiver may see it; what it gave as ``authorization_header`` is not said again."""
        audience = self.receivers[stream.receiver].audience
        return StreamConfig(
            stream_id=stream.stream_id,
            iss=self.settings.issuer,
            aud=audience[0] if len(audience) == 1 else audience,
            delivery=Delivery(stream.method, stream.endpoint_url or self.poll_url(stream.stream_id)),
            events_delivered=self._delivered(stream),
            events_supported=self.supported,
            events_requested=stream.events_requested,
            min_verification_interval=VERIFY_EVERY_S,
            description=stream.description,
        )

    def may_push(self, stream: Stream) -> bool:
        """Whether a stream is pushed, and to where its receiver may still be pushed to."""
        receiver = self.receivers.get(stream.receiver)
        return stream.method == PUSH and receiver is not None and host_of(stream.endpoint_url) in receiver.push_hosts

    def poll_url(self, stream_id: str) -> str:
        """Where a stream is polled."""
        return f"{self.settings.issuer.rstrip('/')}/ssf/poll/{stream_id}"

    def set_status(self, receiver: str, wanted: StatusMessage) -> StatusMessage:
        """The status a receiver wants, section 8.1.2.2. A disabled stream holds nothing. Raises ``RefusedRequestError``."""
        stream = self.stream(receiver, wanted.stream_id)
        self._change_status(stream, wanted.status, wanted.reason)
        return StatusMessage(stream.stream_id, wanted.status, wanted.reason)

    def decide_status(self, stream_id: str, status: Status, reason: str) -> None:
        """The status we decide on; the receiver is told so by a stream-updated event, section 8.1.5. Raises ``RefusedRequestError``."""
        stream = self.streams.get(stream_id)
        if stream is None:
            raise RefusedRequestError(404, "no such stream")
        self._change_status(stream, status, reason)
        self._tell(stream, events.StreamUpdated(status=status, reason=reason or None))

    def verify(self, receiver: str, stream_id: str, state: str | None) -> None:
        """A verification event on its way, section 8.1.4.2. Raises ``RefusedRequestError``: 429 where asked too often."""
        stream, now_s = self.stream(receiver, stream_id), self.clock_s()
        if now_s - stream.verified_s < VERIFY_EVERY_S:
            raise RefusedRequestError(429, f"asked again before {VERIFY_EVERY_S} s were over")
        self.streams.write(msgspec.structs.replace(stream, verified_s=now_s))
        self._tell(stream, events.Verification(state=state))

    def want(self, receiver: str, stream_id: str, subject: Subject, is_wanted: bool) -> None:
        """Adds or removes a subject, section 8.1.3. Raises ``RefusedRequestError``."""
        stream = self.stream(receiver, stream_id)
        if self.streams.subject_count(stream.stream_id) >= MOST_SUBJECTS:
            raise RefusedRequestError(403, f"{MOST_SUBJECTS} subjects were added and removed, no more are allowed")
        self.streams.want(stream.stream_id, subject, is_wanted)

    def expire(self) -> None:
        """Lets go of what nobody took in time."""
        old, over = self.outbox.expire(self.clock_s())
        for cause, count in (("expired", old), ("overflow", over)):
            if count:
                self.tally.note_set_lost(cause, count)  # type: ignore[arg-type]

    def _tell(self, stream: Stream, event: Event) -> None:
        """An event about the stream itself: it goes out whatever the stream's status."""
        self._put(stream, Message(Opaque(stream.stream_id), event, self.new_id()), self.clock_s())
        self.wake(stream.stream_id)

    def _put(self, stream: Stream, message: Message, now_s: float) -> bool:
        jti = _jti(stream.stream_id, message)
        event = SecurityEvent(
            issuer=self.settings.issuer,
            audience=self.receivers[stream.receiver].audience,
            jti=jti,
            issued_s=now_s,
            subject=message.subject,
            event=message.event,
            transaction=message.transaction,
        )
        is_control = isinstance(message.event, CONTROL)
        return self.outbox.put(
            stream.stream_id, jti, events.name_of(message.event), claims_of(event), now_s, is_control
        )

    def _wants(self, stream: Stream, message: Message) -> bool:
        if stream.receiver not in self.receivers or events.uri_of(message.event) not in self._delivered(stream):
            return False
        return self.streams.wants(stream.stream_id, message.subject, self.settings.default_subjects == "ALL")

    def _delivered(self, stream: Stream) -> tuple[str, ...]:
        """What we offer of what was asked for; all of it where nothing was."""
        asked = stream.events_requested or self.supported
        return tuple(uri for uri in self.supported if uri in asked)

    def _change_status(self, stream: Stream, status: Status, reason: str) -> None:
        with transaction(self._store):
            self.streams.write(msgspec.structs.replace(stream, status=status, reason=reason))
            if status == "disabled":
                self._drop(stream.stream_id)
        self.wake(stream.stream_id)

    def _drop(self, stream_id: str) -> None:
        if dropped := self.outbox.forget_stream(stream_id):
            self.tally.note_set_lost("dropped", dropped)

    def _applied(self, stream: Stream, request: StreamRequest, is_whole: bool) -> Stream:
        """A stream with what a receiver asks for."""
        fresh = Stream(stream_id=stream.stream_id, receiver=stream.receiver)
        base = msgspec.structs.replace(fresh, status=stream.status, reason=stream.reason, verified_s=stream.verified_s)
        changed = base if is_whole else stream
        if request.events_requested is not UNSET:
            changed = msgspec.structs.replace(changed, events_requested=request.events_requested)
        if request.description is not UNSET:
            changed = msgspec.structs.replace(changed, description=request.description)
        if request.delivery is not UNSET:
            changed = self._delivered_by(changed, request.delivery)
        return changed

    def _delivered_by(self, stream: Stream, delivery: Delivery) -> Stream:
        if delivery.method == POLL:
            return msgspec.structs.replace(stream, method=POLL, endpoint_url="", authorization_header="")
        if delivery.method != PUSH:
            raise RefusedRequestError(400, f"delivery method {delivery.method[:80]!r}, wanted {PUSH} or {POLL}")
        if fault := url_fault(delivery.endpoint_url):
            raise RefusedRequestError(400, f"endpoint_url {fault}")
        if host_of(delivery.endpoint_url) not in self.receivers[stream.receiver].push_hosts:
            raise RefusedRequestError(
                403, f"endpoint_url: {host_of(delivery.endpoint_url)[:200]!r} is none of this receiver's push_hosts"
            )
        if not delivery.authorization_header.isprintable():
            raise RefusedRequestError(400, "authorization_header: not printable")
        return msgspec.structs.replace(
            stream, method=PUSH, endpoint_url=delivery.endpoint_url, authorization_header=delivery.authorization_header
        )

    def _check_supplied(self, stream: Stream, request: StreamRequest) -> None:
        """What only we supply must be as we supplied it, where it is given at all."""
        supplied = msgspec.json.decode(msgspec.json.encode(self.config(stream)))
        for name in ("iss", "aud", "events_supported", "events_delivered", "min_verification_interval"):
            given = getattr(request, name)
            if given is not UNSET and given != supplied.get(name, []):
                raise RefusedRequestError(400, f"{name} is the transmitter's to supply, and another")


def _jti(stream_id: str, message: Message) -> str:
    text = "\x1f".join((stream_id, message.cause, events.uri_of(message.event), subjects.canonical(message.subject)))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def subject_in(raw: msgspec.Raw) -> Subject:
    """A subject a receiver names. Raises ``RefusedRequestError`` 400."""
    try:
        return subjects.subject_of(msgspec.json.decode(raw))
    except (RefusedSetError, RecursionError) as error:
        raise RefusedRequestError(400, str(error)[:300]) from error
