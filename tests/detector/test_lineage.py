"""Suspicion follows a credential that was made for somebody else, at identity providers too; on any number of partitions."""

import random
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import pytest
from conftest import ACCOUNT, START_S, cloudtrail, routine, stamp

from detector.config import Budget, PathBudget, Policy
from detector.sources.events import EventParser
from detector.sources.keycloak import KeycloakParser
from detector.sources.okta import OktaParser
from tests.detector.test_shards import Cluster, Log, alone

ATTACK_S = 3000 * 60.0
THIEF = "203.0.113.66"
ACTS = msgspec.structs.replace(Policy(), cold_start_acts=True)
ANN = {"id": "00uann", "type": "User", "alternateId": "ann@example.com"}
NEW_CLIENT = {"id": "0oanew", "type": "PublicClientApp", "alternateId": "0oanew", "displayName": "sync"}


def okta(second: float, event_type: str, denied: bool = False, **fields: Any) -> dict[str, Any]:
    """A call with Ann's API token, from where it always comes."""
    outcome = {"result": "FAILURE", "reason": "Insufficient permissions"} if denied else {"result": "SUCCESS"}
    return {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{second}/{event_type}")),
        "published": stamp(second),
        "eventType": event_type,
        "actor": ANN,
        "client": {"ipAddress": "192.0.2.10", "userAgent": {"rawUserAgent": "okta-sdk-golang/2.0"}},
        "outcome": outcome,
        "transaction": {"detail": {"requestApiTokenId": "00Tnightly"}},
    } | fields


def okta_story(with_mint: bool) -> list[dict[str, Any]]:
    """Ann's token is stolen; the thief makes an OAuth client and goes on as that."""
    jobs = ("group.user_membership.add", "user.lifecycle.create", "group.user_membership.remove")
    thief = {"client": {"ipAddress": THIEF, "userAgent": {"rawUserAgent": "python-requests/2.31"}}}
    as_client = thief | {"actor": NEW_CLIENT, "transaction": {}}
    records = [okta(i * 60.0, jobs[i % 3]) for i in range(3000)]
    records += [
        okta(ATTACK_S, "user.account.privilege.grant", True, **thief),
        okta(ATTACK_S + 5, "system.api_token.create", True, **thief),
    ]
    if with_mint:
        records.append(okta(ATTACK_S + 10, "app.oauth2.client.lifecycle.create", target=[NEW_CLIENT], **thief))
    records.append(okta(ATTACK_S + 60, "app.oauth2.token.grant.access_token", **as_client))
    tries = ("user.account.privilege.grant", "group.privilege.grant", "policy.lifecycle.update")
    return records + [okta(ATTACK_S + 65 + 5 * n, name, True, **as_client) for n, name in enumerate(tries)]


def keycloak(second: float, kind: str, error: str | None = None, **fields: Any) -> dict[str, Any]:
    """An event of the gateway's."""
    return {
        "id": f"{second}/{kind}",
        "time": int((START_S + second) * 1000),
        "type": f"{kind}_ERROR" if error else kind,
        "realmId": "example",
        "clientId": "gateway",
        "ipAddress": "192.0.2.10",
        "error": error,
        "details": {},
    } | fields


def exchange(second: float, number: object, **fields: Any) -> dict[str, Any]:
    """The gateway takes on a user's identity, as it is there to do."""
    details = {"requested_subject": f"user-{number}", "audience": "shop"}
    return keycloak(
        second, "TOKEN_EXCHANGE", userId=f"u-{number}", sessionId=f"s-{number}/{second:g}", details=details, **fields
    )


