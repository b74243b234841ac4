"""The circuit breaker never admits more than it was told, in any window, in whatever order commands and times come."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from detector.config import Breaker, Policy
from detector.policy.admission import admit
from detector.policy.breaker import MINUTE_NS, BreakerState, fleet_limit, passed, reset, standing
from detector.policy.guardrails import RevocationCommand
from tests.detector.policy.commanding import SECOND_NS, START_NS, commanded

PATHS = ("human", "workload", "delegated")
steps = st.one_of(st.integers(0, 20), st.integers(0, 200), st.integers(-400, 400), st.integers(-(10**7), 10**7))
configs = st.builds(
    Breaker,
    per_minute=st.sampled_from((0, 1, 2, 3, 1000)),
    per_minute_by_path=st.dictionaries(st.sampled_from(PATHS), st.integers(0, 3)),
    share_of_fleet=st.sampled_from((0.0, 0.02, 0.05)),
    window_s=st.sampled_from((10.0, 60.0)),
    fleet_size=st.sampled_from((0, 40, 60)),
    open_s=st.sampled_from((1e-9, 1e-9, 30.0)),
)


def most_within(stamps: list[int], window_ns: int) -> int:
    """The most stamps in any half-open window of that length."""
    return max((sum(start <= other < start + window_ns for other in stamps) for start in stamps), default=0)


def most_different_within(stamps: list[tuple[int, int]], window_ns: int) -> int:
    return max((len({p for at, p in stamps if start <= at < start + window_ns}) for start, _ in stamps), default=0)


class ABreaker(RuleBasedStateMachine):
    """Commands of any principal and path at any time, the clock going wherever it likes, the state through storage now and then."""

    @initialize(config=configs)
    def begin(self, config: Breaker) -> None:
        self.config = config
        self.state = BreakerState()
        self.now_ns = START_NS
        self.admitted: list[tuple[int, int, str]] = []

    @rule(step_s=steps, number=st.integers(0, 4), path=st.sampled_from(PATHS), times=st.integers(1, 4))
    def commands_come(self, step_s: int, number: int, path: str, times: int) -> None:
        self.now_ns += step_s * SECOND_NS
        for turn in range(times):
            self.now_ns += 1
            command = commanded(number=number + turn, path=path)
            was_open = self.state.is_open(path, self.now_ns)
            passage = passed(self.state, self.config, command, self.now_ns)
            assert bool(passage.text) != passage.is_admitted
            assert passage.opens == (not passage.is_admitted and not was_open)
            assert not (was_open and passage.is_admitted)
            assert passage.is_admitted or passage.state.is_open(path, self.now_ns)
            self.state = passage.state
            if passage.is_admitted:
                self.admitted.append((self.now_ns, number + turn, path))

    @rule()
    def the_process_starts_again(self) -> None:
        self.state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.state), type=BreakerState)

    @invariant()
    def no_window_holds_more_than_was_allowed(self) -> None:
        if not hasattr(self, "config"):
            return
        by_path = defaultdict(list)
        for at, _, path in self.admitted:
            by_path[path].append(at)
        assert most_within([at for at, _, _ in self.admitted], MINUTE_NS) <= self.config.per_minute
        for path, most in self.config.per_minute_by_path.items():
            assert most_within(by_path[path], MINUTE_NS) <= most
        most_principals = fleet_limit(self.config)
        if most_principals is not None:
            window_ns = int(self.config.window_s * SECOND_NS)
            assert most_different_within([(at, p) for at, p, _ in self.admitted], window_ns) <= most_principals

    @invariant()
    def memory_stays_bounded(self) -> None:
        if not hasattr(self, "config"):
            return
        assert len(self.state.principals) <= (fleet_limit(self.config) or 0) + 1
        assert all(len(stamps) <= 1000 for stamps in self.state.stamps.values())


ABreaker.TestCase.settings = settings(
    max_examples=200, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestABreaker = ABreaker.TestCase


def test_a_clock_that_goes_to_and_fro_buys_nothing() -> None:
    config = Breaker(per_minute=2, open_s=1e-9)
    assert admitted_at((0, 1000, 70, 1001, 1002), config) == [0, 1000, 70, 1001]


def test_principals_are_remembered_across_a_clock_that_goes_to_and_fro() -> None:
    config = Breaker(share_of_fleet=0.02, fleet_size=100, window_s=60.0, open_s=1e-9)
    visits = ((0, 0), (1000, 1), (1000, 2), (30, 1), (30, 2))
    assert admitted_at([at for at, _ in visits], config, [number for _, number in visits]) == [0, 1000, 1000]
    one = Breaker(share_of_fleet=0.01, fleet_size=100, window_s=60.0, open_s=1e-9)
    assert admitted_at((100, 0, 61), one, (0, 0, 1)) == [100, 0]


def admitted_at(seconds: Sequence[int], config: Breaker, numbers: Sequence[int] | None = None) -> list[int]:
    """Which of these times, in this order, a command was admitted at."""
    state, found = BreakerState(), []
    for at, number in zip(seconds, numbers or range(len(seconds)), strict=True):
        passage = passed(state, config, commanded(number=number), START_NS + at * SECOND_NS)
        state = passage.state
        if passage.is_admitted:
            found.append(at)
    return found


def test_a_poisoned_model_takes_no_more_than_the_stated_share_and_is_told_loudly_once_an_opening() -> None:
    policy = Policy(armed=True, breaker=Breaker(per_minute=1000, share_of_fleet=0.01, fleet_size=2000, open_s=600.0))
    state, executed, openings = BreakerState(), set(), 0
    for number in range(2000):
        now_ns = START_NS + number * SECOND_NS // 2
        admission = admit(commanded(number=number, time_ns=now_ns), now_ns, policy, state)
        state = admission.breaker
        openings += admission.opens_breaker
        if admission.verdict == "execute":
            executed.add(admission.command.principal)
        else:
            assert (admission.verdict, admission.cause) == ("alert_only", "breaker")
    assert len(executed) == 20
    assert openings == 2, "at the 21st, and again when it closed after ten minutes"


def test_one_more_rung_for_the_same_principal_is_no_further_share_of_the_fleet() -> None:
    config = Breaker(share_of_fleet=0.01, fleet_size=100)
    state = passed(BreakerState(), config, commanded(), START_NS).state
    assert passed(state, config, commanded("quarantine_principal"), START_NS + SECOND_NS).is_admitted
    assert not passed(state, config, commanded(number=1), START_NS + SECOND_NS).is_admitted


def test_a_path_beyond_its_own_limit_stops_alone() -> None:
    config = Breaker(per_minute_by_path={"human": 1})
    state = passed(BreakerState(), config, commanded(path="human"), START_NS).state
    stopped = passed(state, config, commanded(number=1, path="human"), START_NS)
    assert stopped.opens
    assert "breaker.per_minute_by_path.human" in stopped.text
    assert passed(stopped.state, config, commanded(number=2), START_NS).is_admitted


def test_it_closes_by_itself_after_the_stated_time() -> None:
    config = Breaker(per_minute=1, open_s=300.0)
    state = passed(BreakerState(), config, commanded(), START_NS).state
    state = passed(state, config, commanded(number=1), START_NS).state
    assert not passed(state, config, commanded(number=2), START_NS + 299 * SECOND_NS).is_admitted
    assert passed(state, config, commanded(number=2), START_NS + 300 * SECOND_NS).is_admitted


def counted(number: int, fleet_size: int) -> RevocationCommand:
    return msgspec.structs.replace(commanded(number=number), fleet_size=fleet_size)


def admitted_of(commands: Sequence[RevocationCommand], config: Breaker, every_s: int = 0) -> list[bool]:
    state, found = BreakerState(), []
    for n, command in enumerate(commands):
        passage = passed(state, config, command, START_NS + n * every_s * SECOND_NS)
        state = passage.state
        found.append(passage.is_admitted)
    return found


def test_a_fleet_nobody_stated_is_as_large_as_the_worker_counted() -> None:
    config = Breaker(share_of_fleet=0.05)
    assert admitted_of([counted(n, 120) for n in range(8)], config) == [True] * 6 + [False] * 2
    stated = Breaker(share_of_fleet=0.05, fleet_size=40)
    assert admitted_of([counted(n, 120) for n in range(4)], stated) == [True] * 2 + [False] * 2


def test_one_attack_may_be_followed_through_a_small_fleet_that_was_counted() -> None:
    assert admitted_of([counted(n, 12) for n in range(5)], Breaker()) == [True] * 3 + [False] * 2
    assert admitted_of([counted(n, 12) for n in range(5)], Breaker(least_principals=1)) == [True] + [False] * 4
    assert admitted_of([counted(0, 12)], Breaker(share_of_fleet=0.0)) == [False]


def test_a_command_that_does_not_say_is_held_to_what_the_last_one_said() -> None:
    commands = [counted(0, 80), *(counted(n, 0) for n in range(1, 6))]
    assert admitted_of(commands, Breaker(share_of_fleet=0.05)) == [True] * 4 + [False] * 2
    assert admitted_of([counted(n, 0) for n in range(6)], Breaker(share_of_fleet=0.05)) == [True] * 6


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12), st.sampled_from((20, 60, 100, 200)))), st.booleans())
def test_however_the_count_wavers_no_window_holds_more_than_the_largest_share(
    steps: list[tuple[int, int, int]], is_stored: bool
) -> None:
    config = Breaker(share_of_fleet=0.05, window_s=60.0, open_s=1e-9, per_minute=1000)
    state, now_ns, admitted = BreakerState(), START_NS, []
    for step_s, number, fleet_size in steps:
        now_ns += step_s * SECOND_NS + 1
        passage = passed(state, config, counted(number, fleet_size), now_ns)
        state = passage.state
        if is_stored:
            state = msgspec.json.decode(msgspec.json.encode(state), type=BreakerState)
        if passage.is_admitted:
            admitted.append((now_ns, number))
            limit = fleet_limit(config, fleet_size)
            within = {n for at, n in admitted if at > now_ns - 60 * SECOND_NS}
            assert limit is not None
            assert len(within) <= limit
    assert len(state.principals) <= 11


def test_an_opening_says_how_large_the_fleet_was_taken_to_be() -> None:
    state = BreakerState()
    for number in range(4):
        passage = passed(state, Breaker(), counted(number, 50), START_NS)
        state = passage.state
    assert "3 principals within 3600 s, of 50 counted" in passage.text


def test_an_operator_closes_it_and_forgets_a_clock_that_ran_ahead() -> None:
    config = Breaker(per_minute=1)
    ahead = passed(BreakerState(), config, commanded(), START_NS + 10**6 * SECOND_NS).state
    state = passed(ahead, config, commanded(number=1), START_NS).state
    assert state.is_open("workload", START_NS)
    assert passed(reset(state, START_NS), config, commanded(number=1), START_NS).is_admitted
    spent = passed(BreakerState(), config, commanded(), START_NS).state
    assert not passed(reset(spent, START_NS), config, commanded(number=1), START_NS).is_admitted


def test_forgetting_makes_room_and_one_scope_leaves_the_others_alone() -> None:
    config = Breaker(per_minute=9, per_minute_by_path={"workload": 1, "human": 1})
    state = BreakerState()
    for number, path in enumerate(("workload", "workload", "human", "human")):
        state = passed(state, config, commanded(number=number, path=path), START_NS + number).state
    now_ns = START_NS + SECOND_NS
    closed = reset(state, now_ns, "workload", forgets=True)
    assert (closed.is_open("workload", now_ns), closed.is_open("human", now_ns)) == (False, True)
    whole, human, workload = standing(closed, config, ("human", "workload"), now_ns)
    assert (whole.scope, whole.open_until_ns, whole.used, whole.most) == ("all", 0, 2, 9), "the whole counts on"
    assert (human.used, human.most, human.open_until_ns > now_ns) == (1, 1, True)
    assert (workload.used, workload.open_until_ns) == (0, 0)
    assert passed(closed, config, commanded(number=7, path="workload"), now_ns).is_admitted
