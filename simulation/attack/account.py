"""The account an intruder is in: what each principal may do, who may become whom, and what the intruder changed.

Every answer follows from the seed, the caller, the operation and the resource, so the same question has the same
answer until the intruder changes something: a policy granted, a trust widened, a user made.

Source: AWS IAM User Guide, "Policy evaluation logic".
Blind to: resource policies, permission boundaries and conditions; they would look like another denial.
"""

from collections import defaultdict

from simulation import operations
from simulation.attack.catalogue import CONTENT_READS, GLOBAL, REGIONS
from simulation.attack.residents import Resident, Residents, kind_of_thing

PROPAGATION_S = (3, 12)  # how long IAM takes to honour a change
_NEVER_S = 1 << 62
_TRUSTED = 0.06  # of all pairs of a caller and a role
_TRUSTED_BY_ALL = 0.6  # of roles an administrator can assume
_MODEL_OPEN = 0.35  # of models in a region, for whoever may invoke at all
_GUARDED = 0.4  # of accounts keep their identities in few regions
_FREE = ("sts:GetCallerIdentity", "sts:GetSessionToken")  # need no permission
_INVOKING = ("bedrock:InvokeModel", "bedrock:Converse")
_MISSED = (
    "iam:",
    "secretsmanager:",
    "ssm:",
    "lambda:",
)  # these say that a thing is not there, others that it is denied


class Account:
    """One account as one intruder finds it and leaves it."""

    def __init__(self, residents: Residents) -> None:
        self.residents = residents
        self.things: dict[str, list[str]] = defaultdict(list, {k: list(v) for k, v in residents.things.items()})
        self._opened: dict[str, set[str]] = defaultdict(set)
        self._trusted: dict[str, list[str]] = defaultdict(list)
        self._admin_from_s: dict[str, int] = {}
        self._targets: dict[str, list[str]] = {}
        self._has_region_guard = residents.draw("region guard") < _GUARDED

    def answer(self, caller: str, operation: str, resource: str, region: str, at_s: int) -> str:
        """The failure a call meets: '' for none, else denied or missing."""
        if operation in _FREE:
            return ""
        if not self.may(caller, operation, at_s) or self._is_guarded(operation, region):
            return "denied"
        if operation.startswith(_INVOKING):
            in_use = not resource or ("models", resource) in self.residents.resident(caller).things
            return "" if in_use or self.residents.draw("model access", region, resource) < _MODEL_OPEN else "denied"
        return self._of_resource(caller, operation, resource, at_s)

    def may(self, caller: str, operation: str, at_s: int) -> bool:
        """Whether the caller's policies allow the operation on something."""
        resident = self.residents.resident(caller)
        if self._is_admin(caller, at_s) or operation in resident.operations or operation in self._opened[caller]:
            return True
        return self.residents.draw("may", caller, operation) < _chance(resident, operation)

    def targets(self, caller: str, at_s: int) -> list[str]:
        """The roles that let the caller become them."""
        share = _TRUSTED_BY_ALL if self._is_admin(caller, at_s) else _TRUSTED
        if caller not in self._targets or share == _TRUSTED_BY_ALL:
            roles = [role for role in self.things["roles"] if role != caller]
            self._targets[caller] = [role for role in roles if self.residents.draw("trusts", role, caller) < share]
        return [*self._targets[caller], *self._trusted[caller]]

    def open(self, caller: str, *allowed: str) -> None:
        """Let the caller do these operations: the hole this account has."""
        self._opened[caller].update(allowed)

    def trust(self, caller: str, role: str) -> None:
        """Let the caller assume the role from now on."""
        self._trusted[caller].append(role)

    def make_admin(self, principal: str, at_s: int) -> None:
        """Grant the principal everything, once the change has spread."""
        least_s, most_s = PROPAGATION_S
        spread_s = at_s + least_s + int(self.residents.draw("spread", principal, str(at_s)) * (most_s - least_s))
        self._admin_from_s[principal] = min(self._admin_from_s.get(principal, _NEVER_S), spread_s)

    def add_user(self, name: str) -> None:
        """A user without rights."""
        self.things["users"].append(name)

    def _is_admin(self, caller: str, at_s: int) -> bool:
        return self.residents.resident(caller).policy == "admin" or at_s >= self._admin_from_s.get(caller, _NEVER_S)

    def _is_guarded(self, operation: str, region: str) -> bool:
        if operation.partition(":")[0] in GLOBAL or region in (self.residents.region, REGIONS[1]):
            return False
        return self._has_region_guard and self.residents.draw("guarded", region) < 0.7

    def _of_resource(self, caller: str, operation: str, resource: str, at_s: int) -> str:
        kind = kind_of_thing(operation)
        if not kind or not resource:
            return ""
        name = resource.partition("/")[0] if kind == "buckets" else resource
        resident = self.residents.resident(caller)
        if (kind, name) in resident.things:
            return ""
        if name not in self.things[kind]:
            return "missing" if operation.startswith(_MISSED) else "denied"
        if kind in ("roles", "users") or resident.policy == "power" or self._is_admin(caller, at_s):
            return ""
        reach = 0.75 if resident.policy == "wide" or operation in self._opened[caller] else 0.25
        return "" if self.residents.draw("reach", caller, kind, name) < reach else "denied"


def _chance(resident: Resident, operation: str) -> float:
    """How likely the policy allows an operation it was not written for."""
    service = operation.partition(":")[0]
    reads, own = operations.is_read_only(operation), service in resident.services
    if resident.policy == "power":
        return 0.95 if service not in ("iam", "organizations") else 0.5 if reads else 0.05
    if resident.policy == "reader":
        return (0.1 if operation in CONTENT_READS else 0.9) if reads else 0.02
    if resident.policy == "wide":
        return 0.95 if own else 0.08 if reads else 0.02
    if resident.policy == "narrow":
        return (0.5 if reads else 0.15) if own else 0.06 if reads else 0.01
    return 0.0
