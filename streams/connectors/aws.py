"""The connector of AWS: keys made inactive, sessions denied, principals quarantined, delegation cut; all of it in IAM, through boto3.

IAM calls: AWS Identity and Access Management API reference (https://docs.aws.amazon.com/IAM/latest/APIReference/). A command is carried out in its principal's account;
where delegation is cut, in the account of its scope.

Blind to: what was started with the credential and runs on without it (an instance, a function), and what the thief built for later (another user, a role that trusts
strangers): those are identities of their own.
"""

import asyncio
import time
from collections.abc import Callable

from detector.policy.guardrails import RevocationCommand
from streams.connectors import aws_policies as policies
from streams.connectors.aws_check import findings
from streams.connectors.aws_client import Accounts
from streams.connectors.aws_deeds import RUNGS, Rung, Work, account_of
from streams.connectors.base import Deed, Description, Finding, Permission, Proof, Receipt, RefusedError
from streams.connectors.settings.aws import AwsSettings

RESIDUAL_S = 4.0
"""How long an IAM change takes to be felt everywhere. AWS says it is eventually consistent and gives no number; public measurements of 2025 found three to four seconds."""
_CONSISTENCY = "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html#troubleshoot_general_eventual-consistency"
_API = "https://docs.aws.amazon.com/IAM/latest/APIReference/API_{}.html"
_POLICY_DEEDS = "narrow, revoke_session, quarantine_principal"

DESCRIPTION = Description(
    name="aws",
    title="AWS",
    providers=("aws",),
    deeds=(
        Deed(
            "narrow",
            f"Inline policy `{policies.NARROW}` on the user or role: denies identities, secrets, models, new compute and what watches; the rest goes on. On a role it holds for everybody who uses it.",
            RESIDUAL_S,
            _CONSISTENCY,
        ),
        Deed(
            "revoke_session",
            f"Inline policy `{policies.OLDER_SESSIONS}` on the user or role: denies everything to temporary credentials issued until now, innocent ones too. Later ones, and long-lived keys, go on.",
            RESIDUAL_S,
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html",
        ),
        Deed(
            "disable_credential",
            "Makes a long-lived access key inactive. Temporary credentials it was exchanged for (`GetSessionToken`, `GetFederationToken`) live on until `quarantine_principal`.",
            RESIDUAL_S,
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html",
        ),
        Deed(
            "quarantine_principal",
            f"Inline policy `{policies.DENY_ALL}` on the user or role, every access key of the user inactive, and older sessions denied for good.",
            RESIDUAL_S,
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_disable-perms.html",
        ),
        Deed(
            "cut_delegation",
            "Adds to the trust policy of every role that trusts the principal a statement denying it `sts:AssumeRole`. Sessions it already has are not touched. "
            "To undo, remove the statement whose Sid begins with `OutpaceCut`; the receipt keeps the policy as it was.",
            RESIDUAL_S,
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_update-role-trust-policy.html",
        ),
    ),
    permissions=(
        Permission(
            "iam:GetUserPolicy",
            f"{_POLICY_DEEDS} for users: sees what stands; and proof of them",
            _API.format("GetUserPolicy"),
        ),
        Permission("iam:PutUserPolicy", f"{_POLICY_DEEDS} for users", _API.format("PutUserPolicy")),
        Permission(
            "iam:GetRolePolicy",
            f"{_POLICY_DEEDS} for roles: sees what stands; and proof of them",
            _API.format("GetRolePolicy"),
        ),
        Permission("iam:PutRolePolicy", f"{_POLICY_DEEDS} for roles", _API.format("PutRolePolicy")),
        Permission(
            "iam:UpdateAccessKey", "disable_credential, quarantine_principal for users", _API.format("UpdateAccessKey")
        ),
        Permission(
            "iam:ListAccessKeys",
            "quarantine_principal for users: finds the keys; and proof of what was done to a key",
            _API.format("ListAccessKeys"),
        ),
        Permission(
            "iam:ListRoles", "cut_delegation: finds the roles that trust the principal", _API.format("ListRoles")
        ),
        Permission("iam:UpdateAssumeRolePolicy", "cut_delegation", _API.format("UpdateAssumeRolePolicy")),
        Permission("iam:GetRole", "proof that a role still denies the principal, or is gone", _API.format("GetRole")),
        Permission(
            "sts:AssumeRole",
            "narrow, revoke_session, disable_credential, quarantine_principal, cut_delegation in other accounts than Outpace's own; on the roles named in the settings",
            "https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html",
        ),
    ),
    proof="Reads back from IAM: the key's status, the policies word for word, the roles' trust. That every region already honours it only a refused use can show.",
    blind_to="Root users, IAM Identity Center users and service-linked roles cannot be restricted this way and are refused by name. What runs without the credential runs on.",
)


class Aws:
    """The connector. Raises ``ConfigError`` where boto3 is missing or a secret cannot be read."""

    def __init__(self, settings: AwsSettings, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._accounts, self._now_ns = Accounts(settings), now_ns

    def describe(self) -> Description:
        """Always the same."""
        return DESCRIPTION

    async def check(self) -> tuple[Finding, ...]:
        """Tries each permission in each account on a user and a role that do not exist: AWS says whether it is allowed before it says that they are not there."""
        return await asyncio.to_thread(findings, self._accounts)

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Carries a command out. Raises ``RefusedError`` or ``UnavailableError``."""
        rung = _rung(command)
        done = await asyncio.to_thread(lambda: rung.do(self._work(command)))
        return Receipt(
            command_id=command.command_id,
            connector=DESCRIPTION.name,
            action=command.action,
            accepted_ns=self._now_ns(),
            residual_s=RESIDUAL_S,
            steps=done.steps,
            reference=done.reference,
        )

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        """Reads back whether it stands. Raises ``RefusedError`` or ``UnavailableError`` where it cannot be read."""
        rung = _rung(command)
        seen = await asyncio.to_thread(lambda: rung.look(self._work(command), receipt.reference))
        return Proof(
            command_id=command.command_id,
            standing="inactive" if seen.is_gone else "alive",
            method="read back from IAM",
            text=seen.text,
            asked_ns=self._now_ns(),
        )

    async def close(self) -> None:
        """Lets connections go."""
        await asyncio.to_thread(self._accounts.close)

    def _work(self, command: RevocationCommand) -> Work:
        return Work(command, self._accounts.iam(account_of(command)), self._accounts.settings)


def _rung(command: RevocationCommand) -> Rung:
    rung = RUNGS.get(command.action)
    if rung is None:
        raise RefusedError(f"AWS has no deed for {command.action}, wanted one of {', '.join(RUNGS)}")
    return rung
