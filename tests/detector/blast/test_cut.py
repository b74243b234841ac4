"""Reach and cut: the cut always separates, and nothing cheaper does; found by trying every set of actions on small estates."""

from itertools import combinations

import pytest
from blast_building import HOUR_NS, Estate, arn
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.blast import reach
from detector.blast.cut import Cut, Snip, narrowest_cut
from detector.blast.lineage import Credential, Delegation, Principal
from detector.blast.reach import Ages, Map, Reach, map_of
from detector.errors import InputError
from detector.event import Outcome, Provider

CI, DEPLOY, ADMIN, AUDIT = arn("user/ci"), arn("role/deploy"), arn("role/admin"), arn("role/audit")
S = 10**9


def pivoted() -> Estate:
    """A CI key mints sessions of a role all day; a thief with the key does so too, and goes on to the administrator's."""
    estate = Estate("AKIASTOLEN", since_ns=100 * S)
    for i in range(4):
        estate.call("AKIASTOLEN", CI, at=i * S, mints=f"ASIADEPLOY{i}", heir=DEPLOY)
        estate.call(f"ASIADEPLOY{i}", DEPLOY, at=(i + 10) * S, times=5)
    estate.call("ASIAAUDITOR", AUDIT, at=50 * S, times=2)
    estate.call("AKIASTOLEN", CI, at=101 * S, mints="ASIATHIEF1", heir=DEPLOY)
    estate.call("ASIATHIEF1", DEPLOY, at=102 * S, mints="ASIATHIEF2", heir=ADMIN)
    return estate.call("ASIATHIEF2", ADMIN, at=103 * S)


def shape(cut: Cut) -> list[tuple[str, str, str, int]]:
    return [(snip.action, snip.on, snip.taker, snip.uses) for snip in cut.snips]


def test_disabling_the_key_alone_would_leave_the_thief_its_sessions() -> None:
    found = map_of(pivoted().lineage)
    assert [held.credential for held in found.reach.held] == ["AKIASTOLEN", "ASIATHIEF1", "ASIATHIEF2"]
    assert [(r.principal, r.hops, r.giver, r.is_held) for r in found.reach.principals] == [
        (CI, 0, "", True), (DEPLOY, 1, CI, True), (ADMIN, 2, DEPLOY, True),
    ]  # fmt: skip
    assert found.reach.scopes == ("123456789012",)
    assert found.reach.is_whole
    cut = narrowest_cut(found)
    assert shape(cut) == [
        ("disable_credential", "AKIASTOLEN", "", 24),
        ("revoke_session", DEPLOY, "", 20),
        ("revoke_session", ADMIN, "", 0),
    ]
    assert cut.snips[1].text == f"revoke all 5 sessions of {DEPLOY}, 1 of them the thief's: 20 legitimate uses"
    assert cut.uses == 44


def test_a_way_somebody_else_walked_is_in_reach_too() -> None:
    estate = Estate("AKIASTOLEN")
    estate.call("AKIAOTHER", CI, mints="ASIADEPLOY", heir=DEPLOY).call("AKIASTOLEN", CI)
    found = map_of(estate.lineage)
    assert [(r.principal, r.is_held, r.walks) for r in found.reach.principals] == [(CI, True, 0), (DEPLOY, False, 1)]
    assert shape(narrowest_cut(found)) == [("disable_credential", "AKIASTOLEN", "", 1)]


def test_a_spared_key_is_left_to_the_thief_and_the_cut_made_behind_it() -> None:
    cut = narrowest_cut(map_of(pivoted().lineage), lambda name: name == CI)
    assert cut.left == (CI,)
    assert shape(cut) == [("revoke_session", ADMIN, "", 0), ("quarantine_principal", DEPLOY, "", 20)]


def test_a_delegation_only_the_thief_walks_is_what_is_cut_behind_a_spared_key() -> None:
    estate = Estate("AKIASTOLEN", since_ns=100 * S)
    estate.call("AKIASTOLEN", CI, at=1 * S, times=9)
    estate.call("ASIANIGHTLY", ADMIN, at=2 * S, times=30)
    estate.call("AKIASTOLEN", CI, at=101 * S, mints="ASIATHIEF", heir=ADMIN)
    estate.call("AKIASTOLEN", CI, at=101 * S + 14 * HOUR_NS)
    assert narrowest_cut(map_of(estate.lineage), lambda name: name == "AKIASTOLEN") == Cut(
        (Snip("cut_delegation", CI, ADMIN, 0, f"cut the delegation from {CI} to {ADMIN}: no legitimate use"),), 0, (CI,)
    )


def test_where_the_guards_spare_everything_nothing_is_cut_and_it_is_said() -> None:
    cut = narrowest_cut(map_of(pivoted().lineage), lambda _name: True)
    assert cut == Cut((), 0, (CI, DEPLOY, ADMIN))


def test_many_actions_that_cost_nothing_are_better_than_one_that_costs_a_use() -> None:
    estate = Estate("AKIASTOLEN", since_ns=5 * S)
    estate.call("AKIAOTHER", CI, at=1 * S)
    for i in range(9):
        estate.call("AKIASTOLEN", CI, at=(6 + i) * S, mints=f"AKIASPARE{i}", heir=CI)
    cut = narrowest_cut(map_of(estate.lineage))
    assert (len(cut.snips), cut.uses) == (10, 0)


def test_one_session_is_cut_where_the_provider_can() -> None:
    estate = Estate("keycloak-session:1").call(
        "keycloak-session:1", "keycloak:r/u", times=3, provider=Provider.KEYCLOAK
    )
    estate.call("keycloak-session:2", "keycloak:r/u", times=9, provider=Provider.KEYCLOAK)
    assert narrowest_cut(map_of(estate.lineage)).snips == (
        Snip(
            "revoke_session",
            "keycloak-session:1",
            "",
            3,
            "revoke keycloak-session:1 of keycloak:r/u: 3 legitimate uses",
        ),
    )


