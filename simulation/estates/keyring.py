"""Keys in hand: a door says how a key is come by, a keyring keeps the keys of one identity's day until they expire."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from simulation.cloudtrail import Call, Session
from simulation.estates.chance import Dice
from simulation.sessions import Entry

_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Guise:
    """What a call shows beside its key where that is not the session's own: agent, source, the service in between."""

    agent: str = ""
    source: str = ""
    invoked_by: str = ""


OWN = Guise()

Opened = tuple[Session, Call | None]  # the session and, where a call issued its key, that call
Endpoint = Callable[[float, int], str]  # from a moment and an instance to the address a gateway endpoint shows

_BY_ENDPOINT = ("s3:", "dynamodb:")


@dataclass(frozen=True, slots=True)
class Door:
    """How an identity gets a key: `enter(at_s, instance, dice)` opens a session that lasts `life_s`.

    Instances are the replicas of a service or the runs of a pipeline; each has keys of its own.
    """

    enter: Callable[[int, int, Dice], Opened]
    life_s: float = 6 * _HOUR_S


def opened(entry: Entry) -> Opened:
    """The session of an entry and the call that issued its key."""
    return entry.session, entry.mint


class Keyring:
    """The keys one identity holds during a day; a call that issues a key goes into `made`, before the key's first use."""

    def __init__(self, door: Door, dice: Dice, endpoint: Endpoint | None = None) -> None:
        self.made: list[Call] = []
        self._door = door
        self._endpoint = endpoint
        self._dice = dice
        self._held: dict[int, list[tuple[float, Session]]] = {}
        self._endpoints: dict[int, Guise] = {}
        self._disguised: dict[tuple[str, Guise], Session] = {}

    def session(self, instance: int, at_s: float, operation: str, guise: Guise = OWN) -> Session:
        """The instance's session at the moment as the operation shows it, opened now if none is valid."""
        own = self._valid(instance, at_s)
        if guise is OWN and self._endpoint is not None and operation.startswith(_BY_ENDPOINT):
            guise = self._behind(instance, at_s, self._endpoint)
        return own if guise is OWN else self._worn(own, guise)

    def _valid(self, instance: int, at_s: float) -> Session:
        held = self._held.setdefault(instance, [])
        for from_s, session in reversed(held):
            if from_s <= at_s < from_s + self._door.life_s:
                return session
        session, mint = self._door.enter(int(at_s), instance, self._dice)
        if mint is not None:
            self.made.append(mint)
        held.append((at_s, session))
        return session

    def _behind(self, instance: int, at_s: float, endpoint: Endpoint) -> Guise:
        if instance not in self._endpoints:
            self._endpoints[instance] = Guise(source=endpoint(at_s, instance))
        return self._endpoints[instance]

    def _worn(self, own: Session, guise: Guise) -> Session:
        key = own.key_id, guise
        if key not in self._disguised:
            identity = {**own.identity, "invokedBy": guise.invoked_by} if guise.invoked_by else own.identity
            self._disguised[key] = replace(
                own, identity=identity, agent=guise.agent or own.agent, source=guise.source or own.source
            )
        return self._disguised[key]
