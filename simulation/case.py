"""A case: an estate's records as a trail delivers them, the attacks hidden in them, and the truth about both.

`compose` gives one to look at, `write` a folder of any size. A day's bytes depend on the seed, the estate and the
attacks of that day alone, and a benign record on no attack at all, not even in when it is delivered.
Cost of writing: about 10 µs an event and process beside what the estate takes to make its calls; memory for one day a
process.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from multiprocessing import get_context
from operator import itemgetter
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import zstandard

from simulation import members, operations
from simulation.attackers import Attack
from simulation.cloudtrail import Call, timestamp
from simulation.encoding import Encoder, uuids
from simulation.identifiers import ACCOUNT
from simulation.members import Inhabitant, Member, Seen

VERSION = 1
DAY_S = 86_400
_COMPRESSION = 1
_SECOND_COPY_S = 270


class Inhabited(Protocol):
    """What an estate has to offer: who lives there, when a day begins, and what each of them does on it."""

    @property
    def identities(self) -> Sequence[Inhabitant]:
        """Everybody, in a fixed order."""

    def midnight_s(self, day: int) -> int:
        """Unix seconds at which the day begins; days count from 1."""

    def calls(self, name: str, day: int) -> list[Call]:
        """What the named identity does on the day, in time order."""


@dataclass(frozen=True, slots=True)
class Feed:
    """How records reach their files: so many seconds late, a share of them twice, a file closed every `file_s`."""

    fastest_s: int = 30
    slowest_s: int = 330
    twice: float = 0.003
    file_s: int = 3600


@dataclass(frozen=True, slots=True)
class Plan:
    """What a case is called and how long it runs: `days` in all, the first `baseline_days` without any attack.

    ValueError for a baseline that leaves nothing to watch, or a feed that runs backwards.
    """

    name: str
    seed: int
    estate: str
    days: int
    baseline_days: int
    feed: Feed = Feed()

    def __post_init__(self) -> None:
        if not 0 <= self.baseline_days < self.days:
            raise ValueError(f"wanted 0 <= baseline days < days, got {self.baseline_days} of {self.days}")
        if not 0 <= self.feed.fastest_s < self.feed.slowest_s or not 0 <= self.feed.twice <= 1 or self.feed.file_s < 1:
            raise ValueError(f"no feed of records can be like that: {self.feed}")


@dataclass(frozen=True, slots=True)
class Header:
    """`case.json`: attacks and decisions start at `report_from`, what lies before is only learned from."""

    version: int
    name: str
    seed: int
    estate: str
    start: str
    report_from: str
    end: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One action of an episode: the provider's id of the event, and its time."""

    id: str
    time: str


@dataclass(frozen=True, slots=True)
class Episode:
    """One line of `episodes.jsonl`: an attack, or (`benign`) something that looks like one, action by action."""

    episode: str
    benign: bool
    loop: str
    pace: str
    mimicry: str
    freshness: str
    origin: str
    path: str
    provider: str
    victim: str
    victim_kind: str
    principals: list[str]
    credentials: list[str]
    events: list[Moment]


