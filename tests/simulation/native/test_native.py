"""Clusters and projects that exist only in a seed: names as the parsers give them, the same bytes, and a truth the records bear out."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from detector.columns import Vocabulary
from detector.event import AuditEvent, Outcome
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources.entra import EntraParser
from detector.sources.framing import Block
from detector.sources.gcp import GcpParser
from detector.sources.github import GitHubParser
from detector.sources.keycloak import KeycloakParser
from detector.sources.kubernetes import KubernetesParser
from detector.sources.okta import OktaParser
from detector.sources.sniff import sniff
from simulation.case import Feed, Plan, Written
from simulation.native import campaign, writing
from simulation.native.campaign import NativeAttack
from simulation.native.estate import NativeEstate
from simulation.native.registry import NATIVE
from simulation.native.shape import Act, Native

PARSERS = {
    "kubernetes": KubernetesParser,
    "gcp": GcpParser,
    "okta": OktaParser,
    "github": GitHubParser,
    "entra": EntraParser,
    "keycloak": KeycloakParser,
}
OUTCOMES = {
    "": Outcome.SUCCESS,
    "denied": Outcome.DENIED,
    "unproven": Outcome.FAILED_AUTHENTICATION,
    "throttled": Outcome.THROTTLED,
    "missing": Outcome.ERROR,
    "broken": Outcome.ERROR,
}
DAYS = 4
HANDED_ON = "keycloak:TOKEN_EXCHANGE"  # delegated, whoever does it


class Scene:
    """One provider's estate, its attacks, and how its records are read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.provider, self.by = NATIVE[name]
        self.estate = NativeEstate(self.provider, 7, 90, DAYS)
        self.attacks = campaign.placed(self.estate, self.by, 7, 24, range(3, DAYS + 1))
        self.plan = Plan(f"{name}-7", 7, name, DAYS, 2)
        self.parser = PARSERS[name](Vocabulary(), IdentityRules(), ContextFeeds())
        self.parsed(self.estate.benign(1))  # what a reader is told by one event of another

    def parsed(self, records: list[Native]) -> dict[str, AuditEvent]:
        batch, rejected = self.parser.parse(Block(b"\n".join(r.data for r in records), "day", 1, is_lines=True))
        assert rejected == []
        assert batch is not None
        return {event.event_id: event for event in (batch.event(i) for i in range(len(batch.rows)))}

    def written(self, acts: list[Act]) -> list[Native]:
        return self.estate.written(acts, np.random.default_rng(1))


@pytest.fixture(scope="module", params=sorted(NATIVE))
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param)


def agrees(act: Act, event: AuditEvent) -> bool:
    return (
        event.operation == act.operation
        and event.actor.principal == act.seat.principal
        and event.actor.credential == act.seat.credential
        and event.source == act.seat.source
        and event.outcome is OUTCOMES[act.failure]
        and abs(event.time_s - act.at_s) < 0.002
    )


def test_more_than_twenty_kinds_live_there_and_some_of_every_path(scene: Scene) -> None:
    kinds = scene.provider.kinds
    assert len({kind.name for kind in kinds}) == len(kinds) > 20
    assert {kind.path for kind in kinds} == {"workload", "human", "delegated", "emergency"}
    assert {r.kind for r in scene.estate.identities} == {kind.name for kind in kinds}


def test_every_benign_record_is_read_as_it_was_meant(scene: Scene) -> None:
    acts = [act for resident in scene.estate.identities for act in scene.estate.acts(resident, 2)]
    records = scene.written(acts)
    assert sniff(records[0].data) is not None
    events = scene.parsed(records)
    wrong = [
        (act, events[r.event_id]) for act, r in zip(acts, records, strict=True) if not agrees(act, events[r.event_id])
    ]
    assert wrong == []
    assert len(acts) > 1000


def is_a_persons_tool(act: Act) -> bool:
    """A person's key or command line: nothing in GitHub's log tells it from a machine account's or from an app that acts for somebody."""
    return act.seat.credential.startswith(("github-key:", "github-token:"))


def test_whose_hand_a_member_is_in_is_what_its_records_tell(scene: Scene) -> None:
    lived = [(resident, act) for resident in scene.estate.identities for act in scene.estate.acts(resident, 2)]
    own = [
        (r, act)
        for r, act in lived
        if act.seat.principal == scene.provider.principal(r) and r.kind_of.counted and act.operation != HANDED_ON
    ]
    records = scene.written([act for _, act in own])
    events = scene.parsed(records)
    told = {
        (r.kind, r.path, events[one.event_id].actor.path.name.lower())
        for (r, act), one in zip(own, records, strict=True)
        if not (r.path == "human" and is_a_persons_tool(act))
    }
    assert [each for each in told if each[1] != each[2]] == []


