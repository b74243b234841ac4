"""Other companies' software in the account: posture scanners, cost tools, monitoring, backup, data platforms.

They come through a role each was given, from a few addresses of their own, and mostly show a plain SDK. What they ask
for: the policies such vendors publish for their integrations. A vendor releases too: a new check is a new call.
"""

from simulation.estates import agents
from simulation.estates.doors import ClientOf, vendor_door
from simulation.estates.flow import Step, attempt, do, maybe, seq, since
from simulation.estates.program import Program, Routine
from simulation.estates.schedule import cron, every
from simulation.estates.scripts import HABITS, script
from simulation.estates.setting import Setting
from simulation.sessions import Client

_WEIGHTS = {"posture": 4, "costs": 3, "monitoring": 4, "data": 3, "backup_vendor": 2}
_CALLS_A_DAY = {"posture": 260, "costs": 60, "monitoring": 130, "data": 120, "backup_vendor": 90}
_MONTH_DAYS = 30
_CHECKS_A_MONTH = 1.2  # assumption: how many new questions a vendor's product asks after a month of its releases


def vendor(s: Setting) -> Program:
    """One vendor's integration: a sweep every few minutes, hours, or once a day."""
    kind = s.dice.weighted(_WEIGHTS)
    lines = HABITS["vendors"][kind]
    brand = f"{s.dice.pick(('north', 'clear', 'deep', 'open', 'blue', 'true'))}{s.dice.pick(('view', 'sight', 'stack', 'guard', 'flow', 'meter'))}"
    s.app = f"{brand}-{s.number}"
    role = s.dice.pick(
        (
            f"{brand.capitalize()}IntegrationRole{s.number}",
            f"{brand}-readonly-{s.number}",
            f"{s.company.stem}-3p-{brand}-{s.number}",
        )
    )
    sweep = _sweep(s, lines, kind)
    a_day = s.dice.around(_CALLS_A_DAY[kind], 0.5)
    sweeps = max(1.0, a_day / max(1.0, s.cost(sweep)))
    when = (
        cron(f"{s.dice.below(60)} {s.dice.below(24)} * * *")
        if sweeps < 1.6
        else every(86_400 / min(sweeps, 96), s.dice.one(), 0.15)
    )
    upkeep = attempt(seq(do("sts:GetCallerIdentity"), script(s, lines[0].split()[0])))
    routines = (Routine(when, sweep, s.dice.around(0.4, 0.6)), Routine(every(14_400, s.dice.one(), 0.3), upkeep))
    return Program(role, kind, vendor_door(role, s.app, _client(s)), routines, path="delegated")


def _sweep(s: Setting, lines: list[str], kind: str) -> Step:
    objects = tuple(f"{s.company.stem}-{s.dice.letters(6)}" for _ in range(s.dice.between(5, 60)))
    known = s.dice.some(lines, max(3, len(lines) // 3), len(lines))
    size = s.dice.around(3, 0.6)
    steps = [script(s, line, objects, size) for line in known]
    core = seq(*steps) if kind == "posture" else seq(*(maybe(s.dice.pick((1.0, 0.5, 0.1)), step) for step in steps))
    later = [line for line in lines if line not in known] or lines
    news = s.release_days(_CHECKS_A_MONTH * s.company.days / _MONTH_DAYS)
    return seq(core, *(since(day, script(s, s.dice.pick(later), objects, size)) for day in news))


def _client(s: Setting) -> ClientOf:
    agent = agents.sdk(s.dice, s.company.days, s.dice.pick(("python", "java", "go", "node", "ruby")))
    base = s.dice.between(1, 240)
    addresses = tuple(f"198.51.100.{base + offset}" for offset in range(s.dice.between(1, 6)))
    return lambda at_s, instance, throws: Client(throws.pick(addresses), agent(s.day_of(at_s)), s.region)
