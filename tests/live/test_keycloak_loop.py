"""The whole story on a real Keycloak and a real broker: a stolen client secret is used, found, taken away and proven gone; also by a provider that is late, fails or lies.

One thief after another takes the secret of a pipeline of its own in one realm; ingest, worker and responder are real processes.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from benchmarks.closing import Closed
from benchmarks.deployment import until
from benchmarks.identity_provider import Keycloak
from benchmarks.keycloak_estate import OUTPACE_SECRET, PORTAL, PORTAL_SECRET, Estate, Thief
from benchmarks.loop import Case, play
from benchmarks.unreliable import Unreliable
from streams.cli import app
from streams.connectors.base import Proof, RefusedError
from streams.connectors.keycloak import KeycloakConnector
from streams.connectors.oauth import OAuthConnector
from streams.connectors.settings.keycloak import Keycloak as Settings
from streams.connectors.settings.oauth import OAuth
from streams.ledger.store import Ledger

pytestmark = pytest.mark.timeout(600)


def tell(title: str, case: Case) -> None:
    print(
        f"\n{title}: {case.actions} attacker actions before containment ({case.was_let} succeeded), "
        f"{case.seconds_to_proof:.2f} s from the first to the proof by {case.proven_by}; {case.seconds_to}"
    )


def test_a_stolen_secret_is_found_taken_away_and_proven_gone(closed: Closed, estate: Estate, thief: Thief) -> None:
    session = estate.delegate()
    case = play(closed, thief)
    tell("undisturbed", case)
    assert case.proven_by in ("introspection", "log-in"), "the latter where the thief raced and the client was disabled"
    assert not any(estate.is_active(token) for token in thief.tokens), "no token of the thief's is active"
    assert not thief.log_in(), "the secret is refused"
    assert case.seconds_to_proof < 10.0, "far above what it takes, for a machine that is busy"
    others = [name for name in estate.pipelines if name not in estate.__dict__["taken"]]
    assert all(estate.work(name) for name in others), "nobody else lost anything"
    assert estate.is_active(session["access_token"]), "nor did Maria"


def test_every_step_was_told_and_counted(closed: Closed) -> None:
    first = next(o.credential for o in closed.outcomes.found)
    states = [o.state for o in closed.outcomes.of(first)]
    assert states[:4] == ["commanded", "approved", "executing", "accepted"]
    assert states[-1] == "proven"
    assert closed.responder.metric('outpace_proof_seconds_count{provider="keycloak"}') >= 1
    assert closed.responder.metric("outpace_dead_letters") == 0


def test_the_ledger_has_the_decision_behind_every_command(closed: Closed) -> None:
    """The decision travels on a topic of its own, signed by the worker; the responder puts both on one record."""
    path = closed.folder / "respond" / "responder.sqlite"
    wanted = {o.decision_id for o in closed.outcomes.found if not o.escalated_from}
    assert wanted

    def on_record() -> set[str]:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return {e.subject for e in Ledger(connection).entries() if e.kind == "decision"}

    until(lambda: wanted <= on_record(), "the decisions on the ledger", 10.0)


def test_a_provider_that_takes_its_time_is_waited_for(closed: Closed, proxy: Unreliable, thief: Thief) -> None:
    proxy.delay_s = 1.5
    case = play(closed, thief)
    proxy.delay_s = 0.0
    tell("an answer 1.5 s late", case)
    assert case.seconds_to["accepted"] - case.seconds_to["executing"] >= 1.5


def test_a_provider_that_fails_is_asked_again(closed: Closed, proxy: Unreliable, thief: Thief) -> None:
    proxy.failing = 2
    case = play(closed, thief)
    tell("two failures", case)
    assert proxy.failing == 0
    assert max(o.attempts for o in closed.outcomes.of(thief.credential)) >= 3


def test_an_answer_that_got_lost_is_not_done_twice(closed: Closed, proxy: Unreliable, thief: Thief) -> None:
    proxy.loses, before = 1, proxy.changes
    case = play(closed, thief)
    tell("a lost answer", case)
    commands = {o.command_id for o in closed.outcomes.of(thief.credential)}
    assert proxy.changes - before == len(commands), "one change a command"


def test_a_provider_that_lies_is_found_out_and_the_next_rung_taken(
    closed: Closed, proxy: Unreliable, thief: Thief
) -> None:
    proxy.lies, thief.chains = 1, False
    case = play(closed, thief)
    tell("a lie", case)
    states = [o.state for o in closed.outcomes.of(thief.credential)]
    assert "still_alive" in states, "what was said to be done was not"
    assert case.last_action == "quarantine_principal"
    assert proxy.lies == 0


def test_what_was_taken_wrongly_is_given_back(
    closed: Closed, estate: Estate, thief: Thief, proxy: Unreliable, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody says it was no thief: the client is enabled again, its owner goes on working, and nobody takes it away a second time."""
    proxy.lies, thief.chains = 1, False
    assert play(closed, thief).last_action == "quarantine_principal"
    assert not estate.work(thief.name)
    command_id = closed.outcomes.of(thief.credential, "accepted")[-1].command_id
    asked = ["restore", command_id, "--as", "maria", "--settings", str(closed.folder / "respond.toml")]
    assert app([*asked, "--reason", "it was the new release"], result_action="return_value") == 0
    assert "dry run" in capsys.readouterr().out
    assert not estate.work(thief.name), "saying what would be done does nothing"
    assert app([*asked, "--reason", "it was the new release", "--carry-out"], result_action="return_value") == 0
    until(lambda: closed.outcomes.of(thief.credential, "restored"), "the client given back", 15.0)
    assert estate.work(thief.name), "the secret is its owner's again"
    with closing(sqlite3.connect(f"file:{closed.folder / 'respond' / 'responder.sqlite'}?mode=ro", uri=True)) as found:
        entries = [e for e in Ledger(found).entries() if e.kind == "restore"]
    assert [(e.owner, e.reason) for e in entries] == [("maria", "it was the new release")]
    time.sleep(3.0)
    assert estate.work(thief.name)
    assert [o.state for o in closed.outcomes.of(thief.credential)][-1] == "restored"


