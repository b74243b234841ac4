"""The intruder: it asks, reads the answer, and goes on from what it was given; a provider's loops are written against it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from simulation.attack.hands import Hand
from simulation.attack.tempo import Pace
from simulation.native.rights import Rights
from simulation.native.shape import Act, Hold, Resident, Seat, rounded_s

_BETWEEN_S = 0.2  # between the records one request leaves
_COVER = 2  # own calls of the victim in a row, at most, on the average one for each of the intruder's


class Leaves(Exception):  # noqa: N818  it is no error: the intruder has had enough
    """The intruder's patience is at an end."""


@dataclass(frozen=True, slots=True)
class Victim:
    """Whose credential was stolen: the member, the seat it was stolen from, and what it did before (own acts, successful)."""

    resident: Resident
    seat: Seat
    habits: Sequence[Act] = field(repr=False)


class Intruder:
    """One intruder at work from `at_s` on. `tools` is its own program; `hiding` mixes the victim's own calls in.

    `place_of` says where an operation's object lies (a namespace, a bucket), for the rights.
    """

    def __init__(
        self,
        victim: Victim,
        rights: Rights,
        hand: Hand,
        pace: Pace,
        at_s: float,
        rng: np.random.Generator,
        hiding: bool = False,
        place_of: Callable[[str, str], str] = lambda operation, about: "",
        things: Mapping[str, Sequence[str]] | None = None,
        others: Mapping[str, Seat] | None = None,
        asked: Callable[[Act, Hold], list[Act]] = lambda act, hold: [act],
    ) -> None:
        self.victim, self.rights, self.hand, self.pace = victim, rights, hand, pace
        self.at_s, self.rng, self.hiding, self.place_of = at_s, rng, hiding, place_of
        self.things = dict(things or {})
        """What there is to be found, by kind; guesses stand in until a listing succeeds."""
        self.others = dict(others or {})
        """Seats of other members, by principal: where a stolen token leads."""
        self.asked, self.hold = asked, Hold(f"{at_s:.0f}")
        self.seat = victim.seat
        self.acts: list[Act] = []
        self.left = pace.patience(rng)
        self.found: set[str] = set()

    @property
    def me(self) -> str:
        """The principal in hand."""
        return self.seat.principal

    def ask(self, operation: str, about: str = "", issued: str = "") -> bool:
        """Whether one request succeeded. `issued` is the credential it makes where it does. Leaves when patience is at an end."""
        self._cover()
        self._wait()
        failure = self.rights.failure(self.me, operation, self.place_of(operation, about))
        self._made(Act(self.at_s, self.shown(self.seat), operation, about, failure, "" if failure else issued))
        return not failure

    def reveal(self, operation: str, about: str, kind: str) -> list[str]:
        """The things a listing shows; some guesses where it is refused."""
        if self.ask(operation, about):
            self.found.add(kind)
        return self.some(kind, 40)

    def some(self, kind: str, most: int) -> list[str]:
        """Up to `most` things of a kind, in random order: all there are once found, else every third, as guesses."""
        pool = self.things.get(kind, ())
        known = pool if kind in self.found else pool[::3] or pool
        return [known[n] for n in self.rng.permutation(len(known))[:most]]

    def one(self, kind: str) -> str:
        """One thing of a kind."""
        return (self.some(kind, 1) or [""])[0]

    def stray(self, kind: str) -> str:
        """One thing of a kind that lay about: any there is, since nobody guesses what they have in hand. '' where there is none."""
        pool = self.things.get(kind, ())
        return pool[int(self.rng.integers(len(pool)))] if pool else ""

    def chance(self, share: float) -> bool:
        """A throw of the dice."""
        return bool(self.rng.random() < share)

    def pick(self, options: Sequence[str], most: int) -> list[str]:
        """Up to `most` of the options, in random order."""
        return [options[n] for n in self.rng.permutation(len(options))[:most]]

    def become(self, seat: Seat) -> None:
        """Go on with another credential."""
        self.seat = seat

    def shown(self, seat: Seat) -> Seat:
        """The seat as the record shows it: from the hand's own network and program, or the victim's."""
        if not self.hand.sources:
            return replace(seat, source=self.victim.seat.source, agent=self.victim.seat.agent)
        source = self.hand.sources[len(self.acts) // self.hand.stays % len(self.hand.sources)]
        return replace(seat, source=source, agent=self.hand.agent or self.victim.seat.agent)

    def _cover(self) -> None:
        if not self.hiding or not self.victim.habits:
            return
        for _ in range(min(_COVER, int(self.rng.geometric(0.5)) - 1)):
            habit = self.victim.habits[int(self.rng.integers(len(self.victim.habits)))]
            self._wait()
            self._made(habit._replace(at_s=self.at_s, seat=self.shown(self.victim.seat)))

    def _made(self, act: Act) -> None:
        """The records of one request, one after the other."""
        for number, one in enumerate(self.asked(act, self.hold)):
            self.at_s = rounded_s(act.at_s + number * _BETWEEN_S)
            self.acts.append(one._replace(at_s=self.at_s))

    def _wait(self) -> None:
        if len(self.acts) >= self.left:
            raise Leaves
        if self.acts:
            self.at_s = rounded_s(self.at_s + max(self.pace.next_s(self.rng), 0) + float(self.rng.uniform(0.05, 0.9)))
