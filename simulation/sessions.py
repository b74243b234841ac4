"""The ways into an account: each gives the session a key opens and the call that issued the key.

Sources: CloudTrail User Guide, "CloudTrail userIdentity element" (its section on STS with SAML and web identity
federation); IAM User Guide, "Logging IAM and AWS STS API calls with AWS CloudTrail".
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulation.cloudtrail import Call, Record, Session, timestamp
from simulation.identifiers import ACCOUNT, VENDOR_ACCOUNT, access_key, key_of_user, principal_id, uuid

_TOKEN_LIFE_S = 12 * 3600
_ISSUER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example.com"


@dataclass(frozen=True, slots=True)
class Client:
    """Where a credential is used from: source address, user agent, home region."""

    source: str
    agent: str
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class Entry:
    """A session and the call that minted its key."""

    session: Session
    mint: Call


@lru_cache(maxsize=1 << 14)
def role_arn(role: str) -> str:
    """The ARN of a role, with the path AWS gives single sign-on and service-linked roles."""
    path = "aws-reserved/sso.amazonaws.com/" if role.startswith("AWSReservedSSO_") else ""
    if role.startswith("AWSServiceRoleFor"):
        path = f"aws-service-role/{role.removeprefix('AWSServiceRoleFor').lower()}.amazonaws.com/"
    return f"arn:aws:iam::{ACCOUNT}:role/{path}{role}"


def user(name: str, client: Client, key_id: str = "") -> Session:
    """The session of an IAM user's long-lived key: its one key, or the one named."""
    key_id = key_id or key_of_user(name)
    identity = {
        "type": "IAMUser",
        "principalId": principal_id("AIDA", name),
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": key_id,
        "userName": name,
    }
    return Session(key_id, identity, client.source, client.agent, client.region)


def by_service(role: str, service: str, name: str, at_s: int, client: Client, rng: np.random.Generator) -> Entry:
    """A workload's role session, handed out by the AWS service that runs it (lambda, ecs-tasks, ec2)."""
    session = _role_session(role, name, at_s, client, rng, {"ec2RoleDelivery": "2.0"} if service == "ec2" else {})
    principal = f"{service}.amazonaws.com"
    caller = Session("", {"type": "AWSService", "invokedBy": principal}, principal, principal, client.region)
    return Entry(session, _assume(caller, role, name, at_s, session, {}))


def by_web_identity(role: str, subject: str, name: str, at_s: int, client: Client, rng: np.random.Generator) -> Entry:
    """A role session bought with an OIDC token (a pipeline run, a Kubernetes service account)."""
    federation = {"webIdFederationData": {"federatedProvider": _ISSUER, "attributes": {}}}
    session = _role_session(role, name, at_s, client, rng, federation)
    identity = {
        "type": "WebIdentityUser",
        "principalId": f"{_ISSUER}:sts.amazonaws.com:{subject}",
        "userName": subject,
        "identityProvider": _ISSUER,
    }
    caller = Session("", identity, client.source, client.agent, client.region)
    details = {"subjectFromWebIdentityToken": subject, "audience": "sts.amazonaws.com", "provider": _ISSUER}
    return Entry(session, _assume(caller, role, name, at_s, session, {}, "sts:AssumeRoleWithWebIdentity", details))


def by_sign_on(
    role: str, person: str, at_s: int, client: Client, rng: np.random.Generator, from_console: bool
) -> Entry:
    """A person's role session from single sign-on (an AWSReservedSSO role)."""
    session = _role_session(role, person, at_s, client, rng, {}, mfa=True, from_console=from_console)
    identity = {
        "type": "SAMLUser",
        "principalId": f"{principal_id('AIDP', person)}:{person}",
        "userName": person,
        "identityProvider": "sso.example.com",
    }
    caller = Session("", identity, client.source, "aws-internal/3", client.region)
    return Entry(session, _assume(caller, role, person, at_s, session, {}, "sts:AssumeRoleWithSAML"))


def by_vendor(role: str, vendor: str, at_s: int, client: Client, rng: np.random.Generator) -> Entry:
    """A delegated session: a vendor's own account assumes the role it was given, with the external id agreed on."""
    session = _role_session(role, vendor, at_s, client, rng, {})
    identity = {
        "type": "AWSAccount",
        "principalId": f"{principal_id('AROA', vendor)}:{vendor}",
        "accountId": VENDOR_ACCOUNT,
    }
    caller = Session("", identity, client.source, client.agent, client.region)
    return Entry(
        session, _assume(caller, role, vendor, at_s, session, {"externalId": f"{vendor}-example"}, shared=uuid(rng))
    )


