"""Challengers keep the contract of an online model and do what their name says, no more."""

import subprocess
import sys
from collections.abc import Callable
from math import log2
from random import Random
from typing import ClassVar, Self

import msgspec
import pytest

from models.base import ModelStateError, Observation, OnlineModel, seal, unseal
from models.challengers import CHALLENGERS
from models.challengers.conformal import ConformalModel, Reference
from models.challengers.drift import DriftModel
from models.challengers.half_space_trees import HalfSpaceTreesModel
from models.challengers.tempo import Mixture, TempoModel, gap_octaves
from models.challengers.variable_order import Counts, VariableOrderModel
from models.checks import CHECKS, Factory, routine

PRINCIPAL, GROUP = 11, 3


def event(operation: int = 1, gap_s: float = 60.0, principal: int = PRINCIPAL, group: int = GROUP) -> Observation:
    return Observation(0.0, principal, group, operation, gap_s=gap_s)


def teach(model: OnlineModel, operations: list[int], principal: int = PRINCIPAL, group: int = GROUP) -> None:
    for operation in operations:
        model.learn(event(operation, principal=principal, group=group))


def mean_bits(model: OnlineModel, operations: list[int]) -> float:
    total = 0.0
    for operation in operations:
        total += model.surprise_bits(event(operation))
        model.learn(event(operation))
    return total / len(operations)


class _NoState(msgspec.Struct):
    pass


class GapAsBits:
    """An inner model whose answer the test chooses: the gap, read as bits."""

    name: ClassVar[str] = "gap_as_bits"
    unit: ClassVar[str] = "bits"
    max_bytes = 0
    max_entities = 1
    evicted = 0

    def surprise_bits(self, obs: Observation) -> float:
        return obs.gap_s

    def learn(self, obs: Observation) -> None:
        """Nothing to learn."""

    def state_bytes(self) -> int:
        return 0

    def dump(self) -> bytes:
        return seal(self.name, 1, _NoState())

    @classmethod
    def load(cls, data: bytes) -> Self:
        unseal(data, cls.name, 1, _NoState)
        return cls()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", sorted(CHALLENGERS))
def test_a_challenger_keeps_the_contract(name: str, check: Callable[[Factory, int], None]) -> None:
    check(CHALLENGERS[name], 17)


@pytest.mark.parametrize("name", sorted(CHALLENGERS))
def test_the_registry_calls_each_challenger_by_its_own_name(name: str) -> None:
    model = CHALLENGERS[name](1)
    assert model.name == name
    assert model.unit in {"bits", "p"}


def test_importing_the_registry_does_not_import_river() -> None:
    probe = "import sys, models.challengers; sys.exit('river' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


@pytest.mark.parametrize("name", sorted(CHALLENGERS))
def test_state_of_one_challenger_is_refused_by_the_others(name: str) -> None:
    state = CHALLENGERS[name](1).dump()
    for other in sorted(set(CHALLENGERS) - {name}):
        with pytest.raises(ModelStateError, match="wanted"):
            type(CHALLENGERS[other](1)).load(state)


@pytest.mark.parametrize(("name", "kept"), [("variable_order", 64), ("tempo", 256), ("half_space_trees", 16)])
def test_groups_beyond_the_bound_are_forgotten_and_counted_even_after_a_round_trip(name: str, kept: int) -> None:
    model = CHALLENGERS[name](1)
    for group in range(kept + 3):
        model.learn(event(group=group))
    loaded = type(model).load(model.dump())
    assert (model.evicted, loaded.evicted) == (3, 3)


def cycle_and_shuffle() -> tuple[list[int], list[int]]:
    cycle = list(range(100, 108)) * 40
    shuffled = cycle[:160]
    Random(4).shuffle(shuffled)
    return cycle, shuffled


def test_a_shuffled_order_is_stranger_than_the_learned_one() -> None:
    cycle, shuffled = cycle_and_shuffle()
    same, other = VariableOrderModel(), VariableOrderModel()
    for model in (same, other):
        teach(model, cycle)
    assert mean_bits(same, cycle[:160]) < 0.5
    assert mean_bits(other, shuffled) > 2.0


