"""Who holds the keys of a messy estate: one or several hands an identity, each somewhere, with some client, in some rhythm."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simulation.estates import agents, doors, network
from simulation.estates.agents import AgentOf
from simulation.estates.chance import Dice, dice
from simulation.estates.keyring import Door
from simulation.estates.schedule import EVENING, FLAT, OFFICE
from simulation.estates.temper import Temper
from simulation.sessions import Client

DayOf = Callable[[float], int]  # from Unix seconds to a day of the estate

_HOUR_S = 3600.0
_ROLES = {"lambda": 5, "ec2": 4, "ecs-tasks": 4, "glue": 1, "sagemaker": 1, "token": 4, "chain": 1}


@dataclass(frozen=True, slots=True)
class Hand:
    """One party that holds an identity's key: where it calls from (a new place after each `moved` day) and with what."""

    address: str
    agent: AgentOf
    profile: tuple[int, ...]
    moved: tuple[int, ...]
    key: int

    def client(self, day: int, region: str) -> Client:
        """Where the hand is on the day, and what it calls with."""
        moves = sum(1 for moved in self.moved if moved <= day)
        address = self.address if not moves else _elsewhere(self.address, self.key, moves)
        return Client(address, self.agent(day), region)


def machine_hands(throws: Dice, temper: Temper, days: int, seed: int, number: int) -> tuple[Hand, ...]:
    """The hands on a machine's key: one, or where it is shared, up to five of machines and people."""
    count = throws.between(2, 5) if throws.chance(temper.shared) else 1
    return tuple(_machine(throws, temper, days, seed * 1000 + number * 10 + each, each) for each in range(count))


def person_hands(
    throws: Dice, temper: Temper, days: int, seed: int, number: int, from_console: bool
) -> tuple[Hand, ...]:
    """A person at one or two places."""
    agent = throws.pick(agents.BROWSERS) if from_console else agents.command_line(throws)
    count = throws.pick((1, 1, 2, 3))
    return tuple(
        Hand(
            network.internet(throws),
            lambda day: agent,
            OFFICE,
            _moves(throws, temper, days),
            seed * 1000 + number * 10 + each,
        )
        for each in range(count)
    )


def client_of(hands: Sequence[Hand], region: str, day_of: DayOf) -> doors.ClientOf:
    """The client of whichever hand is at work: instances are hands."""
    return lambda at_s, instance, _: hands[instance % len(hands)].client(day_of(at_s), region)


def machine_door(
    throws: Dice, temper: Temper, name: str, hands: Sequence[Hand], region: str, day_of: DayOf
) -> tuple[Door, str]:
    """A machine's door, and its kind."""
    client = client_of(hands, region, day_of)
    if throws.chance(temper.keys):
        return doors.user_door(name, client), "user_key"
    kind = throws.weighted(_ROLES)
    life_s = throws.pick((0.9, 1.0, 5.9, 5.9, 11.9)) * _HOUR_S
    if kind == "token":
        subject = f"sub:{throws.letters(12)}"
        return doors.token_door(
            name, subject, lambda at_s, instance, other: other.letters(10), client, life_s
        ), "token_role"
    if kind == "chain":
        return doors.chain_door(name, f"u{throws.letters(6)}", client, life_s), "chained_role"
    return doors.service_door(name, kind, doors.session_name(kind, name), client, life_s), "service_role"


def _machine(throws: Dice, temper: Temper, days: int, key: int, each: int) -> Hand:
    is_person = each > 0 and throws.chance(0.4)
    agent = _by_hand(throws) if is_person else agents.sdk(throws, days)
    profile = OFFICE if is_person else throws.pick((FLAT, FLAT, OFFICE, EVENING))
    address = (
        network.internet(throws)
        if throws.chance(0.4)
        else f"10.{throws.below(256)}.{throws.below(256)}.{throws.between(1, 254)}"
    )
    return Hand(address, agent, profile, _moves(throws, temper, days), key)


def _by_hand(throws: Dice) -> AgentOf:
    typed = agents.command_line(throws)
    return lambda day: typed


def _moves(throws: Dice, temper: Temper, days: int) -> tuple[int, ...]:
    rate = temper.roaming * throws.around(0.3, 1.5)
    return tuple(day for day in range(2, days + 1) if throws.chance(min(rate, 0.9)))


def _elsewhere(address: str, key: int, moves: int) -> str:
    throws = dice(key, moves, 230)
    if address.startswith("10."):
        return (
            f"{address.rpartition('.')[0]}.{throws.between(1, 254)}"
            if throws.chance(0.7)
            else f"10.{throws.below(256)}.{throws.below(256)}.9"
        )
    return network.internet(throws)
