"""A principal that deploys is held to what deployers are, whatever it happened to sign with first."""

from collections.abc import Callable
from typing import Any

from conftest import cloudtrail, routine, stolen_key

from detector.config import SHIPPED_OFFSETS_BITS
from detector.learning import AUDITS_FROM
from streams.replay import Replay

Replayer = Callable[..., Replay]
DAY_S = 86_400.0
LIVE_S = 3000 * 60.0
TERRAFORM_BITS = SHIPPED_OFFSETS_BITS["terraform"] - SHIPPED_OFFSETS_BITS["sdk"]
SCANNER_BITS = SHIPPED_OFFSETS_BITS["scanner"] - SHIPPED_OFFSETS_BITS["sdk"]


def deploys(second: float, agent: str = "cloudformation.amazonaws.com") -> dict[str, Any]:
    """One call of the application, made for it by whom the agent names."""
    return cloudtrail(
        800_000 + int(second),
        second,
        "s3:GetObject",
        key="AKIAEXAMPLEAPP000000",
        user="app",
        source="198.51.100.7",
        agent=agent,
    )


def asks(second: float, kinds: int, verb: str = "Describe") -> list[dict[str, Any]]:
    """So many kinds of call by the application, one a second."""
    return [
        cloudtrail(
            810_000 + int(second) + n,
            second + n,
            f"ec2:{verb}Thing{n}",
            key="AKIAEXAMPLEAPP000000",
            user="app",
            source="198.51.100.7",
        )
        for n in range(kinds)
    ]


def threshold_bits(replay_of: Replayer, *extra: dict[str, Any]) -> float:
    records = sorted([*routine(), *extra], key=lambda r: str(r["eventTime"]))
    decisions = replay_of(stolen_key(LIVE_S), records).decisions
    return next(d.threshold_bits for d in decisions if d.action == "disable_credential")


def test_a_principal_that_deployed_yesterday_is_held_to_what_deployers_are(replay_of: Replayer) -> None:
    assert threshold_bits(replay_of, deploys(0.5 * DAY_S)) > threshold_bits(replay_of) + 0.5 * TERRAFORM_BITS


def test_a_thief_who_signs_as_a_deployer_is_held_to_what_his_victim_is(replay_of: Replayer) -> None:
    assert threshold_bits(replay_of, deploys(LIVE_S - 60.0)) == threshold_bits(replay_of)


def test_no_other_family_changes_anything(replay_of: Replayer) -> None:
    for agent in ("Datadog/7.0", "s3.amazonaws.com", "actions/runner"):
        assert threshold_bits(replay_of, deploys(0.5 * DAY_S, agent)) == threshold_bits(replay_of)


def test_a_principal_that_asks_about_everything_is_held_to_what_auditors_are_from_the_next_day_on(
    replay_of: Replayer,
) -> None:
    usual = threshold_bits(replay_of)
    assert threshold_bits(replay_of, *asks(0.5 * DAY_S, AUDITS_FROM + 20)) > usual + 0.5 * SCANNER_BITS
    assert threshold_bits(replay_of, *asks(LIVE_S - 600.0, AUDITS_FROM + 20)) < usual + 0.5 * SCANNER_BITS


def test_who_changes_things_too_or_asks_little_is_no_auditor(replay_of: Replayer) -> None:
    usual = threshold_bits(replay_of)
    changes = asks(0.55 * DAY_S, 15, "Modify")
    assert threshold_bits(replay_of, *asks(0.5 * DAY_S, AUDITS_FROM + 20), *changes) < usual + 0.5 * SCANNER_BITS
    assert threshold_bits(replay_of, *asks(0.5 * DAY_S, AUDITS_FROM - 20)) < usual + 0.5 * SCANNER_BITS
