"""People: the console, the command line, notebooks, administrators, and the glass that is broken now and then.

A console page makes many calls at once (so do the sessions Permiso published with CloudConsoleCartographer); people at a
command line try, look and try again, and the commands they know grow slowly and unevenly (Greenberg and Witten,
"Directing the user interface", 1988).
"""

from simulation.estates import agents, runtime
from simulation.estates.doors import ClientOf, person_door, service_door
from simulation.estates.flow import Run, attempt, do, either, items, loop, maybe, seq, since, wait
from simulation.estates.keyring import Door
from simulation.estates.program import Program, Routine
from simulation.estates.schedule import arrivals, cron, in_office, on_day
from simulation.estates.scripts import HABITS, scripts
from simulation.estates.setting import Setting
from simulation.sessions import Client

_HOUR_S = 3600.0

_HABITS = HABITS["people"]
_PERMISSION_SETS = (
    "Developer",
    "PowerUser",
    "ReadOnly",
    "DataScientist",
    "Operations",
    "Support",
    "Billing",
    "NetworkAdmin",
)


def console(s: Setting) -> Program:
    """Somebody who clicks: pages that each make a dozen calls, a change now and then."""
    role = _permission_set(s, s.dice.pick(_PERMISSION_SETS))
    views = scripts(s, _HABITS["pages"], _seen(s))
    usual, new = tuple(s.dice.some(views, 4, 10)), views
    act = either(*s.dice.some(scripts(s, _HABITS["changes"], _seen(s)), 2, 6))
    page = seq(maybe(0.06, attempt(either(*new)), attempt(either(*usual))), wait(40))
    visit = seq(
        do("sts:GetCallerIdentity") if s.dice.chance(0.2) else _landing,
        items(4, 0.8, page, 25),
        maybe(0.25, attempt(act)),
    )
    routines = (Routine(in_office(s.dice.around(2.2, 0.6), s.company.offset_h), visit, 0.15),)
    return Program(role, "console", _person_door(s, role, _browser(s), True), routines, path="human")


def command_line(s: Setting) -> Program:
    """Somebody who types, and runs scripts from their own machine."""
    role = _permission_set(s, s.dice.pick(_PERMISSION_SETS))
    known = scripts(s, _HABITS["commands"], _seen(s), 4)
    usual = tuple(s.dice.some(known, 5, 12))
    learnt = tuple(since(day, s.dice.pick(known)) for day in s.release_days(s.company.days / 9))
    one = seq(attempt(maybe(0.04, either(*known), either(*usual, *learnt))), wait(45))
    mistyped = do("s3:GetObject", s.buckets("typo")[0], 1.0, "denied")
    sitting = seq(maybe(0.5, do("sts:GetCallerIdentity")), items(5, 0.8, seq(one, maybe(0.05, attempt(mistyped))), 30))
    bulk = items(
        30, 0.8, do(s.dice.pick(("s3:GetObject", "s3:PutObject")), f"{s.buckets('raw')[0]}/adhoc/file.csv"), 200
    )
    routines = (
        Routine(in_office(s.dice.around(2.0, 0.6), s.company.offset_h), sitting, 0.8),
        Routine(in_office(0.15, s.company.offset_h), bulk, 0.3),
    )
    agent = agents.command_line(s.dice) if s.dice.chance(0.7) else agents.sdk(s.dice, 1, "python")(1)
    return Program(role, "command_line", _person_door(s, role, agent, False), routines, path="human")


