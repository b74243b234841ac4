"""What others have us tell: changes of posture and of claims, which their source knows and Outpace does not. ``POST ISSUER/ssf/publish`` with a publisher's token.

The body says ``sub_id`` and ``events`` as a SET does, with exactly one event of ``PUBLISHED`` that says when (``event_timestamp``): by that, a second change is told from the
first told again. 202 with ``{"sets": n}`` once ``n`` SETs are in the outbox on the disk, 0 for what was published before or nobody wants; 400 with a reason; 401 without a token.

Blind to: whether it is true. Receivers see our signature, and the publisher's name where it gave no ``reason_admin`` of its own.
"""

import hashlib
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from streams.logs import logger
from streams.signals import events
from streams.signals.bearer import Bearers
from streams.signals.errors import RefusedRequestError, RefusedSetError
from streams.signals.settings import Transmit
from streams.signals.transmitter import SUPPORTED, Message, Transmitter, subject_in

log = logger("signals")
PUBLISHED = tuple(
    uri for uri, kind in events.TYPES.items() if kind in (events.TokenClaimsChange, events.DeviceComplianceChange)
)
"""Types a publisher may have us tell. What we decide is ours alone to say."""
AHEAD_S = 120.0
"""How far a publisher's clock may be ahead of ours."""
_SESSIONS = events.uri_of(events.SessionsRevoked())


class Publication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request."""

    sub_id: msgspec.Raw
    events: dict[str, msgspec.Raw]


def offered(transmit: Transmit) -> tuple[str, ...]:
    """The types these settings can ever bring a receiver: of our own, those ``announce`` tells, and where somebody may publish, what may be published."""
    own = SUPPORTED if transmit.announce != "nothing" else ()
    if transmit.announce == "decisions":  # what a provider did to other sessions only its outcome says
        own = tuple(uri for uri in own if uri != _SESSIONS)
    return own + (PUBLISHED if transmit.publishers else ())


def message_of(body: bytes, publisher: str, now_s: float, keep_s: float) -> Message:
    """What a publisher says, to be sent. The same body gives the same ``cause``. Raises ``RefusedRequestError``."""
    try:
        said = msgspec.json.decode(body, type=Publication)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedRequestError(400, str(error)[:300]) from error
    if len(said.events) != 1:
        raise RefusedRequestError(400, f"{len(said.events)} events, wanted exactly one")
    ((uri, payload),) = said.events.items()
    if uri not in PUBLISHED:
        raise RefusedRequestError(400, f"event {uri[:120]!r} is not published, only {', '.join(PUBLISHED)}")
    event = _event(uri, payload, publisher, now_s, keep_s)
    digest = hashlib.blake2b(msgspec.json.encode(event, order="sorted"), digest_size=16).hexdigest()
    return Message(subject_in(said.sub_id), event, f"published/{publisher}/{digest}")


def _event(uri: str, payload: msgspec.Raw, publisher: str, now_s: float, keep_s: float) -> events.Event:
    try:
        event = events.event_of(uri, payload)
    except RefusedSetError as error:
        raise RefusedRequestError(400, str(error)[:300]) from error
    if not isinstance(event, events.TokenClaimsChange | events.DeviceComplianceChange) or event.event_timestamp is None:
        raise RefusedRequestError(400, "event_timestamp: missing, wanted when it changed, in seconds since 1970")
    if not now_s - keep_s <= event.event_timestamp <= now_s + AHEAD_S:
        raise RefusedRequestError(
            400, f"event_timestamp: {event.event_timestamp:.0f}, wanted one of the last {keep_s:.0f} s"
        )
    if event.reason_admin is None:
        event = msgspec.structs.replace(event, reason_admin={"en": f"published by {publisher}, passed on by Outpace"})
    return event


class PublisherWeb:
    """The route of the publishers; ``bearers`` knows each one's token."""

    def __init__(self, transmitter: Transmitter, bearers: Bearers) -> None:
        self.transmitter, self._bearers = transmitter, bearers
        self._path = urlsplit(transmitter.settings.issuer).path.rstrip("/") + "/ssf/publish"

    def routes(self) -> list[web.RouteDef]:
        """What to add to an application."""
        return [web.post(self._path, self._publish)]

    async def _publish(self, request: web.Request) -> web.Response:
        publisher = self._bearers.who(request.headers)
        if publisher is None:
            headers = {"WWW-Authenticate": "Bearer"}
            return web.json_response({"err": "authentication_failed"}, status=401, headers=headers)
        try:
            body = await request.read()
            message = message_of(body, publisher, self.transmitter.clock_s(), self.transmitter.settings.keep_s)
        except web.HTTPRequestEntityTooLarge:
            return _refused(publisher, 413, "body too large")
        except RefusedRequestError as error:
            return _refused(publisher, error.status, str(error))
        sets = self.transmitter.send([message])
        log.info("published", publisher=publisher, signal=events.name_of(message.event), sets=sets)
        return web.json_response({"sets": sets}, status=202)


def _refused(publisher: str, status: int, why: str) -> web.Response:
    log.warning("not published", publisher=publisher, status=status)
    return web.json_response({"err": "invalid_request", "description": why}, status=status)
