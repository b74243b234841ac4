"""The account an intruder is in: what each role may do, who may become whom, what there is to take.

Every answer follows from the seed, the caller, the operation and the resource, so the same question has the same
answer until the intruder changes something. What nobody observes in a log (the policies) is drawn from a few common
kinds of policy: narrow, a wildcard on the own services, read everything, everything but identities, everything.

Source: AWS IAM User Guide, "Policy evaluation logic"; shares of over-wide policies are an assumption.
Blind to: resource policies, permission boundaries and conditions; they would look like another denial.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from simulation import operations
from simulation.attack.catalogue import CONTENT_READS, GLOBAL, MODELS, REGIONS
from simulation.cloudtrail import Session

PROPAGATION_S = (3, 12)  # how long IAM takes to honour a change
STANDING_ROLES = {"platform-admin": "admin", "data-admin": "power", "OrganizationAccountAccessRole": "admin"}
_KINDS: Mapping[str, Mapping[str, float]] = {
    "terraform": {"power": 0.3, "admin": 0.7},
    "ci": {"narrow": 0.3, "wide": 0.4, "power": 0.25, "admin": 0.05},
    "scanner": {"reader": 1.0},
    "vendor": {"narrow": 0.6, "reader": 0.4},
    "break_glass": {"admin": 1.0},
    "console": {"power": 0.8, "admin": 0.2},
    "command_line": {"power": 1.0},
}
_WORKLOAD = {"narrow": 0.5, "wide": 0.35, "reader": 0.05, "power": 0.06, "admin": 0.04}


class Member(Protocol):
    """What the account has to know of an identity; `simulation.identities.Identity` is one."""

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


@dataclass(slots=True)
class _Rights:
    """One principal's permissions: a kind of policy, the operations it was written for, and what was added since."""

    policy: str
    own: frozenset[str]
    services: frozenset[str]
    stem: str = ""
    opened: set[str] = field(default_factory=set)
    admin_from_s: int = 1 << 62


class Account:
    """One account as seen from inside; `members` are its identities.

    The intruder's own changes are kept: a policy granted, a trust widened, a user made.
    """

    def __init__(self, members: Iterable[Member], seed: int) -> None:
        self.seed = seed
        everybody = list(members)
        stems = tuple(dict.fromkeys(m.stem for m in everybody if m.path == "workload" and m.kind != "linked"))
        self.rights = {m.name: self._rights_of(m) for m in everybody}
        self.rights |= {name: _Rights(policy, frozenset(), frozenset()) for name, policy in STANDING_ROLES.items()}
        users = [m.name for m in everybody if "user" in m.kind]
        self.things: dict[str, list[str]] = {
            "users": users,
            "roles": [name for name in self.rights if name not in users and not name.startswith("AWS")],
            "secrets": [f"prod/{stem}/credential-{number}" for stem in stems for number in range(3)],
            "parameters": [f"/prod/{stem}/setting-{number}" for stem in stems for number in range(3)],
            "buckets": [f"shop-{stem}" for stem in stems],
            "tables": [f"shop-{stem}" for stem in stems],
            "functions": [f"{stem}-{letter}" for stem in stems for letter in "ab"],
            "instances": [f"i-0{self._digest('instance', stem).hex()[:16]}" for stem in stems],
            "trails": ["management-events"],
            "detectors": [self._digest("detector").hex()[:32]],
            "models": list(MODELS),
        }
        self._stems = stems
        self._has_region_guard = self.draw("region guard") < 0.4
        self._trusted: dict[str, list[str]] = {}

    def answer(self, caller: str, operation: str, resource: str, region: str, at_s: int) -> str:
        """The failure a call meets: '' for none, else denied or missing."""
        if operation in ("sts:GetCallerIdentity", "sts:GetSessionToken"):
            return ""
        if not self.may(caller, operation, at_s) or self._is_guarded(operation, region):
            return "denied"
        if operation.startswith(("bedrock:Invoke", "bedrock:Converse")):
            in_use = resource in ("", *MODELS[:2]) and region == REGIONS[0]
            return "" if in_use or self.draw("model access", region, resource) < 0.35 else "denied"
        return self._of_resource(caller, operation, resource, at_s)

    def may(self, caller: str, operation: str, at_s: int) -> bool:
        """Whether the caller's policies allow the operation on something."""
        rights = self._rights(caller)
        if at_s >= rights.admin_from_s or operation in rights.own or operation in rights.opened:
            return True
        return self.draw("may", caller, operation) < _chance(rights, operation)

    def targets(self, caller: str, at_s: int) -> list[str]:
        """The roles that let the caller become them."""
        rights = self._rights(caller)
        if rights.policy == "admin" or at_s >= rights.admin_from_s:
            return [role for role in self.things["roles"] if role != caller and self.draw("trusts all", role) < 0.6]
        drawn = [role for role in self.things["roles"] if role != caller and self.draw("trusts", role, caller) < 0.06]
        return [*drawn, *self._trusted.get(caller, [])]

    def open(self, caller: str, *allowed: str) -> None:
        """Let the caller do these operations: the hole this account has."""
        self._rights(caller).opened.update(allowed)

    def trust(self, caller: str, role: str) -> None:
        """Let the caller assume the role from now on."""
        self._trusted.setdefault(caller, []).append(role)

    def make_admin(self, principal: str, at_s: int) -> None:
        """Grant the principal everything, once the change has spread."""
        least_s, most_s = PROPAGATION_S
        spread_s = least_s + int(self.draw("spread", principal, str(at_s)) * (most_s - least_s))
        rights = self._rights(principal)
        rights.admin_from_s = min(rights.admin_from_s, at_s + spread_s)

    def add_user(self, name: str) -> None:
        """A user without rights."""
        self.things["users"].append(name)
        self._rights(name)

    def draw(self, *words: str) -> float:
        """A number in [0, 1) that is the same for the same words, in every process."""
        return int.from_bytes(self._digest(*words)[:6], "big") / 2**48

    def _rights(self, principal: str) -> _Rights:
        return self.rights.setdefault(principal, _Rights("none", frozenset(), frozenset()))

    def _digest(self, *words: str) -> bytes:
        return hashlib.blake2b("\x00".join((str(self.seed), *words)).encode(), digest_size=16).digest()

    def _rights_of(self, member: Member) -> _Rights:
        kinds = _KINDS.get(member.kind, _WORKLOAD)
        policy = _picked(kinds, self.draw("policy", member.name))
        services = frozenset(operation.partition(":")[0] for operation in member.operations)
        return _Rights(policy, frozenset(member.operations), services, member.stem)

    def _is_guarded(self, operation: str, region: str) -> bool:
        if operation.partition(":")[0] in GLOBAL or region in REGIONS[:2]:
            return False
        return self._has_region_guard and self.draw("guarded", region) < 0.7

    def _of_resource(self, caller: str, operation: str, resource: str, at_s: int) -> str:
        kind = _kind_of_thing(operation)
        if not kind or not resource:
            return ""
        name = resource.partition("/")[0] if kind == "buckets" else resource
        if name not in self.things[kind]:
            return "missing" if operation.startswith(("iam:", "secretsmanager:", "ssm:", "lambda:")) else "denied"
        rights = self._rights(caller)
        if kind in ("roles", "users") or rights.policy in ("power", "admin") or at_s >= rights.admin_from_s:
            return ""
        own = bool(rights.stem) and rights.stem in name
        reach = 0.75 if rights.policy == "wide" or operation in rights.opened else 0.25
        return "" if own or self.draw("reach", caller, kind, name) < reach else "denied"


