"""The rung with the least expected loss: what moves it, what must not, and what the guards forbid."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from detector import crossings
from detector.config import Budget, Guards, Loss, Policy, Tolerance, ToleranceClass
from detector.event import Actor, Mark, Path
from detector.loops import named_loops
from detector.policy.ladder import posterior, rung
from detector.policy.tolerance import DISRUPTION, rank

PATTERNS = sorted({loop.name for loop in named_loops()})
KINDS = (crossings.REVOKE, crossings.CERTAIN, crossings.SOURCE_REVOKED, crossings.COLD_REVOKE)
CLASSES: tuple[ToleranceClass, ...] = ("short_lived_tokens", "transitional", "brittle", "vendor_managed")
MANY = settings(max_examples=300, deadline=None)

kinds = st.sampled_from((*KINDS, crossings.ALERT))
paths = st.sampled_from(Path)
keys = st.sampled_from(("AKIAEXAMPLE", "ASIAEXAMPLE"))
patterns = st.sampled_from(PATTERNS)
classes = st.sampled_from(CLASSES)
bits = st.floats(0, 60)
costs = st.floats(0, 1e6)
losses = st.builds(
    Loss, per_use=st.floats(0, 100), uses_left=st.floats(0, 1e5), attack_one_in_identity_days=st.floats(1, 1e7)
)


def actor(path: Path = Path.WORKLOAD, key: str = "AKIAEXAMPLE", marks: int = 0) -> Actor:
    return Actor(key, "arn:aws:iam::123456789012:user/app", path, "sdk", "boto3", "123456789012", marks=marks)


def policy_of(class_: ToleranceClass, cost: float, loss: Loss | None = None, **named: Any) -> Policy:
    entry = Tolerance("*", class_, cost)
    return Policy(tolerance=(entry,), loss=loss or Loss(), cold_start_acts=True, **named)


@MANY
@given(kinds, paths, keys, patterns, st.booleans(), classes, bits, costs, costs, losses)
def test_a_dearer_outage_never_raises_the_rung(
    kind: int,
    path: Path,
    key: str,
    pattern: str,
    escalates: bool,
    class_: ToleranceClass,
    above: float,
    one: float,
    other: float,
    loss: Loss,
) -> None:
    cheap, dear = sorted((one, other))
    asked = (kind, actor(path, key), pattern, escalates)
    lower = rung(*asked, policy_of(class_, dear, loss), above)
    assert rank(lower) <= rank(rung(*asked, policy_of(class_, cheap, loss), above))


@MANY
@given(paths, keys, patterns, st.booleans(), classes, bits, bits, costs, losses)
def test_more_evidence_never_lowers_the_rung(
    path: Path,
    key: str,
    pattern: str,
    escalates: bool,
    class_: ToleranceClass,
    one: float,
    other: float,
    cost: float,
    loss: Loss,
) -> None:
    less, more = sorted((one, other))
    asked = (crossings.REVOKE, actor(path, key), pattern, escalates, policy_of(class_, cost, loss))
    assert rank(rung(*asked, less)) <= rank(rung(*asked, more))


@MANY
@given(kinds, paths, keys, patterns, st.booleans(), classes, bits, costs, st.sampled_from(("never_revoke", "brittle")))
def test_a_guard_only_lowers(
    kind: int,
    path: Path,
    key: str,
    pattern: str,
    escalates: bool,
    class_: ToleranceClass,
    above: float,
    cost: float,
    guard: str,
) -> None:
    free = policy_of(class_, cost)
    guarded = replace(free, guards=Guards(**{guard: ("*:user/app",)}))
    asked = (kind, actor(path, key), pattern, escalates)
    action = rung(*asked, guarded, above)
    assert rank(action) <= min(rank(rung(*asked, free, above)), rank("narrow" if guard == "brittle" else "alert"))


def test_disruption_rises_with_the_rung_in_every_class() -> None:
    for shares in DISRUPTION.values():
        ranks, values = [rank(action) for action in shares], list(shares.values())
        assert all(a < b for a, b in itertools.pairwise(ranks))
        assert all(0.0 < a < b <= 1.0 for a, b in itertools.pairwise(values))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("above", [0.0, 3.0, 60.0])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", [Path.WORKLOAD, Path.DELEGATED])
def test_with_nothing_stated_the_kind_of_credential_and_what_was_seen_decide(
    pattern: str, above: float, kind: int, path: Path
) -> None:
    policy = Policy(cold_start_acts=True)
    abused = path is Path.DELEGATED and pattern == "delegated_access_abuse"
    for key, taken in (("AKIAEXAMPLE", "disable_credential"), ("ASIAEXAMPLE", "revoke_session")):
        asked = (kind, actor(path, key), pattern)
        assert rung(*asked, False, policy, above) == ("cut_delegation" if abused else taken)
        assert rung(*asked, True, policy, above) == "quarantine_principal"
        brittle = replace(policy, guards=Guards(brittle=("*:user/app",)))
        assert rung(*asked, False, brittle, above) == "narrow"


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("above", [0.0, 60.0])
def test_humans_are_stepped_up_and_the_glass_is_alerted_on_unless_it_is_certain(pattern: str, above: float) -> None:
    for path, action in ((Path.HUMAN, "step_up"), (Path.EMERGENCY, "alert")):
        assert rung(crossings.REVOKE, actor(path), pattern, False, Policy(), above) == action
        assert rung(crossings.CERTAIN, actor(path), pattern, False, Policy(), above) == "disable_credential"


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("above", [0.0, 60.0])
def test_what_is_brittle_is_narrowed_unless_its_outage_is_cheap(pattern: str, above: float) -> None:
    brittle = Policy(tolerance=(Tolerance("*:user/app", "brittle"),))
    assert rung(crossings.REVOKE, actor(), pattern, False, brittle, above) == "narrow"
    cheap = Policy(tolerance=(Tolerance("*:user/app", "brittle", 60.0),))
    assert rung(crossings.REVOKE, actor(), pattern, False, cheap, above) == "disable_credential"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_vendors_edge_is_cut_or_narrowed_and_its_principal_left_alone(pattern: str) -> None:
    vendor = Policy(tolerance=(Tolerance("*:user/app", "vendor_managed"),))
    dear = Policy(tolerance=(Tolerance("*:user/app", "vendor_managed", 100_000.0),))
    for kind, escalates in itertools.product(KINDS[:3], (False, True)):
        asked = (kind, actor(Path.DELEGATED), pattern, escalates)
        assert rung(*asked, vendor, 3.0) == "cut_delegation"
        assert rung(*asked, dear, 3.0) in {"alert", "narrow"}


def test_a_record_without_an_identity_and_a_cold_start_that_may_not_act_are_alerts() -> None:
    unattributed = actor(marks=int(Mark.UNATTRIBUTED))
    assert rung(crossings.CERTAIN, unattributed, "reconnaissance", False, Policy()) == "alert"
    assert rung(crossings.COLD_REVOKE, actor(), "reconnaissance", False, Policy(), 9.0) == "alert"


def test_at_the_threshold_a_looser_budget_believes_less() -> None:
    loose = Policy(budget=Budget(revoke_one_in_identity_days=1000.0))
    assert posterior(0.0, loose, "workload") == pytest.approx(1 / 11)
    assert posterior(0.0, Policy(), "workload") == 0.5
    assert posterior(1e9, Policy(), "workload") == 1.0


def test_the_first_entry_that_fits_counts_by_principal_or_credential() -> None:
    policy = Policy(
        tolerance=(Tolerance("AKIAOLD*", "brittle"), Tolerance("*:user/app", "vendor_managed"), Tolerance("*"))
    )
    for key, action in (("AKIAOLDEXAMPLE", "narrow"), ("AKIAEXAMPLE", "cut_delegation")):
        assert rung(crossings.REVOKE, actor(key=key), "credential_testing", False, policy, 3.0) == action
