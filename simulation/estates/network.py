"""Where a company's calls come from: private subnets, NAT gateways, hosted runners, offices and homes.

Public addresses are documentation ranges (RFC 5737, RFC 3849); where many different ones are needed, as for functions
and hosted runners, the benchmarking range 198.18.0.0/15 (RFC 2544) stands for the internet. Pods sit in 100.64.0.0/10,
as EKS clusters with a secondary CIDR have them. Calls to S3 and DynamoDB that leave a VPC by a gateway endpoint show the
private address, all others the NAT gateway's (VPC User Guide, "Gateway endpoints").
"""

from collections.abc import Iterator
from dataclasses import dataclass

from simulation.estates.chance import Dice, dice

_NAT_REPLACED_A_MONTH = 0.05  # assumption: each gateway rebuilt every year or two, by hand, script or zone change
_ZONE_LOST_A_MONTH = 0.15  # assumption: a zone in trouble, or taken out on purpose, once or twice a year
_MONTH_DAYS = 30
_ZONES = 3
_LEASE_DAYS = 12  # assumption: how long a household keeps its address
_OFFICE_SHARE = 0.55  # of a person's working days; the rest from home


@dataclass(frozen=True, slots=True)
class Vpc:
    """One virtual network: its second octet, and for each zone the gateway's addresses with the day each came.

    On `lost_day` zone 0 is out of order, and what ran there runs in the next one.
    """

    octet: int
    gateways: tuple[tuple[tuple[int, str], ...], ...]
    lost_day: int = 0

    def gateway(self, zone: int, day: int) -> str:
        """The public address of the zone's NAT gateway on the day."""
        if day == self.lost_day and zone % len(self.gateways) == 0:
            zone += 1
        return [address for from_day, address in self.gateways[zone % len(self.gateways)] if from_day <= day][-1]


class Network:
    """The networks of one company, fixed by its seed."""

    def __init__(self, seed: int, days: int) -> None:
        self._seed = seed
        throws = dice(seed, 201)
        free = iter(throws.rng.permutation(250).tolist())
        self.offices = tuple(f"192.0.2.{next(free) + 1}" for _ in range(throws.between(1, 3)))
        lost_day = throws.between(2, days) if throws.chance(_ZONE_LOST_A_MONTH * days / _MONTH_DAYS) and days > 1 else 0
        self.vpcs = tuple(
            Vpc(
                20 + 3 * number,
                tuple(_gateways(throws, free, days) for _ in range(throws.between(1, _ZONES))),
                lost_day,
            )
            for number in range(throws.between(3, 7))
        )

    def private(self, vpc: Vpc, *key: int) -> str:
        """An address inside the VPC, always the same for the same key."""
        throws = dice(self._seed, 202, *key)
        return f"10.{vpc.octet}.{16 * throws.below(_ZONES) + throws.below(16)}.{throws.between(5, 250)}"

    def pod(self, *key: int) -> str:
        """A pod's address, always the same for the same key."""
        throws = dice(self._seed, 203, *key)
        return f"100.{64 + throws.below(4)}.{throws.below(256)}.{throws.between(2, 254)}"

    def person(self, number: int, day: int) -> str:
        """Where a person works on the day: an office, or home behind an address that changes now and then."""
        throws = dice(self._seed, 204, number, day)
        if throws.chance(_OFFICE_SHARE):
            return self.offices[number % len(self.offices)]
        at_home = dice(self._seed, 205, number, (day + number) // _LEASE_DAYS)
        if number % 5 == 0:
            return f"2001:db8:{number:x}:{at_home.below(65536):x}::{at_home.between(16, 4095):x}"
        return internet(at_home)


def internet(throws: Dice) -> str:
    """Some public address."""
    return f"198.{18 + throws.below(2)}.{throws.below(256)}.{throws.between(1, 254)}"


def _gateways(throws: Dice, free: Iterator[int], days: int) -> tuple[tuple[int, str], ...]:
    first = (0, f"198.51.100.{next(free) + 1}")
    if days > 1 and throws.chance(_NAT_REPLACED_A_MONTH * days / _MONTH_DAYS):
        return (first, (throws.between(2, days), f"198.51.100.{next(free) + 1}"))
    return (first,)
