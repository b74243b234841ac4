"""Everything the engine remembers, as bounded arrays, and how it is saved and loaded.

Per entity: ``credentials`` (lineage, hands), ``principals`` (counts, evidence, loop), ``facts`` (a principal's operations, sources, agents,
resources: what it has done and when), ``sources`` (second stage). Shared: what peer groups and everybody took up. Each table
evicts its oldest idle rows at its limit and counts them. Dates are seconds since 1970 in u4, good until 2106.
"""

from typing import ClassVar, NamedTuple

import numpy as np

from detector.columns import GROUPS, Vocabulary
from detector.event import Provider
from models.budget import BINS
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
        ("parent", "u8"),
        ("parent_principal", "u8"),
        ("hand", "u8"),
        ("older_hand", "u8"),
        ("first", "u4"),
        ("last", "u4"),
        ("depth", "u1"),
        ("acted", "u1"),
        ("context", "u1"),
        ("pad", "u1", (5,)),
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
        ("iterations", "f4"),
        ("decision_s", "f4"),
        ("day_peak", "f4"),
        ("actions", "u4"),
        ("day", "u2"),
        ("group", "u2"),
        ("resources", "u1"),
        ("level", "u1"),
        ("news", "u1"),
        ("day_dirty", "u1"),
    ]
)

FACT = np.dtype([("key", "u8"), ("count", "u4"), ("first", "u4"), ("ok", "u4"), ("denied", "u4")])
SHARED = np.dtype([("key", "u8"), ("count", "f4"), ("last", "u4")])
SOURCE = np.dtype([("key", "u8"), ("first", "u4"), ("last", "u4"), ("window", "u4"), ("count", "u4")])
JOURNAL = np.dtype(
    [("time", "f8"), ("principal", "u8"), ("fact", "u8"), ("operation", "u2"), ("kind", "u1"), ("pad", "u1", (5,))]
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
        ("inherited", "f8"),
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

CROSSING = np.dtype([("exhibit", "i4"), ("kind", "u1"), ("pad", "u1", (3,))])

NOW, DAY, FIRST = 0, 1, 2
DUPLICATES, LATE, EVENTS, SEEN_COUNT, SEEN_SIDE, JOURNALLED, HELD = range(7)
COUNTER_NAMES = ("duplicates", "late", "events")


class Arrays(NamedTuple):
    """The state as compiled code sees it."""

    credentials: np.ndarray
    credentials_used: np.ndarray
    principals: np.ndarray
    principals_used: np.ndarray
    facts: np.ndarray
    facts_used: np.ndarray
    shared: np.ndarray
    shared_used: np.ndarray
    sources: np.ndarray
    sources_used: np.ndarray
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
    histogram: np.ndarray
    identity_days: np.ndarray
    shipped: np.ndarray
    offsets: np.ndarray
    constants: np.ndarray


class Limits(NamedTuple):
    """Most rows of each kind; with the row sizes above this states the memory bound."""

    credentials: int = 4_000_000
    principals: int = 2_000_000
    facts: int = 24_000_000
    shared: int = 1_000_000
    sources: int = 1_000_000


class State:
    """The engine's memory: tables that grow and evict, plain arrays that do not."""

    PER_EVENT: ClassVar = {"credentials": 2, "principals": 1, "facts": 7, "shared": 2, "sources": 1}

    def __init__(self, shipped_offsets: np.ndarray, class_prior: np.ndarray, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self.tables = {
            "credentials": Table(CREDENTIAL, limits.credentials, ("last",)),
            "principals": Table(PRINCIPAL, limits.principals, ("last",)),
            "facts": Table(FACT, limits.facts, ("ok", "denied")),
            "shared": Table(SHARED, limits.shared, ("last",)),
            "sources": Table(SOURCE, limits.sources, ("last",)),
        }
        self.plain = {
            "seen": np.zeros((2, SEEN_KEYS), np.uint64),
            "journal": np.zeros(JOURNAL_ROWS, JOURNAL),
            "clock": np.zeros(3),
            "counters": np.zeros(8, np.int64),
            "discoveries": np.zeros(_ALL_GROUPS),
            "distinct": np.zeros(_ALL_GROUPS),
            "class_seen": np.zeros((_ALL_GROUPS, CLASS_COUNT)),
            "class_total": np.zeros(_ALL_GROUPS),
            "outcomes": np.zeros((_ALL_GROUPS, 4, 4, 2)),
            "resources": np.zeros((_ALL_GROUPS, 8, 2)),
            "news": np.zeros((_ALL_GROUPS, 4)),
            "trials": np.zeros(_ALL_GROUPS),
            "histogram": np.zeros((GROUPS, BINS)),
            "identity_days": np.zeros(4),
            "shipped": shipped_offsets.copy(),
            "offsets": shipped_offsets.copy(),
        }
        self.plain["class_seen"][EVERYBODY:] = class_prior
        self.plain["class_total"][EVERYBODY:] = class_prior.sum(axis=1)

    def reserve(self, events: int) -> None:
        """Room for this many events, whatever they bring."""
        for name, table in self.tables.items():
            table.reserve(events * self.PER_EVENT[name])

    def evict_idle(self) -> None:
        """Drops the oldest idle entities of every table past its limit."""
        for table in self.tables.values():
            table.evict_idle()

    def arrays(self, vocabulary: Vocabulary) -> Arrays:
        """The view compiled code walks; taken anew after every ``reserve``."""
        tables = {name: table.rows for name, table in self.tables.items()}
        used = {f"{name}_used": table.used for name, table in self.tables.items()}
        return Arrays(**tables, **used, **self.plain, constants=vocabulary.constants)

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
