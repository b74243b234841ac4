"""``outpace backtest``: how good is the detection, on cases whose truth is known?"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, NamedTuple

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from detector.errors import InputError
from streams.backtest.case import Case, read_cases
from streams.backtest.comparing import Comparison, compared
from streams.backtest.comparison_table import comparison_tables, curve_table
from streams.backtest.expectations import Expectations, Outcome, check_possible, judged, read_expectations
from streams.backtest.figures import CaseScore
from streams.backtest.junit import junit
from streams.backtest.page import page
from streams.backtest.pooling import Task, score_tasks
from streams.backtest.result import VERSION, Result, as_json, curve_point, read_result
from streams.backtest.running import at_budget
from streams.backtest.table import tables
from streams.policy_files import load_policy
from streams.terminal import check_writable, printable, terminal
from streams.whole import write_output

Flag = Annotated[bool, Parameter(negative=())]
MOST_BUDGETS = 20


class _Outputs(NamedTuple):
    report: str | None
    junit: str | None
    as_json: bool


def backtest(
    cases: Annotated[list[str] | None, Parameter(negative=())] = None,
    /,
    *,
    policy: str | None = None,
    baseline: bool = True,
    budgets: str = "",
    expect: str | None = None,
    compare: tuple[str, str] | None = None,
    processes: int | None = None,
    report: str | None = None,
    junit: str | None = None,
    json: Flag = False,
) -> int:
    """Backtest: labelled cases in, one table out. Exit 0, 1 where an expectation is not met, 2 for what cannot be used.

    Parameters
    ----------
    cases
        Folders with a case each, as "outpace simulate" writes them; pooled.
    policy
        TOML file with the policy; without it, the defaults.
    baseline
        Learn each case's baseline first. Without it, the first reported day is the first ever seen.
    budgets
        Run again under these budgets, in false revocations per 10,000 identity-days, such as 1,3,10,30; drawn as curves.
    expect
        TOML file with what has to be reached: at_least, at_most, never.
    compare
        Two policy files to run the cases under, or two results saved with --json (then without cases): what changed.
    processes
        How many engines run side by side; one a core by default.
    report
        Write one self-contained HTML page here.
    junit
        Write JUnit XML here.
    json
        Print everything as one JSON object.
    """
    outputs = _Outputs(report, junit, json)
    expected = read_expectations(expect) if expect else None
    curve = _budgets(budgets)
    check_writable(report, junit)
    if compare and all(path.endswith(".json") for path in compare):
        _refuse(
            "two saved results are compared as they are", {"cases": cases, "--budgets": budgets, "--policy": policy}
        )
        old, new = map(read_result, compare)
        return _finish(new, compared(old, new), expected, outputs)
    if compare and policy:
        raise InputError("--compare names both policies, --policy cannot go with it")
    found = read_cases(cases or [])
    if processes is not None and processes < 1:
        raise InputError(f"--processes {processes}: wanted at least 1")
    results = _run(found, list(compare) if compare else [policy], baseline, curve, processes, json)
    return _finish(results[-1], compared(*results) if compare else None, expected, outputs)


def _refuse(why: str, given: dict[str, object]) -> None:
    named = [name for name, value in given.items() if value]
    if named:
        raise InputError(f"{why}, {', '.join(named)} cannot go with it")


def _budgets(text: str) -> list[float]:
    """The budgets of the curve, in order."""
    try:
        found = sorted({float(part) for part in text.split(",")}) if text else []
    except ValueError as error:
        raise InputError(f"--budgets {text}: wanted numbers with commas between, such as 1,3,10,30") from error
    if len(found) > MOST_BUDGETS or any(not 1e-5 <= budget <= 1000 for budget in found):
        raise InputError(f"--budgets {text}: wanted at most {MOST_BUDGETS}, each between 0.00001 and 1000 per 10,000")
    return found


def _run(
    cases: Sequence[Case],
    policies: Sequence[str | None],
    learns: bool,
    curve: Sequence[float],
    processes: int | None,
    is_quiet: bool,
) -> list[Result]:
    """A result a policy; the curve is the last one's."""
    chosen = [(load_policy(path), path) for path in policies]
    tasks = [Task(case, policy, path, learns) for policy, path in chosen for case in cases]
    last, last_path = chosen[-1]
    tasks += [Task(case, at_budget(last, budget), last_path, learns) for budget in curve for case in cases]
    with _progress(len(tasks), is_quiet) as done:
        scores = score_tasks(tasks, processes, done)
    of_task = [tuple(scores[i : i + len(cases)]) for i in range(0, len(scores), len(cases))]
    points = tuple(curve_point(b, s) for b, s in zip(curve, of_task[len(chosen) :], strict=True))
    return [
        Result(VERSION, path or "defaults", made, points if number == len(chosen) - 1 else ())
        for number, ((_policy, path), made) in enumerate(zip(chosen, of_task, strict=False))
    ]


