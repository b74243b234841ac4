"""``outpace explain``: a decision scored again from its events."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.markup import escape
from rich.table import Table

from detector import explain as explaining
from detector.errors import InputError
from streams.case_files import cases_path
from streams.terminal import printable, terminal


def explain(
    decision_id: str, /, *, decisions: str = "decisions.jsonl", json: Annotated[bool, Parameter(negative=())] = False
) -> int:
    """Score one decision again from its events and show each step.

    Parameters
    ----------
    decision_id
        The id, or enough of its start.
    decisions
        The file "outpace replay --out" wrote.
    json
        Print the steps as JSON.
    """
    case = explaining.find_case(_read(cases_path(decisions)).splitlines(), decision_id)
    steps = explaining.rescored(case)
    if json:
        found = {
            "decision": msgspec.to_builtins(case.decision),
            "steps": [{**msgspec.to_builtins(s), "agrees": s.agrees} for s in steps],
            "agrees": all(s.agrees for s in steps),
        }
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return 0
    _print_case(case, steps)
    return 0


def _print_case(case: explaining.CaseFile, steps: list[explaining.Rescored]) -> None:
    decision = case.decision
    console = terminal()
    console.print(
        f"[bold]{decision.action}[/] {escape(printable(decision.credential))} of {escape(printable(decision.principal))}"
    )
    console.print(
        f"{decision.evidence_bits} bits against {decision.threshold_bits}, {decision.pattern}, {decision.time}"
    )
    table = Table("time", "operation", "outcome", "operation bits", "beside", "evidence again", "recorded")
    for s in steps:
        mark = "" if s.agrees else " [red]differs[/]"
        table.add_row(
            s.step.time,
            escape(printable(s.step.operation)),
            s.step.outcome,
            f"{s.operation_bits:+.2f}",
            f"{s.beside_bits:+.2f}",
            f"{s.evidence_bits:.2f}{mark}",
            f"{s.recorded_bits:.2f}",
        )
    console.print(table)
    for reason in decision.reasons:
        console.print(f"  {reason.bits:+.1f} bits  {escape(printable(reason.text))}", highlight=False)
    verdict = (
        "every step scores as recorded"
        if all(s.agrees for s in steps)
        else "[red]some steps do not score as recorded[/]"
    )
    console.print(verdict)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
