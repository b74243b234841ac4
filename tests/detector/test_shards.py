"""Any number of shards, in any interleaving, decide what one engine decides."""

import random
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from conftest import ACCOUNT, cloudtrail, jsonl, routine, stolen_key
from hypothesis import given, settings
from hypothesis import strategies as st

from detector import epochs, snapshot
from detector.columns import Batch, Vocabulary
from detector.config import Policy
from detector.decision import Decision
from detector.engine import Engine
from detector.epochs import EPOCH_S, LAG, Coordinator, Delta, epoch_of, merged, pack_delta, unpack_delta
from detector.errors import StateError
from detector.event import Mark
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.links import Link, Links
from detector.notices import with_notices
from detector.ordering import Reorder
from detector.scoring import COLD_S
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.entra import EntraParser
from detector.sources.events import EventParser
from detector.sources.framing import Block
from detector.sources.gcp import GcpParser
from detector.sources.github import GitHubParser
from detector.sources.keycloak import KeycloakParser
from detector.sources.kubernetes import KubernetesParser
from detector.sources.okta import OktaParser
from detector.sources.timestamps import FOREVER_NS
from streams.frames import partition_of
from streams.inputs import opened
from streams.merge import Merge
from streams.parsers import parsers_of
from tests.detector.test_scenarios import SCENARIOS, replayed, scenario

DEMO = Path(__file__).parents[2] / "examples" / "demo"
SHARDS = (1, 2, 3, 5, 8)
PARSERS: dict[str, type[CloudTrailParser] | type[EventParser]] = {
    "aws": CloudTrailParser,
    "kubernetes": KubernetesParser,
    "gcp": GcpParser,
    "github": GitHubParser,
    "entra": EntraParser,
    "okta": OktaParser,
    "keycloak": KeycloakParser,
}
FEW = settings(max_examples=5, deadline=None, derandomize=True)


class Log:
    """A log in event order: rows, their batches, and whether a row is decided on."""

    def __init__(self) -> None:
        self.vocabulary = Vocabulary()
        self.rows = np.zeros(0)
        self.batches: dict[int, Batch] = {}
        self.baseline = 0

    def parsed(
        self, *records: dict[str, Any], parser: type[CloudTrailParser] | type[EventParser] = CloudTrailParser
    ) -> "Log":
        reorder = Reorder()
        batch, rejected = parser(self.vocabulary, IdentityRules(), ContextFeeds()).parse(
            Block(jsonl(records), "log", 1, True)
        )
        assert batch is not None
        assert not rejected
        reorder.push(batch)
        self.rows, self.batches = reorder.release(float("inf")), reorder.batches
        return self


def alone(log: Log, policy: Policy) -> list[bytes]:
    engine = Engine(policy, log.vocabulary)
    engine.process(log.rows[: log.baseline], log.batches, False)
    engine.settle()
    return encoded(engine.process(log.rows[log.baseline :], log.batches) + engine.settle())


def encoded(decisions: list[Decision]) -> list[bytes]:
    return sorted(msgspec.json.encode(d) for d in decisions)


def partly(principal: int, shards: int) -> int:
    """The shard of a principal, by its key."""
    return int(partition_of(np.array([principal], np.uint64), shards)[0])