@contextmanager
def _progress(tasks: int, is_quiet: bool) -> Iterator[Callable[[], None] | None]:
    console = Console(stderr=True)
    if is_quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        running = bar.add_task("cases run", total=tasks)
        yield lambda: bar.update(running, advance=1)


def _finish(result: Result, comparison: Comparison | None, expected: Expectations | None, outputs: _Outputs) -> int:
    """Says and writes everything; the exit code."""
    if expected:
        check_possible(expected, result.scores)
    outcomes = judged(expected, result.scores) if expected else []
    if outputs.as_json:
        more = {"comparison": comparison} if comparison else {}
        sys.stdout.buffer.write(as_json(result, expectations=outcomes, **more))
        sys.stdout.flush()
    else:
        _print(result, comparison, outcomes)
    faults = _written(result, comparison, outcomes, outputs)
    for outcome in outcomes:
        if outcome.fault:
            sys.stderr.write(f"outpace: not met: {printable(outcome.fault)}\n")
    if faults:
        raise InputError("; ".join(faults))
    return int(any(outcome.fault for outcome in outcomes))


def _print(result: Result, comparison: Comparison | None, outcomes: Sequence[Outcome]) -> None:
    console = terminal()
    for table in tables(result.scores):
        console.print(table)
    if result.curve:
        console.print(curve_table(result.curve))
    if comparison:
        for table in comparison_tables(comparison):
            console.print(table)
    console.print(_run_line(result.scores), highlight=False)
    for note in notes(result.scores):
        console.print(f"note: {escape(note)}", highlight=False)
    if outcomes:
        met = sum(not outcome.fault for outcome in outcomes)
        console.print(f"expectations: {met} of {len(outcomes)} met", highlight=False)


def _run_line(scores: Sequence[CaseScore]) -> str:
    events = sum(s.events + s.baseline_events for s in scores)
    seconds = sum(s.seconds for s in scores)
    count = f"{len(scores)} case{'' if len(scores) == 1 else 's'}"
    return f"{count}, {events:,} events in {seconds:,.1f} s of engine time"


def notes(scores: Sequence[CaseScore]) -> list[str]:
    """What a reader of the figures has to know beside them."""
    found = []
    if rejected := sum(score.rejected for score in scores):
        first = next(score.first_rejection for score in scores if score.rejected)
        found.append(f"{rejected:,} records were not usable; the first is {printable(first)}")
    if unlisted := sum(score.unlisted_count for score in scores):
        first = next(score.unlisted[0] for score in scores if score.unlisted)
        found.append(
            f"{unlisted:,} principals are in the records and not in their case, their days count for nothing; the first is {printable(first)}"
        )
    wrong = [f for score in scores for f in score.false_days if not f.counted and f.is_revocation]
    if wrong:
        found.append(
            f"{len(wrong):,} revocations of identities that do not count; the first is {printable(wrong[0].principal)}"
        )
    return found


def _written(
    result: Result, comparison: Comparison | None, outcomes: Sequence[Outcome], outputs: _Outputs
) -> list[str]:
    """What could not be written, a line each."""
    faults = []
    if outputs.report:
        faults += _fault(outputs.report, page(result, comparison, outcomes, notes(result.scores)).encode())
    if outputs.junit:
        faults += _fault(outputs.junit, junit(result.scores, outcomes))
    return faults


def _fault(path: str, data: bytes) -> list[str]:
    try:
        write_output(path, data)
    except InputError as error:
        return [str(error)]
    return []