def keycloak_story(with_mint: bool) -> list[dict[str, Any]]:
    """The gateway's secret is stolen; the thief takes on Ann's identity and goes to work on her account."""
    records = [exchange(i * 60.0, i % 7) if i % 2 else keycloak(i * 60.0, "INTROSPECT_TOKEN") for i in range(3000)]
    records.append(keycloak(ATTACK_S, "CLIENT_INFO", "not_allowed", ipAddress=THIEF))
    if with_mint:
        records.append(exchange(ATTACK_S + 10, "ann", ipAddress=THIEF))
    in_session = {"clientId": "account", "userId": "u-ann", "sessionId": f"s-ann/{ATTACK_S + 10:g}", "ipAddress": THIEF}
    tries = ("UPDATE_PASSWORD", "REMOVE_TOTP", "UPDATE_EMAIL", "FEDERATED_IDENTITY_LINK")
    return records + [keycloak(ATTACK_S + 30 + 5 * n, k, "not_allowed", **in_session) for n, k in enumerate(tries)]


STORIES: dict[str, tuple[Callable[[bool], list[dict[str, Any]]], type[EventParser], str]] = {
    "okta": (okta_story, OktaParser, "0oanew"),
    "keycloak": (keycloak_story, KeycloakParser, "keycloak:example/u-ann"),
}


@cache
def told(name: str, with_mint: bool = True) -> Log:
    story, parser, _heir = STORIES[name]
    return Log().parsed(*story(with_mint), parser=parser)


def of_heir(name: str, with_mint: bool) -> list[dict[str, Any]]:
    """Decisions about the principal the credential was made for, from the attack on."""
    found = [msgspec.json.decode(d) for d in alone(told(name, with_mint), ACTS)]
    return [d for d in found if d["principal"] == STORIES[name][2]]


@pytest.mark.parametrize("name", STORIES)
def test_a_minter_under_suspicion_makes_its_child_suspect(name: str) -> None:
    with_mint, without = of_heir(name, True), of_heir(name, False)
    inherited = [d for d in with_mint if any(r["signal"] == "lineage" for r in d["reasons"])]
    assert inherited
    assert not any(r["signal"] == "lineage" for d in without for r in d["reasons"])
    acted = [min(d["time"] for d in found if d["action"] != "alert") for found in (with_mint, without)]
    assert acted[0] < acted[1], "an action earlier than on the child's own evidence"


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("shards", [2, 5])
def test_it_crosses_partitions_too(name: str, shards: int) -> None:
    assert Cluster(told(name), ACTS, shards, random.Random(shards)).run() == alone(told(name), ACTS)


def roll_out(*child: str) -> list[dict[str, Any]]:
    """An application's new version, from new addresses: it tries what is new to it, steps into the worker's role, and the worker does this."""
    new: dict[str, Any] = {"source": "203.0.113.66", "agent": "aws-sdk-go-v2/1.30"}
    app = new | {"key": "AKIAEXAMPLEAPP000000", "user": "app"}
    answer = {
        "credentials": {"accessKeyId": "ASIAEXAMPLENEW000000"},
        "assumedRoleUser": {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/session"},
    }
    calls = [
        ("sts:GetCallerIdentity", app),
        ("iam:ListAttachedUserPolicies", app),
        ("sts:AssumeRole", app | {"responseElements": answer}),
        *((operation, new | {"key": "ASIAEXAMPLENEW000000"}) for operation in child),
    ]
    return [cloudtrail(800_000 + n, ATTACK_S + 4 * n, call, **who) for n, (call, who) in enumerate(calls)]


@pytest.mark.parametrize(
    ("child", "is_revoked"), [(("s3:GetObject",), False), (("s3:GetObject", "kms:ListKeys"), True)]
)
def test_a_new_hand_alone_is_not_revoked_for_what_its_minter_is_suspected_of(
    child: tuple[str, ...], is_revoked: bool
) -> None:
    log = Log().parsed(*routine(3000), *roll_out(*child))
    found = [msgspec.json.decode(d) for d in alone(log, Policy(budget=Budget(workload=PathBudget(2_500.0))))]
    of_child = [d for d in found if d["principal"].endswith("role/worker") and d["action"] != "alert"]
    assert any(d["principal"].endswith("user/app") for d in found)
    assert bool(of_child) == is_revoked