def test_without_context_the_order_makes_no_difference() -> None:
    cycle, shuffled = cycle_and_shuffle()
    same, other = VariableOrderModel(max_order=0), VariableOrderModel(max_order=0)
    for model in (same, other):
        teach(model, cycle)
    assert mean_bits(same, cycle[:160]) == pytest.approx(mean_bits(other, shuffled), abs=0.05)


@pytest.mark.parametrize("max_order", [0, 1, 2, 3])
@pytest.mark.parametrize("events", [0, 1, 5, 300, 3000])
def test_probabilities_over_the_whole_vocabulary_sum_to_one(max_order: int, events: int) -> None:
    model = VariableOrderModel(max_order, vocabulary=500)
    rng = Random(9)
    for _ in range(events):
        model.learn(event(rng.randrange(30) ** 2 % 97, principal=rng.choice([PRINCIPAL, 12])))
    assert sum(model.probability(event(operation)) for operation in range(500)) == pytest.approx(1.0)


def test_an_operation_of_the_peer_group_is_less_strange_to_a_newcomer_than_one_nobody_did() -> None:
    model = VariableOrderModel()
    for peer in range(20, 30):
        teach(model, [501, 502], principal=peer)
    teach(model, [900], principal=30, group=99)
    of_the_group, of_another_group, of_nobody = (
        model.surprise_bits(event(operation, principal=31)) for operation in (501, 900, 777)
    )
    assert of_the_group < of_another_group < of_nobody


def test_a_group_learns_an_operation_once_per_principal_not_per_use() -> None:
    often, once = VariableOrderModel(), VariableOrderModel()
    teach(often, [501] * 500, principal=20)
    teach(once, [501], principal=20)
    newcomer = event(501, principal=21)
    assert often.surprise_bits(newcomer) == once.surprise_bits(newcomer)


def test_counts_forget_what_idles_and_keep_what_is_used() -> None:
    counts = Counts(limit=40)
    for i in range(400):
        counts.add(1, 7)
        counts.add(1, 1000 + i)
    assert len(counts.young) + len(counts.old) <= 2 * 40
    assert counts.probability(1, 7, 0.0, 1.0) > 0.5
    assert counts.probability(1, 1000, 0.0, 1.0) == 0.0


def test_a_context_longer_than_three_is_refused() -> None:
    with pytest.raises(ValueError, match="max_order is 4"):
        VariableOrderModel(max_order=4)


def minute_job() -> TempoModel:
    model, rng = TempoModel(), Random(2)
    for _ in range(300):
        model.learn(event(gap_s=60.0 * rng.lognormvariate(0.0, 0.1)))
    return model


def test_a_tenth_of_a_second_is_strange_for_a_job_that_runs_every_minute() -> None:
    model = minute_job()
    assert model.surprise_bits(event(gap_s=62.0)) < 1.0
    assert model.surprise_bits(event(gap_s=0.1)) > 8.0


def test_a_job_of_bursts_and_pauses_finds_both_usual_and_the_middle_strange() -> None:
    model, rng = TempoModel(), Random(2)
    for i in range(600):
        model.learn(event(gap_s=(3600.0 if i % 10 == 0 else 0.2) * rng.lognormvariate(0.0, 0.2)))
    burst, pause, middle = (model.surprise_bits(event(gap_s=gap_s)) for gap_s in (0.2, 3600.0, 20.0))
    assert burst < 2.0
    assert pause < 5.0
    assert middle > 7.0


def test_a_first_event_has_no_gap_and_no_tempo_bits() -> None:
    model = minute_job()
    before = model.dump()
    first = event(gap_s=float("inf"))
    model.learn(first)
    assert model.surprise_bits(first) == 0.0
    assert model.dump() == before


