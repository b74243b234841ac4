"""Everything the engine remembers, as bounded arrays, and how it is saved and loaded.

Per entity: ``credentials`` (a credential in one principal's hands: lineage, hands), ``principals`` (counts, evidence, loop), ``facts`` (a
principal's operations, sources, agents, resources: what it has done and when). Each table evicts its oldest idle rows at its limit and counts
them. Dates are seconds since 1970 in u4, good until 2106.

What principals share (what peer groups and everybody took up, the budget) is kept twice: the *version* everybody reads during an epoch, and what was
*taught* here since the epoch began. Both are whole numbers, so the sum over shards does not depend on who adds first. ``Epochs`` moves the one into
the other (see ``detector/epochs.py``).
"""

import math
from typing import ClassVar, NamedTuple

import numpy as np

from detector.columns import GROUPS, Vocabulary
from detector.event import Path, Provider
from models.budget import AGES, BINS, measured_offsets
from models.sequence import CLASS_COUNT
from models.table import Table

EVERYBODY = GROUPS
"""Group number of AWS's everybody; provider p's is ``EVERYBODY + p``."""

_ALL_GROUPS = GROUPS + len(Provider)
SEEN_KEYS = 1 << 20
JOURNAL_ROWS = 1 << 16

CREDENTIAL = np.dtype(
    [
        ("key", "u8"),
        ("principal", "u8"),
        ("credential", "u8"),
        ("parent_principal", "u8"),
        ("hand", "u8"),
        ("older_hand", "u8"),
        ("first", "u4"),
        ("last", "u4"),
        ("depth", "u1"),
        ("acted", "u1"),
        ("context", "u1"),
        ("is_provider_minted", "u1"),
        ("pad", "u1", (4,)),
    ]
)

PRINCIPAL = np.dtype(
    [
        ("key", "u8"),
        ("last_operation", "u8"),
        ("last_resource", "u8"),
        ("signals", "u8"),
        ("at", "f8"),
        ("since", "f8"),
        ("born", "u4"),
        ("last", "u4"),
        ("held_until", "u4"),
        ("level_until", "u4"),
        ("n", "f4"),
        ("distinct", "f4"),
        ("a", "f4"),
        ("b", "f4"),
        ("cold", "f4"),
        ("storm", "f4"),
        ("gate", "f4"),
        ("denied", "f4"),
        ("answered", "f4"),
        ("trials", "f4"),
        ("new_source", "f4"),
        ("new_network", "f4"),
        ("new_agent", "f4"),
        ("new_edge", "f4"),
        ("new_resource", "f4"),
        ("resource_trials", "f4"),
        ("iterations", "f4"),
        ("decision_s", "f4"),
        ("day_peak", "f4"),
        ("loudest", "f4"),
        ("actions", "u4"),
        ("day", "u2"),
        ("group", "u2"),
        ("day_group", "u2"),
        ("resources", "u1"),
        ("level", "u1"),
        ("news", "u1"),
        ("day_dirty", "u1"),
        ("is_minter", "u1"),
        ("reads", "u1"),
    ]
)

FACT = np.dtype([("key", "u8"), ("count", "u4"), ("first", "u4"), ("ok", "u4"), ("denied", "u4")])
SHARED = np.dtype([("key", "u8"), ("count", "i4"), ("last", "u4")])
TAUGHT = np.dtype(
    [("key", "u8"), ("count", "i4"), ("last", "u4"), ("group", "u2"), ("class_", "u1"), ("pad", "u1", (5,))]
)
JOURNAL = np.dtype(
    [
        ("time", "f8"),
        ("principal", "u8"),
        ("fact", "u8"),
        ("operation", "u2"),
        ("group", "u2"),
        ("kind", "u1"),
        ("pad", "u1", (3,)),
    ]
)

