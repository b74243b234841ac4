"""The contract of an online model, as checks anybody can run on theirs.

Chance comes from the seed; the round trip starts a second interpreter with another hash seed. A check raises
``ModelContractError`` with a sentence that says what was broken.
"""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from importlib import import_module
from math import isfinite
from random import Random

import msgspec

from models.base import Observation, OnlineModel

Factory = Callable[[int], OnlineModel]

_EVENTS = 600
_FAMILIAR = range(1000, 1006)
_PROBE = "a text whose builtin hash tells hash seeds apart"
_CHILD = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from models.checks import answer_as_child as a; a()"


class ModelContractError(AssertionError):
    """A model does not keep the contract of ``models.base.OnlineModel``."""


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ModelContractError(message)


def routine(seed: int, events: int = _EVENTS, principal: int = 11, group: int = 3) -> Iterator[Observation]:
    """A job that does six operations in turn about once a minute and now and then is denied: soon nothing is new."""
    rng = Random(seed)  # noqa: S311 - test material
    for i in range(events):
        gap_s = 60.0 * rng.lognormvariate(0.0, 0.1) if i else float("inf")
        operation = _FAMILIAR[i % len(_FAMILIAR)]
        outcome = 1 if rng.random() < 0.02 else 0
        yield Observation(60.0 * i, principal, group, operation, outcome, gap_s, fresh=i < len(_FAMILIAR))


def stranger(principal: int = 11, group: int = 3) -> Observation:
    """Never seen in ``routine`` in any respect: operation, gap, outcome, source and agent are all new."""
    return Observation(1e6, principal, group, 2**64 - 59, 1, 0.05, True, True, True)


def _learned(factory: Factory, seed: int) -> OnlineModel:
    model = factory(seed)
    for obs in routine(seed):
        model.learn(obs)
    return model


def _answers(model: OnlineModel, observations: list[Observation]) -> list[float]:
    answers = []
    for obs in observations:
        answers.append(model.surprise_bits(obs))
        model.learn(obs)
    return answers


def check_scores_before_learning(factory: Factory, seed: int) -> None:
    """A newborn model answers, and asking neither teaches it nor changes what it answers."""
    model = factory(seed)
    newborn = model.dump()
    first = model.surprise_bits(stranger())
    _require(model.surprise_bits(stranger()) == first, "asked twice, the model answers differently")
    _require(model.dump() == newborn, "asking changed the state: it learns while scoring")
    taught = _learned(factory, seed)
    state = taught.dump()
    for obs in routine(seed + 1, 20):
        taught.surprise_bits(obs)
    _require(taught.dump() == state, "asking a taught model changed its state: it learns while scoring")
    _require(state != newborn, "600 events left no trace in the state: it never learns")


def check_leaves_its_input_alone(factory: Factory, seed: int) -> None:
    """Observations stay as they were, and the model keeps no reference through which they could change it."""
    model = factory(seed)
    observations = list(routine(seed))
    before = [msgspec.msgpack.encode(obs) for obs in observations]
    references = sys.getrefcount(observations[-1])
    _answers(model, observations)
    _require([msgspec.msgpack.encode(obs) for obs in observations] == before, "the model changed an observation")
    _require(sys.getrefcount(observations[-1]) == references, "the model keeps the observation instead of a copy")


def check_is_finite(factory: Factory, seed: int) -> None:
    """Every answer is a finite number of bits, at least 0, for ordinary and for extreme observations."""
    largest = 2**64 - 1
    extremes = [
        Observation(0.0, 0, 0, 0, 0, 0.0),
        Observation(1e18, largest, largest, largest, 4, 1e18, True, True, True),
        Observation(-1.0, 1, 0, 1, 2, 1e-300),
        Observation(0.0, 1, 0, 2, 3, float("inf"), True),
    ]
    for bits in _answers(factory(seed), [*extremes, *routine(seed), *extremes, *extremes]):
        _require(isinstance(bits, float) and isfinite(bits), f"answered {bits!r}; wanted a finite float")
        _require(bits >= 0.0, f"answered {bits} bits; surprise is never negative")


def check_has_the_right_direction(factory: Factory, seed: int) -> None:
    """What was repeated 600 times is not stranger than what was never seen."""
    model = _learned(factory, seed)
    familiar = next(obs for i, obs in enumerate(routine(seed, 7)) if i == 6)
    usual, unusual = model.surprise_bits(familiar), model.surprise_bits(stranger())
    _require(usual <= unusual, f"a familiar event has {usual} bits, one never seen {unusual}: wrong direction")


