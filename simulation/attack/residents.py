"""Who lives in the account and what there is to take, learnt from what the identities themselves do.

Nobody's policies stand in a log, so each resident is drawn one of a few common kinds: written for what it does, a wildcard
on the services it uses, read everything, everything but identities, everything. Shares of over-wide policies are an
assumption. Things (secrets, buckets, tables, …) are those a sample of the residents is seen to use.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from simulation.attack.catalogue import MODELS
from simulation.cloudtrail import Call, Session, name_of

STANDING_ROLES: Mapping[str, str] = {
    "platform-admin": "admin",
    "data-admin": "power",
    "OrganizationAccountAccessRole": "admin",
}
_SAMPLE = 40  # residents whose things are looked at
_CARELESS = 8  # users whose keys lie about
_WORKLOAD = {"narrow": 0.5, "wide": 0.35, "reader": 0.05, "power": 0.06, "admin": 0.04}
_DELEGATED = {"narrow": 0.6, "reader": 0.4}
_POLICIES: Mapping[str, Mapping[str, float]] = {
    "terraform": {"power": 0.3, "admin": 0.7},
    "infrastructure": {"power": 0.3, "admin": 0.7},
    "scanner": {"reader": 1.0},
    "posture": {"reader": 1.0},
    "administrator": {"admin": 1.0},
    "break_glass": {"admin": 1.0},
}
_PIPELINE = {"narrow": 0.3, "wide": 0.4, "power": 0.25, "admin": 0.05}
_PERSON = {"narrow": 0.2, "power": 0.7, "admin": 0.1}


class Member(Protocol):
    """What a campaign has to know of an identity beforehand; `simulation.identities.Identity` is one."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def path(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Resident:
    """One principal's permissions: a kind of policy, the operations it was written for, and the things it uses."""

    policy: str = "none"
    operations: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    things: frozenset[tuple[str, str]] = frozenset()


class Residents:
    """`members` of one account; `calls_of` gives some of a named one's calls. Nothing here changes once it was asked."""

    def __init__(self, members: Iterable[Member], seed: int, calls_of: Callable[[str], Sequence[Call]]) -> None:
        self.seed = seed
        self._members = {member.name: member for member in members}
        self._calls_of = calls_of
        self._known = {name: Resident(policy) for name, policy in STANDING_ROLES.items()}

    def resident(self, name: str) -> Resident:
        """The named principal; one without any rights for a name nobody has."""
        if name not in self._known:
            self._known[name] = self._met(self._members[name]) if name in self._members else Resident()
        return self._known[name]

    @cached_property
    def things(self) -> Mapping[str, Sequence[str]]:
        """What there is, by kind, in a fixed order."""
        found: dict[str, set[str]] = defaultdict(set)
        for name in self._sample:
            for kind, thing in self.resident(name).things:
                found[kind].add(thing)
        users = [
            name for name, member in self._members.items() if "user" in member.kind or member.kind.endswith("_key")
        ]
        roles = [name for name in (*self._members, *STANDING_ROLES) if name not in users and not name.startswith("AWS")]
        fixed = {
            "users": users,
            "roles": roles,
            "trails": ["management-events"],
            "detectors": [self.digest("detector").hex()],
            "models": MODELS,
        }
        return {kind: sorted(names) for kind, names in found.items()} | fixed

    @cached_property
    def keys(self) -> Mapping[str, Session]:
        """Long-lived keys that lie about, in code or in settings: some users' own, by user."""
        careless = sorted(self.things["users"], key=lambda name: self.draw("careless", name))[:_CARELESS]
        found = {
            name: [c.session for c in self._calls_of(name) if c.session.key_id.startswith("AKIA")] for name in careless
        }
        return {name: held[0] for name, held in found.items() if held and name_of(held[0]) == name}

    @cached_property
    def region(self) -> str:
        """Where the account mostly lives."""
        regions = Counter(call.session.region for name in self._sample for call in self._calls_of(name)[:5])
        return regions.most_common(1)[0][0] if regions else "us-east-1"

    @cached_property
    def _sample(self) -> list[str]:
        workloads = [
            name for name, member in self._members.items() if member.path == "workload" and member.kind != "linked"
        ]
        return sorted(workloads, key=lambda name: self.draw("sample", name))[:_SAMPLE]

    def draw(self, *words: str) -> float:
        """A number in [0, 1) that is the same for the same words, in every process."""
        return int.from_bytes(self.digest(*words)[:6], "big") / 2**48

    def digest(self, *words: str) -> bytes:
        """16 bytes that stand for the words in this account."""
        return hashlib.blake2b("\x00".join((str(self.seed), *words)).encode(), digest_size=16).digest()

    def _met(self, member: Member) -> Resident:
        used = [call for call in self._calls_of(member.name) if not call.failure and call.session.key_id]
        operations = frozenset(call.operation for call in used)
        services = frozenset(operation.partition(":")[0] for operation in operations) - {"sts"}
        things = frozenset((kind_of_thing(call.operation), thing_of(call)) for call in used)
        policy = _picked(_policies(member), self.draw("policy", member.name))
        return Resident(policy, operations, services, frozenset(pair for pair in things if all(pair)))


def kind_of_thing(operation: str) -> str:
    """The kind of thing an operation names; '' where it names none."""
    if operation.endswith("ByPath"):
        return ""
    return next((kind for starts, kind in _THINGS if operation.startswith(starts)), "")


def thing_of(call: Call) -> str:
    """The thing's name as a listing would give it: of an object in a bucket, the bucket."""
    return call.resource.partition("/")[0] if call.operation.startswith("s3:") else call.resource


def _policies(member: Member) -> Mapping[str, float]:
    if member.kind in _POLICIES:
        return _POLICIES[member.kind]
    if member.kind == "ci" or member.kind.startswith("pipeline_"):
        return _PIPELINE
    return {"human": _PERSON, "delegated": _DELEGATED, "emergency": {"admin": 1.0}}.get(member.path, _WORKLOAD)


def _picked(shares: Mapping[str, float], point: float) -> str:
    for name, share in shares.items():
        if point < share:
            return name
        point -= share
    return next(reversed(list(shares)))


_THINGS: Sequence[tuple[tuple[str, ...], str]] = (
    (("secretsmanager:GetSecret", "secretsmanager:Describe", "secretsmanager:Put", "secretsmanager:Delete"), "secrets"),
    (("ssm:GetParameter", "ssm:DeleteParameter"), "parameters"),
    (
        (
            "s3:GetObject", "s3:ListObjects", "s3:GetBucket", "s3:PutBucket", "s3:CopyObject", "s3:DeleteObject",
            "s3:PutObject", "s3:DeleteBucket", "s3:HeadObject", "s3:PutLifecycle",
        ),
        "buckets",
    ),
    (("dynamodb:",), "tables"),
    (("lambda:GetFunction", "lambda:UpdateFunction", "lambda:Invoke"), "functions"),
    (("iam:GetRole", "iam:ListRole", "iam:ListAttachedRole", "iam:PutRole", "iam:AttachRole", "iam:UpdateAssume"), "roles"),
    (("iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile", "iam:AttachUser", "iam:PutUser"), "users"),
    (("bedrock:InvokeModel", "bedrock:Converse"), "models"),
)  # fmt: skip
