"""The AWS connector before moto's server with IAM enforcement: it keeps the contract, and what is AWS's own."""

import asyncio
import json
import sys

import msgspec
import pytest

from detector.errors import ConfigError
from streams.connectors.aws import Aws
from streams.connectors.base import RefusedError, UnavailableError
from streams.connectors.http_client import NotAllowedError
from streams.connectors.settings.aws import AwsSettings
from tests.fakes.aws import ACCOUNT, OTHER
from tests.streams.connectors.aws_scene import OUR_ROLE, STRANGE, AwsScene, command, play, role, trust, user
from tests.streams.connectors.contract import ConnectorContract


class TestAws(ConnectorContract):
    scene = AwsScene


def test_a_narrowed_user_keeps_what_is_not_sensitive() -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        assert not (await connector.revoke(scene.command("narrow"))).ends_all_sessions
        assert not await scene.passes("iam", scene.keys[ACCOUNT], "list_users")
        assert await scene.passes("s3", scene.keys[ACCOUNT], "list_buckets")

    play(test)


def test_settings_say_what_narrow_denies() -> None:
    async def test(scene: AwsScene, _connector: Aws) -> None:
        scene.settings["narrow_denies"] = ("s3:*",)
        await scene.connect().revoke(scene.command("narrow"))
        assert await scene.passes("iam", scene.keys[ACCOUNT], "list_users")
        assert not await scene.passes("s3", scene.keys[ACCOUNT], "list_buckets")

    play(test)


def test_older_sessions_of_a_role_are_refused_and_later_ones_are_not() -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        stolen = scene.worker[ACCOUNT]
        assert await scene.passes("iam", stolen, "list_users")
        receipt = await connector.revoke(command("revoke_session", stolen.access_key_id, role("worker")))
        assert not await scene.passes("iam", stolen, "list_users")
        scene.fake.issued_later_s = 60.0
        fresh = scene.assume(scene.keys[ACCOUNT], role("worker"))
        assert await scene.passes("iam", fresh, "list_users")
        assert "PutRolePolicy" in receipt.steps[0]
        assert receipt.ends_all_sessions
        again = command("revoke_session", stolen.access_key_id, role("worker"))
        assert not (await connector.revoke(again)).ends_all_sessions, "what stood already ends no later session"

    play(test)


def test_a_key_the_session_was_not_made_of_goes_on_when_a_users_sessions_end() -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        await connector.revoke(scene.command("revoke_session"))
        assert not await scene.passes("iam", scene.user_session, "list_users")
        assert await scene.passes("iam", scene.keys[ACCOUNT], "list_users")

    play(test)


def test_a_session_taken_after_the_first_revocation_is_revoked_by_a_command_of_its_own() -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        first = command("revoke_session", scene.worker[ACCOUNT].access_key_id, role("worker"))
        await connector.revoke(first)
        scene.fake.issued_later_s = 60.0
        again = scene.assume(scene.keys[ACCOUNT], role("worker"))
        used_at = scene.fake.issued[again.access_key_id].isoformat()
        await connector.revoke(
            command("revoke_session", again.access_key_id, role("worker"), time=used_at, command_id="c2")
        )
        assert not await scene.passes("iam", again, "list_users")
        before = scene.picture()
        receipt = await connector.revoke(first)
        assert scene.picture() == before
        assert (await connector.prove(first, receipt)).standing == "inactive"

    play(test)


