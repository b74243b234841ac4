"""IAM of the accounts Outpace may act in, through boto3, and its errors in our words.

boto3 is an extra (``outpace[aws]``) and blocks: whoever calls this does so in a thread. Credentials are boto3's own chain unless the settings name some; other accounts
are entered by a role (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from detector.errors import ConfigError
from detector.sources.cloudtrail_identity import role_of_session
from streams.config import secret
from streams.connectors.aws_names import Entity
from streams.connectors.aws_policies import http_date_ns
from streams.connectors.base import RefusedError, UnavailableError
from streams.connectors.http_client import NotAllowedError, NotFoundError
from streams.connectors.settings.aws import AwsSettings

SESSION_S = 900
RENEW_BEFORE_S = 180.0
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
_NOT_US = {
    "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidAccessKeyId",
    "IncompleteSignature", "MissingAuthenticationToken", "RequestExpired",
}  # fmt: skip
_LATER = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestLimitExceeded", "TooManyRequestsException", "ServiceFailure",
    "ServiceUnavailable", "InternalFailure", "InternalError", "ConcurrentModification", "EntityTemporarilyUnmodifiable",
}  # fmt: skip


class Caller(NamedTuple):
    """Who we are there."""

    account: str
    arn: str


class Clock:
    """AWS's own time, from the ``Date`` of its answers: issue times of sessions are told by that clock, not by ours."""

    def __init__(self) -> None:
        self._ahead_ns = 0

    def note(self, parsed: dict[str, Any], **_event: Any) -> None:
        """Takes in an answer, errors too. A ``Date`` is cut to whole seconds: AWS's time is up to one more."""
        said_ns = http_date_ns(parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", ""))
        if said_ns:
            self._ahead_ns = said_ns + 10**9 - time.time_ns()

    def now_ns(self) -> int:
        """No earlier than it is at AWS, ns since 1970; ours before the first answer."""
        return time.time_ns() + self._ahead_ns


class Iam:
    """IAM of one account, for one command."""

    def __init__(self, client: Any, clock: Clock) -> None:
        self._client, self.clock = client, clock

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """One call. Raises ``NotAllowedError`` naming the permission, ``NotFoundError``, ``RefusedError`` or ``UnavailableError``."""
        return called(self._client, operation, f"iam:{operation}", parameters)

    def policy(self, entity: Entity, name: str) -> dict[str, Any] | None:
        """An inline policy of a user or role; None where there is none, or nobody of that name."""
        kind = entity.kind.capitalize()
        try:
            found = self.call(f"Get{kind}Policy", **{f"{kind}Name": entity.name}, PolicyName=name)["PolicyDocument"]
        except NotFoundError:
            return None
        return found if isinstance(found, dict) else {}

    def put_policy(self, entity: Entity, name: str, document: dict[str, Any]) -> None:
        """Writes an inline policy over what stood under its name."""
        kind = entity.kind.capitalize()
        text = msgspec.json.encode(document).decode()
        self.call(f"Put{kind}Policy", **{f"{kind}Name": entity.name}, PolicyName=name, PolicyDocument=text)

    def delete_policy(self, entity: Entity, name: str) -> None:
        """Deletes an inline policy."""
        kind = entity.kind.capitalize()
        self.call(f"Delete{kind}Policy", **{f"{kind}Name": entity.name}, PolicyName=name)

    def all_of(self, operation: str, field: str, **parameters: Any) -> list[dict[str, Any]]:
        """Every item of a listing, page by page."""
        found: list[dict[str, Any]] = []
        answer = self.call(operation, **parameters)
        found += answer[field]
        while answer.get("IsTruncated"):
            answer = self.call(operation, **parameters, Marker=answer["Marker"])
            found += answer[field]
        return found


class Accounts:
    """Clients of every account we may act in, made when first needed. Safe to use from several threads."""

    def __init__(self, settings: AwsSettings) -> None:
        self.settings = settings
        self._boto3, self._config = _boto3(settings)
        self._own_keys = _keys(settings)
        self._clock = Clock()
        self._session: Any = None
        self._external_id = secret(settings.external_id)
        self._lock = threading.Lock()
        self._clients: dict[str, tuple[Any, float]] = {}
        self._caller: Caller | None = None

    def iam(self, account: str) -> Iam:
        """IAM of an account. Raises ``RefusedError`` for an account we may not act in."""
        with self._lock:
            role = self.settings.roles.get(account)
            if role is None and account != self._known_caller().account:
                ours = ", ".join([self._known_caller().account, *self.settings.roles])
                raise RefusedError(
                    f"account {account} is not ours to act in, wanted one of {ours}: name a role for it in roles"
                )
            return Iam(self._client_of(role), self._clock)

    def caller(self) -> Caller:
        """Who our own credentials say we are, asked again."""
        with self._lock:
            self._caller = None
            return self._known_caller()

    def check_not_us(self, principal: str) -> None:
        """Raises ``RefusedError`` for whom we are ourselves, here or in another account: who locks himself out revokes nothing any more."""
        with self._lock:
            ours = role_of_session(self._known_caller().arn)
        named = {_bare(ours), *(_bare(role) for role in self.settings.roles.values())}
        if _bare(principal) in named:
            raise RefusedError(f"principal {principal[:200]!r} is Outpace itself: name it in never_revoke")

    def close(self) -> None:
        """Lets connections go."""
        with self._lock:
            for client, _until_s in self._clients.values():
                client.close()
            self._clients.clear()
            self._caller = None

    def _known_caller(self) -> Caller:
        if self._caller is None:
            found = called(self._own("sts"), "GetCallerIdentity", "sts:GetCallerIdentity", {})
            self._caller = Caller(found["Account"], found["Arn"])
        return self._caller

    def _client_of(self, role: str | None) -> Any:
        if role is None:
            return self._own("iam")
        client, until_s = self._clients.get(role, (None, 0.0))
        if client is None or time.monotonic() > until_s:
            client = self._made("iam", self._session_keys(role))
            self._clients[role] = client, time.monotonic() + SESSION_S - RENEW_BEFORE_S
        return client

    def _own(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._made(service, self._own_keys), float("inf")
        return self._clients[service][0]

    def _session_keys(self, role: str) -> dict[str, str]:
        asked = {"RoleArn": role, "RoleSessionName": "outpace", "DurationSeconds": SESSION_S}
        if self._external_id:
            asked["ExternalId"] = self._external_id
        keys = called(self._own("sts"), "AssumeRole", "sts:AssumeRole", asked, f" {role}")["Credentials"]
        return {
            "aws_access_key_id": keys["AccessKeyId"],
            "aws_secret_access_key": keys["SecretAccessKey"],
            "aws_session_token": keys["SessionToken"],
        }

    def _made(self, service: str, keys: dict[str, str]) -> Any:
        with _told("finding credentials", ""):
            if self._session is None:
                self._session = self._boto3.session.Session(profile_name=self.settings.profile or None)
            place = {"region_name": self.settings.region, "endpoint_url": self.settings.endpoint_url or None}
            client = self._session.client(service, config=self._config, **place, **keys)
        client.meta.events.register("after-call", self._clock.note)
        return client


@contextmanager
def _told(does: str, permission: str) -> Iterator[None]:
    """Turns what botocore raises inside into our errors. None of its own texts goes through: they may repeat what was sent."""
    from botocore import exceptions as of

    try:
        yield
    except of.ClientError as error:
        raise _refusal(error.response, does, permission) from None
    except (of.NoCredentialsError, of.PartialCredentialsError, of.ProfileNotFound) as error:
        raise RefusedError(f"AWS: {does}: no credentials of our own: {type(error).__name__}") from None
    except of.ParamValidationError:
        raise RefusedError(f"AWS: {does}: a name AWS does not allow") from None
    except (of.BotoCoreError, of.HTTPClientError, ValueError, OSError) as error:
        raise UnavailableError(f"AWS: {does}: {type(error).__name__}") from None


def called(client: Any, operation: str, permission: str, parameters: dict[str, Any], on: str = "") -> dict[str, Any]:
    """One call of a boto3 client, by the operation's name in the API."""
    from botocore import xform_name

    with _told(operation + on, permission):
        answer: dict[str, Any] = getattr(client, xform_name(operation))(**parameters)
    return answer


def _refusal(answer: dict[str, Any], does: str, permission: str) -> RefusedError | UnavailableError:
    code = str(answer.get("Error", {}).get("Code", ""))[:60]
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = f"AWS: {does}: {code}"
    if code in _DENIED:
        return NotAllowedError(f"{text}: needs {permission}", permission)
    if code in _NOT_US:
        return NotAllowedError(f"{text}: our own credentials are not accepted")
    if code in _LATER or status >= 500 or status == 429:
        return UnavailableError(text)
    if code in ("NoSuchEntity", "NoSuchEntityException"):
        return NotFoundError(f"{text}: no such object")
    return RefusedError(text)


def _bare(arn: str) -> tuple[str, ...]:
    """An ARN without the path in its name: the ARN of a session does not give its role's."""
    head, _, tail = arn.partition("/")
    return head, tail.rpartition("/")[2]


def _boto3(settings: AwsSettings) -> tuple[Any, Any]:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise ConfigError("the AWS connector needs boto3, wanted: pip install 'outpace[aws]'") from error
    retries = {"mode": "standard", "total_max_attempts": settings.attempts}
    return boto3, Config(connect_timeout=settings.connect_s, read_timeout=settings.read_s, retries=retries)


def _keys(settings: AwsSettings) -> dict[str, str]:
    if bool(settings.access_key_id) != bool(settings.secret_access_key):
        raise ConfigError(
            "[connectors.aws]: access_key_id and secret_access_key belong together, wanted both or neither"
        )
    if not settings.access_key_id:
        return {}
    named = {
        "aws_access_key_id": settings.access_key_id,
        "aws_secret_access_key": settings.secret_access_key,
        "aws_session_token": settings.session_token,
    }
    return {name: secret(value) for name, value in named.items() if value}
