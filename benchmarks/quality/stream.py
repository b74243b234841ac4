"""A case's events as the columns that peers see, written down while Outpace walks them: everybody gets the same records, parsed once."""

import numpy as np

from benchmarks.peers.detection.base import Stream
from detector.columns import Batch
from detector.event import Outcome

KEPT = ("time_s", "event_key", "credential", "principal", "operation_key", "network", "agent", "resource", "outcome")


class Recorder:
    """Looks on beside the engine. Memory: some 70 bytes an event."""

    def __init__(self) -> None:
        self._frames: list[np.ndarray] = []
        self._names: dict[str, dict[int, str]] = {"principal": {}, "operation_key": {}}

    def see(self, rows: np.ndarray, batches: dict[int, Batch]) -> None:
        """Takes a frame, in the order the engine walks it."""
        self._frames.append(rows[list(KEPT)].copy())
        for field, names in self._names.items():
            keys, first = np.unique(rows[field], return_index=True)
            for key, at in zip(keys.tolist(), first.tolist(), strict=True):
                if key not in names:
                    event = batches[int(rows[at]["batch"])].event(int(rows[at]["index"]))
                    names[key] = event.actor.principal if field == "principal" else event.operation

    def stream(self, report_from_s: float) -> Stream:
        """The columns by event time, each event once."""
        rows = np.concatenate(self._frames)
        _keys, first = np.unique(rows["event_key"], return_index=True)
        rows = rows[np.sort(first)]
        rows = rows[np.argsort(rows["time_s"], kind="stable")]
        principals, principal = np.unique(rows["principal"], return_inverse=True)
        operations, operation = np.unique(rows["operation_key"], return_inverse=True)
        return Stream(
            rows["time_s"].astype(np.float64),
            principal.astype(np.int32),
            _numbered(rows["credential"]),
            operation.astype(np.int32),
            _numbered(rows["network"]),
            _numbered(rows["agent"]),
            _numbered(rows["resource"]),
            rows["outcome"] != Outcome.SUCCESS,
            int(np.searchsorted(rows["time_s"], report_from_s)),
            [self._names["principal"][key] for key in principals.tolist()],
            [self._names["operation_key"][key] for key in operations.tolist()],
        )


def _numbered(keys: np.ndarray) -> np.ndarray:
    """Keys as numbers from 1, 0 for none."""
    distinct, number = np.unique(keys, return_inverse=True)
    return (number + int(distinct[0] != 0)).astype(np.int32)
