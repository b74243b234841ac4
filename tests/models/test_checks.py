"""The contract of an online model: a sound model keeps it, and each way of breaking it is noticed."""

from collections import Counter
from collections.abc import Callable
from math import log2
from random import Random
from typing import ClassVar, Self

import msgspec
import pytest

from models import checks
from models.base import Entities, ModelStateError, Observation, load_one_of, seal, unseal


class _TextState(msgspec.Struct):
    seed: int
    evicted: int
    rows: list[tuple[str, int, int]]


class Frequency:
    """A sound small model: -log2 of the share of (principal, operation) among all that is held."""

    name: ClassVar[str] = "frequency"
    unit: ClassVar[str] = "bits"
    max_entities = 200
    max_bytes = 200 * 600

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rows = Entities[list[int]](self.max_entities)

    @property
    def evicted(self) -> int:
        return self.rows.evicted

    def _key(self, obs: Observation) -> int:
        return obs.principal * 1_000_003 + obs.operation

    def surprise_bits(self, obs: Observation) -> float:
        count = (self.rows.get(self._key(obs)) or [0])[0]
        return -log2((count + 0.5) / (sum(row[0] for row in self.rows.values()) + 1.0))

    def learn(self, obs: Observation) -> None:
        row = self.rows.touch(self._key(obs), lambda: [0, obs.outcome])
        row[0] += 1

    def state_bytes(self) -> int:
        return len(self.rows) * 600

    def dump(self) -> bytes:
        rows = [(str(key), count, outcome) for key, (count, outcome) in self.rows.items()]
        return seal(self.name, 1, _TextState(self.seed, self.evicted, rows))

    @classmethod
    def load(cls, data: bytes) -> Self:
        state = unseal(data, cls.name, 1, _TextState)
        model = cls(state.seed)
        model.rows = Entities(cls.max_entities, ((int(k), [c, o]) for k, c, o in state.rows), state.evicted)
        return model


class LearnsWhileScoring(Frequency):
    def surprise_bits(self, obs: Observation) -> float:
        bits = super().surprise_bits(obs)
        self.learn(obs)
        return bits


class NeverLearns(Frequency):
    def learn(self, obs: Observation) -> None:
        """Forget it at once."""


class ChangesItsInput(Frequency):
    def learn(self, obs: Observation) -> None:
        super().learn(obs)
        msgspec.structs.force_setattr(obs, "gap_s", 0.0)


class KeepsItsInput(Frequency):
    def learn(self, obs: Observation) -> None:
        super().learn(obs)
        self.last = obs


class IsInfinite(Frequency):
    def surprise_bits(self, obs: Observation) -> float:
        return float("inf") if self.rows.get(self._key(obs)) is None else 1.0


class IsNegative(Frequency):
    def surprise_bits(self, obs: Observation) -> float:
        return super().surprise_bits(obs) - 10.0


class RanksBackwards(Frequency):
    def surprise_bits(self, obs: Observation) -> float:
        return 1.0 / (1.0 + super().surprise_bits(obs))


class IsMoody(Frequency):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.mood = Random().random()

    def surprise_bits(self, obs: Observation) -> float:
        return super().surprise_bits(obs) + self.mood


class UsesBuiltinHash(Frequency):
    def _key(self, obs: Observation) -> int:
        return hash(f"{obs.principal}/{obs.operation}")


class LosesItsCounts(Frequency):
    @classmethod
    def load(cls, data: bytes) -> Self:
        model = super().load(data)
        for row in model.rows.values():
            row[0] = 1
        return model


class GrowsWithoutBound(Frequency):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.rows = Entities[list[int]](1_000_000)


class UnderstatesItsSize(Frequency):
    def learn(self, obs: Observation) -> None:
        super().learn(obs)
        self.rows.touch(self._key(obs), lambda: [0, 0]).extend(range(300, 400))

    def state_bytes(self) -> int:
        return len(self.rows)


def test_a_sound_model_passes_every_check() -> None:
    checks.check_model(Frequency, seed=5)


