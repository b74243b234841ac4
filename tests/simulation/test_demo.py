"""The shipped demonstration: what the generator writes today, within its size, with a truth that holds."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.sources.timestamps import FOREVER_NS
from simulation import capture, demo
from simulation.__main__ import main
from simulation.estate import Estate
from streams.policy_files import load_policy
from streams.replay import Replay

_SHIPPED = Path(__file__).resolve().parents[2] / "examples" / "demo"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo")
    assert main(["demo", "--out", str(out), "--seed", "7"]) == 0
    return out


def truth(folder: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((folder / "truth.json").read_text())["attacks"]
    return entries


@pytest.mark.parametrize("part", ["baseline", "live"])
def test_the_shipped_files_are_what_the_generator_writes(fresh: Path, part: str) -> None:
    assert [path.name for path in sorted((_SHIPPED / part).iterdir())] == [
        path.name for path in sorted((fresh / part).iterdir())
    ]
    assert list(capture.read(_SHIPPED / part)) == list(capture.read(fresh / part))


def test_the_shipped_truth_is_what_the_generator_writes(fresh: Path) -> None:
    assert truth(_SHIPPED) == truth(fresh)


def test_the_demonstration_stays_under_two_and_a_half_megabytes() -> None:
    assert sum(path.stat().st_size for path in _SHIPPED.rglob("*") if path.is_file()) < 2_500_000


def test_every_attacker_action_is_in_the_live_files_with_the_stolen_or_minted_key() -> None:
    live = {record["eventID"]: record for record in capture.read(_SHIPPED / "live")}
    attacks = truth(_SHIPPED)
    assert [attack["family"] for attack in attacks] == ["leaked_key", "model_hijack", "delegated_fan_out"]
    for attack in attacks:
        actions = [live[event_id] for event_id in attack["event_ids"]]
        assert {action["userIdentity"]["accessKeyId"] for action in actions} == set(attack["credentials"])
        assert actions[0]["eventTime"] == attack["first_time"] == min(action["eventTime"] for action in actions)
        assert attack["credential"] == actions[0]["userIdentity"]["accessKeyId"]


def test_a_hijacked_session_is_one_the_workload_itself_uses() -> None:
    records = list(capture.read(_SHIPPED / "live"))
    for attack in truth(_SHIPPED):
        own = [
            r
            for r in records
            if r["userIdentity"].get("accessKeyId") == attack["credential"] and r["eventID"] not in attack["event_ids"]
        ]
        assert own


def test_the_baseline_is_clean_and_ends_before_the_live_day() -> None:
    baseline = {record["eventID"]: record["eventTime"] for record in capture.read(_SHIPPED / "baseline")}
    attacked = {event_id for attack in truth(_SHIPPED) for event_id in attack["event_ids"]}
    assert not attacked & baseline.keys()
    assert min(baseline.values()).startswith("2026-03-02")
    assert max(baseline.values()) < "2026-03-09"


def test_some_records_arrive_twice_in_different_files_and_some_out_of_order() -> None:
    counts: Counter[str] = Counter()
    for path in sorted((_SHIPPED / "baseline").iterdir()):
        alone = [record["eventID"] for record in capture.read_file(path)]
        assert len(alone) == len(set(alone))
        counts.update(alone)
    twice = sum(count == 2 for count in counts.values())
    assert 0.001 <= twice / len(counts) <= 0.006
    times = [record["eventTime"] for record in capture.read(_SHIPPED / "baseline")]
    assert times != sorted(times)


def test_no_record_is_delivered_more_than_ten_minutes_late() -> None:
    records, _ = demo.live_day(Estate(7))
    delivered = capture.deliveries(records, np.random.default_rng(1))
    lateness = [at_s - capture.seconds(record) for at_s, record in delivered]
    assert 30 <= min(lateness) <= max(lateness) <= 600


def test_old_log_files_are_never_mixed_with_new_ones(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(fresh), "--seed", "8"]) == 2
    assert "already holds log files" in capsys.readouterr().err


def test_the_glass_that_is_broken_under_a_lease_is_told_of_and_never_revoked() -> None:
    (opened,) = json.loads((_SHIPPED / "truth.json").read_text())["emergencies"]
    path = str(_SHIPPED.parent / "policy.toml")
    policy = load_policy(path)
    told = list(Replay(policy, path, not_after_ns=FOREVER_NS).run([str(_SHIPPED / "live")]))
    own = [d for d in told if d.credential == opened["credential"]]
    assert {(d.action, d.path, d.principal) for d in own} == {("alert", "emergency", opened["principal"])}
    (ended,) = [d for d in own if d.pattern == "lease_ended"]
    assert ended.actions_before == len(opened["event_ids"])
    assert ended.reasons[0].text == "emergency access is over: 22 actions in 13 min, lease 90 min"
