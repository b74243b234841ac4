"""Who is in a case: every principal its benign records show, under the name a reader of the records would give it.

A principal that holds a credential of its own counts for false alarms. The parties that only ask for sessions (an AWS
service starting a workload, a federated subject, a vendor's account) hold nothing that could be taken away, and do not.
Names: CloudTrail User Guide, "CloudTrail userIdentity element": a role for its sessions, an ARN where there is one.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from simulation.cloudtrail import Call, Session, timestamp

ISSUER = "issuer"
_NO_CREDENTIAL = "asks for sessions only: holds no credential that could be revoked"
_OWN, _HOP, _ISSUER = range(3)


class Inhabitant(Protocol):
    """What has to be known of an identity: its name, its kind, whose hand it is in (path), what its things are called
    (stem), and what it commonly does."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def stem(self) -> str: ...
    @property
    def operations(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Changed:
    """Something benign that changed how a member behaves from a day on, or troubled it on one: a roll-out, a broken policy."""

    time: str
    kind: str


@dataclass(frozen=True, slots=True)
class Member:
    """One benign principal of a case; fields as in `identities.jsonl`. `born` is its first event."""

    principal: str
    provider: str
    path: str
    kind: str
    born: str
    counted: bool = True
    why_not: str = ""
    changes: tuple[Changed, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A principal as one identity showed it; the least `rank` knows best what kind it is."""

    principal: str
    rank: int
    first_s: int
    path: str
    kind: str


def seen(identity: Inhabitant, calls: Sequence[Call]) -> list[Seen]:
    """The principals an identity's calls show, with when they were first seen; `calls` in time order."""
    sessions = {id(call.session): call for call in reversed(calls)}  # the first call of each
    return [_seen(identity, call) for call in sessions.values()]


def members(sightings: Iterable[Seen]) -> list[Member]:
    """One member a principal, by name."""
    known: dict[str, Seen] = {}
    first_s: dict[str, int] = {}
    for one in sightings:
        first_s[one.principal] = min(one.first_s, first_s.get(one.principal, one.first_s))
        if one.principal not in known or one.rank < known[one.principal].rank:
            known[one.principal] = one
    return [_member(known[name], first_s[name]) for name in sorted(known)]


def with_changes(
    known: Iterable[Member], identities: Iterable[Inhabitant], midnight_s: Callable[[int], int], days: int
) -> list[Member]:
    """The members with what happens to them within so many days, where their estate plans it; `midnight_s` dates a day."""
    planned = {
        identity.name: tuple(
            Changed(timestamp(midnight_s(change.day)), change.kind)
            for change in getattr(identity, "changes", ())
            if change.day <= days
        )
        for identity in identities
    }
    return [replace(one, changes=planned.get(one.principal.rpartition("/")[2], ())) for one in known]


def principal(session: Session) -> str:
    """What a session's principal is called: the role or user by its ARN, other callers by what they show."""
    identity = session.identity
    match identity["type"]:
        case "AWSService":
            return f"aws-service:{identity['invokedBy']}"
        case "AWSAccount":
            return f"account:{identity['accountId']}:{identity['principalId']}"
        case "SAMLUser" | "WebIdentityUser":
            return f"{identity['identityProvider']}:{identity['userName']}"
        case _:
            return session.principal_arn


def _seen(identity: Inhabitant, call: Call) -> Seen:
    name = principal(call.session)
    if not call.session.key_id:
        return Seen(name, _ISSUER, call.at_s, identity.path, ISSUER)
    if name.rpartition("/")[2] == identity.name:
        return Seen(name, _OWN, call.at_s, identity.path, identity.kind)
    is_person = name.rpartition("/")[2].startswith("AWSReservedSSO_")
    return Seen(name, _HOP, call.at_s, "human" if is_person else identity.path, identity.kind)


def _member(one: Seen, first_s: int) -> Member:
    is_issuer = one.rank == _ISSUER
    return Member(
        one.principal, "aws", one.path, one.kind, timestamp(first_s), not is_issuer, _NO_CREDENTIAL if is_issuer else ""
    )