def test_every_record_of_an_attack_is_read_as_it_was_meant(scene: Scene) -> None:
    acts = [act for attack in scene.attacks for act in attack.acts]
    records = scene.written(acts)
    events = scene.parsed(records)
    wrong = [
        (act, events[r.event_id]) for act, r in zip(acts, records, strict=True) if not agrees(act, events[r.event_id])
    ]
    assert wrong == []


def test_what_an_intruder_mints_is_what_it_goes_on_with(scene: Scene) -> None:
    """A token asked for, an account that lent itself: the parser's lineage leads to the next credential."""
    led = 0
    for attack in scene.attacks:
        records = scene.written(attack.acts)
        events = scene.parsed(records)
        minted: set[str] = set()
        for record in records:
            event = events[record.event_id]
            led += event.actor.credential in minted
            minted |= {event.minted} - {""}
    assert led > 0


def test_the_same_seed_lives_the_same_life_and_another_another(scene: Scene) -> None:
    again = NativeEstate(scene.provider, 7, 90, DAYS)
    other = NativeEstate(scene.provider, 8, 90, DAYS)
    assert again.benign(2) == scene.estate.benign(2)
    assert other.benign(2) != scene.estate.benign(2)


def test_a_larger_estate_begins_with_a_smaller_one(scene: Scene) -> None:
    smaller = NativeEstate(scene.provider, 7, 50, DAYS)
    assert scene.estate.identities[:50] == smaller.identities


def test_lasting_changes_and_passing_trouble_happen(scene: Scene) -> None:
    month = NativeEstate(scene.provider, 3, 200, 30)
    happened = Counter(change.kind for resident in month.identities for change in resident.changes)
    assert set(happened) == {"rollout", "upgrade", "move", "policy", "throttle", "outage"}
    assert sum(resident.born_day > 1 for resident in month.identities) > 2
    for what, failure in (("policy", "denied"), ("throttle", "throttled"), ("outage", "broken")):
        hit = [(r, c.day) for r in month.identities for c in r.changes if c.kind == what and r.born_day <= c.day]
        assert any(act.failure == failure for resident, day in hit for act in month.acts(resident, day))


def test_victims_are_their_own_and_known_for_a_day(scene: Scene) -> None:
    victims = [attack.principal for attack in scene.attacks]
    assert len(set(victims)) == len(victims) == 26
    assert all(attack.acts[0].at_s >= scene.estate.midnight_s(3) for attack in scene.attacks)
    for attack in scene.attacks:
        if attack.victim.path != "emergency":
            day = int((attack.acts[0].at_s - scene.estate.midnight_s(1)) // 86_400) + 1
            assert scene.estate.acts(attack.victim, day - 1), attack.principal


def test_every_loop_and_mimicry_happens_and_some_only_look_like_it(scene: Scene) -> None:
    hostile = [attack for attack in scene.attacks if not attack.benign]
    assert {attack.loop for attack in hostile} >= set(scene.by.loops) - {"break_glass_overrun"}  # seldom in use
    assert {attack.mimicry for attack in hostile} == {"plain", "bind", "camo"}
    assert sum(attack.benign for attack in scene.attacks) == 2


def test_a_hand_of_its_own_shows_its_own_network_and_a_bound_one_the_victims(scene: Scene) -> None:
    for attack in scene.attacks:
        sources = {act.seat.source for act in attack.acts}
        usual = {act.seat.source for day in range(1, DAYS + 1) for act in scene.estate.acts(attack.victim, day)}
        if not attack.benign:
            assert bool(sources & usual) == (attack.mimicry != "plain"), attack


def test_an_intruder_meets_denials_and_the_same_question_gets_the_same_answer(scene: Scene) -> None:
    answers = Counter(act.failure for attack in scene.attacks for act in attack.acts)
    assert answers["denied"] > 50
    assert answers[""] > 50


def read(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.rglob("*.jsonl.zst"))
    return [json.loads(line) for path in files for line in zstandard.decompress(path.read_bytes()).splitlines()]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written]:
    out = tmp_path_factory.mktemp("case")
    return out, writing.write(out, scene.estate, scene.plan, scene.attacks)


def moment(record: dict[str, Any]) -> str:
    names = ("@timestamp", "stageTimestamp", "published", "time", "TimeGenerated", "timestamp")
    at = next(record[name] for name in names if record.get(name))
    return (
        at[:23]
        if isinstance(at, str)
        else datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")[:23]
    )


