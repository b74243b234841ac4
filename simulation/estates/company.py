"""One regulated company, fixed by its seed: teams and how they deliver, calendar, regions, outages, what its trail logs.

Rates, and why:
- Teams deliver on demand, weekly, monthly or rarer in the shares of DORA's 2024 survey (19, 22, 35, 25 %).
- How many releases add a call the service never made before is not published. Assumed: 0.8, 3, 12 and 35 % in those
  classes, since rarer releases are larger; so a service gains 0.2 to 0.7 new code paths a month.
- Data events cost extra and are off by default (CloudTrail User Guide, "Logging data events"), so a company logs them
  for some services only; the shares are assumptions.
- Throttling and partial outages of one service: some two a month per region, most under two hours (assumption; AWS's
  published post-event summaries list only the few large ones).
- A right-sizing campaign now and then takes unused permissions away, and some that were not unused. Most cloud
  permissions go unused (Sonrai, 2026: 92 % of identities with sensitive permissions had not used them in 90 days).
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from simulation.estates.chance import Dice, dice
from simulation.estates.life import DAY_S, started_s
from simulation.estates.network import Network
from simulation.estates.today import Failover, Outage, Today

_STEMS = (
    "aster",
    "boreal",
    "cobalt",
    "delta",
    "ember",
    "fjord",
    "granit",
    "halden",
    "isar",
    "juno",
    "kestrel",
    "lumen",
)
_TEAMS = (
    "payments", "claims", "onboarding", "ledger", "risk", "pricing", "telemetry", "lake", "platform", "identity", "growth",
    "models", "treasury", "policies", "broker", "mobile", "search", "documents", "fraud", "core", "crm", "reporting",
)  # fmt: skip
_REGIONS = {"eu-central-1": 3, "eu-west-1": 3, "us-east-1": 4, "us-west-2": 2, "ap-southeast-2": 1}
_BACKUP_REGION = {"eu-central-1": "eu-west-1", "eu-west-1": "eu-central-1", "us-east-1": "us-west-2"}
_OFFSETS_H = {"eu-central-1": 1, "eu-west-1": 0, "us-east-1": -5, "us-west-2": -8, "ap-southeast-2": 10}
_DELIVERY = {"on demand": 19, "weekly": 22, "monthly": 35, "rarer": 25}
_PATHS_A_MONTH = {"on demand": 0.72, "weekly": 0.36, "monthly": 0.29, "rarer": 0.21}
_LOGGED = {"s3": 0.7, "lambda": 0.4, "dynamodb": 0.35, "sqs": 0.2, "sns": 0.2, "kinesis": 0.1, "monitoring": 0.25}
_FRAGILE = (
    "ec2",
    "s3",
    "dynamodb",
    "lambda",
    "kms",
    "sts",
    "logs",
    "monitoring",
    "ecs",
    "secretsmanager",
    "ssm",
    "sqs",
)
_OUTAGES_A_DAY = 2 / 30
_EXERCISE_A_MONTH = 0.3  # regulated companies exercise a fail-over a few times a year
_MONTH_DAYS = 30
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Team:
    """A team: its name, how it delivers (one of DORA's classes), and which of the company's networks it runs in."""

    name: str
    delivery: str
    vpc: int

    @property
    def paths_a_month(self) -> float:
        """How many new code paths one of its services gains in a month."""
        return _PATHS_A_MONTH[self.delivery]


class Company:
    """What all identities of one estate share."""

    def __init__(self, seed: int, days: int, start: str) -> None:
        throws = dice(seed, 200)
        self.seed = seed
        self.days = days
        self.stem = throws.pick(_STEMS)
        self.region = throws.weighted(_REGIONS)
        self.backup_region = _BACKUP_REGION.get(self.region, "us-east-2")
        self.offset_h = _OFFSETS_H[self.region]
        self.network = Network(seed, days)
        self.teams = _teams(throws, len(self.network.vpcs))
        self.naming = throws.below(4)
        self.unlogged = frozenset(service for service, share in _LOGGED.items() if not throws.chance(share))
        self.campaign_day = throws.between(2, max(days, 2)) if throws.chance(0.4 * days / _MONTH_DAYS) else 0
        self._start_s = started_s(start)
        self._holidays = {throws.between(1, days) for _ in range(int(throws.rng.poisson(days / _MONTH_DAYS)))}
        self._exercise = throws.between(2, max(days, 2)) if throws.chance(_EXERCISE_A_MONTH * days / _MONTH_DAYS) else 0
        self._days: dict[int, Today] = {}

    def today(self, day: int) -> Today:
        """The day as everybody in the company meets it."""
        if day not in self._days:
            self._days[day] = self._made(day)
        return self._days[day]

    def role(self, team: Team, app: str, throws: Dice) -> str:
        """A role's name in the company's style; at most the 64 characters IAM allows."""
        match self.naming:
            case 0:
                name = f"{self.stem}-prod-{team.name}-{app}-role"
            case 1:
                name = "".join(part.capitalize() for part in f"{team.name}-{app}".split("-"))
            case 2:
                stack = "".join(part.capitalize() for part in f"{team.name}-{app}".split("-"))
                name = f"{stack}Stack-ServiceRole{throws.letters(8).upper()}-{throws.letters(12).upper()}"
            case _:
                name = f"{team.name}.{app}@{self.stem}"
        return name[:64]

    def _made(self, day: int) -> Today:
        throws = dice(self.seed, 206, day)
        midnight = self._start_s + (day - 1) * DAY_S
        workday = datetime.fromtimestamp(midnight, UTC).weekday() < 5 and day not in self._holidays
        return Today(
            day,
            midnight,
            workday,
            throws.around(1.0, 0.15),
            self.unlogged,
            tuple(_outage(throws, midnight) for _ in range(int(throws.rng.poisson(_OUTAGES_A_DAY)))),
            self._failover(throws, midnight) if day == self._exercise else None,
        )

    def _failover(self, throws: Dice, midnight: int) -> Failover:
        from_s = midnight + throws.span(8, 13) * _HOUR_S
        return Failover(from_s, from_s + throws.span(1, 5) * _HOUR_S, self.backup_region)


def _teams(throws: Dice, vpcs: int) -> tuple[Team, ...]:
    names = throws.some(_TEAMS, 6, 14)
    return tuple(Team(name, throws.weighted(_DELIVERY), throws.below(vpcs)) for name in names)


def _outage(throws: Dice, midnight: int) -> Outage:
    from_s = midnight + throws.span(0, 23) * _HOUR_S
    return Outage(throws.pick(_FRAGILE), from_s, from_s + throws.around(2400, 0.8), throws.span(0.1, 0.8))
