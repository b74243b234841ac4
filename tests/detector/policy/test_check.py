"""Rules that never count or undo each other are found, and nothing is said of a policy that is right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.config import Policy, read_policy
from detector.errors import ConfigError
from detector.policy.check import covers, warnings_of
from detector.policy.tolerance import is_named

APPROVER = """
[[approvers]]
name = "maria"
login = "maria"
[[approvers]]
name = "alex"
login = "alex"
"""
names = st.text("ab:/-", min_size=1, max_size=6)
shell = st.text("ab:/-*?", min_size=1, max_size=6)


def warned(text: str) -> dict[str, str]:
    return {w.path: w.text for w in warnings_of(read_policy(text.encode(), "p.toml"))}


def test_nothing_is_said_of_the_defaults() -> None:
    assert warnings_of(Policy()) == []


@given(shell, shell, names)
def test_a_pattern_said_to_be_covered_fits_nothing_the_other_does_not(earlier: str, later: str, name: str) -> None:
    if covers(earlier, later) and is_named((later,), (name,)):
        assert is_named((earlier,), (name,))


@pytest.mark.parametrize("section", ["leases", "grants", "tolerance"])
def test_an_entry_an_earlier_one_covers_is_named_with_it(section: str) -> None:
    owner = 'owner = "soc@example.com"\n' if section == "tolerance" else ""
    wide, other, narrow = (
        f'[[{section}]]\nprincipal = "{p}"\n{owner}' for p in ("*:role/app-*", "*:user/*", "*:role/app-1")
    )
    found = warned(wide + other + narrow)
    assert list(found) == [f"{section}[2]"]
    assert f"{section}[0] ('*:role/app-*')" in found[f"{section}[2]"]
    assert warned(narrow + other + wide) == {}


def test_an_identity_that_may_be_revoked_and_is_nobody_s_is_told() -> None:
    guards = '[guards]\nnever_revoke = ["*:role/audit"]\n'
    owned, blank, guarded = (
        f'[[tolerance]]\nprincipal = "{p}"\nowner = "{o}"\n'
        for p, o in (("*:role/a", "build@example.com"), ("*:role/b", " "), ("*:role/audit", ""))
    )
    found = warned(guards + owned + blank + guarded)
    assert [path for path in found if path.endswith("owner")] == ["tolerance[1].owner"]
    assert "'*:role/b' has no owner" in found["tolerance[1].owner"]


def test_whom_an_armed_policy_names_and_the_registry_does_not_is_nobody_s() -> None:
    named = """
        [[leases]]
        principal = "*:role/glass-1"
        [[grants]]
        principal = "*:role/deploy-*"
        [[context.bindings]]
        principal = "*:user/bound"
        networks = ["192.0.2.0/24"]
        [guards]
        brittle = ["*:user/old-*"]
        never_revoke = ["*:role/pay-*"]
        [[approval]]
        principals = ["*:role/pay-1", "*:role/held"]
    """
    owned = '[[tolerance]]\nprincipal = "*:role/deploy-*"\nowner = "build@example.com"\n'
    found = warned(f"armed = true\n{APPROVER}{owned}{named}")
    assert list(found) == ["leases[0]", "context.bindings[0]", "guards.brittle[0]", "approval[0]", "tolerance"]
    assert "'*:role/held' has no owner" in found["approval[0]"]
    assert 'principal = "*" names one' in found["tolerance"]
    assert warned(owned + named) == {}, "nothing is taken before the policy is armed"


def test_a_last_entry_for_everybody_leaves_nobody_without_an_owner() -> None:
    assert list(warned(f"armed = true\n{APPROVER}")) == ["tolerance"]
    everybody = 'principal = "*"\n[[grants]]\nprincipal = "*:role/deploy-*"'
    armed = f"armed = true\n{APPROVER}"
    assert warned(f'{armed}[[tolerance]]\nowner = "soc@example.com"\n{everybody}') == {}
    assert list(warned(f"{armed}[[tolerance]]\n{everybody}")) == ["tolerance[0].owner"]
    assert list(warned('armed = true\n[guards]\nnever_revoke = ["*"]')) == ["guards.never_revoke[0]", "approvers"]


def test_names_nobody_checks_are_told_and_so_are_too_few_people() -> None:
    assert "names are not verified" in warned("armed = true")["approvers"]
    assert list(warned("[[approval]]\npeople = 2")) == ["approvers"]
    nobody_waits = "armed = true\n[guards]\ntwo_person = []"
    assert "approvers" not in warned(nobody_waits)
    one = '[[approvers]]\nname = "maria"\nlogin = "maria"\n'
    found = warned(f"armed = true\n{one}[[approval]]\npeople = 3\npaths = ['human']")
    assert "approvers" not in found
    assert "3 people are wanted, and there are 1 approvers" in found["approval[0]"]
    assert "2 people are wanted" in found["guards.two_person"]


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ('name = " MARIA "\nlogin = "m2"', "one name"),
        ('name = "alex"\nlogin = "maria"', "one login"),
        ('name = "alex"\nsigning_secret = "env:MARIA"', "one signing_secret"),
        ('name = "alex"', "can never approve"),
        ('name = " "\nlogin = "x"', "can never approve"),
    ],
)
def test_one_person_under_two_names_is_no_valid_policy(second: str, why: str) -> None:
    first = '[[approvers]]\nname = "Maria"\nlogin = "maria"\nsigning_secret = "env:MARIA"\n'
    with pytest.raises(ConfigError, match=why):
        warned(f"{first}[[approvers]]\n{second}")


def test_a_never_revoke_list_that_covers_everything_is_told() -> None:
    assert "nothing is ever revoked" in warned('[guards]\nnever_revoke = ["**"]')["guards.never_revoke[0]"]


def test_a_lease_whose_end_may_not_be_held_is_told() -> None:
    guards = '[guards]\nnever_revoke = ["*:role/glass-*"]\n'
    assert "its end is only told" in warned(guards + '[[leases]]\nprincipal = "*:role/glass-1"')["leases[0]"]
    assert warned(guards + '[[leases]]\nprincipal = "*:role/glass-1"\nat_end = "report"') == {}
    assert warned(guards + '[[leases]]\nprincipal = "*:role/*"') == {}


def test_what_is_guarded_away_leaves_rules_without_anything_to_do() -> None:
    text = """
        [guards]
        never_revoke = ["*:role/pay-*"]
        brittle = ["*:role/pay-old", "*:role/tape-*"]
        [[tolerance]]
        principal = "*:role/pay-1"
        [[tolerance]]
        principal = "*:role/tape-1"
        class = "short_lived_tokens"
        owner = "soc@example.com"
        [[approval]]
        principals = ["*:role/pay-*"]
    """
    assert set(warned(text)) == {"guards.brittle[0]", "tolerance[0]", "tolerance[1]", "approval[0]"}


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ('actions = ["cut_delegation"]\npeople = 2\nfallback = "execute"', "'execute' never applies"),
        ('actions = ["step_up", "narrow"]\nfallback = "narrow"', "'narrow' never applies"),
        ('actions = ["cut_delegation"]\nfallback = "narrow"', "people = 1 never applies"),
    ],
)
def test_a_fallback_or_a_number_of_people_that_can_never_apply_is_told(rule: str, word: str) -> None:
    assert word in warned(f"[[approval]]\n{rule}")["approval[0]"]


def test_a_fallback_that_applies_to_some_of_its_actions_is_right() -> None:
    assert warned('[[approval]]\nactions = ["cut_delegation", "disable_credential"]\nfallback = "execute"') == {}


def test_an_approval_rule_behind_a_wider_one_never_counts() -> None:
    wide = '[[approval]]\nactions = ["disable_credential", "narrow"]\n'
    same = '[[approval]]\nactions = ["disable_credential"]\npaths = ["human"]\nprincipals = ["x"]\n'
    assert list(warned(wide + same)) == ["approval[1]"]
    assert warned(same + wide) == {}
    assert warned(wide + "[[approval]]\n") == {}, "an empty list means all, which is more"


def test_a_budget_that_wants_alerts_rarer_than_revocations_is_told_with_its_path() -> None:
    found = warned("[budget.human]\nalert_one_in_identity_days = 50000.0")
    assert "human" in found["budget"]


def test_an_attacker_who_costs_nothing_is_told() -> None:
    assert "loss" in warned("[loss]\nper_use = 0.0")


@pytest.mark.parametrize(
    ("breaker", "path"),
    [
        ("per_minute = 0", "breaker"),
        ("share_of_fleet = 0.0\nfleet_size = 10", "breaker"),
        ("per_minute_by_path = { human = 10 }", "breaker.per_minute_by_path.human"),
        ("share_of_fleet = 0.01\nfleet_size = 50", "breaker.share_of_fleet"),
    ],
)
def test_a_limit_that_is_never_reached_or_lets_nothing_through_is_told(breaker: str, path: str) -> None:
    assert path in warned(f"[breaker]\n{breaker}")


def test_arming_without_saying_how_large_the_fleet_is_is_right_since_workers_count_it() -> None:
    assert not any(path.startswith("breaker") for path in warned("armed = true"))