EXHIBIT = np.dtype(
    [
        ("time_s", "f8"),
        ("principal", "u8"),
        ("credential", "u8"),
        ("source", "u8"),
        ("agent", "u8"),
        ("since", "f8"),
        ("row", "u4"),
        ("operation", "u2"),
        ("outcome", "u1"),
        ("is_repeat", "u1"),
        ("is_cold", "u1"),
        ("is_held", "u1"),
        ("is_young", "u1"),
        ("depth", "u1"),
        ("count", "f8"),
        ("total", "f8"),
        ("distinct", "f8"),
        ("age_s", "f8"),
        ("group_p", "f8"),
        ("discovery_p", "f8"),
        ("attacker_p", "f8"),
        ("storm", "f8"),
        ("denied_p", "f8"),
        ("new_source_p", "f8"),
        ("new_network_p", "f8"),
        ("new_agent_p", "f8"),
        ("new_edge_p", "f8"),
        ("new_resource_p", "f8"),
        ("sought", "f8"),
        ("context", "f8"),
        ("a_before", "f8"),
        ("b_before", "f8"),
        ("cold_before", "f8"),
        ("operation_a", "f8"),
        ("operation_b", "f8"),
        ("beside_a", "f8"),
        ("beside_b", "f8"),
        ("a", "f8"),
        ("b", "f8"),
        ("cold", "f8"),
        ("gate", "f8"),
        ("evidence", "f8"),
        ("threshold", "f8"),
        ("iterations", "f8"),
        ("decision_s", "f8"),
        ("actions", "f8"),
        ("signals", "u8"),
    ]
)

NOTE = np.dtype(
    [
        ("parent", "u8"),
        ("born", "u4"),
        ("first", "u4"),
        ("kind", "u1"),
        ("flags", "u1"),
        ("has_acted", "u1"),
        ("level", "u1"),
        ("pad", "u1", (4,)),
    ]
)
"""What goes with an exhibit: what was decided on it (``kind``, 0 nothing), and what the second stage wants to know."""

COUNTED: dict[str, tuple[int, ...]] = {
    "discoveries": (_ALL_GROUPS,),
    "outcomes": (_ALL_GROUPS, 4, 4, 2),
    "resources": (_ALL_GROUPS, 2),
    "news": (_ALL_GROUPS, 4),
    "trials": (_ALL_GROUPS,),
    "histogram": (len(AGES), GROUPS, BINS),
    "identity_days": (len(Path),),
}
"""Shared counts that are arrays, by shape; they lie one after another in one flat array of whole numbers."""

COUNTED_CELLS = sum(math.prod(shape) for shape in COUNTED.values())

NOW, ENDS, FIRST, OWN_FIRST = range(4)
"""Places in ``clock``, seconds: the latest event, the end of the epoch, the estate's first event in the version, the first one here since the epoch began."""
DUPLICATES, LATE, EVENTS, SEEN_COUNT, SEEN_SIDE, JOURNALLED, HELD = range(7)
COUNTER_NAMES = ("duplicates", "late", "events")


class Arrays(NamedTuple):
    """The state as compiled code sees it: entities, the version of what is shared (read only), and what was taught here (``taught``, ``own_…``)."""

    credentials: np.ndarray
    credentials_used: np.ndarray
    principals: np.ndarray
    principals_used: np.ndarray
    facts: np.ndarray
    facts_used: np.ndarray
    shared: np.ndarray
    taught: np.ndarray
    taught_used: np.ndarray
    seen: np.ndarray
    journal: np.ndarray
    clock: np.ndarray
    counters: np.ndarray
    discoveries: np.ndarray
    distinct: np.ndarray
    class_seen: np.ndarray
    class_total: np.ndarray
    outcomes: np.ndarray
    resources: np.ndarray
    news: np.ndarray
    trials: np.ndarray
    offsets: np.ndarray
    own_discoveries: np.ndarray
    own_outcomes: np.ndarray
    own_resources: np.ndarray
    own_news: np.ndarray
    own_trials: np.ndarray
    own_histogram: np.ndarray
    own_identity_days: np.ndarray
    constants: np.ndarray


def sections(flat: np.ndarray) -> dict[str, np.ndarray]:
    """The sections of a flat array of counts by name; views, not copies."""
    found, start = {}, 0
    for name, shape in COUNTED.items():
        end = start + math.prod(shape)
        found[name] = flat[start:end].reshape(shape)
        start = end
    return found


class Limits(NamedTuple):
    """Most rows of each kind; with the row sizes above this states the memory bound."""

    credentials: int = 4_000_000
    principals: int = 2_000_000
    facts: int = 24_000_000
    shared: int = 1_000_000
    taught: int = 1_000_000


