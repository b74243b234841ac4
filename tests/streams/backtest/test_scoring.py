"""When an attack counts as contained, and when a verdict counts as false."""

import numpy as np
import pytest
from backtesting import APP, JOB, OTHER, case_of, change, episode, identity, verdict

from streams.backtest.case import Episode
from streams.backtest.scoring import (
    EpisodeScore,
    Verdict,
    accused,
    counted_days,
    false_days,
    phases,
    score_episodes,
)


def score(attack: Episode, *verdicts: Verdict) -> EpisodeScore:
    return score_episodes(case_of(attack), verdicts)[0]


def test_actions_count_the_event_that_led_to_the_revocation() -> None:
    found = score(episode(), verdict(20, "e1-2"))
    assert (found.actions, found.seconds, found.contained, found.action) == (3, 20.0, True, "revoke_session")


def test_the_first_of_several_revocations_counts() -> None:
    found = score(episode(), verdict(30, "e1-3"), verdict(10, "e1-1"))
    assert (found.actions, found.seconds) == (2, 10.0)


def test_an_event_keeps_its_place_in_the_attackers_order_where_times_tie() -> None:
    found = score(episode(seconds=(0, 5, 5, 5, 9)), verdict(5, "e1-3"))
    assert found.actions == 4


def test_a_revocation_by_somebody_elses_event_counts_what_was_done_until_then() -> None:
    assert score(episode(), verdict(15, "benign")).actions == 2


@pytest.mark.parametrize(("second", "is_contained"), [(-1, False), (0, True), (30, True), (31, False)])
def test_a_revocation_before_the_first_or_after_the_last_action_contains_nothing(
    second: int, is_contained: bool
) -> None:
    assert score(episode(seconds=(60, 70, 90)), verdict(60 + second, "benign")).contained is is_contained


@pytest.mark.parametrize(
    ("named", "is_contained"),
    [
        ({"principal": APP}, True),
        ({"principal": OTHER, "credential": "ASIAEXAMPLE1"}, True),
        ({"principal": OTHER, "lineage": ("ASIAEXAMPLE1",)}, True),
        ({"principal": OTHER, "credential": "ASIAEXAMPLE2", "lineage": ("ASIAEXAMPLE3",)}, False),
        ({"principal": OTHER, "credential": ""}, False),
    ],
    ids=["the principal", "a credential", "what minted the credential", "another", "nobody's"],
)
def test_a_verdict_contains_whom_it_names(named: dict[str, str], is_contained: bool) -> None:
    attack = episode(credentials=("ASIAEXAMPLE1", ""))
    assert score(attack, verdict(10, "e1-1", **named)).contained is is_contained  # type: ignore[arg-type]


def test_an_alert_is_no_revocation_and_stepping_up_interrupts() -> None:
    alerted = score(episode(), verdict(10, "e1-1", action="alert"))
    assert (alerted.contained, alerted.alerted, alerted.alert_actions, alerted.interrupted) == (False, True, 2, False)
    assert alerted.action == "alert"
    stepped = score(episode(), verdict(10, "e1-1", action="step_up"))
    assert (stepped.contained, stepped.interrupted) == (False, True)


def test_an_alert_before_the_revocation_is_told_apart() -> None:
    found = score(episode(), verdict(0, "e1-0", action="alert"), verdict(20, "e1-2", action="disable_credential"))
    assert (found.alert_actions, found.alert_seconds, found.actions, found.action) == (1, 0.0, 3, "disable_credential")


def test_a_missed_attack_exposes_all_its_actions() -> None:
    found = score(episode())
    assert (found.exposed, found.unnoticed, found.actions, found.seconds) == (4, 4, None, None)


def false_of(*verdicts: Verdict, attack: Episode | None = None) -> list[tuple[str, str, str]]:
    case = case_of(*([attack] if attack else []))
    return [(f.principal, f.day, f.action) for f in false_days(case, verdicts)]


def test_a_revocation_nothing_explains_is_false_once_a_day_at_its_highest_rung() -> None:
    said = [verdict(0, "b1", JOB, action="alert"), verdict(5, "b2", JOB), verdict(9, "b3", JOB, action="alert")]
    assert false_of(*said) == [(JOB, "2026-03-10", "revoke_session")]
    assert len(false_of(*said, verdict(0, "b4", JOB, day=11))) == 2


def test_a_victim_is_accused_wrongly_before_its_attack_and_never_after() -> None:
    attack = episode(seconds=(60, 70))
    assert false_of(verdict(59, "b", APP), attack=attack) == [(APP, "2026-03-10", "revoke_session")]
    assert not false_of(verdict(60, "b", APP), verdict(0, "b2", APP, day=20), attack=attack)


def test_what_an_attackers_event_or_credential_led_to_is_not_false() -> None:
    attack = episode()
    assert not false_of(verdict(10, "e1-1", JOB), attack=attack)
    assert not false_of(verdict(400, "b", JOB, credential="ASIAEXAMPLE1"), attack=attack)
    assert false_of(verdict(-0, "b", JOB, day=9, credential="ASIAEXAMPLE1"), attack=attack)


def test_a_benign_oddity_explains_the_days_it_touches_only() -> None:
    laptop = episode(benign=True)
    assert not false_of(verdict(3600, "b", APP), attack=laptop)
    assert false_of(verdict(0, "b", APP, day=11), attack=laptop)


def test_what_came_before_the_report_and_who_is_no_identity_counts_for_nothing() -> None:
    assert not false_of(verdict(0, "b", JOB, day=8), verdict(0, "b", OTHER))


def test_an_identity_that_does_not_count_is_told_and_marked() -> None:
    case = case_of(identities=(identity(JOB, counted=False, why_not="a machine of the provider"),))
    (found,) = false_days(case, [verdict(0, "b", JOB)])
    assert not found.counted


def test_identity_days_are_counted_by_kind_and_without_the_days_of_an_oddity() -> None:
    case = case_of(episode(benign=True, day=10), identities=(identity(), identity(JOB), identity(OTHER, counted=False)))
    active = np.zeros((3, case.days), bool)
    active[:, :3] = True
    found = counted_days(case, active)
    assert sum(d.days for d in found) == 5
    assert {d.path for d in found} == {"workload"}


def test_days_after_a_change_and_of_a_first_week_are_phases_of_their_own() -> None:
    one = identity(born="2026-03-12T08:00:00Z", changes=(change(24),))
    found = phases(case_of(identities=(one,)), one)
    assert [day for day, phase in enumerate(found) if phase == "newborn"] == [3, 4, 5, 6, 7, 8, 9]
    assert [day for day, phase in enumerate(found) if phase == "changed"] == [15, 16, 17]


def test_everybody_accused_is_listed_once_with_the_episode_behind_it() -> None:
    case = case_of(episode())
    said = [verdict(10, "e1-1", pattern="a", action="alert"), verdict(20, "e1-2", pattern="a"), verdict(0, "b", JOB)]
    assert [(a.principal, a.action, a.episode) for a in accused(case, said)] == [
        (APP, "revoke_session", "e1"),
        (JOB, "revoke_session", ""),
    ]