def administrator(s: Setting) -> Program:
    """Somebody who gives permissions and takes them, and looks after incidents at night."""
    role = _permission_set(s, s.dice.pick(("AdministratorAccess", "SecurityAdmin", "PlatformAdmin")))
    views, acts = (
        scripts(s, _HABITS["pages"], _seen(s)),
        scripts(s, (*_HABITS["administration"], *_HABITS["changes"]), _seen(s)),
    )
    turn = seq(attempt(either(*views)), wait(50), maybe(0.35, attempt(either(*acts))), wait(20))
    routines = (
        Routine(in_office(s.dice.around(2.0, 0.5), s.company.offset_h), loop(1, 7, turn), 0.2),
        Routine(arrivals(0.1, (1,) * 24, 0.4, 1800), loop(4, 15, turn), 0.2),
    )
    return Program(role, "administrator", _person_door(s, role, _browser(s), True), routines, path="human")


def notebook(s: Setting) -> Program:
    """A notebook server's role: several people's cells, run over and over while they change."""
    role = s.named("notebook-exec")
    cells = scripts(s, _HABITS["cells"], _seen(s), 6)
    usual = tuple(s.dice.some(cells, 4, 9))
    learnt = tuple(since(day, s.dice.pick(cells)) for day in s.release_days(s.company.days / 8))
    cell = seq(attempt(maybe(0.04, either(*cells), either(*usual, *learnt))), wait(60))
    again = items(2.5, 0.6, cell, 12)
    sitting = seq(maybe(0.3, do("sts:GetCallerIdentity")), items(4, 0.7, again, 12))
    client = s.inside("python")
    door = service_door(role, "sagemaker", lambda at_s, instance, throws: "SageMaker", client, 6 * _HOUR_S)
    routines = (Routine(in_office(s.dice.around(3.0, 0.5), s.company.offset_h), sitting, 0.3, s.dice.between(1, 4)),)
    return Program(role, "notebook", door, (*routines, *runtime.extras(s)), endpoint=s.endpoint)


def break_glass(s: Setting) -> Program:
    """Emergency access: tried once a month, used when something is on fire."""
    role = "break-glass-admin" if s.number < 60 else f"break-glass-admin-{s.number}"
    s.app = role
    acts, views = (
        scripts(s, (*_HABITS["administration"], *_HABITS["changes"]), _seen(s)),
        scripts(s, _HABITS["pages"], _seen(s)),
    )
    fight = loop(3, 12, seq(attempt(either(*views)), wait(60), maybe(0.6, attempt(either(*acts)))))
    trial = seq(do("iam:ListAccountAliases"), do("sts:GetCallerIdentity"), attempt(views[0]))
    tried = on_day(s.dice.between(1, min(30, s.company.days)), s.dice.span(8, 16))
    monthly = Routine(cron(f"{s.dice.below(60)} 9 {s.dice.between(1, 28)} * *"), trial, 0.5, 0)
    fires = Routine(arrivals(0.04, (1,) * 24, 0.0, 1), fight, 0.8, 0)
    door = _person_door(s, role, _browser(s), True)
    return Program(role, "break_glass", door, (Routine(tried, trial, 0.5, 0), monthly, fires), path="emergency")


def _landing(run: Run) -> bool:
    return run.call("notifications:ListNotificationHubs", "") and run.call("health:DescribeEventAggregates", "")


def _permission_set(s: Setting, name: str) -> str:
    s.app = f"user{s.number}"
    return f"AWSReservedSSO_{name}_{s.dice.letters(12)}{s.number:04x}"


def _person_door(s: Setting, role: str, agent: str, from_console: bool) -> Door:
    return person_door(
        role, f"user{s.number}@example.com", _seat(s, agent), from_console, s.dice.pick((4.0, 8.0, 12.0)) * _HOUR_S
    )


def _seat(s: Setting, agent: str) -> ClientOf:
    home, number, region = s.company.network, s.number, s.region
    return lambda at_s, instance, throws: Client(home.person(number, s.day_of(at_s)), agent, region)


def _browser(s: Setting) -> str:
    return s.dice.pick(agents.BROWSERS)


def _seen(s: Setting) -> tuple[str, ...]:
    return tuple(f"{s.company.stem}-{s.team.name}-{s.dice.letters(4)}" for _ in range(s.dice.between(4, 40)))
