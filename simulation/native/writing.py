"""A case from a native estate: the folder `outpace replay` and `outpace backtest` read, with the truth beside it.

A benign record depends on no attack, nor does when it is delivered. A file holds a day's records in the order they arrived.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from pathlib import Path

import msgspec
import numpy as np
import zstandard

from simulation.case import VERSION, Episode, Header, Moment, Plan, Written
from simulation.cloudtrail import timestamp
from simulation.members import Member
from simulation.native.campaign import NativeAttack
from simulation.native.estate import NativeEstate
from simulation.native.shape import Native

_COMPRESSION = 1
_SECOND_COPY_S = 270
_TOGETHER_S = {"keycloak": 300}
"""Of logs that are handed on record after record, as a realm's event listener does: so much of them is late by the same time."""


def write(
    folder: Path,
    estate: NativeEstate,
    plan: Plan,
    attacks: Sequence[NativeAttack] = (),
    progress: Callable[[int], None] = lambda events: None,
) -> Written:
    """Writes the case into an empty or new folder; `progress` hears of the events of each day as it is done.

    ValueError for a folder that is not empty, attacks outside the watched days, or two on one victim.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not an empty folder: a case is written into one of its own")
    _check(estate, plan, attacks)
    for part in ("baseline", "live"):
        (folder / "records" / part).mkdir(parents=True, exist_ok=True)
    hostile = [_records(estate, plan, number, attack) for number, attack in enumerate(attacks)]
    events = {"baseline": 0, "live": 0}
    first_s: dict[str, float] = {}
    for day in range(1, plan.days + 1):
        part = "baseline" if day <= plan.baseline_days else "live"
        from_s, until_s = estate.midnight_s(day), estate.midnight_s(day + 1)
        made: list[Native] = []
        for acts, records in estate.lived(day):
            made += records
            for act in acts:
                first_s[act.seat.principal] = min(act.at_s, first_s.get(act.seat.principal, act.at_s))
        made += [record for records in hostile for record in records if from_s <= record.at_s < until_s]
        count = _write_day(folder / "records" / part, estate, plan, day, made)
        events[part] += count
        progress(count)
    known = members(estate, first_s)
    episodes = [_episode(estate, number, attack, hostile[number]) for number, attack in enumerate(attacks)]
    _write_truth(folder, estate, plan, known, episodes)
    benign = sum(one.benign for one in episodes)
    counted = sum(one.counted for one in known)
    return Written(sum(events.values()), events["baseline"], plan.days, counted, len(episodes) - benign, benign)


def members(estate: NativeEstate, first_s: dict[str, float]) -> list[Member]:
    """Everybody the benign records show, by name."""
    provider = estate.provider
    by_name = {provider.principal(resident): resident for resident in estate.identities}
    made = []
    for name in sorted(first_s):
        born = timestamp(int(first_s[name]))
        resident = by_name.get(name)
        if resident is None:
            made.append(Member(name, provider.name, _lent_path(estate, name), "lent", born, True, ""))
        else:
            kind = resident.kind_of
            made.append(Member(name, provider.name, kind.path, kind.name, born, kind.counted, kind.why_not))
    return made


def _lent_path(estate: NativeEstate, name: str) -> str:
    """An account pipelines get by federation is simply theirs; one that another account borrows is delegated."""
    lenders = [r.kind_of for r in estate.identities if r.kind_of.lent and name.startswith(f"{r.kind_of.lent}@")]
    return "workload" if any(kind.where == "federated" for kind in lenders) else "delegated"


def _check(estate: NativeEstate, plan: Plan, attacks: Sequence[NativeAttack]) -> None:
    report_from_s, end_s = estate.midnight_s(plan.baseline_days + 1), estate.midnight_s(plan.days + 1)
    victims: set[str] = set()
    for attack in attacks:
        if not attack.acts or attack.acts[0].at_s < report_from_s or attack.acts[-1].at_s >= end_s:
            raise ValueError(f"{attack.loop} on {attack.principal} lies outside the watched days")
        if attack.principal in victims:
            raise ValueError(f"two episodes have one victim, {attack.principal}")
        victims.add(attack.principal)


def _records(estate: NativeEstate, plan: Plan, number: int, attack: NativeAttack) -> list[Native]:
    return estate.written(attack.acts, np.random.default_rng([plan.seed, number, 6]))


def _write_day(folder: Path, estate: NativeEstate, plan: Plan, day: int, made: list[Native]) -> int:
    arrived = delivered(made, plan, day)
    body = b"\n".join(record.data for record in arrived) + b"\n"
    unique = sha256(f"{plan.seed} {day}".encode()).hexdigest()[:12]
    stamp = datetime.fromtimestamp(estate.midnight_s(day), UTC).strftime("%Y%m%d")
    name = f"{estate.provider.name}-{stamp}-{unique}.jsonl.zst"
    (folder / name).write_bytes(zstandard.ZstdCompressor(_COMPRESSION).compress(body))
    return len(arrived)


def delivered(made: Sequence[Native], plan: Plan, day: int) -> list[Native]:
    """A day's records in the order they arrive, some of them twice; how late a record is follows from its id alone, or from its time."""
    feed, together_s = plan.feed, _TOGETHER_S.get(plan.estate, 0)
    arrivals: list[tuple[float, Native]] = []
    for record in made:
        late, again = _drawn(plan, day, record.event_id)
        if together_s:
            late, _ = _drawn(plan, day, str(int(record.at_s) // together_s))
        at_s = record.at_s + feed.fastest_s + late * (feed.slowest_s - feed.fastest_s)
        arrivals += [(at_s, record), *([(at_s + _SECOND_COPY_S, record)] if again < feed.twice else [])]
    return [record for _, record in sorted(arrivals)]


def _drawn(plan: Plan, day: int, words: str) -> tuple[float, float]:
    """Two numbers in [0, 1) that are the same for the same words."""
    digits = blake2b(f"{plan.seed} {day} {words}".encode(), digest_size=12).digest()
    first, second = (int.from_bytes(part, "big") / 2**48 for part in (digits[:6], digits[6:]))
    return first, second


def _episode(estate: NativeEstate, number: int, attack: NativeAttack, records: Sequence[Native]) -> Episode:
    seats = [act.seat for act in attack.acts]
    return Episode(
        f"e{number + 1:03d}",
        attack.benign,
        attack.loop,
        attack.pace,
        attack.mimicry,
        attack.freshness,
        "simulated",
        attack.victim.path,
        estate.provider.name,
        attack.principal,
        attack.victim.kind,
        list(dict.fromkeys(seat.principal for seat in seats)),
        list(dict.fromkeys(seat.credential for seat in seats)),
        [Moment(record.event_id, _moment(record.at_s)) for record in records],
    )


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _write_truth(
    folder: Path, estate: NativeEstate, plan: Plan, known: Sequence[Member], episodes: Sequence[Episode]
) -> None:
    days = (1, plan.baseline_days + 1, plan.days + 1)
    header = Header(VERSION, plan.name, plan.seed, plan.estate, *(timestamp(estate.midnight_s(day)) for day in days))
    encode = msgspec.json.encode
    (folder / "identities.jsonl").write_bytes(b"".join(encode(one) + b"\n" for one in known))
    (folder / "episodes.jsonl").write_bytes(b"".join(encode(one) + b"\n" for one in episodes))
    (folder / "case.json").write_bytes(msgspec.json.format(encode(header)) + b"\n")
