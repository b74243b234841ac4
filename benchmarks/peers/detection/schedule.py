"""Rules that run on a schedule: Elastic's run every five minutes and look back over a little more, so an event is judged at the end of the run that covers it.

That the records themselves come minutes late is not held against them here.
"""

import numpy as np

INTERVAL_S = 300.0


def run_ends(time_s: np.ndarray) -> np.ndarray:
    """When the run that covers each event ends, float64 of n.

    >>> run_ends(np.array([0.0, 299.0, 300.0])).tolist()
    [300.0, 300.0, 600.0]
    """
    return (np.floor(time_s / INTERVAL_S) + 1.0) * INTERVAL_S
