"""Whether IAM would let a request through: "Policy evaluation logic"
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html), as far as the tests go. A condition it cannot judge fails the test.
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from botocore.credentials import Credentials
from moto.iam import access_control
from moto.iam.models import iam_backends

Context = dict[str, str]


class UserSession(NamedTuple):
    """Temporary credentials of a user."""

    user: str
    secret: str
    token: str


class SessionKey:
    """Such credentials in a request, as moto wants to see a key."""

    def __init__(self, account: str, access_key_id: str, session: UserSession) -> None:
        self.account_id, self._access_key_id, self.session = account, access_key_id, session
        self._owner_user_name = session.user
        self.arn = f"arn:aws:iam::{account}:user/{session.user}"

    @property
    def backend(self) -> Any:
        return iam_backends[self.account_id]["aws"]

    def create_credentials(self) -> Credentials:
        return Credentials(self._access_key_id, self.session.secret, self.session.token)

    def collect_policies(self) -> list[Any]:
        return access_control.IAMUserAccessKey.collect_policies(self)  # type: ignore[arg-type]


def key_maker(sessions: dict[str, UserSession]) -> Callable[..., Any]:
    """What tells moto whose key signs a request: user sessions too, and no inactive key."""
    original = access_control.create_access_key

    def create_access_key(account_id: str, partition: str, access_key_id: str, headers: Any) -> Any:
        if access_key_id in sessions:
            if headers.get("X-Amz-Security-Token") != sessions[access_key_id].token:
                raise access_control.CreateAccessKeyFailure("InvalidToken")
            return SessionKey(account_id, access_key_id, sessions[access_key_id])
        key = original(account_id, partition, access_key_id, headers)
        if isinstance(key, access_control.IAMUserAccessKey):
            known = key.backend.get_user(key._owner_user_name).get_access_key_by_id(access_key_id)
            if known.status != "Active":
                raise access_control.CreateAccessKeyFailure("InvalidId")
        return key

    return create_access_key


def allows(request: Any, resource: str, issued: dict[str, datetime]) -> bool:
    """Whether the request of this key is allowed. ``issued``: when each temporary key was."""
    action, key = request._action, request._access_key
    if action == "sts:GetCallerIdentity":  # needs no permission and heeds no denial
        return True
    context = _context(key, issued)
    own = [access_control.IAMPolicy(policy)._policy_json for policy in key.collect_policies()]
    if not _verdict(own, action, resource, context):
        return False
    if "ExternalId" in request._data:
        context["sts:ExternalId"] = request._data["ExternalId"][0]
    return action != "sts:AssumeRole" or _verdict([_trust(resource)], action, "*", context)


def _context(key: Any, issued: dict[str, datetime]) -> Context:
    if isinstance(key, access_control.AssumedRoleAccessKey):
        role = key.backend.get_role(key._owner_role_name)
        context = {"aws:PrincipalArn": role.arn, "aws:userid": f"{role.id}:{key._session_name}"}
    else:
        user = key.backend.get_user(key._owner_user_name)
        context = {"aws:PrincipalArn": user.arn, "aws:userid": user.id}
    if key._access_key_id in issued:
        context["aws:TokenIssueTime"] = issued[key._access_key_id].isoformat()
    return context | {"account": key.account_id}


def _trust(role_arn: str) -> dict[str, Any]:
    backend = iam_backends[role_arn.split(":")[4]]["aws"]
    return json.loads(backend.get_role_by_arn(role_arn).assume_role_policy_document)  # type: ignore[no-any-return]


def _verdict(documents: Iterable[dict[str, Any]], action: str, resource: str, context: Context) -> bool:
    """An explicit denial wins; without any allowance it is no."""
    statements = [statement for document in documents for statement in _many(document["Statement"])]
    effects = {s["Effect"] for s in statements if _concerns(s, action, resource, context)}
    return effects == {"Allow"}


def _concerns(statement: dict[str, Any], action: str, resource: str, context: Context) -> bool:
    if not any(fnmatchcase(action.lower(), wanted.lower()) for wanted in _many(statement["Action"])):
        return False
    if resource != "*" and not any(fnmatchcase(resource, wanted) for wanted in _many(statement.get("Resource", "*"))):
        return False
    if "Principal" in statement and not _names(statement["Principal"], context):
        return False
    conditions = statement.get("Condition", {}).items()
    return all(
        _is_met(operator, key, _many(values), context) for operator, of in conditions for key, values in of.items()
    )


def _names(principal: Any, context: Context) -> bool:
    arn, account = context["aws:PrincipalArn"], context["account"]
    named = _many(principal if isinstance(principal, str) else principal.get("AWS", []))
    return any(name in ("*", arn, account, f"arn:aws:iam::{account}:root") for name in named)


def _is_met(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    actual = context.get(key)
    if actual is None:
        return False
    if operator == "DateLessThan":
        return any(datetime.fromisoformat(actual) < datetime.fromisoformat(moment) for moment in wanted)
    if operator in ("ArnEquals", "StringEquals", "StringLike"):
        return any(fnmatchcase(actual, pattern) for pattern in wanted)
    raise NotImplementedError(f"condition {operator} of {key}")


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