class State:
    """The engine's memory: tables that grow and evict, plain arrays that do not."""

    PER_EVENT: ClassVar = {"credentials": 2, "principals": 1, "facts": 7, "shared": 0, "taught": 2}

    def __init__(self, shipped_offsets: np.ndarray, class_prior: np.ndarray, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self.tables = {
            "credentials": Table(CREDENTIAL, limits.credentials, ("last",)),
            "principals": Table(PRINCIPAL, limits.principals, ("last",)),
            "facts": Table(FACT, limits.facts, ("ok", "denied")),
            "shared": Table(SHARED, limits.shared, ("last",)),
            "taught": Table(TAUGHT, limits.taught, ("last",)),
        }
        self.plain = {
            "seen": np.zeros((2, SEEN_KEYS), np.uint64),
            "journal": np.zeros(JOURNAL_ROWS, JOURNAL),
            "clock": np.zeros(4),
            "counters": np.zeros(8, np.int64),
            "counts": np.zeros(COUNTED_CELLS, np.int64),
            "distinct": np.zeros(_ALL_GROUPS, np.int64),
            "tables": np.zeros((_ALL_GROUPS, CLASS_COUNT), np.int64),
            "own": np.zeros(COUNTED_CELLS, np.int64),
            "shipped": shipped_offsets.copy(),
        }
        self.class_prior = np.zeros((_ALL_GROUPS, CLASS_COUNT))
        self.class_prior[EVERYBODY:] = class_prior
        self._measured = np.zeros(COUNTED["histogram"], np.int64)
        self._shipped, self._offsets = np.full(GROUPS, np.nan), np.zeros((len(AGES), GROUPS))
        self.derived: dict[str, np.ndarray] = {}
        self.refresh()

    def counted(self, name: str) -> dict[str, np.ndarray]:
        """The sections of ``counts`` (the version) or ``own``."""
        return sections(self.plain[name])

    def refresh(self) -> None:
        """Computes anew what the loop reads of the version: a function of its counts alone, so that every shard has the same to the last bit."""
        counts = self.counted("counts")
        histogram, shipped = counts.pop("histogram"), self.plain["shipped"]
        del counts["identity_days"]
        self.derived = {name: array.astype(np.float64) for name, array in counts.items()}
        self.derived["distinct"] = self.plain["distinct"].astype(np.float64)
        self.derived["class_seen"] = self.plain["tables"] + self.class_prior
        self.derived["class_total"] = self.derived["class_seen"].sum(axis=1)
        self._measure(histogram, shipped)

    def _measure(self, histogram: np.ndarray, shipped: np.ndarray) -> None:
        """Offsets of the groups whose days or shipped offset changed since they were last measured; the others stay."""
        changed = (histogram != self._measured).any(axis=(0, 2)) | (shipped != self._shipped)
        for g in np.flatnonzero(changed):
            self._offsets[:, g] = measured_offsets(histogram[:, g], shipped[g])
        self._measured, self._shipped = histogram.copy(), shipped.copy()
        self.derived["offsets"] = self._offsets.copy()

    def open_epoch(self, ends_s: float) -> None:
        """Lets the loop walk rows before this time."""
        self.plain["clock"][ENDS] = ends_s

    def close_epoch(self) -> None:
        """Lets the loop walk nothing."""
        self.plain["clock"][ENDS] = 0.0

    def reserve(self, events: int) -> None:
        """Room for this many events, whatever they bring; for ``taught`` also for undoing everything the journal holds."""
        for name, table in self.tables.items():
            table.reserve(events * self.PER_EVENT[name])
        self.tables["taught"].reserve(2 * (events + min(JOURNAL_ROWS, int(self.plain["counters"][JOURNALLED]))))

    def evict_idle(self) -> None:
        """Drops the oldest idle entities of every table past its limit; of the version only an epoch's end does."""
        for name, table in self.tables.items():
            if name != "shared":
                table.evict_idle()

    def arrays(self, vocabulary: Vocabulary) -> Arrays:
        """The view compiled code walks; taken anew after every ``reserve``."""
        tables = {name: table.rows for name, table in self.tables.items()}
        used = {f"{name}_used": table.used for name, table in self.tables.items() if name != "shared"}
        own = {f"own_{name}": array for name, array in self.counted("own").items()}
        plain = {name: self.plain[name] for name in ("seen", "journal", "clock", "counters")}
        return Arrays(**tables, **used, **plain, **own, **self.derived, constants=vocabulary.constants)

    @property
    def evicted(self) -> int:
        """Entities dropped so far to stay within bounds."""
        return sum(table.evicted for table in self.tables.values())

    @property
    def entity_bytes(self) -> int:
        """Bytes that grow with the number of credentials."""
        return sum(table.nbytes for table in self.tables.values())

    @property
    def live(self) -> dict[str, int]:
        """Live rows of each table."""
        return {name: int((table.rows["key"] > 1).sum()) for name, table in self.tables.items()}
