"""CloudTrail: who a record speaks of, what a call minted and answered; expected values written out."""

from typing import Any

import msgspec
import pytest
from conftest import ACCOUNT, cloudtrail, jsonl

from detector.columns import Vocabulary
from detector.event import AuditEvent, Mark, Outcome
from detector.event import Path as IdentityPath
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.framing import Block

ROLE = f"arn:aws:iam::{ACCOUNT}:role/web"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/web/i-1"
SECRET = "NeverToBeSeenSecretText"


def parser() -> CloudTrailParser:
    return CloudTrailParser(Vocabulary(), IdentityRules(), ContextFeeds())


def event_of(
    record: dict[str, Any], made: CloudTrailParser | None = None, origin: str = "folder/log.jsonl"
) -> AuditEvent:
    batch, rejected = (made or parser()).parse(Block(jsonl([record]), origin, 1, True))
    assert rejected == []
    assert batch is not None
    event = batch.event(0)
    assert int(batch.rows[0]["outcome"]) == int(event.outcome)
    assert bool(batch.rows[0]["minted"]) == bool(event.minted)
    return event


ISSUED_BY_APP = {"sessionIssuer": {"arn": f"arn:aws:iam::{ACCOUNT}:user/a"}}
IDENTITIES = [
    ({"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/app", "accessKeyId": "AKIAEXAMPLE"}, f"arn:aws:iam::{ACCOUNT}:user/app", "AKIAEXAMPLE", "WORKLOAD"),
    ({"type": "AssumedRole", "arn": SESSION, "accessKeyId": "ASIAEXAMPLE", "sessionContext": {"sessionIssuer": {"arn": ROLE}}}, ROLE, "ASIAEXAMPLE", "WORKLOAD"),
    ({"type": "AssumedRole", "arn": SESSION, "accessKeyId": "ASIAEXAMPLE"}, ROLE, "ASIAEXAMPLE", "WORKLOAD"),
    ({"type": "AssumedRole", "arn": SESSION}, ROLE, f"session:{SESSION}", "WORKLOAD"),
    ({"type": "AssumedRole", "arn": SESSION, "accountId": "210987654321", "accessKeyId": "ASIAEXAMPLE"}, ROLE, "ASIAEXAMPLE", "DELEGATED"),
    ({"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root", "accessKeyId": "AKIAROOT"}, f"arn:aws:iam::{ACCOUNT}:root", "AKIAROOT", "HUMAN"),
    ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, "aws-service:ec2.amazonaws.com", "aws-service:ec2.amazonaws.com", "WORKLOAD"),
    ({"type": "AWSAccount", "accountId": "210987654321", "principalId": "AIDAEXAMPLE"}, "account:210987654321:AIDAEXAMPLE", "account:210987654321:AIDAEXAMPLE", "DELEGATED"),
    ({"type": "AWSAccount", "accountId": "anonymous", "principalId": ""}, "account:anonymous:", "account:anonymous:", "DELEGATED"),
    ({"type": "FederatedUser", "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/e", "accessKeyId": "ASIAFED", "sessionContext": ISSUED_BY_APP}, f"arn:aws:iam::{ACCOUNT}:user/a", "ASIAFED", "WORKLOAD"),
    ({"type": "SAMLUser", "identityProvider": "idp", "userName": "ann@example.com"}, "idp:ann@example.com", "idp:ann@example.com", "HUMAN"),
    ({"type": "WebIdentityUser", "identityProvider": "oidc.example.com", "userName": "job"}, "oidc.example.com:job", "oidc.example.com:job", "WORKLOAD"),
    ({"type": "IdentityCenterUser", "credentialId": "cred-1", "onBehalfOf": {"userId": "u-1"}}, "identity-center:u-1", "cred-1", "HUMAN"),
    (None, "unattributed:log.jsonl", "unattributed:log.jsonl", "WORKLOAD"),
    ({}, "unattributed:log.jsonl", "unattributed:log.jsonl", "WORKLOAD"),
    ({"type": 7}, "unattributed:log.jsonl", "unattributed:log.jsonl", "WORKLOAD"),
    ("text", "unattributed:log.jsonl", "unattributed:log.jsonl", "WORKLOAD"),
]  # fmt: skip


@pytest.mark.parametrize(("identity", "principal", "credential", "path"), IDENTITIES)
def test_every_type_of_identity_has_its_principal_credential_and_path(
    identity: Any, principal: str, credential: str, path: str
) -> None:
    actor = event_of(cloudtrail(1, 0, "s3:GetObject", userIdentity=identity)).actor
    assert (actor.principal, actor.credential, actor.path) == (principal, credential, IdentityPath[path])


@pytest.mark.parametrize(
    ("identity", "mark"),
    [
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, Mark.PROVIDER_OWNED),
        ({"type": "AWSAccount", "accountId": "anonymous"}, Mark.ANONYMOUS),
        (
            {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/app", "accessKeyId": "ASIAEXAMPLE"},
            Mark.TEMPORARY,
        ),
        (None, Mark.UNATTRIBUTED),
    ],
)
def test_marks_say_what_kind_of_identity_it_is(identity: Any, mark: Mark) -> None:
    assert event_of(cloudtrail(1, 0, "s3:GetObject", userIdentity=identity)).actor.marks == mark


