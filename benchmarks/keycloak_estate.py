"""A realm with a pipeline, a shop and a person in it, their days before today as events, and a thief with the pipeline's secret.

The pipeline is a workload client that fetches a token for the orders service every few minutes of every day. Maria lets the portal act for her: the portal exchanges her
token, which is the delegated use. The thief stands at an address of its own and does what is done with a found secret: tries it, looks who it is, asks around, chains
token exchanges. Everything goes through the real server, which writes the events itself; only the days before today are written by hand, in its format.
"""

import json
import random
import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.identity_provider import Keycloak, ask

OUTPACE_SECRET, PIPELINE_SECRET, PORTAL_SECRET = "outpace-of-a-test", "pipeline-of-a-test", "portal-of-a-test"
PASSWORD = "password-of-a-test"  # noqa: S105 - of a test realm
OFFICE, CLUSTER, PORTAL = "192.0.2.20", "192.0.2.10", "192.0.2.30"
THIEVES = "203.0.113"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type, no token
ROLES = ("manage-clients", "manage-users", "view-realm", "view-events")
DAY_MS = 86_400_000
_EVENTS = (
    "CLIENT_LOGIN", "CLIENT_LOGIN_ERROR", "LOGIN", "LOGIN_ERROR", "TOKEN_EXCHANGE", "TOKEN_EXCHANGE_ERROR", "REFRESH_TOKEN",
    "REFRESH_TOKEN_ERROR", "INTROSPECT_TOKEN_ERROR", "USER_INFO_REQUEST", "USER_INFO_REQUEST_ERROR", "PERMISSION_TOKEN_ERROR", "CLIENT_INFO_ERROR",
    "OAUTH2_DEVICE_AUTH_ERROR", "JWT_AUTHORIZATION_GRANT_ERROR", "CODE_TO_TOKEN", "CODE_TO_TOKEN_ERROR", "LOGOUT", "REVOKE_GRANT",
    "IDENTITY_PROVIDER_RETRIEVE_TOKEN", "IDENTITY_PROVIDER_RETRIEVE_TOKEN_ERROR",
)  # fmt: skip
"""All that is kept of both hands' doings; the responder's own introspections are not."""


class Step(NamedTuple):
    """One thing the thief tried: what, when it began (s since 1970), and whether it was let."""

    name: str
    at_s: float
    is_let: bool


