"""A case: records as providers log them, and the truth about them. Read and checked here, written by ``simulation/case.py``.

    CASE/case.json         version, name, seed, estate, start, report_from, end
    CASE/records/baseline  logs wholly before report_from: learned without deciding
    CASE/records/live      logs from report_from on
    CASE/identities.jsonl  one benign identity a line
    CASE/episodes.jsonl    one episode a line: an attack, or (``benign``) something odd that is none

Everything wrong is one ``InputError`` that names the file and the line. What only the records can tell (labels that name unknown events, no benign day)
is checked while they are read, see ``onlooker.py``.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from detector.config import PathName
from detector.errors import InputError
from detector.sources.timestamps import parse_time_ns

VERSION = 1
DAY_NS = 86_400 * 10**9
Text = Annotated[str, Meta(min_length=1)]
Pace = Literal["machine", "agent", "human", "slow"]
Mimicry = Literal["plain", "bind", "camo"]


class _Version(msgspec.Struct, frozen=True):
    version: int


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``case.json``. Times are RFC 3339; [start, report_from) is the baseline."""

    version: int
    name: Text
    start: str
    report_from: str
    end: str
    seed: int | None = None
    estate: str = ""


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something benign that changed how an identity behaves, such as a roll-out, and when."""

    time: str
    kind: str = ""


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A benign identity. ``principal`` as the parsers name it; ``counted``: its identity-days count for false alarms, ``why_not`` otherwise."""

    principal: Text
    provider: Text
    path: PathName
    kind: str = ""
    born: str = ""
    counted: bool = True
    why_not: str = ""
    changes: tuple[Change, ...] = ()


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event of an episode: the provider's event id, and its time."""

    id: Text
    time: str


