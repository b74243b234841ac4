"""What each rung does at AWS, and how each is looked at afterwards. Every deed reads first and writes only what is not there yet: doing it twice is doing it once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from detector.policy.guardrails import RevocationCommand
from detector.sources.timestamps import format_time, parse_time_ns
from streams.connectors import aws_policies as policies
from streams.connectors.aws_client import Iam
from streams.connectors.aws_names import Entity, check_temporary, entity_of, hand_of, is_trusted, long_lived_key, told
from streams.connectors.base import NotOfferedError, RefusedError
from streams.connectors.http_client import NotFoundError
from streams.connectors.settings.aws import AwsSettings

TRUST = "trust of role "
"""Before the role's name, a key of the receipt's reference: its trust policy as it was."""
STOOD = "stood already"
"""A key of the reference where an earlier command had done it."""
MADE_INACTIVE = "made inactive"
"""A key of the reference: the access keys that were active until then."""


class Work(NamedTuple):
    """One command before the IAM of its account."""

    command: RevocationCommand
    iam: Iam
    settings: AwsSettings

    @property
    def entity(self) -> Entity:
        """The user or role the command's principal is. Raises ``RefusedError`` where it is none."""
        return entity_of(self.command.principal)

    @property
    def narrowed(self) -> dict[str, Any]:
        """The policy ``narrow`` writes."""
        return policies.deny(self.settings.narrow_denies or policies.SENSITIVE)


class Done(NamedTuple):
    """What was called, in order, and what ``prove`` needs to know again."""

    steps: tuple[str, ...]
    reference: dict[str, str] = {}  # noqa: RUF012 - never written to


class Seen(NamedTuple):
    """What IAM says now."""

    is_gone: bool
    text: str


class Rung(NamedTuple):
    """One deed: doing it, and looking whether it stands."""

    do: Callable[[Work], Done]
    look: Callable[[Work, dict[str, str]], Seen]


def account_of(command: RevocationCommand) -> str:
    """The account a command is carried out in: the principal's own, or where delegation is cut, the one that delegated. Raises ``RefusedError``."""
    return command.scope if command.action == "cut_delegation" else entity_of(command.principal).account


def narrow(work: Work) -> Done:
    """Denies the sensitive subset to the user or role."""
    return Done((_written(work, policies.NARROW, work.narrowed),))


def look_narrow(work: Work, _reference: dict[str, str]) -> Seen:
    """Whether the deny policy stands, word for word."""
    return _look_policy(work, policies.NARROW, work.narrowed, "the sensitive subset is denied, the rest goes on")


def revoke_session(work: Work) -> Done:
    """Denies everything to temporary credentials issued until now."""
    check_temporary(work.command.credential)
    return _cut_sessions(work)


def look_sessions(work: Work, reference: dict[str, str]) -> Seen:
    """Whether the deny policy stands and reaches at least as far as it did; past the use that gave it away where the answer was lost."""
    standing_ns = policies.cutoff_ns(work.iam.policy(work.entity, policies.OLDER_SESSIONS))
    cutoff = reference.get("cutoff")
    if cutoff is None:
        reaches = standing_ns > _time_ns("time of the command", work.command.time)
    else:
        reaches = standing_ns >= _time_ns("cutoff of the receipt", cutoff)
    if reaches:
        return Seen(
            True, f"{who(work)}: everything is denied to sessions issued before {cutoff or format_time(standing_ns)}"
        )
    return _missing(work, policies.OLDER_SESSIONS)


def disable_credential(work: Work) -> Done:
    """Makes the access key inactive."""
    key, user = long_lived_key(work.command.credential), work.entity
    if user.kind != "user":
        raise NotOfferedError(f"role {user.name} has no long-lived keys, wanted a user")
    return Done((_made_inactive(work.iam, user, key),))


def look_key(work: Work, _reference: dict[str, str]) -> Seen:
    """What IAM says of the key."""
    key = work.command.credential
    try:
        known = {found["AccessKeyId"]: found["Status"] for found in _keys(work.iam, work.entity)}
    except NotFoundError:
        return Seen(True, f"{who(work)} does not exist any more")
    status = known.get(key, "deleted")
    return Seen(status != "Active", f"{who(work)}: {told(key)} is {status}")


