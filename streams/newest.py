"""The newest event of each source, by which it is seen that one fell silent."""

import numpy as np

from streams.metrics import PROVIDERS


def newest_of(rows: np.ndarray) -> dict[str, float]:
    """Seconds since 1970 of the newest of each source's own rows (``ROW``); sources without a row are left out.

    >>> from detector.columns import ROW
    >>> rows = np.zeros(3, ROW)
    >>> rows["provider"], rows["time_s"] = [0, 1, 0], [5.0, 90.0, 7.0]
    >>> newest_of(rows)
    {'aws': 7.0, 'okta': 90.0}
    """
    times_s, providers = rows["time_s"], rows["provider"]
    return {PROVIDERS[p]: float(times_s[providers == p].max()) for p in np.unique(providers).tolist()}