def by_role(caller: Session, role: str, name: str, at_s: int, rng: np.random.Generator, mfa: bool = False) -> Entry:
    """A further role reached from a session already held: one link of a chain."""
    client = Client(caller.source, caller.agent, caller.region)
    session = _role_session(role, name, at_s, client, rng, {}, mfa=mfa)
    return Entry(session, _assume(caller, role, name, at_s, session, {}))


def by_session_token(caller: Session, name: str, at_s: int, rng: np.random.Generator) -> Entry:
    """An IAM user's session bought with its own key (GetSessionToken); it needs no permission and has no name."""
    key_id = access_key(rng, "ASIA")
    attributes = {"creationDate": timestamp(at_s), "mfaAuthenticated": "false"}
    identity = {**caller.identity, "accessKeyId": key_id, "sessionContext": {"attributes": attributes}}
    session = Session(key_id, identity, caller.source, caller.agent, caller.region)
    given = {"credentials": credentials(key_id, at_s, _TOKEN_LIFE_S)}
    return Entry(
        session, Call(at_s, caller, "sts:GetSessionToken", request={"durationSeconds": _TOKEN_LIFE_S}, response=given)
    )


def by_federation(caller: Session, name: str, at_s: int, rng: np.random.Generator) -> Entry:
    """A federated session an IAM user hands out (GetFederationToken); it outlives the key it was bought with."""
    key_id = access_key(rng, "ASIA")
    user_name = str(caller.identity["userName"])
    issuer = {
        "type": "IAMUser",
        "principalId": caller.identity["principalId"],
        "arn": caller.arn,
        "accountId": ACCOUNT,
        "userName": user_name,
    }
    attributes = {"creationDate": timestamp(at_s), "mfaAuthenticated": "false"}
    federated = f"arn:aws:sts::{ACCOUNT}:federated-user/{name}"
    identity = {
        "type": "FederatedUser",
        "principalId": f"{ACCOUNT}:{name}",
        "arn": federated,
        "accountId": ACCOUNT,
        "accessKeyId": key_id,
        "sessionContext": {"sessionIssuer": issuer, "attributes": attributes, "webIdFederationData": {}},
    }
    asked = {"name": name, "durationSeconds": _TOKEN_LIFE_S}
    given = {
        "credentials": credentials(key_id, at_s, _TOKEN_LIFE_S),
        "federatedUser": {"arn": federated, "federatedUserId": f"{ACCOUNT}:{name}"},
    }
    session = Session(key_id, identity, caller.source, caller.agent, caller.region)
    return Entry(session, Call(at_s, caller, "sts:GetFederationToken", name, request=asked, response=given))


def service_linked(role: str, service: str, name: str, at_s: int, region: str, rng: np.random.Generator) -> Session:
    """A session AWS itself holds through a service-linked role (`invokedBy`)."""
    principal = f"{service}.amazonaws.com"
    session = _role_session(role, name, at_s, Client(principal, principal, region), rng, {})
    session.identity["invokedBy"] = principal
    return session


def _role_session(
    role: str,
    name: str,
    at_s: int,
    client: Client,
    rng: np.random.Generator,
    context: Record,
    mfa: bool = False,
    from_console: bool = False,
) -> Session:
    key_id = access_key(rng, "ASIA")
    role_id = principal_id("AROA", role)
    issuer = {
        "type": "Role",
        "principalId": role_id,
        "arn": role_arn(role),
        "accountId": ACCOUNT,
        "userName": role,
    }
    attributes = {"creationDate": timestamp(at_s), "mfaAuthenticated": "true" if mfa else "false"}
    identity = {
        "type": "AssumedRole",
        "principalId": f"{role_id}:{name}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": key_id,
        "sessionContext": {"sessionIssuer": issuer, "attributes": attributes, **context},
    }
    return Session(key_id, identity, client.source, client.agent, client.region, from_console)


def _assume(
    caller: Session,
    role: str,
    name: str,
    at_s: int,
    session: Session,
    request: Record,
    operation: str = "sts:AssumeRole",
    answer: Record | None = None,
    shared: str = "",
) -> Call:
    asked = {"roleArn": role_arn(role), "roleSessionName": name, "durationSeconds": 3600, **request}
    assumed = {"assumedRoleId": session.identity["principalId"], "arn": session.arn}
    extra: Record = {"resources": [{"accountId": ACCOUNT, "type": "AWS::IAM::Role", "ARN": role_arn(role)}]}
    if shared:
        extra["sharedEventID"] = shared
    given = {"credentials": credentials(session.key_id, at_s, 3600), "assumedRoleUser": assumed, **(answer or {})}
    return Call(at_s, caller, operation, role_arn(role), request=asked, response=given, extra=extra)


def credentials(key_id: str, at_s: int, life_s: int) -> Record:
    """What an STS call answers with; the secret key is never recorded, the token is shown as an example."""
    return {"accessKeyId": key_id, "sessionToken": "EXAMPLETOKEN", "expiration": timestamp(at_s + life_s)}