class Cluster:
    """Shards with a queue of frames each, one coordinator, one second stage; whoever's turn it is comes by chance."""

    def __init__(self, log: Log, policy: Policy, shards: int, rng: random.Random) -> None:
        self.log, self.policy, self.rng = log, policy, rng
        self.engines = [Engine(policy, log.vocabulary, is_alone=False) for _ in range(shards)]
        self.coordinator = Coordinator(shards)
        self.links = Links(policy)
        self.records: list[Link] = []
        self.decisions: list[Decision] = []
        self.waits = 0
        rows = with_notices(log.rows)
        live_from = float(log.rows[log.baseline]["time_s"]) if log.baseline else 0.0
        where = partition_of(rows["principal"], shards)
        self.queues = [self._frames(rows[where == shard], live_from) for shard in range(shards)]
        self.ends_s = float(rows["time_s"].max())

    def begun_from(self, state: bytes) -> "Cluster":
        """Each shard starts from the state of one engine that was alone."""
        for shard, engine in enumerate(self.engines):
            snapshot.restore(engine, state)
            assert engine.links is not None
            if shard == 0:
                self.links = engine.links
            engine.divide(shard, lambda key, own=shard: partly(key, len(self.engines)) == own)
        self.coordinator = Coordinator(len(self.engines), self.engines[0].epoch)
        return self

    def _frames(self, rows: np.ndarray, live_from: float) -> list[tuple[np.ndarray, bool]]:
        start = int(np.searchsorted(rows["time_s"], live_from)) if live_from else 0
        found = []
        for part, decides in ((rows[:start], False), (rows[start:], True)):
            while len(part):
                cut = self.rng.choice((1, 7, 100, 1000, 5000))
                found.append((part[:cut], decides))
                part = part[cut:]
        return found[::-1]

    def run(self) -> list[bytes]:
        waiting = list(range(len(self.engines)))
        while waiting:
            shard = self.rng.choice(waiting)
            for _ in range(self.rng.choice((1, 1, 5, 50))):
                if not self._step(shard):
                    break
            engine = self.engines[shard]
            if not self.queues[shard] and engine.blocked_on is None and engine.epoch >= epoch_of(self.ends_s):
                waiting.remove(shard)
        self.rng.shuffle(self.records)
        self.links.take(self.records)
        return encoded(self.decisions + self.links.advance(float("inf")))

    def _step(self, shard: int) -> bool:
        engine, queue = self.engines[shard], self.queues[shard]
        if queue:
            rows, decides = queue.pop()
            self.decisions += engine.process(rows, self.log.batches, decides)
            if engine.taken < len(rows):
                queue.append((rows[engine.taken :], decides))
        else:
            self.decisions += engine.advance(self.ends_s)
        self._hand_over(shard)
        self.waits += engine.blocked_on is not None
        return engine.blocked_on is None

    def _hand_over(self, shard: int) -> None:
        engine = self.engines[shard]
        for delta in engine.take_deltas():
            self.coordinator.take(shard, unpack_delta(pack_delta(delta)))
        for version in self.coordinator.ready():
            for each in self.engines:
                each.give_version(version.epoch, version)
        self.records += [msgspec.msgpack.decode(msgspec.msgpack.encode(x), type=Link) for x in engine.take_links()]


def pivots(start_s: float, first: int = 800_000) -> list[dict[str, Any]]:
    """Inside the application's own process somebody looks about, steps into the worker's role, and goes on from the worker's address."""
    user: dict[str, Any] = {"key": "AKIAEXAMPLEAPP000000", "user": "app", "source": "198.51.100.7"}
    user["agent"] = "aws-sdk-go/1.55"
    answer = {
        "credentials": {"accessKeyId": "ASIAEXAMPLEPIVOT0000"},
        "assumedRoleUser": {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/session"},
    }
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        ("sts:GetCallerIdentity", user),
        ("iam:ListAttachedUserPolicies", user),
        ("sts:AssumeRole", user | {"responseElements": answer}),
        ("iam:ListRoles", {"key": "ASIAEXAMPLEPIVOT0000"}),
        ("kms:ListKeys", {"key": "ASIAEXAMPLEPIVOT0000"}),
        ("iam:CreateUser", {"key": "ASIAEXAMPLEPIVOT0000", "error": "AccessDenied"}),
        ("iam:CreateAccessKey", {"key": "ASIAEXAMPLEPIVOT0000", "error": "AccessDenied"}),
    )
    return [cloudtrail(first + n, start_s + 4 * n, call, **who) for n, (call, who) in enumerate(calls)]


def many_keys(start_s: float, keys: int = 7, first: int = 700_000) -> list[dict[str, Any]]:
    """As many users of a day's standing, and then one address that tries the key of each."""
    records = [
        cloudtrail(
            first + n * 100 + i,
            start_s - 90_000 + i * 2_000 + n,
            "s3:GetObject",
            key=f"AKIAEXAMPLEUSER{n:05d}",
            user=f"user-{n}",
            source=f"192.0.2.{n}",
        )
        for n in range(keys)
        for i in range(40)
    ]
    records += [
        cloudtrail(
            first + 50_000 + n,
            start_s + 60 * n,
            "sts:GetCallerIdentity",
            key=f"AKIAEXAMPLEUSER{n:05d}",
            user=f"user-{n}",
            source="203.0.113.99",
        )
        for n in range(keys)
    ]
    return records


