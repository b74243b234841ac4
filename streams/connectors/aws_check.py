"""Whether AWS lets us do what the connector may be asked for: each permission is tried, in each account, on names that do not exist.

IAM authorizes a request before it looks for the user or role in it: ``AccessDenied`` says the permission is missing, ``NoSuchEntity`` that it is there. Nothing can
change, since the names are drawn at random each time.
"""

import secrets
from typing import Any

from streams.connectors import aws_policies as policies
from streams.connectors.aws_client import Accounts, Iam
from streams.connectors.base import ConnectorError, Finding, RefusedError
from streams.connectors.http_client import NotAllowedError


def findings(accounts: Accounts) -> tuple[Finding, ...]:
    """What was found, account by account. Never raises: what cannot be asked is a finding too."""
    try:
        caller = accounts.caller()
    except ConnectorError as error:
        return (Finding("caller", False, str(error)),)
    found = [Finding("caller", not caller.arn.endswith(":root"), _caller_text(caller.arn))]
    for account in dict.fromkeys((caller.account, *accounts.settings.roles)):
        found += _in_account(accounts, account)
    return tuple(found)


def _caller_text(arn: str) -> str:
    return (
        f"{arn}: an account's root user, give Outpace a role of its own" if arn.endswith(":root") else f"we are {arn}"
    )


def _in_account(accounts: Accounts, account: str) -> list[Finding]:
    try:
        iam = accounts.iam(account)
    except ConnectorError as error:
        return [Finding(f"account {account}", False, str(error))]
    nobody = f"outpace-check-{secrets.token_hex(8)}"
    return [_tried(iam, account, operation, parameters) for operation, parameters in _attempts(nobody, account)]


def _attempts(nobody: str, account: str) -> list[tuple[str, dict[str, Any]]]:
    user, role, document = {"UserName": nobody}, {"RoleName": nobody}, '{"Version":"2012-10-17","Statement":[]}'
    key = {"AccessKeyId": "AKIA" + "0" * 16, "Status": "Inactive"}
    policy = {"PolicyName": policies.NARROW}
    return [
        ("GetUserPolicy", user | policy),
        ("PutUserPolicy", user | policy | {"PolicyDocument": document}),
        ("GetRolePolicy", role | policy),
        ("PutRolePolicy", role | policy | {"PolicyDocument": document}),
        ("UpdateAccessKey", user | key),
        ("ListAccessKeys", {**user}),
        ("ListRoles", {"MaxItems": 1}),
        ("UpdateAssumeRolePolicy", role | {"PolicyDocument": document}),
        ("GetRole", {**role}),
    ]


def _tried(iam: Iam, account: str, operation: str, parameters: dict[str, Any]) -> Finding:
    name = f"iam:{operation} in {account}"
    try:
        iam.call(operation, **parameters)
    except NotAllowedError as error:
        return Finding(name, False, f"{error} in account {account}, on every user and role Outpace may act on")
    except RefusedError:
        pass  # allowed, and there is nobody of that name: what we wanted to hear
    except ConnectorError as error:
        return Finding(name, False, str(error))
    return Finding(name, True, f"iam:{operation} is allowed in account {account}")