def name_of(session: Session) -> str:
    """The role or user name the session speaks for, as the account calls it."""
    issuer = session.identity.get("sessionContext", {}).get("sessionIssuer", {})
    return str(issuer.get("userName") or session.identity.get("userName", ""))


def _chance(rights: _Rights, operation: str) -> float:
    """How likely the policy allows an operation it was not written for."""
    service = operation.partition(":")[0]
    reads, own = operations.is_read_only(operation), service in rights.services
    if rights.policy == "admin":
        return 1.0
    if rights.policy == "power":
        return 0.95 if service not in ("iam", "organizations") else 0.5 if reads else 0.05
    if rights.policy == "reader":
        return (0.1 if operation in CONTENT_READS else 0.9) if reads else 0.02
    if rights.policy == "wide":
        return 0.95 if own else 0.08 if reads else 0.02
    if rights.policy == "narrow":
        return (0.5 if reads else 0.15) if own else 0.06 if reads else 0.01
    return 0.0


def _picked(shares: Mapping[str, float], point: float) -> str:
    for name, share in shares.items():
        if point < share:
            return name
        point -= share
    return next(reversed(list(shares)))


_THINGS: Sequence[tuple[tuple[str, ...], str]] = (
    (("secretsmanager:Get", "secretsmanager:Describe", "secretsmanager:Put", "secretsmanager:Delete"), "secrets"),
    (("ssm:GetParameter", "ssm:DeleteParameter"), "parameters"),
    (
        (
            "s3:GetObject", "s3:ListObjects", "s3:GetBucket", "s3:PutBucket", "s3:CopyObject", "s3:DeleteObject",
            "s3:PutObject", "s3:DeleteBucket", "s3:HeadObject", "s3:PutLifecycle",
        ),
        "buckets",
    ),
    (("dynamodb:Scan", "dynamodb:DescribeTable", "dynamodb:DeleteTable"), "tables"),
    (("lambda:GetFunction", "lambda:UpdateFunction"), "functions"),
    (("iam:GetRole", "iam:ListRole", "iam:ListAttachedRole", "iam:PutRole", "iam:AttachRole", "iam:UpdateAssume"), "roles"),
    (("iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile", "iam:AttachUser", "iam:PutUser"), "users"),
)  # fmt: skip


def _kind_of_thing(operation: str) -> str:
    if operation.endswith("ByPath"):
        return ""
    return next((kind for starts, kind in _THINGS if operation.startswith(starts)), "")