@lru_cache(1)
def story(name: str) -> tuple[Log, Policy, list[bytes]]:
    """A scenario's records, baseline and all, as one log; and what one engine decides on them."""
    heard: list[list[dict[str, Any]]] = []

    def listen(live: list[dict[str, Any]], baseline: list[dict[str, Any]], **policy: Any) -> Any:
        heard.extend((baseline, live))
        raise _HeardError(policy)

    try:
        replayed(name, listen)
    except _HeardError as told:
        baseline, live = heard
        log = Log().parsed(*baseline, *live, parser=PARSERS[scenario(name).provider])
        log.baseline = len(baseline)
        policy = msgspec.structs.replace(Policy(), **told.args[0])
        return log, policy, alone(log, policy)
    raise AssertionError("the scenario was never told")


class _HeardError(Exception):
    """The records were handed over; nothing needs replaying."""


@cache
def demo() -> Log:
    log = Log()
    parsers = parsers_of(Policy(), None, FOREVER_NS, log.vocabulary)
    parts: list[np.ndarray] = []
    for folder in ("baseline", "live"):
        log.baseline = sum(map(len, parts))
        merge = Merge(opened([str(DEMO / folder)]), parsers, None, 900.0)
        for rows in merge.frames():
            base = 1 + max(log.batches, default=-1)
            log.batches |= {base + number: batch for number, batch in merge.reorder.batches.items()}
            rows["batch"] += base
            parts.append(rows)
    log.rows = np.concatenate(parts)
    return log


@cache
def demo_alone() -> list[bytes]:
    return alone(demo(), Policy())


@cache
def attacked() -> Log:
    start_s = 3000 * 60.0
    return Log().parsed(*routine(3000), *pivots(start_s), *stolen_key(start_s + 9000), *many_keys(start_s + 20_000))


@cache
def attacked_alone() -> list[bytes]:
    return alone(attacked(), Policy())


def test_the_log_holds_decisions_of_both_stages() -> None:
    patterns = [msgspec.json.decode(d)["reasons"][0]["signal"] for d in attacked_alone()]
    assert "source" in patterns
    assert "lineage" in patterns
    assert len(set(patterns)) > 2


@pytest.mark.parametrize("shards", SHARDS)
@FEW
@given(seed=st.integers(0, 2**32))
def test_any_number_of_shards_in_any_interleaving_decide_the_same(shards: int, seed: int) -> None:
    assert Cluster(attacked(), Policy(), shards, random.Random(seed)).run() == attacked_alone()


@pytest.mark.parametrize("shards", [2, 5])
@pytest.mark.parametrize("name", SCENARIOS)
def test_shards_decide_the_scenarios_as_one_engine_does(name: str, shards: int) -> None:
    log, policy, expected = story(name)
    assert Cluster(log, policy, shards, random.Random(shards)).run() == expected


@pytest.mark.parametrize("shards", SHARDS)
def test_shards_decide_the_demo_as_one_engine_does(shards: int) -> None:
    expected = demo_alone()
    assert len(expected) > 3
    assert Cluster(demo(), Policy(), shards, random.Random(shards)).run() == expected


def test_a_shard_restored_between_frames_goes_on_as_if_it_had_never_stopped() -> None:
    class Restarting(Cluster):
        def _step(self, shard: int) -> bool:
            again = Engine(self.policy, Vocabulary(), is_alone=False)
            snapshot.restore(again, snapshot.dump(self.engines[shard]))
            again.vocabulary = self.log.vocabulary
            self.engines[shard] = again
            return super()._step(shard)

    start_s = 300 * 600.0
    log = Log().parsed(*routine(300, 600.0), *stolen_key(start_s))
    expected = alone(log, Policy())
    assert expected
    assert Restarting(log, Policy(), 2, random.Random(3)).run() == expected


