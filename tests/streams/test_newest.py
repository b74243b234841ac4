"""Which newest events are seen in rows."""

import numpy as np

from detector.columns import ROW
from detector.event import Provider
from streams.newest import newest_of


def test_each_source_has_the_newest_of_its_own_rows() -> None:
    rows = np.zeros(4, ROW)
    rows["provider"] = [Provider.AWS, Provider.OKTA, Provider.AWS, Provider.OKTA]
    rows["time_s"] = [10.0, 900.0, 20.0, 800.0]
    assert newest_of(rows) == {"aws": 20.0, "okta": 900.0}
    assert newest_of(rows[:0]) == {}