def quarantine_principal(work: Work) -> Done:
    """Denies everything, makes every key inactive, and denies sessions issued until now for good: lifting the quarantine leaves the stolen ones dead."""
    is_new = work.iam.policy(work.entity, policies.DENY_ALL) != policies.deny_all()
    sessions = _cut_sessions(work, reaches_now=is_new)
    steps = [*sessions.steps, _written(work, policies.DENY_ALL, policies.deny_all())]
    if work.entity.kind == "user":
        active = [key["AccessKeyId"] for key in _keys(work.iam, work.entity) if key["Status"] == "Active"]
        steps += [_made_inactive(work.iam, work.entity, key) for key in active]
        return Done(tuple(steps), {**sessions.reference, MADE_INACTIVE: " ".join(active)})
    return Done(tuple(steps), sessions.reference)


def look_quarantine(work: Work, reference: dict[str, str]) -> Seen:
    """Whether both policies stand and no key is active, such as one minted while IAM was still spreading the news."""
    looks = [
        _look_policy(work, policies.DENY_ALL, policies.deny_all(), "everything is denied"),
        look_sessions(work, reference),
    ]
    if work.entity.kind == "user":
        looks.append(_look_keys(work))
    return next((seen for seen in looks if not seen.is_gone), looks[0])


def cut_delegation(work: Work) -> Done:
    """Denies the principal to every role of the account that trusts it. The reference keeps each trust policy as it was before any cut of ours."""
    principal, hand = work.command.principal, hand_of(work.command.principal)
    trusting = [role for role in _roles(work.iam) if is_trusted(hand, role["AssumeRolePolicyDocument"])]
    if not trusting:
        raise RefusedError(f"no role of account {work.command.scope} trusts {principal[:200]!r}: nothing to cut")
    if len(trusting) > work.settings.most_roles:
        raise RefusedError(
            f"{len(trusting)} roles trust {principal[:200]!r}, wanted at most most_roles = {work.settings.most_roles}"
        )
    steps, reference = [], {}
    for role in trusting:
        name, trust = role["RoleName"], role["AssumeRolePolicyDocument"]
        before = policies.uncut(trust, principal)
        reference[TRUST + name] = msgspec.json.encode(before).decode()
        steps.append(_cut_role(work, name, trust, policies.cut(before, principal, hand)))
    return Done(tuple(steps), reference)


def look_cut(work: Work, reference: dict[str, str]) -> Seen:
    """Whether every role that was cut still denies the principal; every role that trusts it where the answer was lost."""
    principal, hand = work.command.principal, hand_of(work.command.principal)
    names = [key.removeprefix(TRUST) for key in reference if key.startswith(TRUST)]
    if not names:
        trusting = (role for role in _roles(work.iam) if is_trusted(hand, role["AssumeRolePolicyDocument"]))
        names = [role["RoleName"] for role in trusting]
    if not names:
        return Seen(False, f"no role of account {work.command.scope} was found that trusts the principal")
    open_ = [name for name in names if not _is_cut(work.iam, name, principal)]
    if open_:
        return Seen(
            False, f"role {open_[0]} trusts the principal again" + (f", and {len(open_) - 1} more" if open_[1:] else "")
        )
    return Seen(True, f"{len(names)} roles deny the principal (account {hand.account})")


RUNGS = {
    "narrow": Rung(narrow, look_narrow),
    "revoke_session": Rung(revoke_session, look_sessions),
    "disable_credential": Rung(disable_credential, look_key),
    "quarantine_principal": Rung(quarantine_principal, look_quarantine),
    "cut_delegation": Rung(cut_delegation, look_cut),
}