def test_shards_that_start_from_one_engines_state_count_it_once() -> None:
    log = attacked()
    before = Engine(Policy(), log.vocabulary)
    middle = len(log.rows) // 2
    before.process(log.rows[:middle], log.batches)
    state = snapshot.dump(before)
    expected = encoded(before.process(log.rows[middle:], log.batches) + before.settle())
    rest = Log()
    rest.vocabulary, rest.rows, rest.batches = log.vocabulary, log.rows[middle:], log.batches
    assert Cluster(rest, Policy(), 3, random.Random(1)).begun_from(state).run() == expected


def test_a_newborns_lessons_reach_no_version_it_is_scored_against_while_new() -> None:
    assert EPOCH_S * (LAG - 1) >= COLD_S


@cache
def deltas(count: int, epoch: int = 7) -> list[Delta]:
    """Deltas of shards that each saw a part of the log."""
    rows, found = attacked().rows, []
    where = partition_of(rows["principal"], count)
    for shard in range(count):
        engine = Engine(Policy(), attacked().vocabulary)
        engine.process(rows[where == shard], attacked().batches)
        found.append(epochs.harvest(engine.state, epoch, epoch + 1))
    return found


@FEW
@given(st.permutations(range(4)), st.integers(1, 3))
def test_deltas_merge_to_the_same_bytes_in_any_order_and_grouping(order: list[int], cut: int) -> None:
    parts = deltas(4)
    shuffled = [parts[i] for i in order]
    grouped = [merged(7, 8, shuffled[:cut]), merged(7, 8, shuffled[cut:])]
    assert pack_delta(merged(7, 8, grouped)) == pack_delta(merged(7, 8, parts))


@pytest.mark.parametrize("fault", ["foreign", "version", "cut", "cell"])
def test_what_is_no_whole_delta_is_refused(fault: str) -> None:
    good = deltas(1)[0]
    faulty = {
        "foreign": b"{}",
        "version": pack_delta(msgspec.structs.replace(good, version=99)),
        "cut": pack_delta(good)[:-3],
        "cell": pack_delta(msgspec.structs.replace(good, places=b"\xff" * 4, amounts=b"\0" * 8)),
    }
    with pytest.raises(StateError):
        unpack_delta(faulty[fault])


def test_a_coordinator_gives_out_an_epoch_once_every_shard_has_finished_it() -> None:
    def passed(epoch: int, next_epoch: int) -> Delta:
        return msgspec.structs.replace(merged(epoch, next_epoch, []), first_s=1.0)

    desk = Coordinator(2)
    desk.take(0, passed(-1, 5))
    desk.take(0, passed(5, 9))
    assert desk.ready() == []
    desk.take(1, passed(-1, 7))
    assert [d.epoch for d in desk.ready()] == [-1, 5, 6]
    desk.take(1, passed(-1, 7))
    assert desk.ready() == []


def test_a_notice_is_lineage_and_nothing_else() -> None:
    log = Log().parsed(*pivots(0.0))
    rows = with_notices(log.rows)
    assert len(rows) == len(log.rows) + 1
    notice = rows[rows["marks"] & int(Mark.NOTICE) != 0]
    original = log.rows[log.rows["minted"] != 0]
    assert notice["principal"].tolist() == original["minted_for"].tolist()
    assert notice["minted_for"].tolist() == original["principal"].tolist()
    assert len(with_notices(notice)) == len(notice)
    engine = Engine(Policy(), log.vocabulary)
    engine.process(notice, log.batches)
    assert engine.counters()["events"] == 0
    assert engine.state.live["principals"] == 0
    assert engine.state.live["credentials"] == 1


def test_a_link_record_that_comes_twice_changes_nothing_and_order_before_the_watermark_neither() -> None:
    cluster = Cluster(attacked(), Policy(), 3, random.Random(5))
    cluster.run()
    once, twice = Links(Policy()), Links(Policy())
    once.take(cluster.records)
    twice.take([*reversed(cluster.records), *cluster.records])
    expected = encoded(once.advance(float("inf")))
    assert expected
    assert encoded(twice.advance(float("inf"))) == expected