@dataclass(frozen=True, slots=True)
class Case:
    """A whole case in memory; `baseline` and `live` are records, one JSON object each, as delivered."""

    header: Header
    members: list[Member]
    episodes: list[Episode]
    baseline: list[bytes] = field(repr=False)
    live: list[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Written:
    """What `write` put into the folder."""

    events: int
    baseline_events: int
    files: int
    identities: int
    attacks: int
    benign_episodes: int


_Arrival = tuple[int, Call, str, str]  # when it is delivered, the call, request and event id
FileKey = tuple[str, str, int]  # baseline or live, region, Unix seconds at which the file closes


@dataclass(frozen=True, slots=True)
class _Recipe:
    """Everything a day's records depend on; travels to worker processes once."""

    estate: Inhabited
    plan: Plan
    attacks: Sequence[Attack]

    def __post_init__(self) -> None:
        victims: dict[str, str] = {}
        for attack in self.attacks:
            _check(attack, self)
            if attack.principal in victims:
                raise ValueError(f"{attack.name} and {victims[attack.principal]} have one victim, {attack.principal}")
            victims[attack.principal] = attack.name

    @property
    def report_from_s(self) -> int:
        return self.estate.midnight_s(self.plan.baseline_days + 1)

    @property
    def end_s(self) -> int:
        return self.estate.midnight_s(self.plan.days + 1)

    def members(self, sightings: Sequence[Seen]) -> list[Member]:
        """Who was seen, and what changed for them."""
        estate = self.estate
        return members.with_changes(members.members(sightings), estate.identities, estate.midnight_s, self.plan.days)

    def header(self) -> Header:
        """What `case.json` says."""
        plan, start_s = self.plan, self.estate.midnight_s(1)
        times = (timestamp(at_s) for at_s in (start_s, self.report_from_s, self.end_s))
        return Header(VERSION, plan.name, plan.seed, plan.estate, *times)


def compose(estate: Inhabited, plan: Plan, attacks: Sequence[Attack] = ()) -> Case:
    """The case in memory, for looking at and for small ones.

    ValueError for an attack outside the watched days, or two on one victim.
    """
    recipe, encoder = _Recipe(estate, plan, attacks), Encoder()
    records: dict[str, list[bytes]] = {"baseline": [], "live": []}
    sightings: list[Seen] = []
    for day in range(1, plan.days + 1):
        files, seen = _day(recipe, day)
        sightings += seen
        for key in sorted(files, key=lambda key: (key[2], key)):
            records[key[0]] += _lines(files[key], encoder)
    known = recipe.members(sightings)
    return Case(recipe.header(), known, _episodes(recipe, known), records["baseline"], records["live"])


def write(
    folder: Path,
    estate: Inhabited,
    plan: Plan,
    attacks: Sequence[Attack] = (),
    processes: int = 1,
    progress: Callable[[int], None] = lambda events: None,
) -> Written:
    """Writes the case into an empty or new folder; `progress` hears of the events of each day as it is done.

    The number of processes changes no byte. ValueError as for `compose`, and for a folder that is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not an empty folder: a case is written into one of its own")
    recipe = _Recipe(estate, plan, attacks)
    for part in ("baseline", "live"):
        (folder / "records" / part).mkdir(parents=True, exist_ok=True)
    sightings: list[Seen] = []
    events, files = {"baseline": 0, "live": 0}, 0
    for counts, made, seen in _days_written(folder, recipe, processes):
        sightings += seen
        files += made
        for part, count in counts.items():
            events[part] += count
        progress(sum(counts.values()))
    known = recipe.members(sightings)
    episodes = _episodes(recipe, known)
    _write_truth(folder, recipe.header(), known, episodes)
    benign = sum(episode.benign for episode in episodes)
    return Written(
        sum(events.values()),
        events["baseline"],
        files,
        sum(one.counted for one in known),
        len(episodes) - benign,
        benign,
    )


def _check(attack: Attack, recipe: _Recipe) -> None:
    if not attack.calls:
        raise ValueError(f"{attack.name} does nothing: an episode needs at least one call")
    first_s, last_s = attack.calls[0].at_s, max(call.at_s for call in attack.calls)
    if first_s < recipe.report_from_s or last_s >= recipe.end_s:
        raise ValueError(
            f"{attack.name} runs from {timestamp(first_s)} to {timestamp(last_s)}, not within the watched days, "
            f"{timestamp(recipe.report_from_s)} to {timestamp(recipe.end_s)}"
        )


def _write_truth(folder: Path, header: Header, known: Sequence[Member], episodes: Sequence[Episode]) -> None:
    encode = msgspec.json.encode
    (folder / "identities.jsonl").write_bytes(b"".join(encode(one) + b"\n" for one in known))
    (folder / "episodes.jsonl").write_bytes(b"".join(encode(one) + b"\n" for one in episodes))
    (folder / "case.json").write_bytes(msgspec.json.format(encode(header)) + b"\n")


DayWritten = tuple[dict[str, int], int, list[Seen]]  # events of each part, files, who was seen


def _days_written(folder: Path, recipe: _Recipe, processes: int) -> Iterator[DayWritten]:
    days = range(1, recipe.plan.days + 1)
    if processes < 2:
        encoder = Encoder()
        yield from (_write_day(folder, recipe, day, encoder) for day in days)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (folder, recipe)) as pool:
        # runs of days: an estate may remember what one day left for the next
        yield from pool.map(_go_on, days, chunksize=max(1, len(days) // (4 * processes)))


_at_work: list[tuple[Path, _Recipe, Encoder]] = []


def _begin(folder: Path, recipe: _Recipe) -> None:
    _at_work[:] = [(folder, recipe, Encoder())]


def _go_on(day: int) -> DayWritten:
    folder, recipe, encoder = _at_work[0]
    return _write_day(folder, recipe, day, encoder)


def _write_day(folder: Path, recipe: _Recipe, day: int, encoder: Encoder) -> DayWritten:
    files, seen = _day(recipe, day)
    counts: dict[str, int] = {}
    packer = zstandard.ZstdCompressor(_COMPRESSION)
    for key, arrivals in files.items():
        body = b'{"Records":[%b]}' % b",".join(_lines(arrivals, encoder))
        (folder / "records" / key[0] / _file_name(recipe.plan.seed, day, key)).write_bytes(packer.compress(body))
        counts[key[0]] = counts.get(key[0], 0) + len(arrivals)
    return counts, len(files), seen


def _file_name(seed: int, day: int, key: FileKey) -> str:
    _, region, closes_s = key
    stamp = timestamp(closes_s)[:16].replace("-", "").replace(":", "")
    unique = sha256(f"{seed} {day} {key}".encode()).hexdigest()[:16]
    return f"{ACCOUNT}_CloudTrail_{region}_{stamp}Z_{unique}.json.zst"


def _lines(arrivals: Sequence[_Arrival], encoder: Encoder) -> list[bytes]:
    return [encoder.encoded(call, request_id, event_id) for _, call, request_id, event_id in arrivals]


def _day(recipe: _Recipe, day: int) -> tuple[dict[FileKey, list[_Arrival]], list[Seen]]:
    """The day's files, each with its records in order of delivery, and the principals seen."""
    arrivals, seen = _benign(recipe, day)
    arrivals += _hostile(recipe, day)
    files: dict[FileKey, list[_Arrival]] = defaultdict(list)
    file_s, report_from_s, end_s = recipe.plan.feed.file_s, recipe.report_from_s, recipe.end_s
    regions = _Regions()
    for arrival in sorted(arrivals, key=itemgetter(0)):
        call = arrival[1]
        if call.at_s < end_s:
            part = "baseline" if call.at_s < report_from_s else "live"
            region = regions[call.operation] or call.region or call.session.region
            files[part, region, (arrival[0] // file_s + 1) * file_s].append(arrival)
    return files, seen


class _Regions(dict[str, str]):
    """The region an operation is always recorded in, empty where that follows from the call."""

    def __missing__(self, operation: str) -> str:
        region = self[operation] = operations.recorded_region(operation.partition(":")[0], "")
        return region


def _benign(recipe: _Recipe, day: int) -> tuple[list[_Arrival], list[Seen]]:
    arrivals: list[_Arrival] = []
    seen: list[Seen] = []
    for number, identity in enumerate(recipe.estate.identities):
        calls = recipe.estate.calls(identity.name, day)
        if calls:
            source = (recipe.plan.seed, number)
            arrivals += _delivered(calls, (*source, 4, day), (*source, 5, day), recipe.plan.feed)
            seen += members.seen(identity, calls)
    return arrivals, seen


def _hostile(recipe: _Recipe, day: int) -> list[_Arrival]:
    from_s, until_s = recipe.estate.midnight_s(day), recipe.estate.midnight_s(day + 1)
    arrivals = chain.from_iterable(_attack(recipe, number) for number in range(len(recipe.attacks)))
    return [arrival for arrival in arrivals if from_s <= arrival[1].at_s < until_s]


def _attack(recipe: _Recipe, number: int) -> list[_Arrival]:
    """The attack's records, in the order of its calls, second copies after them."""
    source = (recipe.plan.seed, number)
    return _delivered(recipe.attacks[number].calls, (*source, 6), (*source, 7), recipe.plan.feed)


def _delivered(calls: Sequence[Call], naming: Sequence[int], delays: Sequence[int], feed: Feed) -> list[_Arrival]:
    ids = uuids(2 * len(calls), np.random.default_rng(naming))
    rng = np.random.default_rng(delays)
    late_s = rng.integers(feed.fastest_s, feed.slowest_s, len(calls)).tolist()
    made = [
        (call.at_s + late, call, ids[at : at + 36], ids[at + 36 : at + 72])
        for call, late, at in zip(calls, late_s, range(0, len(ids), 72), strict=True)
    ]
    for row in np.flatnonzero(rng.random(len(calls)) < feed.twice).tolist():
        at_s, *same = made[row]
        made.append((at_s + _SECOND_COPY_S, *same))
    return made


def _episodes(recipe: _Recipe, known: Sequence[Member]) -> list[Episode]:
    by_name = {one.principal: one for one in known}
    made = []
    for number, attack in enumerate(recipe.attacks):
        if attack.principal not in by_name:
            raise ValueError(f"{attack.name}: its victim {attack.principal} does nothing in this estate")
        made.append(_episode(recipe, number, by_name[attack.principal]))
    return made


def _episode(recipe: _Recipe, number: int, victim: Member) -> Episode:
    attack = recipe.attacks[number]
    arrivals = _attack(recipe, number)[: len(attack.calls)]
    return Episode(
        f"e{number + 1:03d}",
        getattr(attack, "benign", False),
        attack.loop,
        attack.pace,
        attack.mimicry,
        attack.freshness,
        attack.origin,
        victim.path,
        victim.provider,
        victim.principal,
        victim.kind,
        list(dict.fromkeys(members.principal(call.session) for call in attack.calls)),
        attack.credentials,
        [Moment(event_id, timestamp(call.at_s)) for _, call, _, event_id in arrivals],
    )
