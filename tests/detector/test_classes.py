"""What a group knows of a class of operations: how many kinds it has taken up, and only a little how many principals took up each."""

import msgspec
import numpy as np
import pytest

from detector import epochs
from detector.config import Policy
from detector.engine import Engine
from detector.epochs import Delta, fold, pack_delta, unpack_delta
from detector.errors import StateError
from detector.state import State
from models.sequence import CLASS_COUNT, class_share, tables_of

GROUP, CLASS = 3, 7
ANY_SHARE = 1 / CLASS_COUNT


def delta(first: int, kinds: int, principals: int, class_: int = CLASS) -> Delta:
    """So many principals took up each of so many operations of one class."""
    rows = np.zeros(kinds, epochs._SHARED)
    rows["key"], rows["count"], rows["group"], rows["class_"] = (
        np.arange(first, first + kinds),
        principals,
        GROUP,
        class_,
    )
    return Delta(epochs._VERSION, 1, 2, 0.0, rows.tobytes(), b"", b"")


def share_of(*deltas: Delta) -> float:
    """The share of the class among what the group is expected to take up next."""
    state: State = Engine(Policy()).state
    for learned in deltas:
        fold(state, learned)
    state.refresh()
    return class_share(state.derived["class_seen"][GROUP, CLASS], state.derived["class_total"][GROUP], ANY_SHARE)


def test_a_kind_counts_by_the_root_of_its_principals() -> None:
    assert [tables_of(n) for n in (0, 1, 3, 4, 21, 100)] == [0, 1, 1, 2, 4, 10]


def test_many_who_log_in_make_their_class_less_likely_than_a_few_who_do_all_of_it() -> None:
    others = delta(1000, 6, 1, CLASS + 1)
    logging_in, all_of_it = share_of(others, delta(2000, 1, 21)), share_of(others, delta(2000, 21, 1))
    assert logging_in < 0.5 * all_of_it
    assert share_of(others) < share_of(others, delta(2000, 1, 1)) < logging_in


def test_what_is_taken_back_is_as_if_it_had_never_been() -> None:
    assert share_of(delta(2000, 3, 5), delta(2000, 3, -5)) == share_of()


@pytest.mark.parametrize("class_", [CLASS_COUNT, 2**32 - 1])
def test_a_class_that_is_none_is_refused(class_: int) -> None:
    rows = np.frombuffer(delta(2000, 1, 1).shared, epochs._SHARED).copy()
    rows["class_"] = class_
    with pytest.raises(StateError, match="a class that is none"):
        unpack_delta(pack_delta(msgspec.structs.replace(delta(2000, 1, 1), shared=rows.tobytes())))
