"""Raw blocks in, rows and columns out: whose log it is, what each record means, and what was refused.

The provider is told by content, block by block, and remembered by origin. One topic may carry several providers: lines one parser refuses
are looked at again and given to the parser they look made for.

Blind to: a provider whose first record comes in a whole document together with another's; a document has one provider.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from detector.columns import Batch, Vocabulary
from detector.errors import ConfigError, Rejection
from detector.event import Provider
from detector.ordering import NOTHING, in_order
from detector.sources.framing import Block
from detector.sources.sniff import KNOWN, sniff
from detector.sources.timestamps import FOREVER_NS
from streams.columns import columns_of
from streams.config import Settings
from streams.frames import Columns
from streams.ingest.arrivals import Arrival
from streams.ingest.refused import Refused, refused
from streams.logs import logger
from streams.parsers import Parser, new_parsers
from streams.policy_files import feeds_stamp

log = logger("ingest")
HEAD_BYTES = 1 << 16
MOST_ORIGINS = 4096
LOOK_EVERY_S = 2
"""Between two looks at whether a context file changed."""
AGAIN_S = 60
"""Until rules and context that could not be read are tried again."""
UNKNOWN = f"no audit record of a known provider ({KNOWN})"
NO_COLUMNS = Columns.of([])


class Normalised(NamedTuple):
    """What came of one arrival: rows in order, their columns, what was refused."""

    rows: np.ndarray
    columns: Columns
    refused: list[Refused]


class Normaliser:
    """Makes arrivals into rows and columns. ``now_ns`` is the wall clock: a record stamped further ahead of it than ``ingest.most_ahead_s`` is refused."""

    def __init__(self, settings: Settings, settings_path: str | None, now_ns: Callable[[], int]) -> None:
        self._now_ns, self._most_ahead_ns = now_ns, int(settings.ingest.most_ahead_s * 1e9)
        self._known: dict[str, Provider] = {}
        self._settings, self._settings_path = settings, settings_path
        self._vocabulary = Vocabulary()
        self._look_at_ns, self._again_at_ns = 0, 0
        self._stamp: tuple[tuple[int, int, int], ...] = ()
        self._parsers: dict[Provider, Parser] = {}
        self._renew()

    def take(self, arrival: Arrival, kind: str) -> Normalised:
        """Rows and columns of an arrival of a source of this kind."""
        self._keep_fresh()
        self._look_at_the_clock()
        block = arrival.block
        batches, rejected = self._parsed(block, arrival.provider) if block.data.strip() else ([], [])
        rows, columns = _in_order(batches)
        columns.received_ns[:] = arrival.received_ns
        return Normalised(rows, columns, _refusals(block, [*arrival.rejected, *rejected], kind, arrival.received_ns))

    def _look_at_the_clock(self) -> None:
        latest_ns = min(FOREVER_NS, self._now_ns() + self._most_ahead_ns)
        for parser in self._parsers.values():
            parser.not_after_ns = latest_ns

    def _keep_fresh(self) -> None:
        """New parsers where a context file changed: what it says of an identity is remembered with the identity."""
        now_ns = self._now_ns()
        if now_ns <= self._look_at_ns:
            return
        self._look_at_ns = now_ns + LOOK_EVERY_S * 10**9
        stamp = feeds_stamp(self._settings, self._settings_path)
        if stamp != self._stamp or 0 < self._again_at_ns < now_ns:
            self._reread(now_ns, stamp)

    def _reread(self, now_ns: int, stamp: tuple[tuple[int, int, int], ...]) -> None:
        """A file that cannot be read just now must not stop what is under way: what was known before goes on to hold."""
        try:
            self._renew()
        except ConfigError as error:
            self._stamp, self._again_at_ns = stamp, now_ns + AGAIN_S * 10**9
            log.warning("rules or context cannot be read, what they said before holds on", error=str(error)[:300])

    def _renew(self) -> None:
        """New parsers. Only memos are lost."""
        self._stamp, self._again_at_ns = feeds_stamp(self._settings, self._settings_path), 0
        self._parsers = new_parsers(self._settings, self._settings_path, FOREVER_NS, self._vocabulary)

    def _parsed(self, block: Block, given: Provider | None) -> tuple[list[Batch], list[Rejection]]:
        if given is not None:
            batch, rejected = self._parsers[given].parse(block)
            return _some(batch), rejected
        known = self._known.get(block.origin)
        provider = known if known is not None else sniff(block.data[:HEAD_BYTES]) or sniff(block.data)
        if provider is None:
            return [], _all_unknown(block)
        batch, rejected = self._parsers[provider].parse(block)
        batches = _some(batch)
        if rejected:
            more, rejected = self._second_look(block, provider, rejected)
            batches += more
        self._remember(block.origin, provider if batch is not None else None)
        return batches, rejected

    def _remember(self, origin: str, provider: Provider | None) -> None:
        if provider is None:
            self._known.pop(origin, None)
        elif origin not in self._known:
            if len(self._known) >= MOST_ORIGINS:
                self._known.clear()
            self._known[origin] = provider

    def _second_look(
        self, block: Block, tried: Provider, rejected: list[Rejection]
    ) -> tuple[list[Batch], list[Rejection]]:
        """Batches of the refused lines other parsers can read, and what is refused for good."""
        if not block.is_lines:
            return self._other_document(block, tried, rejected)
        lines = block.data.split(b"\n")
        others: dict[Provider, list[int]] = {}
        kept: list[Rejection] = []
        for r in rejected:
            number = r.position - block.position
            provider = sniff(lines[number]) if 0 <= number < len(lines) else None
            if provider is None or provider is tried:
                kept.append(r)
            elif number not in others.setdefault(provider, []):
                others[provider].append(number)
        batches: list[Batch] = []
        for provider, numbers in others.items():
            again = Block(b"\n".join(lines[n] for n in numbers), block.origin, 0, True)
            batch, refused_again = self._parsers[provider].parse(again)
            batches += _some(batch)
            kept += [_moved(r, block.position + numbers[r.position]) for r in refused_again]
        return batches, kept

    def _other_document(
        self, block: Block, tried: Provider, rejected: list[Rejection]
    ) -> tuple[list[Batch], list[Rejection]]:
        """A document of another provider than its origin's earlier ones."""
        provider = sniff(block.data[:HEAD_BYTES])
        if provider is None or provider is tried:
            return [], rejected
        batch, rejected = self._parsers[provider].parse(block)
        return _some(batch), rejected


