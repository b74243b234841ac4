"""Access that ends by agreement: leases that are over, grants whose task is, wherever a frame is cut and however many engines share the work."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from conftest import cloudtrail, routine, stolen_key
from hypothesis import given, settings
from hypothesis import strategies as st

from detector import snapshot
from detector.config import Budget, Grant, Guards, Lease, PathBudget, Policy
from detector.decision import Decision
from detector.engine import Engine
from detector.policy.guardrails import command_of
from detector.policy.rehearsal import bills, rehearsed
from detector.sources.timestamps import parse_time_ns
from streams.metrics import Metrics
from streams.replay import Replay
from tests.detector.test_shards import Cluster, Log, alone, encoded

Replayer = Callable[..., Replay]
MINUTE_S = 60.0
GLASS = Lease(principal="*:role/break-glass-admin", minutes=30.0, actions=50, idle_minutes=10.0, at_end="revoke")
JUST_IN_TIME = Grant(principal="*:role/once", minutes=20.0, task_claim="source_identity", ends_on=("codedeploy:Stop*",))


def glass(
    number: int, at_s: float, key: str = "ASIAEXAMPLEGLASS0000", call: str = "ec2:DescribeInstances"
) -> dict[str, Any]:
    return cloudtrail(800_000 + number, at_s, call, key=key, role="break-glass-admin")


def once(
    number: int, at_s: float, task: str = "deploy-1", call: str = "s3:GetObject", key: str = "ASIAEXAMPLEONCE00000"
) -> dict[str, Any]:
    record = cloudtrail(810_000 + number, at_s, call, key=key, role="once")
    record["userIdentity"].setdefault("sessionContext", {})["sourceIdentity"] = task
    return record


def others(until_s: float) -> list[dict[str, Any]]:
    """Somebody else's routine, so that time goes on."""
    return routine(events=int(until_s // MINUTE_S), every_s=MINUTE_S)


def ended(replay: Replay, pattern: str) -> list[Decision]:
    return [d for d in replay.decisions if d.pattern == pattern]


def after_start_s(decision: Decision) -> float:
    start = parse_time_ns(others(MINUTE_S)[0]["eventTime"])
    return (parse_time_ns(decision.time) - start) / 1e9


def sorted_log(*records: dict[str, Any]) -> Log:
    return Log().parsed(*sorted(records, key=lambda record: record["eventTime"]))


def test_an_emergency_that_is_over_is_reported_and_its_sessions_are_revoked(replay_of: Replayer) -> None:
    used = [glass(0, 600.0), glass(1, 660.0), glass(2, 700.0, key="ASIAEXAMPLEGLASS0001")]
    found = ended(replay_of(used + others(7200.0), leases=(GLASS,)), "lease_ended")
    assert [(d.action, d.credential) for d in found] == [
        ("revoke_session", "ASIAEXAMPLEGLASS0000"),
        ("revoke_session", "ASIAEXAMPLEGLASS0001"),
    ]
    assert {after_start_s(d) for d in found} == {700.0 + 600.0}, "ten idle minutes after the last action"
    assert found[0].reasons[0].text == "emergency access is over: 3 actions in 2 min, lease 30 min"
    assert found[0].actions_before == 3


def test_the_minutes_of_a_lease_end_it_while_it_is_in_use_and_further_use_is_an_overrun(replay_of: Replayer) -> None:
    used = [glass(n, 600.0 + n * 300.0) for n in range(8)]
    replay = replay_of(used + others(7200.0), leases=(GLASS,))
    (end,) = ended(replay, "lease_ended")
    assert after_start_s(end) == 600.0 + 30 * MINUTE_S
    (overrun,) = ended(replay, "break_glass_overrun")
    assert overrun.time > end.time


def test_what_is_used_on_after_an_overrun_ends_when_the_emergency_does(replay_of: Replayer) -> None:
    used = [glass(n, 600.0 + n * 10.0) for n in range(51)]
    later = [glass(60 + n, 1120.0 + n * 10.0, key="ASIAEXAMPLEGLASS0001") for n in range(3)]
    replay = replay_of(used + later + others(7200.0), leases=(GLASS,))
    (overrun,) = ended(replay, "break_glass_overrun")
    assert (overrun.credential, overrun.action) == ("ASIAEXAMPLEGLASS0000", "revoke_session")
    (end,) = ended(replay, "lease_ended")
    assert (end.credential, end.action) == ("ASIAEXAMPLEGLASS0001", "revoke_session")
    assert after_start_s(end) == 1140.0 + 600.0
    assert end.reasons[0].text == "emergency access is over: 54 actions in 9 min, lease 30 min, 50 actions: it ran over"


def test_who_declares_a_lease_has_its_end_held_and_who_does_not_is_told(replay_of: Replayer) -> None:
    declared = Lease(principal="*:role/break-glass-admin", minutes=30.0)
    used = [glass(0, 600.0), *others(7200.0)]
    (end,) = ended(replay_of(used, leases=(declared,)), "lease_ended")
    assert (end.action, end.dry_run) == ("revoke_session", True)
    for leases in ({}, {"leases": (Lease(principal="*:role/other"),)}):
        (told,) = ended(replay_of(used, **leases), "lease_ended")
        assert told.action == "alert"


def test_the_end_of_a_declared_lease_becomes_a_command_only_where_the_policy_is_armed(replay_of: Replayer) -> None:
    for armed, action in ((False, None), (True, "revoke_session")):
        replay = replay_of([glass(0, 600.0), *others(7200.0)], leases=(GLASS,), armed=armed)
        (end,) = ended(replay, "lease_ended")
        command = command_of(end, replay.policy)
        assert (command.action if command else None) == action


def test_a_key_that_was_taken_out_of_the_safe_is_disabled_when_its_lease_ends(replay_of: Replayer) -> None:
    used = cloudtrail(820_000, 600.0, "ec2:DescribeInstances", key="AKIAEXAMPLEGLASS0000", user="break-glass-admin")
    (end,) = ended(replay_of([used, *others(7200.0)], leases=(Lease("*:user/break-glass-*"),)), "lease_ended")
    assert (end.action, end.credential) == ("disable_credential", "AKIAEXAMPLEGLASS0000")


def test_no_budget_is_used_by_the_end_of_a_lease(replay_of: Replayer) -> None:
    story = [glass(0, 600.0), *others(7200.0)]
    for leases in ((GLASS,), (msgspec.structs.replace(GLASS, at_end="report"),)):
        replay = replay_of(story, leases=leases)
        assert ended(replay, "lease_ended")
        metrics = Metrics()
        for decision in replay.decisions:
            metrics.note_decision(decision, None)
        assert metrics.registry.get_sample_value("outpace_revocations_total", {"state": "decided"}) is None
        bill = bills(rehearsed(replay.decisions, replay.policy), {"emergency": 10}, replay.policy)["emergency"]
        assert (bill.revocations, bill.alerts, bill.decisions) == (0, 0, len(replay.decisions))


@pytest.mark.parametrize(
    ("at_end", "actions"), [("nothing", []), ("report", ["alert"]), ("revoke", ["revoke_session"])]
)
def test_what_happens_at_the_end_is_the_policys_to_say(replay_of: Replayer, at_end: str, actions: list[str]) -> None:
    lease = msgspec.structs.replace(GLASS, at_end=at_end)
    replay = replay_of([glass(0, 600.0), *others(7200.0)], leases=(lease,))
    assert [d.action for d in ended(replay, "lease_ended")] == actions


def test_an_emergency_that_goes_on_when_the_log_ends_is_not_over(replay_of: Replayer) -> None:
    assert ended(replay_of([glass(0, 600.0), *others(900.0)], leases=(GLASS,)), "lease_ended") == []


def test_a_guarded_emergency_is_only_told_of(replay_of: Replayer) -> None:
    guards = Guards(never_revoke=("*break-glass-admin",))
    replay = replay_of([glass(0, 600.0), *others(7200.0)], leases=(GLASS,), guards=guards)
    assert [d.action for d in ended(replay, "lease_ended")] == ["alert"]


def test_a_grant_ends_when_its_time_is_over_without_any_further_use(replay_of: Replayer) -> None:
    (end,) = ended(replay_of([once(0, 600.0), once(1, 700.0), *others(7200.0)], grants=(JUST_IN_TIME,)), "grant_ended")
    assert (end.action, end.credential, end.path) == ("revoke_session", "ASIAEXAMPLEONCE00000", "workload")
    assert after_start_s(end) == 600.0 + 20 * MINUTE_S
    assert end.reasons[0].text == "granted for 20 min, which are over"


@pytest.mark.parametrize(
    ("last", "text"),
    [
        (once(5, 900.0, call="codedeploy:StopDeployment"), "its task ended with codedeploy:StopDeployment"),
        (once(5, 900.0, task="deploy-2"), "granted for task deploy-1, used for task deploy-2"),
    ],
)
def test_a_grant_ends_with_its_task(replay_of: Replayer, last: dict[str, Any], text: str) -> None:
    (end,) = ended(replay_of([once(0, 600.0), last, *others(7200.0)], grants=(JUST_IN_TIME,)), "grant_ended")
    assert end.reasons[0].text == text
    assert after_start_s(end) == 900.0


def test_what_is_used_after_its_grant_is_told_once_more_and_no_more(replay_of: Replayer) -> None:
    used = [once(n, 600.0 + n * 1500.0) for n in range(4)]
    found = ended(replay_of(used + others(7200.0), grants=(JUST_IN_TIME,)), "grant_ended")
    assert [d.reasons[0].text for d in found] == [
        "granted for 20 min, which are over",
        "used again after its grant had ended",
    ]
    assert len({d.decision_id for d in found}) == 2


def test_an_alert_ends_a_grant(replay_of: Replayer) -> None:
    grant = Grant(principal="*:user/app", minutes=10_000.0)
    seldom = Budget(workload=PathBudget(revoke_one_in_identity_days=1e9))
    replay = replay_of(stolen_key(3000 * MINUTE_S), routine(), grants=(grant,), budget=seldom)
    found = ended(replay, "grant_ended")
    alerts = [d for d in replay.decisions if d.action == "alert"]
    assert alerts, "the story has no alert to end it"
    assert found[0].action == "disable_credential"
    assert found[0].event_id == alerts[0].event_id
    assert [d.reasons[0].text for d in found] == [
        "an anomaly while under a just-in-time grant",
        "used again after its grant had ended",
    ]


def test_nobody_elses_credential_is_under_a_grant(replay_of: Replayer) -> None:
    replay = replay_of(others(7200.0), grants=(JUST_IN_TIME,))
    assert replay.decisions == []
    assert replay.engine.endings.grants.held == {}


def test_the_end_of_a_grant_becomes_a_command_and_uses_no_budget(replay_of: Replayer) -> None:
    replay = replay_of([once(0, 600.0), *others(7200.0)], grants=(JUST_IN_TIME,), armed=True)
    (end,) = ended(replay, "grant_ended")
    command = command_of(end, replay.policy)
    assert command
    assert (command.pattern, command.action) == ("grant_ended", "revoke_session")
    assert end.is_agreed


POLICY = Policy(leases=(GLASS,), grants=(JUST_IN_TIME,))
STORY = (
    [glass(n, 600.0 + n * 290.0) for n in range(12)]
    + [glass(50 + n, 9000.0 + n) for n in range(3)]
    + [once(n, 1000.0 + n * 400.0) for n in range(8)]
    + [once(20 + n, 5000.0, key=f"ASIAEXAMPLEONCE{n:05d}", task=f"t-{n}") for n in range(6)]
    + [once(40, 5600.0, key="ASIAEXAMPLEONCE00002", task="other")]
    + others(14_000.0)
)


def cut(log: Log, rng: random.Random) -> list[bytes]:
    engine, found, start = Engine(POLICY, log.vocabulary), [], 0
    while start < len(log.rows):
        end = start + rng.choice((1, 2, 7, 50, 400))
        found += engine.process(log.rows[start:end], log.batches)
        start = end
        if rng.random() < 0.05:
            again = Engine(POLICY, log.vocabulary)
            snapshot.restore(again, snapshot.dump(engine))
            engine = again
    return encoded(found + engine.settle())


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_where_frames_are_cut_and_a_restart_in_between_change_nothing(seed: int) -> None:
    log = sorted_log(*STORY)
    whole = alone(log, POLICY)
    assert sum(b"_ended" in decision for decision in whole) >= 9
    assert cut(log, random.Random(seed)) == whole


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from((1, 2, 5)))
def test_any_number_of_shards_end_the_same_things(seed: int, shards: int) -> None:
    log = sorted_log(*STORY)
    assert Cluster(log, POLICY, shards, random.Random(seed)).run() == alone(log, POLICY)


def test_shards_that_start_from_one_state_end_an_emergency_once_and_not_before_it_is_over() -> None:
    policy = Policy(leases=(msgspec.structs.replace(GLASS, minutes=600.0),))
    log = sorted_log(*[glass(n, 600.0 + n * 300.0) for n in range(12)], *others(12_000.0))
    middle = len(log.rows) // 6
    before = Engine(policy, log.vocabulary)
    assert before.process(log.rows[:middle], log.batches) == []
    state = snapshot.dump(before)
    expected = encoded(before.process(log.rows[middle:], log.batches) + before.settle())
    assert sum(b"lease_ended" in decision for decision in expected) == 1
    rest = Log()
    rest.vocabulary, rest.rows, rest.batches = log.vocabulary, log.rows[middle:], log.batches
    assert Cluster(rest, policy, 3, random.Random(1)).begun_from(state).run() == expected