def test_a_key_minted_for_nobody_known_is_cut_as_well() -> None:
    estate = Estate("AKIASTOLEN").call("AKIASTOLEN", CI, mints="AKIASPARE")
    cut = narrowest_cut(map_of(estate.lineage))
    assert [(s.action, s.on) for s in cut.snips] == [
        ("disable_credential", "AKIASTOLEN"),
        ("disable_credential", "AKIASPARE"),
    ]


def test_what_is_idle_for_too_long_is_gone() -> None:
    estate = pivoted().call("AKIASTOLEN", CI, at=14 * HOUR_NS, outcome=Outcome.DENIED)
    found = map_of(estate.lineage, Ages(delegation_s=3600.0))
    assert [held.credential for held in found.reach.held] == ["AKIASTOLEN"]
    assert [r.principal for r in found.reach.principals] == [CI]
    assert [r.principal for r in map_of(estate.lineage).reach.principals] == [CI, DEPLOY, ADMIN]


def test_a_credential_that_is_used_nowhere_is_named() -> None:
    with pytest.raises(InputError, match="credential 'AKIANOWHERE' is used nowhere"):
        map_of(Estate("AKIANOWHERE").call("AKIAOTHER", CI).lineage)


def test_a_reach_that_does_not_end_is_said_to_be_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "MOST_PRINCIPALS", 3)
    estate = Estate("AKIASTOLEN")
    for i in range(9):
        estate.call("AKIAOTHER", CI, mints=f"ASIA{i}", heir=arn(f"role/{i}"))
    found = map_of(estate.call("AKIASTOLEN", CI).lineage)
    assert (len(found.principals), found.reach.is_whole) == (3, False)


# every cut there is

NAMES = [f"p{i}" for i in range(4)]


@st.composite
def maps(draw: st.DrawFn) -> Map:
    """Small estates: up to four principals, circles among them, keys and sessions in the thief's hands."""
    uses = st.integers(0, 4)
    principals = tuple(Principal(name, uses=draw(uses)) for name in NAMES[: draw(st.integers(1, 4))])
    names = [p.name for p in principals]
    held = []
    for i in range(draw(st.integers(1, 3))):
        provider = draw(st.sampled_from([Provider.AWS, Provider.KEYCLOAK]))
        held.append(
            Credential(f"c{i}", draw(st.sampled_from(names)), "", provider, draw(st.booleans()), True, draw(uses))
        )
    pairs = [(a, b) for a in names for b in names if a != b]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=4)) if pairs else []
    delegations = tuple(Delegation(a, b, walks=draw(st.integers(0, 3))) for a, b in chosen)
    live = {name: tuple(c for c in held if c.principal == name) for name in names}
    return Map(tuple(held), principals, delegations, live, Reach("c0", 0, (), (), (), True))


def reached(found: Map, done: set[tuple[str, str, str]]) -> set[str]:
    """Principals the thief still acts as once the actions are done, by what each action means."""
    acts: set[str] = set()
    fresh = {c.principal for c in found.held if not is_taken(c, done)}
    while fresh:
        acts |= {name for name in fresh if ("quarantine_principal", name, "") not in done}
        onward = {
            d.taker for d in found.delegations if d.giver in acts and ("cut_delegation", d.giver, d.taker) not in done
        }
        fresh = {name for name in onward - acts if ("quarantine_principal", name, "") not in done}
    return acts


def is_taken(credential: Credential, done: set[tuple[str, str, str]]) -> bool:
    if credential.is_temporary and credential.provider is Provider.AWS:
        return ("revoke_session", credential.principal, "") in done
    return bool({("revoke_session", credential.name, ""), ("disable_credential", credential.name, "")} & done)


def actions(found: Map, spared: set[str]) -> dict[tuple[str, str, str], int]:
    """Every action that may be taken, and what it costs."""
    costs: dict[tuple[str, str, str], int] = {}
    for c in found.held:
        if c.is_temporary and c.provider is Provider.AWS:
            sessions = [o for o in found.live[c.principal] if o.is_temporary]
            if {c.principal, *(o.name for o in sessions)} & spared:
                continue
            costs["revoke_session", c.principal, ""] = sum(o.uses for o in sessions)
        elif not {c.name, c.principal} & spared:
            costs["revoke_session" if c.is_temporary else "disable_credential", c.name, ""] = c.uses
    for p in found.principals:
        if not {p.name, *(c.name for c in found.live[p.name])} & spared:
            costs["quarantine_principal", p.name, ""] = p.uses
    for d in found.delegations:
        if d.taker not in spared:
            costs["cut_delegation", d.giver, d.taker] = d.walks
    return costs


@settings(max_examples=150, deadline=None)
@given(maps(), st.sets(st.sampled_from([*NAMES, "c0", "c1"]), max_size=3))
def test_the_cut_always_separates_and_nothing_cheaper_does(found: Map, spared: set[str]) -> None:
    cut = narrowest_cut(found, spared.__contains__)
    costs = actions(found, spared)
    done = {(snip.action, snip.on, snip.taker) for snip in cut.snips}
    assert done <= costs.keys()
    assert cut.uses == sum(costs[action] for action in done)
    left = reached(found, set(costs))
    assert set(cut.left) == left
    assert reached(found, done) == left
    best = min(
        (sum(costs[a] for a in some), len(some))
        for size in range(len(costs) + 1)
        for some in combinations(costs, size)
        if reached(found, set(some)) == left
    )
    assert (cut.uses, len(done)) == best
