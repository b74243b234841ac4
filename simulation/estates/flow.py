"""The language programs are written in: steps that call an API, and the ways steps are put together.

A step takes a `Run` and says whether it succeeded; a failure ends a sequence as an exception would, until something
catches it. Steps are closures, built once a program and run many times a day.
"""

from collections.abc import Callable

from simulation.cloudtrail import Call
from simulation.estates import shapes
from simulation.estates.chance import Dice
from simulation.estates.keyring import OWN, Guise, Keyring
from simulation.estates.today import Today

Names = str | tuple[str, ...] | Callable[["Run"], str]

_SDK_TRIES = 3  # what the AWS SDKs' standard retry mode makes of a throttled call


class Run:
    """One execution of a program: where it stands in time, whose key it holds, and what it has called so far."""

    __slots__ = ("at_s", "dice", "guise", "instance", "keyring", "made", "pace_s", "region", "today")

    def __init__(self, at_s: float, today: Today, dice: Dice, keyring: Keyring, pace_s: float, instance: int) -> None:
        self.at_s = at_s
        self.today = today
        self.dice = dice
        self.keyring = keyring
        self.made: list[Call] = keyring.made
        self.pace_s = pace_s
        self.instance = instance
        self.guise: Guise = OWN
        self.region = ""

    def call(self, operation: str, resource: str, failure: str = "") -> bool:
        """Whether the call succeeded; a throttled one is repeated as the SDKs do."""
        for attempt in range(_SDK_TRIES):
            trouble = failure or self.today.trouble(operation, self.at_s, self.dice)
            if self.today.is_logged(operation):
                self.made.append(self._written(operation, resource, trouble))
            self.at_s += self.pace_s * (0.2 + 1.6 * self.dice.one())
            if trouble != "throttled":
                break
            self.at_s += self.dice.span(0, 2**attempt)
        return not trouble

    def _written(self, operation: str, resource: str, trouble: str) -> Call:
        session = self.keyring.session(self.instance, self.at_s, operation, self.guise)
        region = self.region or self.today.region(operation, self.at_s)
        asked, issued = shapes.request(operation, resource), None
        if operation in shapes.ISSUING and not trouble:
            issued = shapes.answer(operation, resource, self.at_s, self.dice.rng)
        return Call(int(self.at_s), session, operation, resource, trouble, asked, issued, region)


Step = Callable[[Run], bool]


def do(operation: str, on: Names = "", fails: float = 0.0, failure: str = "missing") -> Step:
    """Call the operation on one of `on`; a share `fails` of calls is answered with `failure`."""
    name = naming(on)
    if not fails:
        return lambda run: run.call(operation, name(run))
    return lambda run: run.call(operation, name(run), failure if run.dice.chance(fails) else "")


def naming(on: Names) -> Callable[[Run], str]:
    """What a step's object is called in a run: always the same, one of several, or made up on the spot."""
    if isinstance(on, str):
        return lambda run: on
    if isinstance(on, tuple):
        return lambda run: run.dice.pick(on)
    return on


def numbered(pattern: str, count: int) -> Callable[[Run], str]:
    """Names such as "claims-raw/%05d.json", from 0 up to `count`."""
    return lambda run: pattern % run.dice.below(count)


def dated(prefix: str, pattern: str, count: int) -> Callable[[Run], str]:
    """Names below today's date: "lake/events/2026/03/02/part-00017.parquet"."""
    return lambda run: f"{prefix}/{run.today.stamp}/{pattern % run.dice.below(count)}"


def seq(*steps: Step) -> Step:
    """One after the other, until one fails."""

    def run_all(run: Run) -> bool:
        return all(step(run) for step in steps)

    return run_all


def nothing(run: Run) -> bool:
    """A step that does nothing, successfully."""
    return True


def maybe(share: float, step: Step, otherwise: Step = nothing) -> Step:
    """A branch taken in `share` of all runs."""
    return lambda run: step(run) if run.dice.chance(share) else otherwise(run)


def either(*steps: Step) -> Step:
    """One of the steps, each as likely."""
    return lambda run: run.dice.pick(steps)(run)


def loop(least: int, most: int, step: Step) -> Step:
    """The step again and again, from `least` to `most` times, until it fails."""

    def run_loop(run: Run) -> bool:
        return all(step(run) for _ in range(run.dice.between(least, most)))

    return run_loop


def items(median: float, sigma: float, step: Step, most: int = 400) -> Step:
    """The step once for each item of a batch whose size is log-normal; an item that fails does not stop the rest."""

    def run_items(run: Run) -> bool:
        for _ in range(min(most, round(run.dice.around(median, sigma)))):
            step(run)
        return True

    return run_items


def pages(operation: str, on: Names = "", more: float = 0.4) -> Step:
    """The same call for every page of an answer; another page follows with chance `more`."""
    ask = do(operation, on)

    def run_pages(run: Run) -> bool:
        while ask(run):
            if not run.dice.chance(more):
                return True
        return False

    return run_pages


def poll(operation: str, on: Names, lasts_s: float, every_s: float, most: int = 60) -> Step:
    """The same call every `every_s` seconds until a job is done that lasts `lasts_s` on average."""
    ask = do(operation, on)

    def run_poll(run: Run) -> bool:
        done_s = run.at_s + run.dice.around(lasts_s, 0.6)
        for _ in range(most):
            run.at_s += every_s
            if not ask(run):
                return False
            if run.at_s >= done_s:
                break
        return True

    return run_poll


def attempt(step: Step, rescue: Step = nothing) -> Step:
    """The step, and `rescue` if it fails: an exception handler."""
    return lambda run: step(run) or rescue(run)


def retry(step: Step, times: int, first_s: float) -> Step:
    """The step until it succeeds, waiting twice as long each time; fails after `times` tries."""

    def run_again(run: Run) -> bool:
        for number in range(times):
            if step(run):
                return True
            run.at_s += first_s * 2**number
        return False

    return run_again


def wait(mean_s: float) -> Step:
    """Time passes."""

    def run_wait(run: Run) -> bool:
        run.at_s += run.dice.wait(mean_s)
        return True

    return run_wait


def since(day: int, step: Step, before: Step = nothing) -> Step:
    """A code path released on a day: until then `before` is what runs."""
    return lambda run: step(run) if run.today.day >= day else before(run)


def within(first: int, last: int, step: Step) -> Step:
    """A code path that is switched on from one day to another, both included."""
    return lambda run: step(run) if first <= run.today.day <= last else True


def disguised(guise: Guise, step: Step) -> Step:
    """The step with the same key but another agent or source: a shell in the container, a service called through."""

    def run_disguised(run: Run) -> bool:
        worn, run.guise = run.guise, guise
        succeeded = step(run)
        run.guise = worn
        return succeeded

    return run_disguised


def through(service: str, step: Step) -> Step:
    """The step as the service makes it in the caller's name (IAM User Guide, "Forward access sessions")."""
    principal = f"{service}.amazonaws.com"
    return disguised(Guise(agent=principal, source=principal, invoked_by=principal), step)


def elsewhere(region: str, step: Step) -> Step:
    """The step in another region."""

    def run_elsewhere(run: Run) -> bool:
        home, run.region = run.region, region
        succeeded = step(run)
        run.region = home
        return succeeded

    return run_elsewhere
