"""Looks on while the engine walks a case's records: which identity was active on which day, where the labelled events are, how high the evidence went.

Only a principal's first row is turned into an event; the rest is done on columns, some nanoseconds a row. Memory: one byte an identity and day, one
key a principal.
"""

from typing import NamedTuple

import msgspec
import numpy as np

from detector.columns import Batch
from detector.engine import Engine
from detector.errors import InputError
from detector.sources.cloudtrail import text_column
from detector.sources.timestamps import format_time
from models.text_keys import text_key
from streams.backtest.case import Case

OTHER = -1
"""Index of a principal that is no identity of the case."""
TOLERANCE_S = 1.0
"""How far a label's time may be from its record's: some stamps are whole seconds."""
NEVER_S = 1e18


class Peak(msgspec.Struct, frozen=True):
    """Where an episode came closest to its threshold, in bits, and how far the gate stood open there."""

    event_id: str
    operation: str
    evidence_bits: float
    threshold_bits: float
    gate: float

    @property
    def lacking_bits(self) -> float:
        """Bits short of the threshold; negative above it."""
        return self.threshold_bits - self.evidence_bits


class _Labels(NamedTuple):
    """Keys of labelled events in order (u8), the episode and the place in the list each belongs to, and when its label says it happened (s)."""

    keys: np.ndarray
    episodes: np.ndarray
    events: np.ndarray
    times_s: np.ndarray


