"""The connector of AWS: keys made inactive, sessions denied, principals quarantined, delegation cut; all of it in IAM, through boto3.

IAM calls: AWS Identity and Access Management API reference (https://docs.aws.amazon.com/IAM/latest/APIReference/). A command is carried out in its principal's account;
where delegation is cut, in the account of its scope.

Blind to: what was started with the credential and runs on without it (an instance, a function), and what the thief built for later (another user, a role that trusts
strangers): those are identities of their own.
"""

import asyncio

from detector.policy.guardrails import RevocationCommand
from streams.connectors import aws_policies as policies
from streams.connectors.aws_check import findings
from streams.connectors.aws_client import Accounts
from streams.connectors.aws_deeds import RUNGS, STOOD, Work, account_of
from streams.connectors.aws_restore import UNDO
from streams.connectors.base import Deed, Description, Finding, Lack, Permission, Proof, Receipt
from streams.connectors.settings.aws import AwsSettings
from streams.connectors.telling import proof_of, receipt_of, wanted_deed

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
            f"puts the inline policy `{policies.NARROW}` on the user or role: identities, secrets, models, new compute and what watches are denied, the rest goes on",
            RESIDUAL_S,
            _CONSISTENCY,
            "deletes the policy; for this, `revoke_session` and `quarantine_principal` we need `iam:DeleteUserPolicy` and `iam:DeleteRolePolicy` besides",
        ),
        Deed(
            "revoke_session",
            f"puts the inline policy `{policies.OLDER_SESSIONS}` on the user or role: temporary credentials issued until now are denied everything, innocent ones too",
            RESIDUAL_S,
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html",
            "deletes the policy, unless another command has written it",
        ),
        Deed(
            "disable_credential",
            "makes a long-lived access key inactive; temporary credentials it was exchanged for (`GetSessionToken`, `GetFederationToken`) live on until `quarantine_principal`",
            RESIDUAL_S,
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html",
            "makes the key active",
        ),
        Deed(
            "quarantine_principal",
            f"puts the inline policy `{policies.DENY_ALL}` on the user or role, makes every access key of the user inactive, and denies older sessions for good",
            RESIDUAL_S,
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_disable-perms.html",
            f"deletes `{policies.DENY_ALL}` and makes the keys active that it made inactive; older sessions stay denied",
        ),
        Deed(
            "cut_delegation",
            "adds to the trust policy of every role that trusts the principal a statement denying it `sts:AssumeRole`; sessions it already has are not touched; "
            "to undo, remove the statement whose Sid begins with `OutpaceCut`; the receipt keeps the policy as it was",
            RESIDUAL_S,
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_update-role-trust-policy.html",
            "removes that statement from each role; changes others made since stay",
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
    proof="reads back from IAM: the key's status, the policies word for word, the roles' trust; that every region already honours it only a refused use can show",
    lacks=(
        Lack(
            "step_up",
            "a session was given its second factor, or not, when it was issued (`aws:MultiFactorAuthPresent`), and no call asks for it again",
        ),
    ),
    blind_to="root users, IAM Identity Center users and service-linked roles, which cannot be restricted this way and are refused by name; what runs without the credential",
)


class Aws:
    """The connector. Raises ``ConfigError`` where boto3 is missing or a secret cannot be read."""

    def __init__(self, settings: AwsSettings) -> None:
        self._accounts = Accounts(settings)

    def describe(self) -> Description:
        """Always the same."""
        return DESCRIPTION

    async def check(self) -> tuple[Finding, ...]:
        """Tries each permission in each account on a user and a role that do not exist: AWS says whether it is allowed before it says that they are not there."""
        return await asyncio.to_thread(findings, self._accounts)

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Carries a command out. Raises ``RefusedError`` or ``UnavailableError``."""
        wanted_deed(DESCRIPTION, command)
        done = await asyncio.to_thread(lambda: RUNGS[command.action].do(self._work(command)))
        all_ended = "cutoff" in done.reference and STOOD not in done.reference
        return receipt_of(DESCRIPTION, command, done.steps, done.reference, ends_all_sessions=all_ended)

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        """Reads back whether it stands. Raises ``RefusedError`` or ``UnavailableError`` where it cannot be read."""
        wanted_deed(DESCRIPTION, command)
        seen = await asyncio.to_thread(lambda: RUNGS[command.action].look(self._work(command), receipt.reference))
        return proof_of(command, "inactive" if seen.is_gone else "alive", "read back from IAM", seen.text)

    async def restore(self, command: RevocationCommand, receipt: Receipt) -> Receipt:
        """Undoes a command. Raises ``RefusedError`` or ``UnavailableError``."""
        wanted_deed(DESCRIPTION, command)
        done = await asyncio.to_thread(lambda: UNDO[command.action](self._work(command), receipt.reference))
        return receipt_of(DESCRIPTION, command, done.steps, done.reference)

    async def close(self) -> None:
        """Lets connections go."""
        await asyncio.to_thread(self._accounts.close)

    def _work(self, command: RevocationCommand) -> Work:
        self._accounts.check_not_us(command.principal)
        return Work(command, self._accounts.iam(account_of(command)), self._accounts.settings)
