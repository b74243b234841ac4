"""CloudTrail records from calls: one `Call` in, one provider-native record out.

Shape and order of fields: AWS CloudTrail User Guide, "CloudTrail record contents for management, data, and network
activity events"; identities: "CloudTrail userIdentity element"; sign-in: "AWS Management Console sign-in events".
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from simulation import operations
from simulation.identifiers import ACCOUNT, uuid

Record = dict[str, Any]

_MODERN_TLS = {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"}
_OLD_TLS = {"tlsVersion": "TLSv1.2", "cipherSuite": "ECDHE-RSA-AES128-GCM-SHA256"}
_IAM_PREFIXES = {"monitoring": "cloudwatch"}
_MESSAGES = {
    "throttled": "Rate exceeded",
    "invalid": "The provided model identifier is invalid.",
    "missing": "The requested resource cannot be found.",
    "conflict": "The request conflicts with the current state of the resource.",
    "expired": "The request or what it refers to has expired.",
    "quota": "The account has reached a limit for this resource.",
}
_DATA_TYPES = {
    "s3": "AWS::S3::Object",
    "dynamodb": "AWS::DynamoDB::Table",
    "lambda": "AWS::Lambda::Function",
    "sqs": "AWS::SQS::Queue",
}


@dataclass(frozen=True, slots=True)
class Session:
    """One credential in one hand: the `userIdentity` element it shows, and where it is used from.

    `key_id` is empty where AWS itself calls. `from_console` marks keys a console sign-in was given.
    """

    key_id: str
    identity: Record
    source: str
    agent: str
    region: str = "us-east-1"
    from_console: bool = False

    @property
    def arn(self) -> str:
        """The caller's ARN, empty for identities that have none (AWS services, other accounts)."""
        return str(self.identity.get("arn", ""))

    @property
    def principal_arn(self) -> str:
        """The role or user the credential speaks for: for a session, the role behind it."""
        issuer = self.identity.get("sessionContext", {}).get("sessionIssuer", {})
        return str(issuer.get("arn", self.arn))


@dataclass(frozen=True, slots=True)
class Call:
    """One API call. `at_s` is Unix seconds; `failure` is empty or one of `_MESSAGES`, or denied.

    `request`, `response` and `region` replace what operation and session would give; `extra` adds top-level fields.
    `verbatim` is a record that is written as it stands, except for its ids.
    """

    at_s: int
    session: Session
    operation: str
    resource: str = ""
    failure: str = ""
    request: Record | None = None
    response: Record | None = None
    region: str = ""
    event_type: str = "AwsApiCall"
    extra: Record | None = None
    verbatim: Record | None = None


def record(call: Call, rng: np.random.Generator) -> Record:
    """The CloudTrail record of a call; the generator gives requestID and eventID."""
    service, _, name = call.operation.partition(":")
    region = operations.recorded_region(service, call.region or call.session.region)
    request_id = uuid(rng)
    if call.verbatim is not None:
        return call.verbatim | {"requestID": request_id, "eventID": uuid(rng)}
    body: Record = {
        "eventVersion": operations.event_version(service),
        "userIdentity": call.session.identity,
        "eventTime": timestamp(call.at_s),
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": call.session.source,
        "userAgent": call.session.agent,
    }
    body |= _error(call, service, name)
    body["requestParameters"] = call.request or operations.request(call.operation, call.resource, region)
    body["responseElements"] = _response(call, region)
    body["requestID"] = request_id
    body["eventID"] = uuid(rng)
    body["readOnly"] = operations.is_read_only(call.operation)
    return body | _trailer(call, service, region)


def name_of(session: Session) -> str:
    """The name of the role or user a session speaks for; empty where it has none."""
    issuer = session.identity.get("sessionContext", {}).get("sessionIssuer", {})
    return str(issuer.get("userName") or session.identity.get("userName", ""))


def timestamp(at_s: int) -> str:
    """Whole seconds in UTC, as `eventTime` is written: 2026-03-02T00:00:00Z."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _error(call: Call, service: str, name: str) -> Record:
    if not call.failure:
        return {}
    return {"errorCode": operations.error_code(service, call.failure), "errorMessage": _message(call, service, name)}


def _message(call: Call, service: str, name: str) -> str:
    if call.failure != "denied":
        return _MESSAGES[call.failure]
    action = f"{_IAM_PREFIXES.get(service, service)}:{name}"
    where = f" on resource: {call.resource}" if call.resource else ""
    refused = f"User: {call.session.arn} is not authorized to perform: {action}{where}"
    return f"{refused} because no identity-based policy allows the {action} action"


def _response(call: Call, region: str) -> Record | None:
    if call.failure:
        return None
    return call.response or operations.response(call.operation, call.resource, region)


def _trailer(call: Call, service: str, region: str) -> Record:
    is_data = operations.is_data_event(call.operation)
    end: Record = _resources(call, service, region) if is_data else {}
    end |= {"eventType": call.event_type, "managementEvent": not is_data, "recipientAccountId": ACCOUNT}
    end |= call.extra or {}
    end["eventCategory"] = "Data" if is_data else "Management"
    if not call.session.agent.endswith(".amazonaws.com"):
        end["tlsDetails"] = _tls(call, service, region)
    if call.session.from_console:
        end["sessionCredentialFromConsole"] = "true"
    return end


def _tls(call: Call, service: str, region: str) -> Record:
    base = _OLD_TLS if "1.11" in call.session.agent else _MODERN_TLS
    prefix = "bedrock-runtime" if "Invoke" in call.operation and service == "bedrock" else service
    return {**base, "clientProvidedHostHeader": operations.host(prefix, call.resource, region)}


def _resources(call: Call, service: str, region: str) -> Record:
    if service not in _DATA_TYPES:
        return {}
    arn = (
        f"arn:aws:s3:::{call.resource}" if service == "s3" else f"arn:aws:{service}:{region}:{ACCOUNT}:{call.resource}"
    )
    owned = {"accountId": ACCOUNT, "type": _DATA_TYPES[service], "ARN": arn}
    extra = {
        "SignatureVersion": "SigV4",
        "CipherSuite": "TLS_AES_128_GCM_SHA256",
        "bytesTransferredIn": 0,
        "AuthenticationMethod": "AuthHeader",
    }
    return {"additionalEventData": extra, "resources": [owned]} if service == "s3" else {"resources": [owned]}