class Onlooker:
    """Watches one replay of a case. ``active``: identity × UTC day of the report, whether it acted before an attacker had it."""

    def __init__(self, case: Case, engine: Engine | None = None) -> None:
        self.case, self.engine = case, engine
        self.index = {identity.principal: i for i, identity in enumerate(case.identities)}
        self.active = np.zeros((len(case.identities), case.days), bool)
        self.peaks: dict[str, Peak] = {}
        self.unlisted: dict[str, None] = {}
        self._labels, self._texts = _labels(case)
        self._seen = np.zeros(len(self._texts), bool)
        self._until_s = _until(case)
        self._theirs = {principal for episode in case.episodes for principal in episode.acted_as}
        self._keys = np.zeros(0, np.uint64)
        self._places = np.zeros(0, np.int64)
        self._midnight_s = case.report_from_ns // (86_400 * 10**9) * 86_400.0

    def see_baseline(self, rows: np.ndarray, batches: dict[int, Batch]) -> None:
        """Takes a frame of the baseline. Raises ``InputError`` for an event that belongs to the report."""
        last_s = float(rows["time_s"].max())
        if last_s >= self.case.report_from_ns / 1e9:
            raise InputError(_misplaced(self.case, "baseline", last_s, "not before"))

    def see_live(self, rows: np.ndarray, batches: dict[int, Batch]) -> None:
        """Takes a frame of the report, after the engine has. Raises ``InputError`` for an event that belongs to the baseline."""
        first_s = float(rows["time_s"].min())
        if first_s < self.case.report_from_ns / 1e9:
            raise InputError(_misplaced(self.case, "live", first_s, "before"))
        places = self._places_of(rows, batches)
        self._note_days(rows["time_s"], places)
        self._note_labels(rows)

    def check(self) -> None:
        """Raises ``InputError`` where a label names an event nobody logged, or no counted identity was ever active."""
        missing = np.flatnonzero(~self._seen)
        if len(missing):
            episode, event = self._texts[int(missing[0])]
            raise InputError(
                f"{self.case.folder}: {episode} names event {event}, which is not in its records"
                + (f", and {len(missing) - 1} more like it" if len(missing) > 1 else "")
            )
        counted = np.array([identity.counted for identity in self.case.identities])
        if not self.active[counted].any():
            raise InputError(
                f"{self.case.folder}: no benign day: no counted identity is active from {self.case.about.report_from} on, before an attacker has it"
            )

    def _places_of(self, rows: np.ndarray, batches: dict[int, Batch]) -> np.ndarray:
        """The identity of each row, ``OTHER`` for none. A principal met for the first time is looked up once."""
        keys = rows["principal"]
        distinct, first = np.unique(keys, return_index=True)
        is_new = ~np.isin(distinct, self._keys, assume_unique=True)
        for at in first[is_new].tolist():
            self._meet(batches[int(rows[at]["batch"])].event(int(rows[at]["index"])).actor.principal, keys[at])
        return self._places[np.searchsorted(self._keys, keys)]

    def _meet(self, principal: str, key: np.uint64) -> None:
        place = self.index.get(principal, OTHER)
        if place == OTHER and principal not in self._theirs:
            self.unlisted[principal] = None
        at = int(np.searchsorted(self._keys, key))
        self._keys = np.insert(self._keys, at, key)
        self._places = np.insert(self._places, at, place)

    def _note_days(self, times_s: np.ndarray, places: np.ndarray) -> None:
        days = ((times_s - self._midnight_s) // 86_400.0).astype(np.int64)
        is_own = (places != OTHER) & (days < self.active.shape[1]) & (times_s < self._until_s[places])
        self.active[places[is_own], days[is_own]] = True

    def _note_labels(self, rows: np.ndarray) -> None:
        keys = self._labels.keys
        if not len(keys):
            return
        at = np.minimum(np.searchsorted(keys, rows["event_key"]), len(keys) - 1)
        hits = np.flatnonzero(keys[at] == rows["event_key"])
        events = self._labels.events[at[hits]]
        self._seen[events] = True
        self._check_times(events, rows["time_s"][hits])
        if self.engine is None:
            return
        touched = {(int(self._labels.episodes[at[h]]), int(rows[h]["principal"])) for h in hits.tolist()}
        for number, principal in sorted(touched):
            self._note_peak(number, principal, self.engine)

    def _check_times(self, events: np.ndarray, times_s: np.ndarray) -> None:
        """Raises ``InputError`` for a label whose time is not that of its record: seconds until containment would be made up."""
        said_s = self._labels.times_s[events]
        wrong = np.flatnonzero(np.abs(said_s - times_s) > TOLERANCE_S)
        if len(wrong):
            episode, event = self._texts[int(events[wrong[0]])]
            happened, said = (format_time(int(t[wrong[0]] * 1e9)) for t in (times_s, said_s))
            raise InputError(
                f"{self.case.folder}: {episode} says event {event} was at {said}, its record says {happened}"
            )

    def _note_peak(self, number: int, principal: int, engine: Engine) -> None:
        episode = self.case.episodes[number]
        for exhibit in engine.trails.of(principal):
            event, x = exhibit.event, exhibit.x
            if event.event_id not in episode.places:
                continue
            found = Peak(
                event.event_id,
                event.operation,
                round(float(x["evidence"]), 2),
                round(float(x["threshold"]), 2),
                round(float(x["gate"]), 2),
            )
            best = self.peaks.get(episode.episode)
            if best is None or found.lacking_bits < best.lacking_bits:
                self.peaks[episode.episode] = found


def _labels(case: Case) -> tuple[_Labels, list[tuple[str, str]]]:
    """Labelled events by key. Parsers key event ids in one of two ways, by whether they build events at once; both are looked for."""
    texts = [(e.episode, event.id) for e in case.episodes for event in e.events]
    episodes = np.array([n for n, e in enumerate(case.episodes) for _ in e.events], np.int64)
    ids = [event for _episode, event in texts]
    built = np.array([text_key(event) for event in ids], np.uint64)
    keys = np.concatenate([text_column(ids), built]) if ids else np.zeros(0, np.uint64)
    order = np.argsort(keys, kind="stable")
    events = np.concatenate([np.arange(len(ids))] * 2)[order].astype(np.int64)
    times_s = np.array([time_ns / 1e9 for e in case.episodes for time_ns in e.times_ns])
    return _Labels(keys[order], episodes[events] if len(events) else episodes, events, times_s), texts


def _until(case: Case) -> np.ndarray:
    """Seconds until which each identity is its own."""
    taken = case.taken_from_ns
    return np.array([taken[i.principal] / 1e9 if i.principal in taken else NEVER_S for i in case.identities])


def _misplaced(case: Case, part: str, time_s: float, where: str) -> str:
    return f"{case.folder}: records/{part} holds an event of {format_time(int(time_s * 1e9))}, {where} report_from {case.about.report_from}"