def test_tempo_bits_are_clipped() -> None:
    model = TempoModel()
    for _ in range(2000):
        model.learn(event(gap_s=60.0))
    assert model.surprise_bits(event(gap_s=1e-3)) == 16.0 == TempoModel.max_bits


def test_a_changed_tempo_becomes_usual_because_old_gaps_fade() -> None:
    mixture = Mixture()
    for gap_s, events in ((60.0, 2000), (1.0, 6000)):
        for _ in range(events):
            mixture.learn(gap_octaves(gap_s))
    assert mixture.mass(gap_octaves(1.0), 0.0) > 0.6
    assert mixture.mass(gap_octaves(60.0), 0.0) < 0.05
    assert sum(component.weight for component in mixture.components) <= 1025


def conformal(window_scores: int = 1000, seed: int = 6) -> ConformalModel:
    return ConformalModel(GapAsBits(), Random(seed), window_scores)


@pytest.mark.parametrize(
    "draw",
    [lambda rng: rng.expovariate(0.05), lambda rng: float(rng.randrange(3)), lambda rng: max(0.0, rng.gauss(0.0, 1.0))],
    ids=["continuous", "three values", "half of them zero"],
)
def test_conformal_p_values_are_uniform_when_scores_are_exchangeable(draw: Callable[[Random], float]) -> None:
    model, rng, p_values = conformal(window_scores=500), Random(8), []
    for i in range(4500):
        obs = event(gap_s=draw(rng))
        if i >= 500:
            p_values.append(model.p_value(obs))
        model.learn(obs)
    p_values.sort()
    n = len(p_values)
    distance = max(max((i + 1) / n - p, p - i / n) for i, p in enumerate(p_values))
    assert distance < 1.63 / n**0.5


@pytest.mark.parametrize(("score", "p_value"), [(5.0, 0.05), (4.0, 0.1), (2.0, 0.5), (0.0, 0.95)])
def test_a_p_value_counts_the_new_score_and_its_ties_by_the_tie_breaker(score: float, p_value: float) -> None:
    reference = Reference(9, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 4.0])
    assert reference.p_value(score, tie=0.5) == pytest.approx(p_value)


def test_conformal_p_values_are_small_after_a_shift() -> None:
    model, rng = conformal(), Random(8)
    for _ in range(800):
        model.learn(event(gap_s=rng.gauss(10.0, 1.0)))
    shifted = [model.p_value(event(gap_s=rng.gauss(16.0, 1.0))) for _ in range(50)]
    assert max(shifted) < 0.01


def test_conformal_cannot_tell_a_record_from_a_thousandfold_record() -> None:
    model = conformal()
    for i in range(1000):
        model.learn(event(gap_s=float(i)))
    record, absurd = (model.surprise_bits(event(gap_s=gap_s)) for gap_s in (1_001.0, 1_001_000.0))
    assert record == absurd
    assert record >= log2(1001)


def test_conformal_looks_only_at_the_own_group_and_the_last_scores() -> None:
    model = conformal(window_scores=50)
    for i in range(200):
        model.learn(event(gap_s=1.0 + i / 1000, group=1))
        model.learn(event(gap_s=(500.0 if i < 150 else 100.0) + i / 1000, group=2))
    obs = event(gap_s=99.0, group=1)
    assert model.p_value(obs) <= 1 / 51
    assert model.p_value(event(gap_s=99.0, group=2)) > 0.98
    assert model.p_value(event(gap_s=200.0, group=2)) <= 1 / 51


def forest(events: int = 600) -> HalfSpaceTreesModel:
    model = HalfSpaceTreesModel(seed=5)
    for obs in routine(5, events):
        model.learn(obs)
    return model


def far_out() -> Observation:
    return Observation(0.0, PRINCIPAL, GROUP, 9, 1, 0.002, fresh=True, source_fresh=True, agent_fresh=True)


def test_half_space_trees_rank_a_far_out_event_above_all_learned_ones() -> None:
    model = forest()
    learned = [model.surprise_bits(obs) for obs in routine(5, 600) if not obs.fresh and obs.outcome == 0]
    assert model.surprise_bits(far_out()) > max(learned) + 1.0