def event_id(record: dict[str, Any]) -> str:
    inner = record.get("properties") or {}
    names = ("auditID", "uuid", "_document_id", "EventDataId", "insertId", "id")
    named = (inner.get("id"), inner.get("requestId"), *(record.get(name) for name in names))
    return str(next(one for one in named if one))


def test_the_truth_names_events_that_are_there_at_the_times_it_says(folder: tuple[Path, Written]) -> None:
    out, written = folder
    times = {event_id(r): moment(r) for r in read(out / "records" / "live")}
    episodes = lines(out / "episodes.jsonl")
    assert len(episodes) == written.attacks + written.benign_episodes == 26
    for episode in episodes:
        shown = [(one["id"], one["time"][:23]) for one in episode["events"]]
        assert [(number, times[number]) for number, _ in shown] == shown
        assert [one["time"] for one in episode["events"]] == sorted(one["time"] for one in episode["events"])
        assert episode["victim"] in episode["principals"]


def test_baseline_and_live_lie_on_their_sides_of_the_first_watched_day(folder: tuple[Path, Written]) -> None:
    out, _ = folder
    report_from = json.loads((out / "case.json").read_text())["report_from"][:19]
    assert max(moment(r) for r in read(out / "records" / "baseline")) < report_from
    assert min(moment(r) for r in read(out / "records" / "live")) >= report_from


def test_everybody_of_the_records_is_named_and_what_belongs_to_the_provider_is_not_counted(
    scene: Scene, folder: tuple[Path, Written]
) -> None:
    known = {one["principal"]: one for one in lines(folder[0] / "identities.jsonl")}
    shown = {
        act.seat.principal
        for r in scene.estate.identities
        for d in range(1, DAYS + 1)
        for act in scene.estate.acts(r, d)
    }
    assert set(known) == shown
    uncounted = {one["kind"] for one in known.values() if not one["counted"]}
    assert uncounted == {kind.name for kind in scene.provider.kinds if not kind.counted}
    assert all(one["why_not"] for one in known.values() if not one["counted"])


def test_a_case_is_the_same_bytes_every_time(scene: Scene, folder: tuple[Path, Written], tmp_path: Path) -> None:
    writing.write(tmp_path / "again", scene.estate, scene.plan, scene.attacks)
    for path in folder[0].rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "again" / path.relative_to(folder[0])).read_bytes()


def test_an_attack_changes_no_benign_record_nor_when_it_is_delivered(
    scene: Scene, folder: tuple[Path, Written], tmp_path: Path
) -> None:
    writing.write(tmp_path / "clean", scene.estate, scene.plan)
    hostile = {one["id"] for episode in lines(folder[0] / "episodes.jsonl") for one in episode["events"]}
    attacked = [r for r in read(folder[0] / "records") if event_id(r) not in hostile]
    assert attacked == read(tmp_path / "clean" / "records")


def test_records_come_late_and_some_of_them_twice(scene: Scene) -> None:
    made = scene.estate.benign(1)
    arrived = writing.delivered(made, Plan("x", 7, scene.name, DAYS, 2, Feed(30, 330, 0.1)), 1)
    assert [r.at_s for r in arrived] != sorted(r.at_s for r in arrived)
    assert 0.05 < (len(arrived) - len(made)) / len(made) < 0.15
    assert set(arrived) == set(made)


def test_an_engineer_at_a_desk_uses_the_key_of_a_workload_that_has_habits() -> None:
    provider, by = NATIVE["github"]
    attacks = campaign.placed(NativeEstate(provider, 27, 40, 8), by, 27, 20, range(4, 9))
    at_a_desk = [attack for attack in attacks if attack.loop == "desk"]
    assert at_a_desk
    assert all(attack.acts for attack in at_a_desk)


def test_what_cannot_be_is_refused_in_a_word(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one identity"):
        NativeEstate(scene.provider, 7, 0, 3)
    with pytest.raises(ValueError, match="unknown loop 'nonsense'"):
        campaign.placed(scene.estate, scene.by, 7, 3, range(3, 5), ["nonsense"])
    with pytest.raises(ValueError, match="there is nobody for more than"):
        campaign.placed(scene.estate, scene.by, 7, 3000, range(3, 5))
    one = next(attack for attack in scene.attacks if not attack.benign)
    with pytest.raises(ValueError, match="one victim"):
        writing.write(tmp_path / "a", scene.estate, scene.plan, [one, one])
    empty = NativeAttack(one.loop, one.pace, one.mimicry, one.victim, one.principal, one.freshness, [])
    with pytest.raises(ValueError, match="outside the watched days"):
        writing.write(tmp_path / "b", scene.estate, scene.plan, [empty])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(ValueError, match="not an empty folder"):
        writing.write(tmp_path / "full", scene.estate, scene.plan)