def _cut_sessions(work: Work, reaches_now: bool = False) -> Done:
    """Denies older sessions, unless what stands already reaches past the use that gave it away: a later date would end sessions nobody complained of."""
    used_ns = _time_ns("time of the command", work.command.time)
    standing_ns = policies.cutoff_ns(work.iam.policy(work.entity, policies.OLDER_SESSIONS))
    if standing_ns > used_ns and not reaches_now:
        cutoff = format_time(standing_ns)
        return Done(
            (f"{who(work)}: sessions issued before {cutoff} are denied already",), {"cutoff": cutoff, STOOD: "yes"}
        )
    cutoff = policies.cutoff_after(max(work.iam.clock.now_ns(), used_ns, standing_ns - 10**9))
    work.iam.put_policy(work.entity, policies.OLDER_SESSIONS, policies.older_sessions(cutoff))
    return Done(
        (f"{_put(work)} {policies.OLDER_SESSIONS}: sessions issued before {cutoff} are denied",), {"cutoff": cutoff}
    )


def _written(work: Work, name: str, document: dict[str, Any]) -> str:
    if work.iam.policy(work.entity, name) == document:
        return f"{who(work)}: {name} stands already"
    work.iam.put_policy(work.entity, name, document)
    return f"{_put(work)} {name}"


def _look_policy(work: Work, name: str, document: dict[str, Any], text: str) -> Seen:
    if work.iam.policy(work.entity, name) == document:
        return Seen(True, f"{who(work)}: {text}")
    return _missing(work, name)


def _missing(work: Work, policy: str) -> Seen:
    """A policy that does not stand: taken away or changed, unless its user or role went with it."""
    entity = work.entity
    try:
        if entity.kind == "user":
            _keys(work.iam, entity)
        else:
            work.iam.call("GetRole", RoleName=entity.name)
    except NotFoundError:
        return Seen(True, f"{who(work)} does not exist any more")
    return Seen(False, f"{who(work)}: policy {policy} does not stand: it was taken away, or changed")


def _look_keys(work: Work) -> Seen:
    try:
        active = [key["AccessKeyId"] for key in _keys(work.iam, work.entity) if key["Status"] == "Active"]
    except NotFoundError:
        return Seen(True, f"{who(work)} does not exist any more")
    return Seen(not active, f"{who(work)}: {told(active[0])} is Active" if active else f"{who(work)}: no key is active")


def _made_inactive(iam: Iam, user: Entity, key: str) -> str:
    iam.call("UpdateAccessKey", UserName=user.name, AccessKeyId=key, Status="Inactive")
    return f"iam:UpdateAccessKey: {told(key)} of user {user.name} is Inactive"


def _keys(iam: Iam, user: Entity) -> list[dict[str, Any]]:
    return iam.all_of("ListAccessKeys", "AccessKeyMetadata", UserName=user.name)


def _roles(iam: Iam) -> list[dict[str, Any]]:
    """Every role that can be changed: not those AWS keeps for its services."""
    found = iam.all_of("ListRoles", "Roles")
    return [role for role in found if not role["Path"].startswith(("/aws-service-role/", "/aws-reserved/"))]


def _cut_role(work: Work, name: str, trust: dict[str, Any], wanted: dict[str, Any]) -> str:
    if trust == wanted:
        return f"role {name}: the principal is denied already"
    work.iam.call("UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=msgspec.json.encode(wanted).decode())
    return f"iam:UpdateAssumeRolePolicy: role {name} denies the principal"


def _is_cut(iam: Iam, role: str, principal: str) -> bool:
    try:
        trust = iam.call("GetRole", RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    except NotFoundError:
        return True  # nobody assumes a role that is gone
    return policies.is_cut(trust, principal, hand_of(principal))


def _time_ns(what: str, text: str) -> int:
    try:
        return parse_time_ns(text)
    except ValueError as error:
        raise RefusedError(f"{what} {text[:40]!r}, wanted RFC 3339") from error


def who(work: Work) -> str:
    """The user or role in words."""
    return f"{work.entity.kind} {work.entity.name}"


def _put(work: Work) -> str:
    return f"iam:Put{work.entity.kind.capitalize()}Policy: {who(work)} has"