@pytest.mark.parametrize("identity", [None, {}, {"type": 7}])
def test_records_without_identity_belong_to_their_own_file(identity: Any) -> None:
    made, record = parser(), cloudtrail(1, 0, "s3:GetObject", userIdentity=identity)
    names = [event_of(record, made, origin).actor.principal for origin in ("a.jsonl", "b.jsonl", "a.jsonl")]
    assert names == ["unattributed:a.jsonl", "unattributed:b.jsonl", "unattributed:a.jsonl"]


def test_missing_identities_and_addresses_do_not_grow_the_memos() -> None:
    made = parser()
    for i in range(50):
        event_of(cloudtrail(i, i, "s3:GetObject", userIdentity=None, sourceIPAddress=None), made)
    assert len(made.actors.objects) == 2
    assert len(made.sources.objects) == 2


KEYS = {"accessKeyId": "ASIAMINTED", "secretAccessKey": SECRET, "sessionToken": SECRET}


@pytest.mark.parametrize(
    ("operation", "response", "minted"),
    [
        ("sts:AssumeRole", {"credentials": KEYS}, "ASIAMINTED"),
        ("sts:AssumeRoleWithWebIdentity", {"credentials": KEYS}, "ASIAMINTED"),
        ("sts:GetSessionToken", {"credentials": KEYS}, "ASIAMINTED"),
        ("sts:GetFederationToken", {"credentials": KEYS, "federatedUser": {"arn": "x"}}, "ASIAMINTED"),
        ("iam:CreateAccessKey", {"accessKey": KEYS | {"userName": "eve"}}, "ASIAMINTED"),
        ("iam:CreateLoginProfile", {"loginProfile": {"userName": "eve", "password": SECRET}}, "password:eve"),
        ("s3:GetObject", {"credentials": KEYS}, ""),
    ],
)
def test_a_minting_call_names_what_it_minted_and_no_secret(operation: str, response: Any, minted: str) -> None:
    record = cloudtrail(1, 0, operation, responseElements=response)
    event = event_of(record)
    assert event.minted == minted
    assert SECRET not in repr(event)
    assert SECRET.encode() not in msgspec.json.encode(event)
    assert event_of(record | {"errorCode": "AccessDenied"}).minted == ""


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, Outcome.SUCCESS),
        ("", Outcome.SUCCESS),
        ("AccessDenied", Outcome.DENIED),
        ("Client.UnauthorizedOperation", Outcome.DENIED),
        ("InvalidClientTokenId", Outcome.FAILED_AUTHENTICATION),
        ("ExpiredTokenException", Outcome.FAILED_AUTHENTICATION),
        ("ThrottlingException", Outcome.THROTTLED),
        ("NoSuchEntity", Outcome.ERROR),
    ],
)
def test_error_codes_become_outcomes(error: str | None, outcome: Outcome) -> None:
    assert event_of(cloudtrail(1, 0, "iam:GetUser", error=error)).outcome is outcome


def test_a_failed_console_login_is_a_failed_authentication() -> None:
    record = cloudtrail(1, 0, "signin:ConsoleLogin", responseElements={"ConsoleLogin": "Failure"})
    assert event_of(record).outcome is Outcome.FAILED_AUTHENTICATION
    assert event_of(record | {"responseElements": {"ConsoleLogin": "Success"}}).outcome is Outcome.SUCCESS


@pytest.mark.parametrize("name", ["UpdateFunctionCode20150331v2", "UpdateFunctionCode20150331", "UpdateFunctionCode"])
def test_api_versions_are_taken_off_operations(name: str) -> None:
    assert event_of(cloudtrail(1, 0, f"lambda:{name}")).operation == "lambda:UpdateFunctionCode"


@pytest.mark.parametrize(
    ("parameters", "resource"),
    [
        ({"bucketName": "data", "key": "part"}, "data"),
        ({"roleSessionName": "x", "roleArn": ROLE}, ROLE),
        ({}, ""),
        (None, ""),
        ("x", ""),
    ],
)
def test_the_first_named_parameter_is_the_resource(parameters: Any, resource: str) -> None:
    assert event_of(cloudtrail(1, 0, "s3:GetObject", requestParameters=parameters)).resource == resource


def test_one_hand_in_the_console_and_out_of_it_takes_two_paths_in_any_order() -> None:
    by_key = cloudtrail(1, 0.0, "s3:ListBuckets", user="app", key="AKIAEXAMPLEAPP000000")
    clicked = by_key | {"eventID": "clicked", "sessionCredentialFromConsole": "true"}
    for records in ([by_key, clicked], [clicked, by_key]):
        batch, _ = parser().parse(Block(jsonl(records), "log", 1, True))
        assert batch is not None
        paths = {batch.event(i).event_id: batch.event(i).actor.path.name for i in range(2)}
        assert paths == {by_key["eventID"]: "WORKLOAD", "clicked": "HUMAN"}
