"""What no model sees: every section of ``docs/blind-spots.md`` is played, and nothing is decided. The day something is, the page must change.

Where something else would see it that can be played here, it is played too.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from detector.config import Binding, Budget, Context, Grant, PathBudget
from streams.replay import Replay
from tests.blind_spots import (
    CLI,
    DAY_S,
    DENIED,
    FRESH,
    OUTSIDE,
    PYTHON,
    WEEK_S,
    Call,
    Log,
    Records,
    Stage,
    arn_of,
    hand,
    in_time,
)

JOB = ("s3:GetObject", "s3:ListObjects", "secretsmanager:GetSecretValue", "sqs:ReceiveMessage", "s3:PutObject")
EXPORTER = hand("exporter", "192.0.2.20")
ABROAD = EXPORTER | {"source": OUTSIDE}
STRANGER = ABROAD | {"agent": CLI}
MAILER = hand("mailer", "192.0.2.21")
NAMES = tuple(call if isinstance(call, str) else call[0] for call in FRESH)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def stage(replay_of: Callable[..., Replay], request: pytest.FixtureRequest) -> Stage:
    return Stage(replay_of, request.node.name)


def estate(log: Log, *others: Records) -> Records:
    """A week of an export job, of a mailer, and of whoever else the story needs."""
    return in_time(log.week(EXPORTER, JOB), log.week(MAILER, ("ses:SendEmail", "s3:GetObject")), *others)


def test_a_thief_who_does_what_the_victim_does_is_not_seen_at_any_pace(stage: Stage, log: Log, tmp_path: Path) -> None:
    baseline, decoy = estate(log), hand("decoy", "192.0.2.20")
    stage.unseen(EXPORTER, log.did(EXPORTER, WEEK_S, 0.02, JOB, 2000), baseline)
    canaries = tmp_path / "canaries.txt"
    canaries.write_text(decoy["key"])
    found = log.did(decoy, WEEK_S, 4.0, JOB[:1])
    assert stage.revoked(decoy, found, baseline, context=Context(canaries=str(canaries))).actions_before == 1


def test_a_shared_account_that_does_everything_hides_everybody(stage: Stage, log: Log) -> None:
    ops, places = hand("ops", "192.0.2.30"), ("192.0.2.30", "198.51.100.30", "2001:db8:9::1")
    describes = ("Instances", "Vpcs", "Subnets", "Volumes", "Images", "Addresses", "Snapshots", "Tags")
    many = (*NAMES, *(f"ec2:Describe{name}" for name in describes), "s3:GetObject", "rds:DescribeDBInstances")
    people = [ops | {"source": place, "agent": agent} for place in places for agent in (PYTHON, CLI, "aws-sdk-go/1.55")]
    baseline = estate(log, *(log.week(person, many, each_s=4000.0 + 100 * k) for k, person in enumerate(people)))
    stage.unseen(ops, log.did(people[-2], WEEK_S, 4.0, FRESH[::-1]), baseline)
    assert stage.revoked(EXPORTER, log.did(EXPORTER, WEEK_S, 4.0, FRESH[::-1]), baseline)


def test_one_new_call_every_forty_five_minutes_never_opens_the_gate(stage: Stage, log: Log) -> None:
    baseline = estate(log)
    stage.unseen(EXPORTER, log.did(EXPORTER, WEEK_S, 2700.0, FRESH), baseline)
    assert stage.revoked(EXPORTER, log.did(EXPORTER, WEEK_S, 60.0, FRESH), baseline)


def test_where_every_run_has_a_fresh_address_a_thiefs_address_is_one_more(stage: Stage, log: Log) -> None:
    runner = hand("ci-release", OUTSIDE, "github-actions/2.1", "role")
    calls = ("ecr:GetAuthorizationToken", "ecs:UpdateService", "s3:PutObject", "cloudformation:DescribeStacks")
    runs = [runner | {"source": f"2001:db8:{n:x}::7", "key": f"ASIAEXAMPLECI{n:07d}"} for n in range(1, 151)]
    baseline = estate(log, *(log.did(run, n * 4000.0, 5.0, calls) for n, run in enumerate(runs)))
    thief = log.did(runs[-1] | {"source": OUTSIDE}, WEEK_S, 4.0, calls, 40)
    stage.unseen(runner, thief, baseline)
    bound = Context(bindings=(Binding(arn_of(runner), ("2001:db8::/32",)),))
    assert stage.revoked(runner, thief, baseline, context=bound).actions_before == 1


def test_a_copied_agent_and_two_calls_leave_the_gate_shut(stage: Stage, log: Log) -> None:
    baseline, two = estate(log), ("secretsmanager:ListSecrets", "iam:CreateAccessKey")
    stage.unseen(EXPORTER, log.did(ABROAD, WEEK_S, 4.0, two), baseline)
    assert stage.revoked(EXPORTER, log.did(STRANGER, WEEK_S, 4.0, two), baseline).actions_before == 2


def test_the_neighbour_of_what_is_read_every_day_is_kin(stage: Stage, log: Log) -> None:
    reader = hand("reader", "192.0.2.50")
    baseline = estate(log, log.week(reader, ("s3:GetObject",), on=("payments-logs",), each_s=2400.0))
    kin = [f"payments-{word}" for word in ("cards", "people", "refunds", "ledger", "disputes", "keys")]
    stage.unseen(reader, log.did(reader, WEEK_S, 4.0, ("s3:GetObject",), 60, kin), baseline)
    strangers = [f"{word}-2026" for word in ("payroll", "legal", "board", "patents", "people", "audit")]
    looked, took = (
        log.did(reader, WEEK_S, 4.0, ("s3:ListBuckets",)),
        log.did(reader, WEEK_S + 4, 4.0, ("s3:GetObject",), 60, strangers),
    )
    assert stage.revoked(reader, looked + took, baseline)


def test_refusals_of_what_used_to_work_count_for_nothing(stage: Stage, log: Log) -> None:
    baseline = estate(log)
    tries: list[Call] = [(call, DENIED) for call in JOB]
    stage.unseen(EXPORTER, log.did(EXPORTER, WEEK_S, 4.0, tries, 60, ("data", "data-2", "data-3")), baseline)
    fresh: list[Call] = [(name, DENIED) for name in NAMES[1:]]
    assert stage.revoked(EXPORTER, log.did(EXPORTER, WEEK_S, 4.0, fresh), baseline)


def test_a_session_minted_the_way_it_is_minted_every_day_is_clean(stage: Stage, log: Log) -> None:
    orchestrator, builder = (hand(name, "192.0.2.170", kind="role") for name in ("orchestrator", "builder"))
    calls = ("s3:GetObject", "dynamodb:PutItem", "secretsmanager:GetSecretValue")

    def session(number: int, at_s: float, times: int) -> Records:
        key = f"ASIAEXAMPLEBUILD{number:04d}"
        minting = log.minted(orchestrator, at_s, "builder", key)
        return minting + log.did(builder | {"key": key}, at_s + 10, 60.0, calls, times)

    runs = [session(n, 3600.0 + n * DAY_S / 4, 12) for n in range(27)]
    baseline = estate(log, log.week(orchestrator, ("sqs:ReceiveMessage", "sqs:DeleteMessage")), *runs)
    thief = session(9999, WEEK_S, 120)
    stage.unseen(builder, thief, baseline)
    ended = stage.revoked(builder, thief, baseline, grants=(Grant(arn_of(builder), minutes=30.0),))
    assert ended.pattern == "grant_ended"


def test_one_address_may_try_three_keys_an_hour(stage: Stage, log: Log) -> None:
    apps = [hand(f"app{n}", f"192.0.2.{60 + n}") for n in range(6)]
    baseline = estate(log, *(log.week(app, ("s3:GetObject", "sqs:ReceiveMessage")) for app in apps))

    def tried(every_s: float, agent: str) -> Records:
        thieves = [app | {"source": OUTSIDE, "agent": agent} for app in apps]
        return in_time(*(log.did(thief, WEEK_S + n * every_s, 4.0, JOB[:1]) for n, thief in enumerate(thieves)))

    stage.unseen(apps[0], tried(1300.0, CLI), baseline)
    assert stage.replay_of(tried(300.0, PYTHON), baseline).decisions == []
    assert stage.revoked(apps[0], tried(300.0, CLI), baseline).pattern == "credential_testing"


def test_a_newborn_who_does_as_its_peers_do_has_no_history_to_break(stage: Stage, log: Log) -> None:
    calls = ("secretsmanager:GetSecretValue", "kms:Decrypt", "dynamodb:Scan", "s3:GetObject")
    peers = [hand(f"svc-{n}", f"192.0.2.{80 + n}", kind="role") for n in range(6)]
    baseline = estate(log, *(log.week(peer, calls, each_s=2400.0) for peer in peers))
    newborn = hand("svc-9", "192.0.2.99", kind="role")
    own = log.did(newborn, WEEK_S, 60.0, calls, 8)
    thief = newborn | {"source": OUTSIDE, "agent": CLI}
    stage.unseen(newborn, own + log.did(thief, WEEK_S + 600, 4.0, calls, 100), baseline)
    told = stage.replay_of(own + log.did(thief, WEEK_S + 600, 4.0, FRESH), baseline).decisions
    assert [d.action for d in told] == ["alert"]


def test_a_thief_who_was_there_while_it_learned_is_part_of_the_routine(stage: Stage, log: Log) -> None:
    visits = [log.did(STRANGER, day * DAY_S + 7200, 4.0, FRESH) for day in (3, 4, 5, 6)]
    baseline = estate(log, *visits)
    stage.unseen(EXPORTER, log.did(STRANGER, WEEK_S + 7200, 4.0, FRESH, 28), baseline)
    assert stage.revoked(EXPORTER, baseline).time.startswith("2026-03-05T02:00")


def test_what_the_peers_do_every_day_is_nobodys_attack(stage: Stage, log: Log) -> None:
    usual = ("ecr:GetAuthorizationToken", "ecs:UpdateService", "s3:PutObject")
    teams = [hand(f"ci-team{n}", f"192.0.2.{150 + n}", "github-actions/2.1", "role") for n in range(11)]

    def weeks(of_the_others: tuple[str, ...]) -> Records:
        others = (log.week(team, of_the_others, each_s=3000.0) for team in teams[1:])
        return estate(log, log.week(teams[0], usual), *others)

    thief = log.did(teams[0], WEEK_S, 4.0, NAMES)
    stage.unseen(teams[0], thief, weeks((*NAMES, *usual)))
    assert stage.revoked(teams[0], thief, weeks(usual)).event_id == thief[2]["eventID"]


def test_a_thief_in_the_middle_of_a_roll_out_is_carried_by_it(stage: Stage, log: Log) -> None:
    terraform = hand("infra", "192.0.2.120", "APN/1.0 HashiCorp/1.0 Terraform/1.9", "role")
    baseline = estate(log, log.week(terraform, ("ec2:DescribeVpcs", "s3:GetObject", "iam:GetRole", "dynamodb:PutItem")))
    services, verbs = ("ec2", "rds", "ecs", "elasticloadbalancing", "route53"), ("Create", "Describe", "Tag")
    fresh = [f"{s}:{verb}{noun}" for s in services for verb in verbs for noun in ("Pool", "Group", "Zone", "Set")]
    thief = log.did(terraform, WEEK_S + 310, 4.0, FRESH)
    stage.unseen(terraform, in_time(log.did(terraform, WEEK_S, 5.0, fresh), thief), baseline, "alert")
    assert stage.revoked(terraform, thief, baseline)


def test_within_one_second_the_order_is_that_of_the_ids(stage: Stage, log: Log) -> None:
    baseline, burst = estate(log), log.did(EXPORTER, WEEK_S, 0.0, FRESH)
    ids = [record["eventID"] for record in burst]
    renamed = [record | {"eventID": other} for record, other in zip(burst, ids[::-1], strict=True)]
    first, second = (stage.revoked(EXPORTER, records, baseline) for records in (burst, renamed))
    assert {r.text for r in first.reasons} != {r.text for r in second.reasons}
    assert first.loop.seconds_per_decision == second.loop.seconds_per_decision < 0.5


def test_what_the_provider_does_not_log_never_happened(stage: Stage, log: Log) -> None:
    baseline, own = estate(log), log.did(EXPORTER, WEEK_S, 600.0, JOB, 5)
    taken = log.did(
        STRANGER,
        WEEK_S + 5,
        4.0,
        (JOB[0], (str(JOB[0]), DENIED)),
        60,
        ("payroll-2026", "legal-2026", "board-2026", "patents-2026", "audit-2026", "merger-2026", "prices-2026"),
    )
    without_data_events = [record for record in taken if record["eventName"] not in ("GetObject", "PutObject")]
    stage.unseen(EXPORTER, in_time(own, without_data_events), baseline)
    assert stage.revoked(EXPORTER, in_time(own, taken), baseline)


def test_calls_of_the_victims_own_between_the_thiefs_let_the_evidence_fall(stage: Stage, log: Log) -> None:
    warehouse = hand("warehouse", "192.0.2.130")
    nouns = ("Table", "Job", "Run", "Part", "Query", "Node")
    own = [
        f"{s}:{verb}{noun}" for s in ("glue", "athena", "redshift", "s3") for verb in ("Get", "Put") for noun in nouns
    ]
    baseline = estate(log, log.week(warehouse, own, each_s=600.0))
    mixed: list[Call] = [c for n, call in enumerate(FRESH) for c in (*own[6 * n : 6 * n + 6], call)]
    covered = log.did(warehouse, WEEK_S, 4.0, mixed)
    stage.unseen(warehouse, covered, baseline, most="alert")
    assert stage.revoked(warehouse, covered, baseline, budget=Budget(workload=PathBudget(1_250.0)))
    assert stage.revoked(warehouse, log.did(warehouse, WEEK_S, 4.0, FRESH), baseline)


def test_a_persons_session_is_allowed_more_than_a_machines(stage: Stage, log: Log) -> None:
    person = hand("AWSReservedSSO_dev", "192.0.2.140", "Mozilla/5.0", "role")
    calls = ("ec2:DescribeInstances", "s3:ListBuckets", "cloudwatch:GetMetricData", "logs:FilterLogEvents")
    baseline, thief = estate(log, log.week(person, calls)), log.did(person, WEEK_S, 20.0, FRESH[:3])
    stage.unseen(person, thief, baseline, most="alert")
    cautious = Budget(human=PathBudget(1_000.0))
    assert stage.revoked(person, thief, baseline, budget=cautious).action == "step_up"


def test_one_new_call_a_day_becomes_the_victims_own(stage: Stage, log: Log) -> None:
    baseline, own = estate(log), log.did(EXPORTER, WEEK_S, 1200.0, JOB, 600)
    prepared = log.did(EXPORTER, WEEK_S + 300, DAY_S, FRESH)
    spree = log.did(EXPORTER, WEEK_S + 8 * DAY_S, 4.0, FRESH, 70)
    stage.unseen(EXPORTER, in_time(own, prepared, spree), baseline)
    assert stage.revoked(EXPORTER, in_time(own, spree), baseline)


def test_who_was_loud_before_is_allowed_more(stage: Stage, log: Log) -> None:
    audit = ("kms:ListKeys", "iam:ListRoles", "iam:GetAccountAuthorizationDetails", "ssm:DescribeParameters")
    baseline, thief = estate(log), log.did(EXPORTER, WEEK_S, 4.0, (FRESH[0], *FRESH[2:4]))
    stage.unseen(EXPORTER, thief, in_time(baseline, log.did(EXPORTER, 4.1 * DAY_S, 5.0, audit)), "alert")
    assert stage.revoked(EXPORTER, thief, baseline)


def test_a_command_line_in_a_programs_own_network_may_be_its_owners(stage: Stage, log: Log) -> None:
    looks: tuple[Call, ...] = (
        "sts:GetCallerIdentity",
        ("s3:ListBuckets", DENIED),
        "ec2:DescribeInstances",
        ("logs:FilterLogEvents", DENIED),
        "iam:ListUsers",
    )
    people = [hand(f"AWSReservedSSO_{n}", f"192.0.2.{150 + n}", CLI, "role") for n in range(3)]
    baseline = estate(log, *(log.week(person, looks, each_s=9000.0) for person in people))
    typed = log.did(EXPORTER | {"agent": CLI}, WEEK_S, 20.0, looks)
    stage.unseen(EXPORTER, typed, baseline)
    assert stage.revoked(EXPORTER, typed, estate(log))
    assert stage.revoked(EXPORTER, log.did(STRANGER, WEEK_S, 20.0, looks), baseline)


def test_an_auditor_may_ask_what_an_intruder_asks(stage: Stage, log: Log) -> None:
    auditor, clerk = hand("overview", "192.0.2.180"), hand("clerk", "192.0.2.181")
    asked = [f"{s}:Describe{noun}" for s in ("ec2", "rds", "ecs", "eks", "elb") for noun in "ABCDEFGHIJ"]
    baseline = estate(log, log.week(auditor, asked, each_s=2400.0), log.week(clerk, asked[:20], each_s=2400.0))
    reads = [call for call in NAMES if call.partition(":")[2].startswith(("List", "Get"))]
    stage.unseen(auditor, log.did(auditor, WEEK_S, 4.0, reads), baseline, "alert")
    assert stage.revoked(clerk, log.did(clerk, WEEK_S, 4.0, reads), baseline)
    assert stage.revoked(auditor, log.did(auditor, WEEK_S, 4.0, FRESH), baseline)
