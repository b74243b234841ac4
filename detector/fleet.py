"""How many identities there are, as far as events tell: what the circuit breaker's share is a share of, where nobody stated a number.

Blind to: identities that were not used for a week; those of partitions other than the engine's own.
"""

import numpy as np

from detector.config import Policy
from detector.learning import DAY_S
from detector.scoring import COLD_S
from detector.state import NOW, State

FLEET_S = 7 * DAY_S
"""So long ago somebody was seen who still counts: weekly jobs do, what was torn down last month does not."""


def fleet_size(state: State, policy: Policy) -> int:
    """Principals a mistake could hit: used within a week, and old enough to be revoked on evidence; so nobody makes room for himself by making up identities.

    Costs a pass over the table of principals.
    """
    rows, now_s = state.tables["principals"].rows, float(state.plain["clock"][NOW])
    young_s = COLD_S if policy.cold_start_acts else DAY_S
    is_active = rows["last"] >= max(0.0, now_s - FLEET_S)
    is_old_enough = rows["born"] <= max(0.0, now_s - young_s)
    return int(np.count_nonzero((rows["key"] > 1) & is_active & is_old_enough))
