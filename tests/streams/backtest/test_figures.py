"""Figures of slices, pooled over cases."""

import msgspec
import pytest
from backtesting import JOB, days, score_of, scored, wrong

from detector.errors import InputError
from streams.backtest.figures import FIGURES, check_slice, figures
from streams.backtest.slices import attack_rows, benign_rows


def test_shares_medians_and_rates_come_with_how_sure_they_are() -> None:
    attacks = [scored("e1", 1), scored("e2", 7), scored("e3", 4), scored("e4", None)]
    found = figures(
        [score_of(*attacks, seen=(days(20_000),), false=(wrong(), wrong(day="2026-03-12", action="alert")))]
    )
    assert (found.episodes, found.contained, found.contained_count, found.within_5) == (4, 0.75, 3, 0.5)
    assert (found.actions_median, found.actions_p90, found.contained_actions_p90) == (4, None, 7)
    assert (found.seconds_median, found.exposed_actions) == (40.0, (1 + 7 + 4 + 10) / 4)
    assert found.contained_low is not None
    assert found.contained_low < 0.75
    assert (found.false_revocations, found.false_revocations_per_10000) == (1, 0.5)
    assert found.false_revocations_per_10000_high == pytest.approx(5.572 / 2, abs=1e-3)
    assert (found.false_alerts, found.false_alerts_per_10000) == (2, 1.0)


def test_benign_oddities_are_no_attacks() -> None:
    assert figures([score_of(scored(), scored("odd", None, benign=True))]).episodes == 1


def test_identities_that_do_not_count_make_no_false_revocations() -> None:
    assert figures([score_of(false=(wrong(counted=False),))]).false_revocations == 0


def test_the_exposure_debt_is_what_a_months_attacks_get_before_they_are_stopped() -> None:
    found = figures([score_of(scored("e1", 2), scored("e2", None, alert_actions=4), seen=(days(5000),))])
    assert found.attacks_per_month == pytest.approx(5.0)
    assert found.exposure_debt == pytest.approx(5.0 * (2 + 10) / 2)
    assert found.unnoticed_debt == pytest.approx(5.0 * (2 + 4) / 2)


def test_the_debt_of_two_cases_is_one_estates_and_not_both() -> None:
    one = score_of(scored("e1", 2), seen=(days(5000),))
    assert figures([one, one]).attacks_per_month == figures([one]).attacks_per_month


def test_a_slice_takes_several_values_and_several_keys() -> None:
    score = score_of(
        scored("e1", 1, pace="machine"),
        scored("e2", None, pace="agent"),
        scored("e3", 1, pace="human"),
        scored("e4", 1, pace="agent", mimicry="camo"),
    )
    assert figures([score], {"pace": ("machine", "agent")}).episodes == 3
    assert figures([score], {"pace": ("machine", "agent"), "mimicry": ("plain",)}).contained == 0.5


def test_figures_a_slice_cannot_have_are_null() -> None:
    score = score_of(scored(), seen=(days(100), days(50, "human")), false=(wrong(),))
    assert figures([score], {"pace": ("agent",)}).identity_days is None
    by_week = figures([score], {"week": ("0",)})
    assert (by_week.contained, by_week.identity_days) == (None, 150)
    assert figures([score], {"path": ("human",)}).false_revocations == 0


@pytest.mark.parametrize(
    ("where", "complaint"),
    [({"colour": ("red",)}, "by 'colour'"), ({"pace": ("agent",), "week": ("1",)}, "no slice by pace and week")],
)
def test_a_slice_nothing_can_be_cut_by_is_refused(where: dict[str, tuple[str, ...]], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        check_slice(where, "here")


def test_the_table_shows_every_value_that_occurs_once_and_paces_in_their_order() -> None:
    score = score_of(scored("e1", pace="slow"), scored("e2", pace="machine"), scored("e3", loop="reconnaissance"))
    rows = attack_rows([score])
    assert [r.name for r in rows if r.group == "pace"] == ["machine", "agent", "slow"]
    assert [r.name for r in rows if r.group == "loop"] == ["credential_testing", "reconnaissance"]
    assert [r.name for r in benign_rows([score])] == ["all", "workload"]


def test_the_names_others_rely_on_are_there() -> None:
    promised = {
        "contained",
        "episodes",
        "actions_median",
        "actions_p90",
        "seconds_median",
        "false_revocations",
        "identity_days",
    }
    assert promised <= set(FIGURES)
    assert msgspec.json.decode(
        msgspec.json.encode(score_of(scored(), false=(wrong(JOB),))), type=type(score_of())
    ) == score_of(scored(), false=(wrong(JOB),))
