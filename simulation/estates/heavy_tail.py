"""A messy estate: every identity a law of chance with a heavy tail, and each seed another company.

Nothing here has a purpose. An identity draws its services, its vocabulary (Zipf within a service), and its tasks from a
Pitman-Yor law; tasks come and go; days differ; runs set each other off; keys are shared by people and machines; names
mean nothing; some calls happen once. How skewed and restless a company is comes from wide priors: see `temper`, which
gives their reasons.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from simulation.cloudtrail import Call
from simulation.estates import doors, hands, tasks, temper
from simulation.estates.chance import Dice, dice
from simulation.estates.hands import Hand
from simulation.estates.keyring import Door, Keyring
from simulation.estates.life import DAY_S, START, Life, Member, started_s
from simulation.estates.runs import MOST_CALLS, Rows, curious_rows, task_rows
from simulation.estates.schedule import cascade
from simulation.estates.shapes import ISSUING, answer, request
from simulation.estates.tasks import OPERATIONS, Tasks
from simulation.operations import is_data_event

_MONTH_DAYS = 30
_PATHS = {"workload": 0.78, "human": 0.14, "delegated": 0.08}
_REGIONS = ("us-east-1", "us-east-1", "eu-west-1", "eu-central-1", "us-west-2", "ap-northeast-1", "sa-east-1")
_FAILURES = ("missing", "missing", "invalid", "denied", "throttled", "throttled", "conflict")
_NEVER_REFUSED = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})  # need no permission
_SYLLABLES = ("ka", "zo", "mi", "tre", "un", "bax", "qu", "lor", "pif", "ny", "sho", "dex", "vol", "ar", "et", "wim")


@dataclass(frozen=True, slots=True)
class Inhabitant:
    """All that is drawn of an identity once: its door, its tasks, how many of them run on an average day, the rhythms of
    its hands."""

    door: Door
    tasks: Tasks
    runs_a_day: float
    things: tuple[str, ...]
    profiles: np.ndarray


class HeavyTailEstate(Life):
    """`identities` of one messy company. A larger estate begins with the members of a smaller one."""

    def __init__(self, seed: int, identities: int = 300, days: int = 30, start: str = START) -> None:
        throws = dice(seed, 240)
        self.temper = temper.drawn(throws)
        self.region = throws.pick(_REGIONS)
        self._common = tasks.company_use(throws)
        self._curiosity = tasks.curiosity(self.temper, self._common)
        self._silent = np.array(
            [is_data_event(one) and one.partition(":")[0] in self.temper.unlogged for one in OPERATIONS]
        )
        self._began_s = started_s(start)
        drawn = [self._drawn(seed, number, max(days, 1)) for number in range(max(identities, 0))]
        self._inhabitants = [inhabitant for _, inhabitant in drawn]
        super().__init__(seed, days, [member for member, _ in drawn], start)

    def begun(self, number: int, day: int) -> list[Call]:
        """The calls of all task runs that start on the day."""
        throws = dice(self.seed, number, 241, day)
        inhabitant = self._inhabitants[number]
        starts = self._starts(inhabitant, throws.rng, day, self.identities[number].born_day)
        keyring = Keyring(inhabitant.door, throws)
        born = day == self.identities[number].born_day
        self._call(
            inhabitant,
            task_rows(inhabitant.tasks, throws.rng, starts, inhabitant.profiles, day, born),
            keyring,
            throws.rng,
            day,
        )
        self._call(inhabitant, curious_rows(self._curiosity, throws.rng, self.temper), keyring, throws.rng, day)
        return keyring.made

    def _starts(self, inhabitant: Inhabitant, rng: np.random.Generator, day: int, born_day: int) -> np.ndarray:
        is_workday = datetime.fromtimestamp(self.midnight_s(day), UTC).weekday() < 5
        level = rng.lognormal(-(self.temper.restlessness**2) / 2, self.temper.restlessness) * (
            1.0 if is_workday else self.temper.weekend
        )
        count = int(rng.poisson(inhabitant.runs_a_day * level * (1 - self.temper.branching)))
        count = max(count, int(day == born_day))
        profile = inhabitant.profiles.sum(axis=0)
        hours = rng.choice(24, size=count, p=profile / profile.sum())
        times = cascade(rng, (hours + rng.random(count)) * 3600.0, self.temper.branching, self.temper.decay_s)
        return np.sort(times[times < 2 * DAY_S])

    def _call(self, inhabitant: Inhabitant, rows: Rows, keyring: Keyring, rng: np.random.Generator, day: int) -> None:
        midnight, count = self.midnight_s(day), len(rows.words)
        if not count:
            return
        logged = ~self._silent[rows.words]
        failures = np.where(
            rows.broken,
            3,
            np.where(rng.random(count) < self.temper.failing, rng.integers(len(_FAILURES), size=count), -1),
        )
        things, known = inhabitant.things, len(inhabitant.things)
        parts = zip(
            (rows.at_s + midnight).tolist(),
            rows.words.tolist(),
            rows.hands.tolist(),
            rows.things.tolist(),
            failures.tolist(),
            logged.tolist(),
            strict=True,
        )
        made, session = keyring.made, keyring.session
        for at_s, word, hand, thing, failure, is_logged in parts:
            if is_logged:
                operation = OPERATIONS[word]
                on = f"{things[thing % known]}/{thing:06d}" if thing >= known else things[thing]
                held = session(hand, at_s, operation)
                trouble = _FAILURES[failure] if failure >= 0 and operation not in _NEVER_REFUSED else ""
                given = answer(operation, on, at_s, rng) if operation in ISSUING and not trouble else None
                made.append(Call(int(at_s), held, operation, on, trouble, request(operation, on), given))

    def _drawn(self, seed: int, number: int, days: int) -> tuple[Member, Inhabitant]:
        throws = dice(seed, number, 242)
        path = throws.weighted(_PATHS)
        name = _name(throws, number)
        door, held, kind, name = self._door(throws, path, name, number, days, seed)
        done = tasks.drawn(throws, self.temper, days, self._common)
        if not self._logged(done.motifs[:1]).any():
            done.motifs[0, 0] = OPERATIONS.index("sts:GetCallerIdentity")  # an identity no record shows is none
        sigma = self.temper.spread
        mean = self.temper.calls_a_day * (0.5 if path == "human" else 1.0)
        calls = min(MOST_CALLS / 2, throws.around(mean / np.exp(sigma**2 / 2), sigma))
        a_run = float((done.weights * done.repeats * self._logged(done.motifs).sum(axis=1)).sum())
        things = tuple(f"{name}-{throws.letters(5)}" for _ in range(throws.between(4, 60)))
        inhabitant = Inhabitant(door, done, max(0.6, calls / a_run), things, _profiles(held))
        return self._member(throws, name, kind, path, done, days), inhabitant

    def _logged(self, motifs: np.ndarray) -> np.ndarray:
        return np.where(motifs >= 0, ~self._silent[motifs], False)

    def _member(self, throws: Dice, name: str, kind: str, path: str, done: Tasks, days: int) -> Member:
        born, gone, months = 1, 1 << 30, days / _MONTH_DAYS
        if days > 7:
            if throws.chance(self.temper.born * months):
                born = throws.between(2, days - 3)
            elif throws.chance(self.temper.gone * months):
                gone = throws.between(5, days)
        return Member(name, kind, path, name, done.common(), born, gone)

    def _door(
        self, throws: Dice, path: str, name: str, number: int, days: int, seed: int
    ) -> tuple[Door, tuple[Hand, ...], str, str]:
        if path == "workload":
            held = hands.machine_hands(throws, self.temper, days, seed, number)
            door, kind = hands.machine_door(throws, self.temper, name, held, self.region, self._day_of)
            return door, held, "shared" if len(held) > 1 else kind, name
        if path == "delegated":
            held = hands.machine_hands(throws, self.temper, days, seed, number)[:1]
            return (
                doors.vendor_door(name, f"v{throws.letters(5)}", hands.client_of(held, self.region, self._day_of)),
                held,
                "vendor",
                name,
            )
        from_console = throws.chance(0.6)
        held = hands.person_hands(throws, self.temper, days, seed, number, from_console)
        name = f"AWSReservedSSO_{name}_{throws.letters(16)}"
        return (
            doors.person_door(
                name, f"p{number}@example.com", hands.client_of(held, self.region, self._day_of), from_console
            ),
            held,
            "person",
            name,
        )

    def _day_of(self, at_s: float) -> int:
        return int(at_s - self._began_s) // DAY_S + 1


def _profiles(held: tuple[Hand, ...]) -> np.ndarray:
    rows = np.array([hand.profile for hand in held], dtype=float)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def _name(throws: Dice, number: int) -> str:
    syllables = "".join(throws.pick(_SYLLABLES) for _ in range(throws.between(1, 3)))
    mark = throws.pick(("-", "_", "", "."))
    return (
        f"{syllables}{mark}{number:x}"
        if throws.chance(0.6)
        else f"{throws.letters(throws.between(3, 8))}{mark}{syllables}{number:x}"
    )