def check_same_seed_same_answer(factory: Factory, seed: int) -> None:
    """Two models from one seed answer alike and end in equal state."""
    one, other = factory(seed), factory(seed)
    observations = [*routine(seed), stranger()]
    _require(_answers(one, observations) == _answers(other, observations), "same seed, other answers")
    _require(one.dump() == other.dump(), "same seed and same events, other state")


class _Task(msgspec.Struct):
    module: str
    kind: str
    state: bytes
    observations: list[Observation]


class _Reply(msgspec.Struct):
    answers: list[float]
    state: bytes
    text_hash: int


def answer_as_child() -> None:
    """What the second interpreter runs: task from standard input, reply to standard output, both msgpack."""
    task = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=_Task)
    kind = getattr(import_module(task.module), task.kind)
    model = kind.load(task.state)
    reply = _Reply(_answers(model, task.observations), model.dump(), hash(_PROBE))
    sys.stdout.buffer.write(msgspec.msgpack.encode(reply))


def _ask_child(model: OnlineModel, observations: list[Observation], hash_seed: int) -> _Reply:
    kind = type(model)
    _require("<locals>" not in kind.__qualname__, f"{kind.__qualname__} is local; another process cannot import it")
    task = msgspec.msgpack.encode(_Task(kind.__module__, kind.__qualname__, model.dump(), observations))
    command = [sys.executable, "-c", _CHILD, json.dumps(sys.path)]
    environment = {"PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(command, input=task, env=environment, capture_output=True, timeout=120, check=False)
    _require(done.returncode == 0, f"the other process failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return msgspec.msgpack.decode(done.stdout, type=_Reply)


def check_state_survives_another_process(factory: Factory, seed: int) -> None:
    """Dumped here, loaded in a process with another hash seed, it goes on with the same answers to the same state."""
    model = _learned(factory, seed)
    _require(type(model).load(model.dump()).dump() == model.dump(), "a loaded model dumps another state")
    further = [stranger(), *routine(seed + 1, 60), *routine(seed + 2, 60, principal=12), stranger(principal=13)]
    replies = (_ask_child(model, further, hash_seed) for hash_seed in (seed % 1000 + 1, seed % 1000 + 2))
    reply = next(reply for reply in replies if reply.text_hash != hash(_PROBE))
    _require(reply.answers == _answers(model, further), "the other process gives other answers")
    _require(reply.state == model.dump(), "the other process ends in another state")


def crowd(entities: int) -> Iterator[Observation]:
    """Each principal once or twice, in 24 groups that come one after the other; then one that never repeats itself."""
    for i in range(entities):
        for gap_s in (float("inf"), 0.01 * (1 + i % 997)) if i % 4 == 0 else (1.0 + i,):
            yield Observation(float(i), 10_000 + i, i * 24 // entities, 5_000_000 + i, i % 5, gap_s, True)
    for i in range(3000):
        yield Observation(1e6 + i, 10_000 + entities, 23, 9_000_000 + i, i % 5, 0.001 * 1.01**i, True)


def check_stays_under_its_bound(factory: Factory, seed: int) -> None:
    """Fed a quarter more entities than it may keep, it forgets and counts some, and holds what it says it holds."""
    model = factory(seed)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for obs in crowd(model.max_entities * 5 // 4):
            model.learn(obs)
        allocated = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    claimed = model.state_bytes()
    _require(claimed <= model.max_bytes, f"holds {claimed} bytes, more than its bound of {model.max_bytes}")
    _require(allocated <= claimed + 100_000, f"claims {claimed} bytes, but Python allocated {allocated}")
    _require(model.evicted > 0, f"saw more than {model.max_entities} entities and forgot none")
    loaded = type(model).load(model.dump())
    _require(loaded.evicted == model.evicted, f"after loading {loaded.evicted} evicted, before {model.evicted}")


CHECKS: tuple[Callable[[Factory, int], None], ...] = (
    check_scores_before_learning,
    check_leaves_its_input_alone,
    check_is_finite,
    check_has_the_right_direction,
    check_same_seed_same_answer,
    check_state_survives_another_process,
    check_stays_under_its_bound,
)


def check_model(factory: Factory, seed: int) -> None:
    """Run every check on fresh models from ``factory(seed)``; ``ModelContractError`` at the first broken promise.

    Blind to: whether the model is any good; what compiled code allocates outside Python's allocator.
    """
    for check in CHECKS:
        check(factory, seed)
