"""Records of a scenario's hands outside AWS, made by the simulation of their provider."""

import json
from typing import Any, Protocol

from conftest import START_S, event_id

from simulation.gcp import Gcp, account_seat, key_seat, lent_seat
from simulation.kubernetes import Kubernetes, issued_seat, pod_seat, token
from simulation.native.shape import Act, Seat

KUBERNETES, GCP = Kubernetes(), Gcp()


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
    is_cluster = hand.account.startswith("system:")
    seat = cluster_seat(hand) if is_cluster else google_seat(hand)
    issued = mints.partition(":")[2] if mints.startswith("jti:") else mints
    act = Act(START_S + second, seat, call, on, "denied" if error else "", issued)
    return dict(json.loads((KUBERNETES if is_cluster else GCP).record(act, event_id(number))))


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


def id_of(record: dict[str, Any]) -> str:
    """The provider's id of a record's event."""
    return str(record.get("eventID") or record.get("auditID") or record["insertId"])


def time_of(record: dict[str, Any]) -> str:
    """When it happened."""
    return str(record.get("eventTime") or record.get("stageTimestamp") or record["timestamp"])
