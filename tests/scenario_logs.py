"""Records of a scenario's hands outside AWS, made by the simulation of their provider."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from conftest import START_S, event_id

from simulation import github
from simulation.entra import Entra, app_seat
from simulation.gcp import Gcp, account_seat, key_seat, lent_seat
from simulation.keycloak import Keycloak
from simulation.kubernetes import Kubernetes, issued_seat, pod_seat, token
from simulation.native.shape import Act, Provider, Seat
from simulation.okta import Okta, client_seat, token_seat

KUBERNETES, GCP, GITHUB, ENTRA, OKTA, KEYCLOAK = Kubernetes(), Gcp(), github.GitHub(), Entra(), Okta(), Keycloak()


class Caller(Protocol):
    """What is needed of a hand."""

    @property
    def key(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def agent(self) -> str: ...
    @property
    def account(self) -> str: ...


def native(
    number: int, second: float, hand: Caller, call: str, error: str | None, on: str, mints: str = ""
) -> dict[str, Any]:
    """One record of a hand; ``mints`` is the credential it is handed, as the parser names it."""
    provider, seat_of = writer_of(hand)
    seat = seat_of(hand)
    issued = mints.partition(":")[2] if mints.startswith(_NAMED) else mints
    act = Act(START_S + second, seat, call, str(seat.body.get("repo", on)), "denied" if error else "", issued)
    return dict(json.loads(provider.record(act, event_id(number))))


def cluster_seat(hand: Caller) -> Seat:
    """A service account's seat: in a pod, with a token out of a secret, or with one that was asked for."""
    kind, _, rest = hand.key.partition(":")
    if kind == "pod":
        _, name, uid = rest.split("/")
        return pod_seat(hand.account, hand.agent, name, uid, 1, hand.source, f"hour-{uid}")
    if kind == "jti":
        return issued_seat(hand.account, rest, Seat("", "", hand.source, hand.agent))
    return Seat(hand.account, hand.key, hand.source, hand.agent, token(hand.account, {}))


def google_seat(hand: Caller) -> Seat:
    """A Google account's seat: with a key, through another account, or with a token of its own."""
    if "/keys/" in hand.key:
        return key_seat(hand.account, hand.key.rpartition("/")[2], hand.source, hand.agent)
    _, found, giver = hand.key.partition("<")
    own = account_seat(giver if found else hand.account, hand.source, hand.agent)
    return lent_seat(hand.account, own) if found else own


def github_seat(hand: Caller) -> Seat:
    """A GitHub account's seat: with a token or a deploy key."""
    kind, _, name = hand.key.partition(":")
    if kind == "github-deploy-key":
        return github.deploy_seat(hand.account.rpartition("/")[2], name, hand.source, hand.agent)
    made = {"github-pat": github.fine_seat, "github-classic": github.classic_seat}[kind]
    return made(hand.account, int(name), hand.source, hand.agent)


def entra_seat(hand: Caller) -> Seat:
    """An app's seat: with a secret of its own, or with the token it signed in for."""
    kind, _, number = hand.key.partition(":")
    seat = app_seat("app", number if kind == "entra-key" else "", hand.source, hand.agent)
    body = {**seat.body, "app": hand.account, "name": f"app {hand.account[:4]}"}
    return Seat(hand.account, hand.key, hand.source, hand.agent, body)


def okta_seat(hand: Caller) -> Seat:
    """A user with an API token, or an application by its client id."""
    number = hand.key.partition(":")[2]
    if number.startswith("0oa"):
        return client_seat(number, hand.source, hand.agent, number=number)
    return token_seat(hand.account, number, hand.source, hand.agent)


def realm_seat(hand: Caller) -> Seat:
    """A client's seat by its secret: the user it acts as is the account's number."""
    client, user = hand.key.partition(":")[2], hand.account.rpartition("/")[2]
    body = {"client": client, "user": user, "username": f"service-account-{client}"}
    return Seat(hand.account, hand.key, hand.source, hand.agent, body, True)


_NAMED = ("jti:", "github-", "entra-", "okta-")
Writer = tuple[Provider, Callable[[Caller], Seat]]


def writer_of(hand: Caller) -> Writer:
    """Whose log a hand's records stand in, and how its seat there is made."""
    if hand.account.startswith("system:"):
        return KUBERNETES, cluster_seat
    by_key: dict[str, Writer] = {
        "github": (GITHUB, github_seat),
        "entra": (ENTRA, entra_seat),
        "okta": (OKTA, okta_seat),
        "keycloak": (KEYCLOAK, realm_seat),
    }
    return by_key.get(hand.key.partition("-")[0], (GCP, google_seat))


def id_of(record: dict[str, Any]) -> str:
    """The provider's id of a record's event."""
    inner = record.get("properties") or {}
    names = ("eventID", "auditID", "uuid", "_document_id", "EventDataId", "insertId", "id")
    named = (inner.get("id"), inner.get("requestId"), *(record.get(name) for name in names))
    return str(next(one for one in named if one))


def time_of(record: dict[str, Any]) -> str:
    """When it happened."""
    names = ("eventTime", "stageTimestamp", "published", "timestamp", "@timestamp", "time", "TimeGenerated")
    at = next(record[name] for name in names if record.get(name))
    if isinstance(at, str):
        return at
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
