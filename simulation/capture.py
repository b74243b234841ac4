"""Captured log files as a trail delivers them: late, slightly out of order, now and then twice.

Names and the `Records` wrapper: CloudTrail User Guide, "Finding your CloudTrail log files" and "CloudTrail log file
examples".
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from simulation.cloudtrail import Record
from simulation.identifiers import ACCOUNT

DUPLICATE_SHARE = 0.003
_FASTEST_S, _SLOWEST_S = 30, 330
_FILE_S = 3600
_EDGE_S = 270  # duplicates come from the end of a file, so that the second copy lands in the next

Delivery = tuple[int, Record]
FileKey = tuple[str, int]  # region, Unix seconds at which the file closes


def deliveries(records: Sequence[Record], rng: np.random.Generator) -> list[Delivery]:
    """Records with the second each is delivered, in that order: 30 to 330 s late, 0.3 % twice within 10 minutes."""
    delays = rng.integers(_FASTEST_S, _SLOWEST_S, len(records))
    made = [(seconds(record) + int(delay), record) for record, delay in zip(records, delays, strict=True)]
    again = rng.random(len(made)) < DUPLICATE_SHARE * _FILE_S / _EDGE_S
    made += [
        (at_s + _EDGE_S, record)
        for (at_s, record), twice in zip(made, again, strict=True)
        if twice and at_s % _FILE_S >= _FILE_S - _EDGE_S
    ]
    return sorted(made, key=lambda delivery: delivery[0])


def write(folder: Path, delivered: Iterable[Delivery], rng: np.random.Generator) -> list[Path]:
    """Log files, one a region and hour of delivery, and their paths; the same deliveries give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_written(folder, key, records, rng) for key, records in sorted(_by_file(delivered).items())]


def read(folder: Path) -> Iterator[Record]:
    """Every record of the folder's files, in file order."""
    for path in sorted(folder.glob("*.json.gz")):
        yield from read_file(path)


def read_file(path: Path) -> list[Record]:
    """The records of one log file."""
    records: list[Record] = json.loads(gzip.decompress(path.read_bytes()))["Records"]
    return records


def seconds(record: Record) -> int:
    """When the record's event happened, in Unix seconds."""
    return int(datetime.fromisoformat(record["eventTime"]).timestamp())


def _by_file(delivered: Iterable[Delivery]) -> dict[FileKey, list[Record]]:
    files: dict[FileKey, list[Record]] = defaultdict(list)
    for at_s, record in delivered:
        files[record["awsRegion"], (at_s // _FILE_S + 1) * _FILE_S].append(record)
    return files


def _written(folder: Path, key: FileKey, records: list[Record], rng: np.random.Generator) -> Path:
    region, closes_s = key
    stamp = datetime.fromtimestamp(closes_s, UTC).strftime("%Y%m%dT%H%MZ")
    path = folder / f"{ACCOUNT}_CloudTrail_{region}_{stamp}_{rng.bytes(8).hex()}.json.gz"
    body = json.dumps({"Records": records}, separators=(",", ":")).encode()
    path.write_bytes(gzip.compress(body, compresslevel=9, mtime=0))
    return path