def _some(batch: Batch | None) -> list[Batch]:
    return [batch] if batch is not None and len(batch.rows) else []


def _moved(r: Rejection, position: int) -> Rejection:
    return Rejection(r.origin, position, r.json_path, r.reason)


def _all_unknown(block: Block) -> list[Rejection]:
    if not block.is_lines:
        return [Rejection(block.origin, block.position, "$", UNKNOWN)]
    lines = enumerate(block.data.split(b"\n"), block.position)
    return [Rejection(block.origin, position, "$", UNKNOWN) for position, line in lines if line.strip()]


def _in_order(batches: list[Batch]) -> tuple[np.ndarray, Columns]:
    """All rows by ``detector.ordering``; rows that are in order already stay as they are."""
    if not batches:
        return NOTHING, NO_COLUMNS
    rows = np.concatenate([b.rows for b in batches]) if len(batches) > 1 else batches[0].rows
    rows["index"] = np.arange(len(rows))
    columns = Columns.joined([columns_of(b) for b in batches])
    rows = in_order(rows)
    order = rows["index"].astype(np.int64)
    is_in_order = bool((order[1:] > order[:-1]).all())
    return rows, columns if is_in_order else columns.take(order)


def _refusals(block: Block, rejected: list[Rejection], kind: str, received_ns: int) -> list[Refused]:
    if not rejected:
        return []
    lines = block.data.split(b"\n") if block.is_lines else []

    def raw(r: Rejection) -> bytes:
        number = r.position - block.position
        return lines[number] if r.origin == block.origin and 0 <= number < len(lines) else b""

    return [refused(r, kind, received_ns, raw(r)) for r in rejected]
