"""An estate whose identities are programs: generated from archetypes, carried out call by call, changed by their owners.

A regulated company of several teams. What makes its life hard to tell from an attack: code paths that releases add and
that stay, branches first taken after weeks, jobs of a month's end, dependency upgrades, gateways replaced, a region
failed over, permissions taken away and given back, engineers in a workload's shell, vendors' new checks, storms of
infrastructure code, and user agents that name nothing but an SDK. Every rate stands beside the code that uses it, with
its reason: `company`, `agents`, `network`, `runtime`, `services`, `vendors`, and here.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from simulation.cloudtrail import Call
from simulation.estates import batches, caretakers, delivery, people, services, vendors
from simulation.estates.chance import Dice, dice
from simulation.estates.company import Company
from simulation.estates.life import START, Life, Member
from simulation.estates.program import Denial, Program, carried_out, repertoire
from simulation.estates.setting import Setting

Archetype = Callable[[Setting], Program]

# How many of each a company has, in parts of a hundred. Machine identities outnumber people many times over, and most of
# them are the company's own services (assumption on the shares within; vendors keep a role each).
_SHARES: Mapping[Archetype, float] = {
    services.api: 17.0,
    services.consumer: 8.0,
    services.pod: 9.0,
    services.ingest: 3.0,
    services.assistant: 3.0,
    services.agent: 2.0,
    batches.pipeline: 8.0,
    batches.trainer: 3.0,
    batches.job: 7.0,
    delivery.hosted_pipeline: 6.0,
    delivery.own_runner: 1.5,
    delivery.build_role: 1.5,
    delivery.terraform: 3.5,
    delivery.stacks: 1.5,
    caretakers.operator: 6.0,
    caretakers.chore: 6.0,
    caretakers.recovery: 0.7,
    caretakers.shipper: 1.3,
    caretakers.legacy: 1.5,
    caretakers.linked: 2.0,
    caretakers.collector: 1.5,
    vendors.vendor: 4.0,
    people.console: 4.0,
    people.command_line: 3.5,
    people.administrator: 1.0,
    people.notebook: 2.0,
}
_PLACED: Mapping[int, Archetype] = {7: delivery.build_server, 11: people.break_glass}

_MONTH_DAYS = 30
_BORN_A_MONTH = 0.08  # assumption: identities live about two years, and there are a few more of them every month
_GONE_A_MONTH = 0.04
_DENIED_A_MONTH = 0.04  # assumption: a permission taken away that was needed, one workload in 25 a month
_IN_CAMPAIGN = 0.06  # ... and so many on the day on which a campaign removes unused ones everywhere
_WEEK = 7


class ProgramEstate(Life):
    """`identities` programs of one company. A larger estate begins with the members of a smaller one."""

    def __init__(self, seed: int, identities: int = 300, days: int = 30, start: str = START) -> None:
        self.company = Company(seed, max(days, 1), start)
        self._programs: list[Program] = []
        members: list[Member] = []
        for number in range(max(identities, 0)):
            program, used = _program(self.company, number)
            self._programs.append(program)
            members.append(_member(self.company, program, used, number))
        super().__init__(seed, days, members, start)

    def begun(self, number: int, day: int) -> list[Call]:
        """The calls of all runs that start on the day."""
        return carried_out(self._programs[number], self.company.today(day), dice(self.seed, number, 220, day))


def _program(company: Company, number: int) -> tuple[Program, tuple[str, ...]]:
    setting = Setting(company, number)
    archetype = _PLACED.get(number) or setting.dice.weighted(_SHARES)
    program = replace(archetype(setting), stem=setting.app)
    throws = dice(company.seed, number, 221)
    used = repertoire(program, company.today(1), throws)
    if program.path in ("human", "emergency") or program.kind == "linked":
        return program, used
    return replace(program, denials=_denials(company, used, throws)), used


def _denials(company: Company, used: tuple[str, ...], throws: Dice) -> tuple[Denial, ...]:
    days = []
    if company.days > 1 and throws.chance(_DENIED_A_MONTH * company.days / _MONTH_DAYS):
        days.append(throws.between(2, company.days))
    if company.campaign_day and throws.chance(_IN_CAMPAIGN):
        days.append(company.campaign_day)
    return tuple(_denial(used, day, throws) for day in days)


def _denial(used: tuple[str, ...], day: int, throws: Dice) -> Denial:
    from_day = day + throws.span(8, 18) / 24
    return Denial(from_day, from_day + throws.around(0.3, 1.0), tuple(throws.some(used, 1, 2)))


def _member(company: Company, program: Program, used: tuple[str, ...], number: int) -> Member:
    throws = dice(company.seed, number, 222)
    months = company.days / _MONTH_DAYS
    born, gone = 1, 1 << 30
    if company.days > _WEEK and number not in _PLACED and program.kind != "linked":
        if throws.chance(_BORN_A_MONTH * months):
            born = throws.between(2, company.days - 2)
        elif throws.chance(_GONE_A_MONTH * months):
            gone = throws.between(_WEEK, company.days)
    return Member(program.name, program.kind, program.path, program.stem, used, born, gone)
