"""The receiving side over HTTP: ``POST /signals/receive/NAME``, push delivery of RFC 8935.

202 once the SET is on the disk, a repeat's too (section 2: it is answered as if it had not been received); 400 with ``err`` and ``description`` for one that is refused; 401
without that transmitter's token; 503 while its keys cannot be had.
"""

import msgspec
from aiohttp import web

from streams.signals.bearer import Bearers
from streams.signals.configuration import SetError
from streams.signals.errors import KeysUnavailableError, RefusedSetError
from streams.signals.receiver import Receiver

CONTENT_TYPE = "application/secevent+jwt"


class ReceiverWeb:
    """The route of the receivers that are pushed to, by name; ``bearers`` knows each one's token."""

    def __init__(self, receivers: dict[str, Receiver], bearers: Bearers) -> None:
        self.receivers, self._bearers = receivers, bearers

    def routes(self) -> list[web.RouteDef]:
        """What to add to an application."""
        return [web.post("/signals/receive/{name}", self._receive)]

    async def _receive(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        receiver = self.receivers.get(name)
        if receiver is None or self._bearers.who(request.headers) != name:
            if receiver is not None:
                receiver.tally.note_set_refused("unauthenticated")
            return _refusal(401, SetError("authentication_failed", "no token of this transmitter"))
        if request.content_type != CONTENT_TYPE:
            receiver.note_refused("malformed")
            return _refusal(400, SetError("invalid_request", f"wanted content type {CONTENT_TYPE}"))
        try:
            await receiver.take(await request.read())
        except RefusedSetError as error:
            return _refusal(400, SetError(error.code, str(error)[:300]))
        except KeysUnavailableError:
            return web.Response(status=503, headers={"Retry-After": "5"})
        except web.HTTPRequestEntityTooLarge:
            receiver.note_refused("oversized")
            return _refusal(413, SetError("invalid_request", "SET too large"))
        return web.Response(status=202)


def _refusal(status: int, error: SetError) -> web.Response:
    headers = {"Content-Language": "en"} | ({"WWW-Authenticate": "Bearer"} if status == 401 else {})
    return web.Response(
        status=status, body=msgspec.json.encode(error), content_type="application/json", headers=headers
    )
