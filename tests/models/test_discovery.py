"""Bits of first times."""

import numpy as np
import pytest

from models.discovery import ATTACKER_DENIED, outcome_bits


@pytest.mark.parametrize("refused", [0.01, 0.4, 0.83, 0.99])
def test_an_answer_never_speaks_for_an_intruder_and_a_refusal_speaks_where_few_are_refused(refused: float) -> None:
    assert outcome_bits(False, refused) <= 0.0
    assert outcome_bits(True, refused) == pytest.approx(np.log2(ATTACKER_DENIED / refused))


def test_an_answer_is_the_stronger_sign_of_an_owner_the_fewer_owners_are_refused() -> None:
    assert outcome_bits(False, 0.01) < outcome_bits(False, 0.2) < outcome_bits(False, 0.39) < 0.0