class Episode(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """An attack, or a benign oddity, with every event of it in the actor's order."""

    episode: Text
    loop: str
    pace: Pace
    mimicry: Mimicry
    freshness: Literal["long_lived", "minted"]
    origin: Literal["simulated", "captured"]
    path: PathName
    provider: Text
    victim: Text
    principals: tuple[Text, ...]
    credentials: tuple[str, ...]
    events: Annotated[tuple[Label, ...], Meta(min_length=1)]
    victim_kind: str = ""
    benign: bool = False

    @cached_property
    def times_ns(self) -> tuple[int, ...]:
        """When each event happened, in the actor's order."""
        return tuple(parse_time_ns(event.time) for event in self.events)

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each event stands, from 0."""
        return {event.id: place for place, event in enumerate(self.events)}

    @property
    def first_ns(self) -> int:
        """When it began."""
        return min(self.times_ns)

    @property
    def last_ns(self) -> int:
        """When it was over."""
        return max(self.times_ns)

    @cached_property
    def acted_as(self) -> frozenset[str]:
        """The victim and every other principal it acted as."""
        return frozenset((self.victim, *self.principals))

    @cached_property
    def held(self) -> frozenset[str]:
        """Every credential it used."""
        return frozenset(c for c in self.credentials if c)


class Case(msgspec.Struct, frozen=True, dict=True):
    """A case that was read and found sound. Times are nanoseconds since 1970 UTC."""

    folder: str
    about: About
    start_ns: int
    report_from_ns: int
    end_ns: int
    identities: tuple[Identity, ...]
    episodes: tuple[Episode, ...]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.about.name

    @property
    def baseline(self) -> list[str]:
        """Paths to learn from; none where the case starts with the report."""
        folder = Path(self.folder, "records", "baseline")
        return [str(folder)] if folder.is_dir() and any(folder.iterdir()) else []

    @property
    def live(self) -> list[str]:
        """Paths to decide on."""
        return [str(Path(self.folder, "records", "live"))]

    @property
    def attacks(self) -> list[Episode]:
        """Episodes that are attacks."""
        return [e for e in self.episodes if not e.benign]

    @cached_property
    def taken_from_ns(self) -> dict[str, int]:
        """From when on a principal is in an attacker's hands: from then its days count neither as benign nor as false."""
        taken: dict[str, int] = {}
        for episode in self.attacks:
            for principal in episode.acted_as:
                taken[principal] = min(episode.first_ns, taken.get(principal, episode.first_ns))
        return taken

    def day_of(self, time_ns: int) -> int:
        """UTC days since the day of ``report_from``, which is 0."""
        return int(time_ns // DAY_NS - self.report_from_ns // DAY_NS)

    @property
    def days(self) -> int:
        """UTC days the report touches."""
        return self.day_of(self.end_ns - 1) + 1


def read_case(folder: str) -> Case:
    """The case in a folder. Raises ``InputError`` in one line for anything that is not sound."""
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{folder}: no such folder, wanted a case")
    about = _about(root / "case.json")
    start_ns, report_from_ns, end_ns = (
        _time(getattr(about, name), f"{root / 'case.json'}: {name}") for name in ("start", "report_from", "end")
    )
    if not start_ns <= report_from_ns < end_ns:
        raise InputError(f"{root / 'case.json'}: wanted start <= report_from < end")
    case = Case(
        folder=str(root),
        about=about,
        start_ns=start_ns,
        report_from_ns=report_from_ns,
        end_ns=end_ns,
        identities=_identities(root / "identities.jsonl"),
        episodes=_episodes(root / "episodes.jsonl"),
    )
    _check_records(case)
    _check_episodes(case)
    return case


def _about(path: Path) -> About:
    data = _read(path)
    try:
        version = msgspec.json.decode(data, type=_Version).version
        if version != VERSION:
            raise InputError(f"{path}: a case of version {version}, this Outpace reads {VERSION}")
        return msgspec.json.decode(data, type=About)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error


def _identities(path: Path) -> tuple[Identity, ...]:
    found: dict[str, Identity] = {}
    for number, identity in _lines(path, Identity):
        if identity.principal in found:
            raise InputError(f"{path}:{number}: {identity.principal} is listed twice")
        _check_times(
            f"{path}:{number}", *([identity.born] if identity.born else []), *(c.time for c in identity.changes)
        )
        found[identity.principal] = identity
    if not any(identity.counted for identity in found.values()):
        raise InputError(f"{path}: no counted identity: an empty estate has nobody to be wrong about")
    return tuple(found.values())


def _episodes(path: Path) -> tuple[Episode, ...]:
    found: dict[str, Episode] = {}
    labelled: dict[str, str] = {}
    for number, episode in _lines(path, Episode):
        where = f"{path}:{number}"
        if episode.episode in found:
            raise InputError(f"{where}: a second episode {episode.episode}")
        _check_times(where, *(event.time for event in episode.events))
        for event in episode.events:
            if event.id in labelled:
                raise InputError(
                    f"{where}: event {event.id} is labelled twice, by {labelled[event.id]} and {episode.episode}"
                )
            labelled[event.id] = episode.episode
        found[episode.episode] = episode
    return tuple(found.values())


def _check_episodes(case: Case) -> None:
    path = Path(case.folder, "episodes.jsonl")
    known = {identity.principal for identity in case.identities}
    attacked: dict[str, str] = {}
    for episode in case.episodes:
        if episode.victim not in known:
            raise InputError(f"{path}: {episode.episode}: its victim {episode.victim} is no identity of this case")
        if episode.first_ns < case.report_from_ns:
            raise InputError(f"{path}: {episode.episode} begins before report_from {case.about.report_from}")
        if episode.benign:
            continue
        if episode.victim in attacked:
            raise InputError(
                f"{path}: two attacks on {episode.victim}: {attacked[episode.victim]} and {episode.episode}"
            )
        attacked[episode.victim] = episode.episode


def _check_records(case: Case) -> None:
    live = Path(case.live[0])
    if not live.is_dir():
        raise InputError(f"{live}: nothing there, wanted the logs from report_from on")
    if case.start_ns < case.report_from_ns and not case.baseline:
        raise InputError(
            f"{Path(case.folder, 'records', 'baseline')}: nothing there, wanted the logs before report_from"
        )


Line = TypeVar("Line", Identity, Episode)


def _lines(path: Path, kind: type[Line]) -> Iterator[tuple[int, Line]]:
    """Each line that is not empty, with its number."""
    decoder = msgspec.json.Decoder(kind)
    for number, line in enumerate(_read(path).splitlines(), 1):
        if line.strip():
            try:
                yield number, decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InputError(f"{path}:{number}: {error}") from error


def _check_times(where: str, *times: str) -> None:
    for time in times:
        _time(time, where)


def _time(text: str, where: str) -> int:
    try:
        return parse_time_ns(text)
    except ValueError as error:
        raise InputError(f"{where}: {text!r} is no RFC 3339 time") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def read_cases(folders: Sequence[str]) -> list[Case]:
    """Several cases, to be pooled. Raises ``InputError`` where one is named twice."""
    cases: dict[str, Case] = {}
    for folder in folders:
        case = read_case(folder)
        if case.name in cases:
            raise InputError(f"{folder}: a second case called {case.name}, the first is {cases[case.name].folder}")
        cases[case.name] = case
    if not cases:
        raise InputError("no case given: name one or more folders")
    return list(cases.values())