class Estate:
    """One realm on a server."""

    def __init__(self, server: Keycloak, realm: str = "", clients: int = 1) -> None:
        self.server = server
        self.realm = realm or f"shop-{uuid.uuid4().hex[:8]}"
        self.pipelines = ["pipeline"] if clients == 1 else [f"pipeline-{n}" for n in range(clients)]
        server.admin("POST", "", self._representation())
        config = {"eventsEnabled": True, "enabledEventTypes": list(_EVENTS), "adminEventsEnabled": True}
        server.admin("PUT", f"/{self.realm}/events/config", config)
        self.realm_id = str(server.admin("GET", f"/{self.realm}")["id"])
        self.users = {
            name: str(server.admin("GET", f"/{self.realm}/clients/{self.number(name)}/service-account-user")["id"])
            for name in self.pipelines
        }
        self.maria = str(server.admin("GET", f"/{self.realm}/users?username=maria")[0]["id"])

    def number(self, client: str) -> str:
        """A client's own number."""
        return str(self.server.admin("GET", f"/{self.realm}/clients?clientId={client}")[0]["id"])

    def remove(self) -> None:
        """Takes the realm away."""
        self.server.admin("DELETE", f"/{self.realm}")

    def _representation(self) -> dict[str, Any]:
        exchange = {"standard.token.exchange.enabled": "true"}
        service = {"publicClient": False, "serviceAccountsEnabled": True, "standardFlowEnabled": False}
        pipelines = [
            {
                "clientId": n,
                "secret": PIPELINE_SECRET,
                **service,
                "attributes": exchange,
                "protocolMappers": _audiences(),
            }
            for n in self.pipelines
        ]
        portal = {
            "clientId": "portal",
            "secret": PORTAL_SECRET,
            "publicClient": False,
            "directAccessGrantsEnabled": True,
        }
        person = {
            "username": "maria",
            "enabled": True,
            "email": "maria@example.com",
            "firstName": "Maria",
            "lastName": "Example",
        }
        return {
            "realm": self.realm,
            "enabled": True,
            "sslRequired": "none",
            "accessTokenLifespan": 300,
            "clients": [
                *pipelines,
                {**portal, "attributes": exchange, "protocolMappers": _audiences()},
                {"clientId": "orders", "secret": "orders-of-a-test", "publicClient": False},
                {"clientId": "outpace", "secret": OUTPACE_SECRET, **service},
            ],
            "users": [
                {**person, "emailVerified": True, "credentials": [{"type": "password", "value": PASSWORD}]},
                {
                    "username": "service-account-outpace",
                    "enabled": True,
                    "serviceAccountClientId": "outpace",
                    "clientRoles": {"realm-management": list(ROLES)},
                },
            ],
        }

    def token(self, address: str, form: dict[str, str], url: str = "") -> tuple[int, Any]:
        """What the token endpoint answers."""
        path = f"/realms/{self.realm}/protocol/openid-connect/token"
        return ask(url or self.server.url, "POST", path, form=form, address=address)

    def work(self, pipeline: str = "", secret: str = PIPELINE_SECRET) -> str:
        """One round of a pipeline: it fetches a token for the orders service; '' where it is refused."""
        form = {"client_id": pipeline or self.pipelines[0], "client_secret": secret, "grant_type": "client_credentials"}
        status, found = self.token(CLUSTER, form)
        return str(found["access_token"]) if status == 200 else ""

    def delegate(self) -> dict[str, str]:
        """Maria signs in to the portal, which exchanges her token. Gives the portal's tokens."""
        who = {"client_id": "portal", "client_secret": PORTAL_SECRET}
        form = {**who, "grant_type": "password", "username": "maria", "password": PASSWORD, "scope": "openid"}
        status, own = self.token(OFFICE, form)
        if status != 200:
            return {}
        self.token(PORTAL, {**who, **_exchange(own["access_token"], "orders")})
        return {"access_token": own["access_token"], "refresh_token": own["refresh_token"]}

    def is_active(self, token: str) -> bool:
        """What introspection says to the orders service."""
        form = {"token": token, "client_id": "orders", "client_secret": "orders-of-a-test"}
        path = f"/realms/{self.realm}/protocol/openid-connect/token/introspect"
        return bool(self.server.ask("POST", path, form=form)[1]["active"])

    def days_before(self, days: float = 3.0, every_s: float = 300.0, until_s: float | None = None) -> bytes:
        """What the pipelines and Maria did on the days before, as Keycloak's events, JSON Lines."""
        chance = random.Random(7)  # noqa: S311 - a made-up past
        end_ms = int((until_s or time.time() - 3600.0) * 1000)
        events: list[dict[str, Any]] = []
        at_ms = end_ms - int(days * DAY_MS)
        while at_ms < end_ms:
            at_ms += int(every_s * 1000 * (0.9 + 0.2 * chance.random()))
            for name in self.pipelines:
                events += self._round(name, at_ms + chance.randrange(20_000))
            if chance.random() < 0.1:
                events += self._grant(at_ms + chance.randrange(20_000))
        events.sort(key=lambda e: e["time"])
        return b"".join(json.dumps(e).encode() + b"\n" for e in events)

    def _round(self, name: str, at_ms: int) -> list[dict[str, Any]]:
        own = {"realmId": self.realm_id, "clientId": name, "userId": self.users[name], "ipAddress": CLUSTER}
        details = {"username": f"service-account-{name}", "client_auth_method": "client-secret"}
        event = {"id": str(uuid.uuid4()), "time": at_ms, "type": "CLIENT_LOGIN", **own}
        return [{**event, "details": {**details, "grant_type": "client_credentials"}}]

    def _grant(self, at_ms: int) -> list[dict[str, Any]]:
        session = uuid.uuid4().hex[:24]
        own = {"realmId": self.realm_id, "clientId": "portal", "userId": self.maria, "sessionId": session}
        log_in = {"id": str(uuid.uuid4()), "time": at_ms, "type": "LOGIN", **own, "ipAddress": OFFICE}
        exchange = {"id": str(uuid.uuid4()), "time": at_ms + 90, "type": "TOKEN_EXCHANGE", **own, "ipAddress": PORTAL}
        return [
            {**log_in, "details": {"username": "maria", "auth_method": "openid-connect"}},
            {**exchange, "details": {"username": "maria", "audience": "orders", "grant_type": EXCHANGE}},
        ]


