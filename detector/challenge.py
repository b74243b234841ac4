"""Challengers beside the engine: other models scoring the same events, shown in the reasons and never counted.

Off unless the policy names them. They run in plain Python at some ten thousand events a second; the ablation that keeps them off is in
``docs/decisions/005-challengers-off-by-default.md``.
"""

import numpy as np

from models.base import Observation
from models.challengers import CHALLENGERS

SEED = 7
REMEMBERED = 100_000


class Challenge:
    """The challengers a policy names, fed the rows the engine walks."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.models = {name: CHALLENGERS[name](SEED) for name in names}
        self._last_s: dict[int, float] = {}
        self._known: dict[tuple[int, int], None] = {}

    def surprises(self, rows: np.ndarray) -> dict[int, tuple[tuple[str, float], ...]]:
        """By row number: what each model said before it learned the row, in bits."""
        found = {}
        for number, row in enumerate(rows):
            seen = self._observation(row)
            found[number] = tuple((name, float(model.surprise_bits(seen))) for name, model in self.models.items())
            for model in self.models.values():
                model.learn(seen)
        return found

    def _observation(self, row: np.void) -> Observation:
        principal, now = int(row["principal"]), float(row["time_s"])
        last = self._last_s.get(principal)
        self._last_s[principal] = now
        if len(self._last_s) > REMEMBERED:
            self._last_s.pop(next(iter(self._last_s)))
        return Observation(
            time_s=now,
            principal=principal,
            group=int(row["group"]),
            operation=int(row["operation_key"]),
            outcome=int(row["outcome"]),
            gap_s=float("inf") if last is None else max(0.0, now - last),
            fresh=self._is_fresh(principal, int(row["operation_key"])),
            source_fresh=self._is_fresh(principal, int(row["source"])),
            agent_fresh=self._is_fresh(principal, int(row["agent"])),
        )

    def _is_fresh(self, principal: int, value: int) -> bool:
        key = (principal, value)
        if key in self._known:
            return False
        self._known[key] = None
        if len(self._known) > REMEMBERED:
            self._known.pop(next(iter(self._known)))
        return True