def test_half_space_trees_say_nothing_before_their_first_window_is_full() -> None:
    assert forest(249).surprise_bits(far_out()) == 0.0
    assert forest(251).surprise_bits(far_out()) > 0.0


def test_half_space_trees_can_never_reach_one_in_ten_thousand() -> None:
    model, rng = forest(2000), Random(3)
    highest = 0.0
    for _ in range(300):
        flags = [rng.random() < 0.5 for _ in range(3)]
        obs = Observation(0.0, rng.randrange(5), GROUP, 1, rng.randrange(5), 10 ** rng.uniform(-3, 6), *flags)
        highest = max(highest, model.surprise_bits(obs))
    assert 4.0 < highest <= log2(127) < log2(10_000)


def test_half_space_trees_of_another_seed_split_elsewhere() -> None:
    one, other = HalfSpaceTreesModel(seed=1), HalfSpaceTreesModel(seed=2)
    probes = list(routine(6, 40))
    for obs in routine(5, 600):
        one.learn(obs)
        other.learn(obs)
    assert [one.surprise_bits(obs) for obs in probes] != [other.surprise_bits(obs) for obs in probes]


def feed(model: DriftModel, rng: Random, mean: float, events: int, principal: int = PRINCIPAL) -> list[float]:
    answers = []
    for _ in range(events):
        obs = event(gap_s=rng.gauss(mean, 1.0), principal=principal)
        answers.append(model.surprise_bits(obs))
        model.learn(obs)
    return answers


def test_adwin_fires_after_the_mean_shifts_and_not_before() -> None:
    model, rng = DriftModel(GapAsBits(), signal_bits=4.0), Random(1)
    assert set(feed(model, rng, 3.0, 1000)) == {0.0}
    assert model.changes == 0
    after = feed(model, rng, 9.0, 100)
    assert 0 < after.index(4.0) <= 40
    assert model.changes >= 1


def test_adwin_is_silent_when_a_principal_becomes_less_surprising() -> None:
    model, rng = DriftModel(GapAsBits()), Random(1)
    feed(model, rng, 9.0, 500)
    assert set(feed(model, rng, 3.0, 500)) == {0.0}


def test_a_drift_signal_ends_and_concerns_one_principal() -> None:
    model, rng = DriftModel(GapAsBits(), hold_events=16), Random(1)
    feed(model, rng, 3.0, 500, principal=12)
    feed(model, rng, 3.0, 500)
    while not model.surprise_bits(event()):
        feed(model, rng, 9.0, 1)
    assert model.surprise_bits(event(principal=12)) == 0.0
    assert feed(model, rng, 9.0, 200) == [model.signal_bits] * 16 + [0.0] * 184


@pytest.mark.parametrize("wrapper", [DriftModel(GapAsBits()), conformal()], ids=["drift", "conformal"])
def test_a_wrapper_does_not_load_a_model_that_is_not_on_its_list(wrapper: DriftModel | ConformalModel) -> None:
    with pytest.raises(ModelStateError, match="gap_as_bits"):
        type(wrapper).load(wrapper.dump())


def test_a_drift_signal_under_way_survives_the_round_trip() -> None:
    model = DriftModel(VariableOrderModel())
    teach(model, list(range(100, 108)) * 60)
    rng = Random(7)
    for _ in range(400):
        if model.changes:
            break
        model.learn(event(rng.randrange(10_000)))
    assert model.surprise_bits(event()) == model.signal_bits
    loaded = DriftModel.load(model.dump())
    assert loaded.surprise_bits(event()) == model.signal_bits
    further = [event(rng.randrange(10_000)) for _ in range(100)]
    for obs in further:
        assert loaded.surprise_bits(obs) == model.surprise_bits(obs)
        loaded.learn(obs)
        model.learn(obs)
    assert loaded.dump() == model.dump()
