"""What events say about who delegates to whom."""

import pytest
from blast_building import Estate, arn

from detector.blast import lineage as limits
from detector.blast.lineage import Delegation
from detector.event import Mark, Outcome, Provider

CI, DEPLOY, ADMIN = arn("user/ci"), arn("role/deploy"), arn("role/admin")
S = 10**9


def test_a_minted_session_is_a_delegation_and_its_uses_count_all_the_way_up() -> None:
    estate = Estate()
    estate.call("AKIAEXAMPLE", CI, mints="ASIADEPLOY", heir=DEPLOY)
    estate.call("ASIADEPLOY", DEPLOY, times=3, mints="")
    estate.call("ASIADEPLOY", DEPLOY, mints="ASIAADMIN", heir=ADMIN)
    estate.call("ASIAADMIN", ADMIN, times=5)
    seen = estate.lineage
    assert {name: c.uses for name, c in seen.credentials.items()} == {
        "AKIAEXAMPLE": 10,
        "ASIADEPLOY": 9,
        "ASIAADMIN": 5,
    }
    assert {name: p.uses for name, p in seen.principals.items()} == {CI: 10, DEPLOY: 9, ADMIN: 5}
    assert seen.delegations[CI, DEPLOY] == Delegation(CI, DEPLOY, walks=1, uses=9, last_ns=1 * S)
    assert seen.delegations[DEPLOY, ADMIN] == Delegation(DEPLOY, ADMIN, walks=1, uses=5, last_ns=5 * S)


def test_whom_a_credential_speaks_for_may_only_show_when_it_is_used() -> None:
    estate = Estate().call("AKIAEXAMPLE", CI, mints="ASIADEPLOY")
    assert not estate.lineage.delegations
    estate.call("ASIADEPLOY", DEPLOY, times=2)
    assert estate.lineage.delegations[CI, DEPLOY].walks == 1


def test_a_parent_the_event_names_will_do() -> None:
    estate = Estate().call("AKIAEXAMPLE", CI).call("ASIADEPLOY", DEPLOY, times=2, parent="AKIAEXAMPLE")
    assert estate.lineage.delegations[CI, DEPLOY].walks == 1
    assert estate.lineage.credentials["AKIAEXAMPLE"].uses == 3


@pytest.mark.parametrize("outcome", [Outcome.DENIED, Outcome.ERROR, Outcome.FAILED_AUTHENTICATION, Outcome.THROTTLED])
def test_what_was_refused_is_no_legitimate_use(outcome: Outcome) -> None:
    estate = Estate().call("AKIAEXAMPLE", CI, outcome=outcome, mints="ASIADEPLOY", heir=DEPLOY)
    assert estate.lineage.credentials["AKIAEXAMPLE"].uses == 0
    assert not estate.lineage.delegations


def test_what_the_thief_does_and_mints_from_the_theft_on_is_no_legitimate_use() -> None:
    estate = Estate("AKIAEXAMPLE", since_ns=10 * S)
    estate.call("AKIAEXAMPLE", CI, at=1 * S, mints="ASIAOLD", heir=DEPLOY)
    estate.call("AKIAEXAMPLE", CI, at=11 * S, outcome=Outcome.DENIED)
    estate.call("AKIAEXAMPLE", CI, at=12 * S, mints="ASIANEW", heir=DEPLOY)
    estate.call("ASIAOLD", DEPLOY, at=13 * S)
    estate.call("ASIANEW", DEPLOY, at=14 * S)
    seen = estate.lineage
    assert [(c.name, c.uses, c.thief) for c in seen.credentials.values() if c.is_held] == [
        ("AKIAEXAMPLE", 2, 2),
        ("ASIANEW", 0, 1),
    ]
    assert (seen.delegations[CI, DEPLOY].walks, seen.delegations[CI, DEPLOY].thief) == (2, 1)
    assert (seen.principals[DEPLOY].uses, seen.principals[DEPLOY].thief) == (1, 1)


def test_without_a_time_of_theft_every_use_is_legitimate_and_every_descendant_held() -> None:
    estate = Estate("AKIAEXAMPLE").call("AKIAEXAMPLE", CI, mints="ASIANEW", heir=DEPLOY).call("ASIANEW", DEPLOY)
    assert [(c.is_held, c.uses, c.thief) for c in estate.lineage.credentials.values()] == [(True, 2, 0), (True, 1, 0)]


def test_services_and_nobody_delegate_nothing() -> None:
    estate = Estate()
    estate.call("aws-service:ec2", "aws-service:ec2", mints="ASIANODE", heir=DEPLOY, marks=int(Mark.PROVIDER_OWNED))
    estate.call("unattributed:log", "unattributed:log", marks=int(Mark.UNATTRIBUTED))
    assert not estate.lineage.delegations
    assert "unattributed:log" not in estate.lineage.credentials


def test_acting_for_a_user_and_exchanging_a_token_are_delegations() -> None:
    realm = {"provider": Provider.KEYCLOAK}
    estate = Estate()
    estate.call("keycloak-client:shop", "keycloak:123456789012/shop", **realm, claims=(("on_behalf_of", "u1"),))  # type: ignore[arg-type]
    estate.call(
        "keycloak-client:shop",
        "keycloak:123456789012/shop",
        **realm,
        operation="keycloak:TOKEN_EXCHANGE",
        resource="client:billing",
    )  # type: ignore[arg-type]
    assert [d.taker for d in estate.lineage.delegations.values()] == [
        "keycloak:123456789012/u1",
        "keycloak:123456789012/billing",
    ]


def test_credentials_that_mint_each_other_in_a_circle_are_counted_once() -> None:
    estate = Estate().call("a", CI, mints="b", heir=DEPLOY).call("b", DEPLOY, mints="a", heir=CI)
    estate.call("a", CI, times=4)
    assert estate.lineage.credentials["a"].uses == 6


def test_memory_is_bounded_and_what_was_dropped_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CREDENTIALS", 10)
    monkeypatch.setattr(limits, "PRINCIPALS", 5)
    monkeypatch.setattr(limits, "DELEGATIONS", 3)
    estate = Estate("AKIASTOLEN").call("AKIASTOLEN", CI)
    for i in range(100):
        estate.call(f"AKIA{i}", arn(f"user/{i}"), mints=f"ASIA{i}", heir=arn(f"role/{i}"))
    seen = estate.lineage
    assert (len(seen.credentials), len(seen.principals), len(seen.delegations)) == (10, 5, 3)
    assert seen.dropped == 191 + 196 + 97