@pytest.mark.parametrize(
    ("action", "credential", "principal", "says"),
    [
        ("disable_credential", "ASIAEXAMPLEWORKER000", user("app"), "no long-lived access key"),
        ("disable_credential", "session:arn:aws:sts::123456789012:assumed-role/worker/x", role("worker"), "no long-lived access key"),
        ("disable_credential", "AKIAEXAMPLEAPP000000", role("worker"), "no long-lived keys"),
        ("revoke_session", "AKIAEXAMPLEAPP000000", user("app"), "disable_credential"),
        ("quarantine_principal", "AKIAEXAMPLEAPP000000", "arn:aws:iam::123456789012:root", "root user"),
        ("quarantine_principal", "cred-1", "identity-center:u-1", "Identity Center"),
        ("revoke_session", "ASIAEXAMPLEWORKER000", "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0a", "Identity Center"),
        ("quarantine_principal", "ASIAEXAMPLEWORKER000", "aws-service:lambda.amazonaws.com", "wanted the ARN"),
        ("narrow", "AKIAEXAMPLEAPP000000", user("app", STRANGE), "not ours to act in, wanted one of 123456789012, 210987654321"),
        ("alert", "AKIAEXAMPLEAPP000000", user("app"), "cannot alert, only narrow"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_the_reason_and_changes_nothing(
    action: str, credential: str, principal: str, says: str
) -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        before = scene.picture()
        with pytest.raises(RefusedError, match=says):
            await connector.revoke(command(action, credential, principal))
        assert scene.picture() == before

    play(test)


def test_quarantine_reaches_every_key_and_every_session_of_the_user() -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        second = await asyncio.to_thread(scene.new_key_of_app)
        receipt = await connector.revoke(scene.command("quarantine_principal"))
        for keys in (scene.keys[ACCOUNT], second, scene.user_session):
            assert not await scene.passes("iam", keys, "list_users")
        assert sum("UpdateAccessKey" in step for step in receipt.steps) == 2
        assert not [step for step in receipt.steps if second.access_key_id in step]

    play(test)


def test_a_session_taken_between_two_rungs_stays_dead_when_the_quarantine_is_lifted() -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        await connector.revoke(
            command("revoke_session", scene.worker[ACCOUNT].access_key_id, role("worker"), time="2026-03-02T00:00:00Z")
        )
        await asyncio.to_thread(scene.backdate_sessions_of_worker)
        between = scene.assume(scene.keys[ACCOUNT], role("worker"))
        assert await scene.passes("iam", between, "list_users")
        await connector.revoke(
            command("quarantine_principal", between.access_key_id, role("worker"), time="2026-03-02T00:00:00Z")
        )
        await asyncio.to_thread(scene.lift_quarantine_of_worker)
        assert not await scene.passes("iam", between, "list_users")

    play(test)


@pytest.mark.parametrize("principal", [user("outpace"), OUR_ROLE, role("some/path/outpace", OTHER)])
@pytest.mark.parametrize("action", ["narrow", "quarantine_principal", "cut_delegation"])
def test_outpace_never_locks_itself_out(action: str, principal: str) -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        before = scene.picture()
        with pytest.raises(RefusedError, match="is Outpace itself"):
            await connector.revoke(command(action, "AKIAEXAMPLEAPP000000", principal))
        assert scene.picture() == before

    play(test)


def test_a_key_minted_while_the_quarantine_spread_is_found_by_the_proof() -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        asked = scene.command("quarantine_principal")
        receipt = await connector.revoke(asked)
        minted = await asyncio.to_thread(scene.new_key_of_app)
        proof = await connector.prove(asked, receipt)
        assert proof.standing == "alive"
        assert f"…{minted.access_key_id[-4:]} is Active" in proof.text

    play(test)


@pytest.mark.parametrize("action", ["narrow", "revoke_session", "quarantine_principal"])
def test_a_policy_the_thief_took_away_again_is_found_by_the_proof(action: str) -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        receipt = await connector.revoke(scene.command(action))
        await asyncio.to_thread(scene.strip_app)
        proof = await connector.prove(scene.command(action), receipt)
        assert (proof.standing, "taken away" in proof.text) == ("alive", True)

    play(test)


@pytest.mark.parametrize("action", ["narrow", "revoke_session", "disable_credential", "quarantine_principal"])
def test_a_user_that_is_gone_can_do_nothing_more(action: str) -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        receipt = await connector.revoke(scene.command(action))
        await asyncio.to_thread(scene.delete_app)
        proof = await connector.prove(scene.command(action), receipt)
        assert (proof.standing, "exist" in proof.text) == ("inactive", True)

    play(test)


def test_a_role_in_another_account_may_ask_for_an_external_id(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(scene: AwsScene, _connector: Aws) -> None:
        document = json.loads(trust(user("outpace")))
        document["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": "s3cr3t-external"}}
        await asyncio.to_thread(scene.set_trust_of_ours, json.dumps(document))
        asked = command("disable_credential", scene.keys[OTHER].access_key_id, user("app", OTHER))
        with pytest.raises(NotAllowedError, match=f"AssumeRole {OUR_ROLE}: AccessDenied: needs sts:AssumeRole"):
            await scene.connect().revoke(asked)
        scene.settings["external_id"] = "env:TEST_EXTERNAL_ID"
        await scene.connect().revoke(asked)
        assert not await scene.passes("iam", scene.keys[OTHER], "list_users")

    monkeypatch.setenv("TEST_EXTERNAL_ID", "s3cr3t-external")
    play(test)


def test_credentials_of_ours_that_are_not_accepted_are_told_apart_from_a_missing_permission(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(scene: AwsScene, _connector: Aws) -> None:
        monkeypatch.setenv("TEST_AWS_SECRET", "wrong")
        connector = scene.connect()
        with pytest.raises(NotAllowedError, match="our own credentials are not accepted"):
            await connector.revoke(scene.command("narrow"))
        (found,) = await connector.check()
        assert (found.name, found.is_right) == ("caller", False)

    play(test)


def test_nobody_listening_is_unavailable() -> None:
    async def test(scene: AwsScene, _connector: Aws) -> None:
        scene.settings["endpoint_url"] = "http://127.0.0.1:9"
        with pytest.raises(UnavailableError, match="EndpointConnectionError"):
            await scene.connect().revoke(scene.command("narrow"))

    play(test)


def test_without_boto3_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigError, match=r"needs boto3, wanted: pip install 'outpace\[aws\]'"):
        Aws(AwsSettings())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"access_key_id": "env:TEST_AWS_KEY"}, "belong together"),
        ({"access_key_id": "AKIAEXAMPLEAPP000000", "secret_access_key": "open"}, "wanted env:NAME or file:PATH"),
    ],
)
def test_half_a_credential_or_one_in_the_open_is_refused(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        Aws(AwsSettings(**settings))  # type: ignore[arg-type]
    assert "open" not in str(raised.value).replace("in the open", "").replace("written open", "")


def test_settings_refuse_keys_they_do_not_know() -> None:
    with pytest.raises(msgspec.ValidationError, match="endpoint"):
        msgspec.toml.decode(b'endpoint = "x"', type=AwsSettings)


@pytest.mark.parametrize("time", ["", "yesterday"])
def test_a_command_without_a_time_is_refused(time: str) -> None:
    async def test(scene: AwsScene, connector: Aws) -> None:
        with pytest.raises(RefusedError, match="time of the command"):
            await connector.revoke(msgspec.structs.replace(scene.command("revoke_session"), time=time))

    play(test)