def test_a_missing_role_is_named_by_the_real_server(server: Keycloak) -> None:
    import asyncio

    estate = Estate(server)
    users = server.admin("GET", f"/{estate.realm}/users?username=service-account-outpace&exact=true")
    management = estate.number("realm-management")
    roles = server.admin("GET", f"/{estate.realm}/users/{users[0]['id']}/role-mappings/clients/{management}")
    lost = [role for role in roles if role["name"] == "manage-clients"]
    server.admin("DELETE", f"/{estate.realm}/users/{users[0]['id']}/role-mappings/clients/{management}", lost)
    settings = Settings(server.url, estate.realm, "outpace", "env:OUTPACE_TEST_KEYCLOAK_SECRET")

    async def looked() -> list[tuple[str, bool]]:
        connector = KeycloakConnector(settings)
        try:
            return [(finding.name, finding.is_right) for finding in await connector.check()]
        finally:
            await connector.close()

    from benchmarks.closing import export_secrets

    export_secrets()
    assert asyncio.run(looked()) == [("view-realm", True), ("manage-clients", False), ("manage-users", True)]
    estate.remove()


def test_a_session_of_a_real_person_is_ended_and_proven(server: Keycloak, estate: Estate) -> None:
    import asyncio

    from tests.streams.connectors.contract import command_for

    session = estate.delegate()
    number = server.admin("GET", f"/{estate.realm}/users/{estate.maria}/sessions")[0]["id"]
    command = command_for(
        "revoke_session",
        provider="keycloak",
        scope=estate.realm_id,
        credential=f"keycloak-session:{number}",
        principal=f"keycloak:{estate.realm_id}/{estate.maria}",
        path="delegated",
        command_id=f"c-{time.time_ns()}",
    )

    async def done() -> str:
        connector = KeycloakConnector(Settings(server.url, estate.realm, "outpace", "env:OUTPACE_TEST_KEYCLOAK_SECRET"))
        try:
            receipt = await connector.revoke(command)
            return (
                await connector.prove(command, msgspec.convert(msgspec.to_builtins(receipt), type(receipt)))
            ).standing
        finally:
            await connector.close()

    assert asyncio.run(done()) == "inactive"
    remaining = server.admin("GET", f"/{estate.realm}/users/{estate.maria}/sessions")
    assert number not in [s["id"] for s in remaining]
    assert session


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of kept tokens; the portal's secret is in the environment."""
    monkeypatch.setenv("OUTPACE_TEST_PORTAL_SECRET", PORTAL_SECRET)
    return tmp_path