class Thief:
    """Somebody who found a pipeline's secret. Acts until refused at the door, and writes down every step.

    ``pause_s``: how long an answer is read; ``chains``: exchanges tokens, which outlives the secret it was done with.
    """

    chains = True

    def __init__(self, estate: Estate, pipeline: str = "", pause_s: float = 0.2, url: str = "") -> None:
        self.estate, self.name, self.pause_s = estate, pipeline or estate.pipelines[0], pause_s
        self.who = {"client_id": self.name, "client_secret": PIPELINE_SECRET}
        self.url = url or estate.server.url
        # One address each: the same hand on many secrets would be a story of its own.
        self.address = f"{THIEVES}.{1 + estate.pipelines.index(self.name) % 250}"
        self.steps: list[Step] = []
        self.tokens: list[str] = []

    @property
    def credential(self) -> str:
        """What is stolen, as audit records name it."""
        return f"keycloak-client:{self.name}"

    def run(self, most_s: float = 60.0, is_enough: Callable[[], object] = lambda: False) -> bool:
        """Whether the door closed in time: neither the secret nor the last token opens anything any more. ``is_enough``: when to stop by itself, before that."""
        deadline = time.monotonic() + most_s
        number = 0
        while time.monotonic() < deadline and not is_enough():
            if not self._next(number) and not self.log_in() and not self.look():
                return True
            number += 1
            time.sleep(self.pause_s)  # the thief reads the answer
        return False

    def _next(self, number: int) -> bool:
        """One try after another: whose is it, what does it open, where does it lead."""
        tries = (self.log_in, self.look, self.fetch, self.inspect, self.chain, self.ask_broadly, self.reach_out)
        wanted = [each for each in tries if self.chains or each not in (self.chain, self.reach_out)]
        return wanted[number % len(wanted)]()

    def log_in(self) -> bool:
        """Does the secret work?"""
        return self._grant("log in", {"grant_type": "client_credentials", "scope": "openid"})

    def look(self) -> bool:
        """Who am I? The UserInfo endpoint."""
        return self._call("look", "userinfo", None)

    def fetch(self) -> bool:
        """Is there another provider's token to be had?"""
        return self._ask("fetch", "GET", "broker/github/token")

    def inspect(self) -> bool:
        """What does the token say of itself? Introspection."""
        return self._call("inspect", "token/introspect", {**self.who, "token": self._latest()})

    def chain(self) -> bool:
        """From one token to the next: an exchange."""
        return self._grant("chain", _exchange(self._latest(), "orders"))

    def ask_broadly(self) -> bool:
        """Everything there is, please."""
        return self._grant("ask broadly", {"grant_type": "client_credentials", "scope": "openid offline_access admin"})

    def reach_out(self) -> bool:
        """Towards other services."""
        audiences = ("outpace", "portal", "realm-management", "broker")
        return self._grant("reach out", _exchange(self._latest(), audiences[len(self.steps) % len(audiences)]))

    def _grant(self, name: str, form: dict[str, str]) -> bool:
        began_s = time.time()
        status, found = self.estate.token(self.address, {**self.who, **form}, self.url)
        if status == 200:
            self.tokens.append(found["access_token"])
        return self._noted(name, began_s, status == 200)

    def _call(self, name: str, path: str, form: dict[str, str] | None) -> bool:
        return self._ask(name, "POST" if form else "GET", f"protocol/openid-connect/{path}", form)

    def _ask(self, name: str, method: str, path: str, form: dict[str, str] | None = None) -> bool:
        began_s, token = time.time(), "" if form else self._latest()
        where = f"/realms/{self.estate.realm}/{path}"
        status, _ = ask(self.url, method, where, form=form, token=token, address=self.address)
        return self._noted(name, began_s, status == 200)

    def _noted(self, name: str, began_s: float, is_let: bool) -> bool:
        self.steps.append(Step(name, began_s, is_let))
        return is_let

    def _latest(self) -> str:
        return self.tokens[-1] if self.tokens else "none"


def _exchange(token: str, audience: str) -> dict[str, str]:
    """RFC 8693, section 2.1."""
    return {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "audience": audience,
    }


def _audiences() -> list[dict[str, Any]]:
    """Who a token is for: the client itself may exchange it, the orders service and Outpace may introspect it."""
    return [
        {
            "name": f"for {name}",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {"included.client.audience": name, "access.token.claim": "true"},
        }
        for name in ("orders", "outpace")
    ]
