"""What a program is told about where it runs: company, team, names of its things, its agent and its addresses."""

from collections.abc import Callable, Sequence

from simulation.estates import agents, network
from simulation.estates.chance import Dice, dice
from simulation.estates.company import Company
from simulation.estates.doors import ClientOf
from simulation.estates.flow import Run, Step, attempt, maybe, seq, since, within
from simulation.estates.keyring import Door, Endpoint, Keyring
from simulation.identifiers import ACCOUNT
from simulation.sessions import Client, user

_MONTH_DAYS = 30
_FLAG_SHARE = 0.15  # assumption: of new paths, those behind a flag that is switched off again
_PILOT_RUNS = 12


class Setting:
    """The surroundings of the identity with this number; everything about it follows from seed and number."""

    def __init__(self, company: Company, number: int) -> None:
        self.company = company
        self.number = number
        self.dice: Dice = dice(company.seed, number, 210)
        self.team = self.dice.pick(company.teams)
        self.region = company.region
        self.vpc = company.network.vpcs[self.team.vpc]
        self.app = ""
        self.endpoint: Endpoint | None = None

    def named(self, app: str) -> str:
        """The role's name after the app has been given its own, unlike any other of the estate."""
        self.app = f"{app}-{self.number}" if self.number >= 0 else app
        return self.company.role(self.team, self.app, self.dice)

    def buckets(self, *purposes: str) -> tuple[str, ...]:
        """Bucket names, one a purpose."""
        return tuple(f"{self.company.stem}-{self.team.name}-{purpose}-{self.region}" for purpose in purposes)

    def things(self, *purposes: str) -> tuple[str, ...]:
        """Names of the app's own tables, queues, functions, topics, jobs."""
        return tuple(f"{self.team.name}-{self.app}-{purpose}" for purpose in purposes)

    def queue(self, purpose: str) -> str:
        """A queue's URL."""
        return f"https://sqs.{self.region}.amazonaws.com/{ACCOUNT}/{self.team.name}-{self.app}-{purpose}"

    def secret(self, purpose: str) -> str:
        """A secret's name."""
        return f"prod/{self.team.name}/{self.app}/{purpose}"

    def parameter(self, purpose: str) -> str:
        """A parameter's name."""
        return f"/{self.company.stem}/prod/{self.app}/{purpose}"

    def evolving(self, core: Step, later: Sequence[Callable[["Setting"], Step]]) -> Step:
        """The core, and code paths that releases add to it for good; some sit behind a flag and go again."""
        expected = self.team.paths_a_month * self.company.days / _MONTH_DAYS
        steps = [core]
        for day in self.release_days(expected):
            step = attempt(maybe(self.dice.span(0.05, 1.0), self.dice.pick(later)(self)))
            is_flagged = self.dice.chance(_FLAG_SHARE)
            steps.append(within(day, day + self.dice.between(1, 9), step) if is_flagged else since(day, step))
        return seq(*steps) if len(steps) > 1 else core

    def release_days(self, expected: float) -> list[int]:
        """The days of a Poisson number of releases, `expected` on average, none on the first day."""
        if self.company.days < 2:
            return []
        return sorted(self.dice.between(2, self.company.days) for _ in range(int(self.dice.rng.poisson(expected))))

    def rate(self, step: Step, calls_a_day: float) -> float:
        """How often a day the step has to run to make so many recorded calls, by trying it a few times."""
        return min(600.0, calls_a_day / max(1.0, self.cost(step)))

    def cost(self, step: Step) -> float:
        """Recorded calls of one run on average, by trial on the first day."""
        throws = dice(self.company.seed, self.number, 211)
        keyring = Keyring(Door(lambda at_s, instance, _: (user("pilot", Client("", "")), None)), throws)
        today = self.company.today(1)
        for _ in range(_PILOT_RUNS):
            step(Run(today.midnight_s, today, throws, keyring, 0.1, 0))
        return len(keyring.made) / _PILOT_RUNS

    def inside(self, language: str = "", runtime: str = "") -> ClientOf:
        """A client in the team's network; what the trail shows of it depends on how the network leads out."""
        agent = agents.sdk(self.dice, self.company.days, language, runtime)
        style = self.dice.weighted({"endpoint": 4, "gateway": 5})
        moves_every = self.dice.pick((1, 2, 5, 9, 30))
        vpc, home, number, region = self.vpc, self.company.network, self.number, self.region

        def private(at_s: float, instance: int) -> str:
            return home.private(vpc, number, instance, (self.day_of(at_s) + number) // moves_every)

        def client(at_s: int, instance: int, throws: Dice) -> Client:
            day = self.day_of(at_s)
            source = vpc.gateway(instance, day) if style == "gateway" else private(at_s, instance)
            return Client(source, agent(day), region)

        self.endpoint = private if style == "gateway" else None
        return client

    def outside(self, language: str = "", runtime: str = "") -> ClientOf:
        """A client on the internet whose address is another for every session (functions, hosted runners)."""
        agent = agents.sdk(self.dice, self.company.days, language, runtime)
        region = self.region
        return lambda at_s, instance, throws: Client(network.internet(throws), agent(self.day_of(at_s)), region)

    def fixed(self, address: str, language: str = "") -> ClientOf:
        """A client with one address."""
        agent = agents.sdk(self.dice, self.company.days, language)
        region = self.region
        return lambda at_s, instance, throws: Client(address, agent(self.day_of(at_s)), region)

    def pods(self, language: str = "") -> ClientOf:
        """A client in a cluster: a pod's own address, or the cluster's gateway; pods live a day or two."""
        agent = agents.sdk(self.dice, self.company.days, language)
        own_address = self.dice.chance(0.5)
        lives_days = self.dice.pick((1, 2, 4))
        vpc, home, number, region = self.vpc, self.company.network, self.number, self.region

        def client(at_s: int, instance: int, throws: Dice) -> Client:
            day = self.day_of(at_s)
            address = home.pod(number, instance, day // lives_days) if own_address else vpc.gateway(instance, day)
            return Client(address, agent(day), region)

        return client

    def day_of(self, at_s: float) -> int:
        """The day a moment lies in, counted from 1."""
        return int(at_s - self.company.today(1).midnight_s) // 86_400 + 1
