"""``outpace simulate``: a labelled case to replay and to measure on, made of nothing but a seed."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter, validators
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from detector.errors import InputError
from simulation.attack.choosing import Chooser
from simulation.case import Feed, Plan, Written, write
from simulation.laptops import laptops as at_laptops
from simulation.native import campaign, writing
from simulation.native.estate import NativeEstate
from simulation.native.registry import NATIVE
from simulation.placement import placed
from simulation.registry import ESTATES, founded
from simulation.transplants import MIMICRIES, transplants
from simulation.transplants import captures as captured

SMALL = 3000
"""Identity-days below which a second process costs more than it saves."""
Number = Annotated[int, Parameter(validator=validators.Number(gte=0))]
_LIVES = (
    f"Which idea of normal life: {', '.join(ESTATES)} in CloudTrail; {', '.join(NATIVE)} in that provider's own log."
)


class Simulated(msgspec.Struct, frozen=True):
    """What ``--json`` prints; field names are a contract."""

    case: str
    estate: str
    seed: int
    identities: int
    events: int
    baseline_events: int
    files: int
    attacks: int
    benign_episodes: int
    seconds: float
    events_per_second: float


def simulate(
    out: str,
    /,
    *,
    seed: Number = 7,
    estate: Annotated[str, Parameter(help=_LIVES)] = "shop",
    identities: Number = 300,
    days: Number = 30,
    baseline_days: Number = 7,
    attacks: Number = 60,
    captures: str = "",
    half: str = "",
    laptops: Number = 0,
    clean: Annotated[bool, Parameter(negative=())] = False,
    slowest_s: Number = 330,
    twice: float = 0.003,
    processes: Number = 0,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Write a case: an estate's audit logs, the attacks hidden in them, and the truth about both.

    Parameters
    ----------
    out
        A new or empty folder for the case.
    seed
        The same seed gives the same bytes.
    estate
        Which idea of normal life, by name.
    identities
        How many identities live there.
    days
        How many days, those of the baseline among them.
    baseline_days
        How many of the days come first, without an attack, to be learned from.
    attacks
        How many attacks, spread evenly over loops, paces, mimicry and freshness, each on a victim of its own.
    captures
        A folder of captured attacks (CloudTrail records, one technique a file) to move onto identities of the estate, each
        once from elsewhere and once from the victim's own place.
    half
        Only the `tuning` or only the `reporting` half of the captures, by their file names.
    laptops
        How many engineers use a workload's key from a laptop: benign, counted apart.
    clean
        No attack at all: for counting false alarms.
    slowest_s
        How late the latest record is delivered.
    twice
        Which share of the records is delivered a second time.
    processes
        How many processes write; 0 chooses. No byte depends on it.
    json
        Print what was written as one JSON object.
    """
    started = time.perf_counter()
    with _refusing():
        feed = Feed(min(30, max(slowest_s - 1, 0)), slowest_s, twice)
        plan = Plan(f"{estate}-{seed}", seed, estate, days, baseline_days, feed)
        if estate in NATIVE:
            written = _native(Path(out), plan, identities, 0 if clean else attacks, json)
            _report(out, plan, written, time.perf_counter() - started, json)
            return 0
        lives = founded(estate, seed, identities, days)
        watched = range(baseline_days + 1, days + 1)
        chooser = Chooser(lives, seed, watched)
        hostile = [] if clean else placed(lives, seed, attacks, watched, chooser=chooser)
        if captures and not clean:
            found = captured(Path(captures), half)
            hostile += transplants(lives, seed, found, MIMICRIES, watched, chooser)
        hostile += at_laptops(laptops, seed, chooser)
        chosen = processes or (min(2, os.cpu_count() or 1) if identities * days > SMALL else 1)
        with _days_progress(days, quiet=json) as progress:
            written = write(Path(out), lives, plan, hostile, chosen, progress)
    _report(out, plan, written, time.perf_counter() - started, json)
    return 0


def _native(folder: Path, plan: Plan, identities: int, attacks: int, quiet: bool) -> Written:
    """A case of an estate whose log is not CloudTrail's; captured attacks are CloudTrail's and stay out of it."""
    provider, by = NATIVE[plan.estate]
    lives = NativeEstate(provider, plan.seed, identities, plan.days)
    hostile = campaign.placed(lives, by, plan.seed, attacks, range(plan.baseline_days + 1, plan.days + 1))
    with _days_progress(plan.days, quiet) as progress:
        return writing.write(folder, lives, plan, hostile, progress)


@contextmanager
def _refusing() -> Iterator[None]:
    """Within it, what cannot be simulated or written ends as one line."""
    try:
        yield
    except ValueError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"{error.filename or 'the case'}: cannot be written: {error.strerror or error}") from error


@contextmanager
def _days_progress(days: int, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A callback for each day done; it draws on a terminal only."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda events: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("days", total=days)
        yield lambda events: bar.advance(task)


def _report(out: str, plan: Plan, written: Written, seconds: float, as_json: bool) -> None:
    rate = written.events / seconds
    if as_json:
        done = Simulated(
            case=out, estate=plan.estate, seed=plan.seed, seconds=round(seconds, 3), events_per_second=round(rate),
            **msgspec.to_builtins(written),
        )  # fmt: skip
        sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
        return
    sys.stdout.write(
        f"{out}: {written.events:,} events of {written.identities} identities in {plan.days} days, {written.attacks} attacks, "
        f"{seconds:.1f} s ({rate:,.0f} events/s)\n"
    )
