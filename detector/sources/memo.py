"""Things resolved once and then pointed at: a dictionary from key to row number, and the rows as one array.

Looking a number up and fetching columns by it costs a third of fetching tuples. Bounded: when full it starts afresh, which costs
time and never changes a result.
"""

from collections.abc import Hashable
from typing import Any

import numpy as np


class Memo:
    """At most ``limit`` resolved keys. Row 0 is nobody's, so a number is true when it is known."""

    def __init__(self, dtype: list[tuple[str, str]], limit: int = 1 << 16) -> None:
        self.dtype = np.dtype(dtype)
        self.limit = limit
        self.restart()

    def restart(self) -> None:
        """Forgets everything; arrays and objects handed out before stay as they were."""
        self.numbers: dict[Hashable, int] = {}
        self.rows = np.zeros(256, self.dtype)
        self.objects: list[Any] = [None]

    def make_room(self) -> bool:
        """Called before a batch: starts afresh when full, and says so."""
        is_full = len(self.numbers) >= self.limit
        if is_full:
            self.restart()
        return is_full

    def rows_of(self, numbers: list[int]) -> np.ndarray:
        """The rows behind numbers."""
        return self.rows[np.array(numbers, np.int64)]

    def add(self, key: Hashable | None, values: tuple[Any, ...], what: Any = None) -> int:
        """The number of a newly resolved key; a ``None`` key is resolved but not remembered."""
        number = len(self.objects)
        if number >= len(self.rows):
            self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        self.rows[number] = values
        self.objects.append(what)
        if key is not None:
            self.numbers[key] = number
        return number