def oauth_for(estate: Estate, kept: Path, **other: str) -> OAuth:
    """Keycloak as docs/connectors.md says it is set up by RFC 7009."""
    known = {"client_id": "portal", "client_secret": "env:OUTPACE_TEST_PORTAL_SECRET", **other}
    url = f"{estate.server.url}/realms/{estate.realm}/protocol/openid-connect"
    return OAuth(
        url=url,
        kept_in=str(kept),
        providers=("keycloak",),
        introspection="/token/introspect",
        residual_s=300.0,
        **known,
    )


def revoked_by_rfc_7009(settings: OAuth, action: str) -> Proof:
    """One command carried out, and its proof by a connector that begins anew."""
    import asyncio

    from tests.streams.connectors.contract import command_for

    command = command_for(
        action, provider="keycloak", credential="keycloak-session:1", principal="maria", path="delegated"
    )

    async def done() -> Proof:
        first, later = OAuthConnector(settings), OAuthConnector(settings)
        try:
            assert [f for f in await first.check() if not f.is_right] == []
            return await later.prove(command, await first.revoke(command))
        finally:
            await first.close()
            await later.close()

    return asyncio.run(done())


def keep(kept: Path, tokens: dict[str, str]) -> None:
    (kept / "keycloak-session%3A1").write_text(tokens["access_token"])
    (kept / "keycloak-session%3A1.refresh").write_text(tokens["refresh_token"])


def in_its_own_audience(estate: Estate) -> None:
    config = {"included.client.audience": "portal", "access.token.claim": "true"}
    mapper = {"name": "for itself", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper"}
    path = f"/{estate.realm}/clients/{estate.number('portal')}/protocol-mappers/models"
    estate.server.admin("POST", path, {**mapper, "config": config})


@pytest.mark.parametrize("action", ["revoke_session", "cut_delegation"])
def test_a_token_of_the_real_server_is_revoked_by_rfc_7009_and_proven_gone_by_rfc_7662(
    server: Keycloak, kept: Path, action: str
) -> None:
    estate = Estate(server)
    in_its_own_audience(estate)
    stolen, other = estate.delegate(), estate.delegate()
    keep(kept, stolen)
    assert estate.is_active(stolen["access_token"])
    proof = revoked_by_rfc_7009(oauth_for(estate, kept), action)
    print(f"\n{action}: {proof.standing} by {proof.method}: {proof.text}")
    assert (proof.standing, proof.method) == ("inactive", "introspection")
    assert not estate.is_active(stolen["access_token"]), "nor to the orders service"
    refresh = {"grant_type": "refresh_token", "refresh_token": stolen["refresh_token"]}
    status, _found = estate.token(PORTAL, {"client_id": "portal", "client_secret": PORTAL_SECRET, **refresh})
    assert status == 400, "the refresh token opens nothing either"
    assert estate.is_active(other["access_token"]), "another session goes on"
    estate.remove()


def test_a_token_the_real_server_never_called_active_to_us_is_not_said_to_be_proven_gone(
    server: Keycloak, kept: Path
) -> None:
    """Without itself in the audience, the portal is told 'active: false' of its own living token."""
    estate = Estate(server)
    stolen = estate.delegate()
    keep(kept, stolen)
    proof = revoked_by_rfc_7009(oauth_for(estate, kept), "revoke_session")
    assert proof.standing == "unknown"
    assert "audience" in proof.text
    assert not estate.is_active(stolen["access_token"]), "it is revoked all the same"
    estate.remove()


def test_the_real_server_revokes_no_token_for_another_client(
    server: Keycloak, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate = Estate(server)
    monkeypatch.setenv("OUTPACE_TEST_OTHER_SECRET", OUTPACE_SECRET)
    stolen = estate.delegate()
    keep(kept, stolen)
    other = oauth_for(estate, kept, client_id="outpace", client_secret="env:OUTPACE_TEST_OTHER_SECRET")
    with pytest.raises(RefusedError, match="revoke a token: status 400 invalid_request"):
        revoked_by_rfc_7009(other, "revoke_session")
    assert estate.is_active(stolen["access_token"])
    estate.remove()
