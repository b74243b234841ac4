"""A scene before moto: an application's stolen key, a worker's stolen session, and our own key with just the permissions the connector says it needs."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any, Self
from unittest import mock

from botocore.exceptions import ClientError
from moto.iam.models import iam_backends

from detector.policy.guardrails import RevocationCommand
from streams.connectors import aws_policies as policies
from streams.connectors.aws import DESCRIPTION, Aws
from streams.connectors.settings.aws import AwsSettings
from tests.fakes.aws import ACCOUNT, OTHER, FakeAws, Keys
from tests.streams.connectors.contract import command_for

PERMISSIONS = [permission.name for permission in DESCRIPTION.permissions]
STRANGE = "333333333333"
OUR_ROLE = f"arn:aws:iam::{OTHER}:role/outpace"


def user(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:user/{name}"


def role(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def allow(actions: list[str]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]})


def trust(*principals: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


APP = user("services/app")


class AwsScene:
    """Two accounts. Which of its stolen things a command is about follows from the permission taken: users, roles, or what lies in the other account."""

    cannot: frozenset[str] = frozenset()
    actions: tuple[str, ...] | None = None
    exercised: frozenset[str] | None = None
    retry_after_s = 0.0

    def __init__(self) -> None:
        self.fake = FakeAws()
        self.allowed = list(PERMISSIONS)
        self.account, self.is_about_roles = ACCOUNT, False
        self.settings: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        self.fake.__enter__()
        await asyncio.to_thread(self._set)
        self._environment = mock.patch.dict(
            os.environ, TEST_AWS_KEY=self.ours.access_key_id, TEST_AWS_SECRET=self.ours.secret
        )
        self._environment.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._environment.stop()
        await asyncio.to_thread(self.fake.__exit__)

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(
            secret for keys in (self.ours, *self.keys.values(), *self.worker.values()) for secret in keys[1:] if secret
        )

    def connect(self) -> Aws:
        known = {
            "access_key_id": "env:TEST_AWS_KEY",
            "secret_access_key": "env:TEST_AWS_SECRET",
            "roles": {OTHER: OUR_ROLE},
            "attempts": 1,
        }
        return Aws(AwsSettings(**(known | {"endpoint_url": self.fake.url} | self.settings)))

    def command(self, action: str) -> RevocationCommand:
        keys, principal = self._stolen(action)
        return command_for(
            action, provider="aws", scope=self.account, credential=keys.access_key_id, principal=principal
        )

    def stranger(self, action: str) -> RevocationCommand | None:
        credential = "ASIANOBODYNOBODY0000" if action == "revoke_session" else "AKIANOBODYNOBODY0000"
        principal = user("nobody", STRANGE if action == "cut_delegation" else ACCOUNT)
        return command_for(action, provider="aws", scope=ACCOUNT, credential=credential, principal=principal)

    async def use(self, action: str) -> bool:
        keys, _principal = self._stolen(action)
        if action == "cut_delegation":
            return await self.passes(
                "sts", keys, "assume_role", RoleArn=role("worker", self.account), RoleSessionName="thief"
            )
        return await self.passes("iam", keys, "list_users")

    async def passes(self, service: str, keys: Keys, operation: str, **parameters: Any) -> bool:
        """Whether a call with these keys is let through."""

        def call() -> bool:
            try:
                getattr(self.fake.client(service, keys), operation)(**parameters)
            except ClientError as error:
                if error.response["Error"]["Code"] not in (
                    "AccessDenied",
                    "InvalidClientTokenId",
                    "InvalidAccessKeyId",
                ):
                    raise
                return False
            return True

        return await asyncio.to_thread(call)

    def picture(self) -> object:
        return self.fake.picture()

    def set_down(self, is_down: bool) -> None:
        self.fake.is_down = is_down

    def set_lying(self, is_lying: bool) -> None:
        self.fake.is_lying = is_lying

    def take(self, permission: str) -> None:
        self.is_about_roles = "Role" in permission and permission != "iam:ListRoles"
        self.account = OTHER if permission == "sts:AssumeRole" else ACCOUNT
        self.allowed.remove(permission)
        with self.fake.unguarded():
            self._grant_us()

    def grant(self, *permissions: str) -> None:
        """We are allowed more than the connector says it needs for taking away."""
        self.allowed += permissions
        with self.fake.unguarded():
            self._grant_us()

    def _stolen(self, action: str) -> tuple[Keys, str]:
        """The thief's keys and their principal: by nature a session's deed is about a session."""
        if action == "revoke_session" and not self.is_about_roles:
            return (self.user_session, APP) if self.account == ACCOUNT else (self.worker[OTHER], role("worker", OTHER))
        if self.is_about_roles and action not in ("disable_credential", "cut_delegation"):
            return self.worker[self.account], role("worker", self.account)
        return self.keys[self.account], user("services/app", self.account)

    def new_key_of_app(self) -> Keys:
        with self.fake.unguarded():
            return self.new_key(self.iam, "app")

    def new_role(self, name: str, document: str) -> None:
        with self.fake.unguarded():
            self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)

    def strip_app(self) -> None:
        """What a thief with the right to do so would do first."""
        with self.fake.unguarded():
            for name in self.iam.list_user_policies(UserName="app")["PolicyNames"]:
                self.iam.delete_user_policy(UserName="app", PolicyName=name)

    def delete_app(self) -> None:
        self.strip_app()
        with self.fake.unguarded():
            self.iam.delete_access_key(UserName="app", AccessKeyId=self.keys[ACCOUNT].access_key_id)
            self.iam.delete_user(UserName="app")

    def backdate_sessions_of_worker(self) -> None:
        """The revocation was a day ago."""
        document = json.dumps(policies.older_sessions("2026-03-02T00:00:01Z"))
        with self.fake.unguarded():
            self.iam.put_role_policy(RoleName="worker", PolicyName=policies.OLDER_SESSIONS, PolicyDocument=document)

    def lift_quarantine_of_worker(self) -> None:
        with self.fake.unguarded():
            self.iam.delete_role_policy(RoleName="worker", PolicyName=policies.DENY_ALL)

    def unique_id_of_outsider(self) -> str:
        iam_backends[OTHER]["aws"].users["app"].id = "AIDAEXAMPLEOUTSIDER0"  # moto's own look like nobody's
        return "AIDAEXAMPLEOUTSIDER0"

    def neighbour(self) -> Keys:
        """Another user of the account, who may assume roles."""
        with self.fake.unguarded():
            self.iam.create_user(UserName="neighbour")
            self.iam.put_user_policy(UserName="neighbour", PolicyName="all", PolicyDocument=allow(["sts:*"]))
            return self.new_key(self.iam, "neighbour")

    def forget_neighbour(self) -> None:
        del iam_backends[ACCOUNT]["aws"].users["neighbour"]

    def restore(self, reference: dict[str, str]) -> None:
        """What a person does with a receipt."""
        with self.fake.unguarded():
            for key, document in reference.items():
                self.iam.update_assume_role_policy(RoleName=key.removeprefix("trust of role "), PolicyDocument=document)

    def set_trust_of_ours(self, document: str) -> None:
        with self.fake.unguarded():
            self.other.update_assume_role_policy(RoleName="outpace", PolicyDocument=document)

    def _set(self) -> None:
        self.keys: dict[str, Keys] = {}
        with self.fake.unguarded():
            self.iam = self.fake.client("iam", Keys("AKIAEXAMPLE", "x"))
            self.iam.create_user(UserName="outpace")
            self.ours = self.new_key(self.iam, "outpace")
            self._grant_us()
            self._people(self.iam, ACCOUNT)
            self.other = self.fake.client("iam", self.assume(Keys("AKIAEXAMPLE", "x"), OUR_ROLE))
            self._people(self.other, OTHER)
            self.other.create_role(RoleName="outpace", AssumeRolePolicyDocument=trust(user("outpace")))
            self.other.put_role_policy(RoleName="outpace", PolicyName="needs", PolicyDocument=allow(PERMISSIONS))
        self.user_session = _keys_in(self.fake.client("sts", self.keys[ACCOUNT]).get_session_token())
        self.worker = {
            account: self.assume(self.keys[account], role("worker", account)) for account in (ACCOUNT, OTHER)
        }

    def _people(self, iam: Any, account: str) -> None:
        iam.create_user(UserName="app", Path="/services/")
        iam.create_role(RoleName="worker", AssumeRolePolicyDocument=trust(f"arn:aws:iam::{account}:root"))
        iam.put_user_policy(UserName="app", PolicyName="all", PolicyDocument=allow(["*"]))
        iam.put_role_policy(RoleName="worker", PolicyName="all", PolicyDocument=allow(["*"]))
        self.keys[account] = self.new_key(iam, "app")

    def assume(self, keys: Keys, arn: str) -> Keys:
        """A session of a role."""
        return _keys_in(self.fake.client("sts", keys).assume_role(RoleArn=arn, RoleSessionName="session"))

    def new_key(self, iam: Any, name: str) -> Keys:
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Keys(made["AccessKeyId"], made["SecretAccessKey"])

    def _grant_us(self) -> None:
        self.iam.put_user_policy(UserName="outpace", PolicyName="needs", PolicyDocument=allow(self.allowed))


def _keys_in(answer: dict[str, Any]) -> Keys:
    made = answer["Credentials"]
    return Keys(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


def play(test: Callable[[AwsScene, Aws], Awaitable[None]]) -> None:
    async def run() -> None:
        async with AwsScene() as scene:
            connector = scene.connect()
            try:
                await test(scene, connector)
            finally:
                await connector.close()

    asyncio.run(run())


def command(action: str, credential: str, principal: str, **fields: Any) -> RevocationCommand:
    return command_for(
        action, provider="aws", credential=credential, principal=principal, **({"scope": ACCOUNT} | fields)
    )