@pytest.mark.parametrize(
    ("broken", "check", "complaint"),
    [
        (LearnsWhileScoring, checks.check_scores_before_learning, "asked twice"),
        (NeverLearns, checks.check_scores_before_learning, "never learns"),
        (ChangesItsInput, checks.check_leaves_its_input_alone, "changed an observation"),
        (KeepsItsInput, checks.check_leaves_its_input_alone, "keeps the observation"),
        (IsInfinite, checks.check_is_finite, "finite"),
        (IsNegative, checks.check_is_finite, "never negative"),
        (RanksBackwards, checks.check_has_the_right_direction, "wrong direction"),
        (IsMoody, checks.check_same_seed_same_answer, "same seed"),
        (UsesBuiltinHash, checks.check_state_survives_another_process, "other process"),
        (LosesItsCounts, checks.check_state_survives_another_process, "another state"),
        (GrowsWithoutBound, checks.check_stays_under_its_bound, "more than its bound"),
        (UnderstatesItsSize, checks.check_stays_under_its_bound, "Python allocated"),
    ],
)
def test_a_model_that_breaks_its_word_is_caught(
    broken: type[Frequency], check: Callable[[checks.Factory, int], None], complaint: str
) -> None:
    with pytest.raises(checks.ModelContractError, match=complaint):
        check(broken, 5)


def test_a_model_only_the_parent_can_import_is_refused_with_the_reason() -> None:
    class Local(Frequency):
        pass

    with pytest.raises(checks.ModelContractError, match="local"):
        checks.check_state_survives_another_process(Local, 5)


def test_the_crowd_has_more_principals_than_asked_for_and_24_groups() -> None:
    principals = Counter(obs.principal for obs in checks.crowd(1000))
    assert len(principals) == 1001
    assert len({obs.group for obs in checks.crowd(1000)}) == 24


def test_the_stranger_shares_no_key_with_the_routine() -> None:
    assert checks.stranger().operation not in {obs.operation for obs in checks.routine(5)}


def test_the_entity_idle_longest_leaves_first_even_after_a_round_trip() -> None:
    first = Entities[list[int]](3)
    for key in (1, 2, 3, 1):
        first.touch(key, list)
    restored = Entities(3, list(first.items()), first.evicted)
    restored.touch(4, list)
    assert [key for key, _ in restored.items()] == [3, 1, 4]
    assert restored.evicted == 1


def test_looking_at_an_entity_does_not_count_as_use() -> None:
    entities = Entities[list[int]](2)
    for key in (1, 2):
        entities.touch(key, list)
    entities.get(1)
    entities.touch(3, list)
    assert entities.get(1) is None


def test_a_map_without_room_for_one_entity_is_refused() -> None:
    with pytest.raises(ValueError, match="limit is 0"):
        Entities[int](0)


def test_every_damaged_byte_of_a_sealed_state_is_noticed() -> None:
    model = Frequency(5)
    for obs in checks.routine(5, 20):
        model.learn(obs)
    sealed = model.dump()
    for i in range(len(sealed)):
        damaged = sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :]
        with pytest.raises(ModelStateError):
            Frequency.load(damaged)


@pytest.mark.parametrize("data", [b"", b"\x00", b"not msgpack at all", msgspec.msgpack.encode([1, 2, 3])])
def test_bytes_that_are_no_sealed_state_are_refused(data: bytes) -> None:
    with pytest.raises(ModelStateError, match="not a sealed state"):
        Frequency.load(data)


def test_a_state_of_another_model_version_or_form_is_refused() -> None:
    state = _TextState(1, 0, [])
    with pytest.raises(ModelStateError, match="'other' v1, wanted 'frequency' v1"):
        unseal(seal("other", 1, state), "frequency", 1, _TextState)
    with pytest.raises(ModelStateError, match="'frequency' v2, wanted 'frequency' v1"):
        unseal(seal("frequency", 2, state), "frequency", 1, _TextState)
    with pytest.raises(ModelStateError, match="does not have its form"):
        unseal(seal("frequency", 1, Observation(0.0, 1, 1, 1)), "frequency", 1, _TextState)


def test_only_a_model_on_the_list_is_loaded_from_inside_another() -> None:
    sealed = Frequency(5).dump()
    assert isinstance(load_one_of(sealed, (Frequency,)), Frequency)
    with pytest.raises(ModelStateError, match="wanted one of"):
        load_one_of(sealed, ())


def test_an_observation_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        checks.stranger().gap_s = 1.0  # type: ignore[misc]
