"""The ``outpace`` command. Exit 0 when it did its work, 2 for unusable input or options with one line on stderr."""

import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import App, CycloptsError, Parameter
from rich.console import Console
from rich.markup import escape

from detector import explain as explaining
from detector import snapshot
from detector.decision import Decision
from detector.errors import InputError, OutpaceError
from streams import counterfactual as counterfactuals
from streams.parsers import SOURCES, load_policy
from streams.progress import reading_progress
from streams.replay import KEPT_REJECTIONS, Replay, Summary
from streams.report import write_report
from streams.report_data import case_of
from streams.table import counterfactual_table, decision_table, summary_lines
from streams.whole import write_output

app = App(
    name="outpace",
    help="Takes stolen machine identities away while the thief is still iterating.",
    version_flags=["--version"],
    version=lambda: metadata.version("outpace"),
)
app.command(
    "streams.ingest.run:ingest",
    help="Read audit records from files, topics, webhooks and Keycloak, and send them to the workers as frames.",
)
app.command("streams.app:worker", help="Score frames from the broker: decisions out, commands too where armed.")
app.command(
    "streams.watch:watch", help="Follow files and folders, decide as they grow, keep state in a folder; no broker."
)
app.command(
    "streams.respond.command:app",
    name="respond",
    help="Carry revocation commands out, and prove that the access is gone.",
)
app.command("streams.respond.approvals:approve", help="Approve a revocation command that waits for people.")
app.command("streams.respond.approvals:deny", help="Deny a revocation command that waits for people.")
app.command(
    "streams.respond.restoring:restore", help="Give back what a revocation took wrongly, as far as that can be."
)
SHOWN_REJECTIONS = 5
WIDE = 150
STDIN = "stdin:"
"""How a lone ``-`` travels past the option parser, which takes it for an option."""
Source = Literal["cloudtrail", "okta", "keycloak", "kubernetes", "gcp", "entra", "github"]


@app.command
def replay(
    paths: Annotated[list[str], Parameter(negative=())],
    /,
    *,
    baseline: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    cold_start: Literal["alert", "act"] = "alert",
    policy: str | None = None,
    source: Source | None = None,
    out: str | None = None,
    report: str | None = None,
    counterfactual: Annotated[bool, Parameter(negative=())] = False,
    save_state: str | None = None,
    load_state: str | None = None,
    to: Literal["kafka"] | None = None,
    speed: str = "1x",
    settings: str | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Replay captured audit logs: which credential would have been revoked, when, why, after how many actions.

    Parameters
    ----------
    paths
        Files, folders, globs or - for standard input; .json, .jsonl, .gz, .zst, told apart by content.
    baseline
        Older logs to learn from without deciding.
    cold_start
        What a principal without a day of history may cause: an alert, or (act) a revocation too.
    policy
        TOML file with budget, leases, guards and context files.
    source
        Take every input for this provider's log instead of recognising it.
    out
        Write decision records here as JSON lines, and beside it NAME.cases.jsonl for "outpace explain".
    report
        Write one self-contained HTML page here.
    counterfactual
        Sweep each contained credential over source lag and provider propagation.
    save_state
        Write what was learned to this file.
    load_state
        Start from what --save-state wrote.
    to
        "kafka" sends the records to ingest's raw topic instead, in the order they would be scored in; nothing is decided here.
    speed
        With --to kafka: how many times as fast as it happened, such as 60x, or max.
    settings
        With --to kafka: TOML file that says where the broker is.
    json
        Print the summary as one JSON object instead of tables.
    """
    paths, baseline = (["-" if p == STDIN else p for p in given or []] for given in (paths, baseline))
    if to:
        only = {"--baseline": baseline, "--out": out, "--report": report, "--counterfactual": counterfactual}
        only |= {"--save-state": save_state, "--load-state": load_state}
        return _send(paths, speed, settings, policy, source, [name for name, given in only.items() if given], json)
    chosen = load_policy(policy)
    run = Replay(msgspec.structs.replace(chosen, cold_start_acts=chosen.cold_start_acts or cold_start == "act"), policy)
    provider = SOURCES[source] if source else None
    if load_state:
        snapshot.restore(run.engine, _read(load_state))
    check_writable(out, report, save_state)
    with reading_progress(paths, baseline or [], quiet=json) as progress:
        if baseline:
            run.learn(baseline, provider, progress)
        decisions = list(run.run(paths, provider, progress))
    _warn_of_baseline(run)
    rows = counterfactuals.containments(run.engine, decisions) if counterfactual else []
    summary = run.summary()
    sweep = [msgspec.to_builtins(r) for r in rows] if counterfactual else None
    faults = _written(
        (lambda: _write_decisions(run, decisions, str(out))) if out else None,
        (lambda: write_report(str(report), summary, [case_of(run.engine, d) for d in decisions], sweep))
        if report
        else None,
        (lambda: write_output(str(save_state), snapshot.dump(run.engine))) if save_state else None,
    )
    _print(run, summary, decisions, rows, as_json=json, with_rows=counterfactual, report=None if faults else report)
    if faults:
        raise InputError("; ".join(faults))
    return 0


def _written(*writes: Callable[[], None] | None) -> list[str]:
    """What could not be written, a line each: no room for one output costs neither the others nor the summary."""
    faults = []
    for write in writes:
        try:
            if write:
                write()
        except InputError as error:
            faults.append(str(error))
    return faults


def _send(
    paths: list[str],
    speed: str,
    settings: str | None,
    policy: str | None,
    source: Source | None,
    misplaced: list[str],
    as_json: bool,
) -> int:
    """``replay --to kafka``."""
    from streams.resend import resend

    if misplaced:
        raise InputError(f"--to kafka only sends, {', '.join(misplaced)} cannot go with it")
    with reading_progress(paths, [], quiet=as_json) as progress:
        done = resend(paths, speed, settings, (load_policy(policy), policy), SOURCES.get(source or ""), progress)
    if as_json:
        sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
    else:
        rejected = f", {done.rejected} not usable" if done.rejected else ""
        sys.stdout.write(f"{done.sent} records sent to {done.topic} in {done.seconds:.1f} s{rejected}\n")
    return 0


def _warn_of_baseline(run: Replay) -> None:
    """One line on stderr where only part of the baseline was learned: decisions rest on it."""
    if run.baseline_rejected:
        sys.stderr.write(
            f"outpace: warning: {run.baseline_rejected} records of the baseline were not usable, {run.baseline_events} were learned: "
            f"{printable(str(run.rejected[0]))}\n"
        )


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


def check_writable(*paths: str | None) -> None:
    """Raises ``InputError`` where an output could not even be begun: better before the work than after it."""
    for path in paths:
        if path == STDIN:
            raise InputError("-: standard input is for logs; name a file to write")
        if path and not Path(path).resolve().parent.is_dir():
            raise InputError(f"{path}: folder {Path(path).resolve().parent} does not exist")


def cases_path(out: str) -> Path:
    """Where the case files of a decisions file lie.

    >>> cases_path("out/decisions.jsonl").as_posix()
    'out/decisions.cases.jsonl'
    """
    return Path(out).with_suffix(".cases.jsonl")


def _write_decisions(run: Replay, decisions: list[Decision], out: str) -> None:
    encode = msgspec.json.encode
    write_output(out, b"".join(encode(d) + b"\n" for d in decisions))
    cases = b"".join(encode(explaining.case_file(run.engine, d)) + b"\n" for d in decisions)
    write_output(str(cases_path(out)), cases)


def _print(
    run: Replay,
    summary: Summary,
    decisions: list[Decision],
    rows: list[counterfactuals.Containment],
    *,
    as_json: bool,
    with_rows: bool,
    report: str | None,
) -> None:
    if as_json:
        out = msgspec.to_builtins(summary)
        if with_rows:
            out["counterfactual"] = [msgspec.to_builtins(r) for r in rows]
        if run.rejected:
            out["rejections"] = [str(r) for r in run.rejected]
        sys.stdout.write(msgspec.json.encode(out).decode() + "\n")
        return
    console = terminal()
    if decisions:
        console.print(decision_table(decisions))
    if with_rows:
        console.print(counterfactual_table([msgspec.to_builtins(r) for r in rows]))
    console.print(summary_lines(summary))
    _print_rejections(run)
    if report:
        console.print(f"report: {escape(report)}")


def terminal() -> Console:
    """The terminal; where output goes to a file or a pipe, wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


def _print_rejections(run: Replay) -> None:
    if not run.rejected_count:
        return
    errors = Console(stderr=True)
    errors.print(f"{run.rejected_count} records were not usable:")
    for rejection in run.rejected[:SHOWN_REJECTIONS]:
        errors.print(f"  {printable(str(rejection))}", markup=False, highlight=False, soft_wrap=True)
    if run.rejected_count > SHOWN_REJECTIONS:
        errors.print(f"  … the first {KEPT_REJECTIONS:,} with --json")


def printable(text: str) -> str:
    """Text out of a log, safe and short enough for a terminal."""
    return "".join(c if c.isprintable() else "·" for c in text)[:400]


@app.command
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
    case = explaining.find_case(_read(str(cases_path(decisions))).splitlines(), decision_id)
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
    from rich.table import Table

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


# Named, not imported: a replay does not wait for the Kafka clients to load.
app.command("streams.admin:topics", help="Make the Kafka topics that are missing, say how the others differ.")
app.command("streams.doctor.command:doctor", help="Try everything ingest and worker will need; say what to do.")
app.command(
    "streams.signals.command:signals", name="signals", help="Tell others what was decided, and hear what they say."
)
app.command("streams.settings_view:config", name="config", help="Look at the settings.")
app.command("streams.blast:blast", help="What a stolen credential reaches, and the narrowest cut.")
app.command(
    "streams.ledger.command:ledger",
    name="ledger",
    help="Look at the ledger of what was decided, approved, commanded and done.",
)
app.command(
    "streams.connectors.command:connectors",
    name="connectors",
    help="Look at the connectors, and try what they need.",
)
app.command(
    "streams.simulate:simulate",
    help="Write a case: an estate's audit logs, the attacks in them, and the truth about both.",
)
app.command(
    "streams.backtest.command:backtest", help="Labelled cases in, one table out: how good is the detection, honestly?"
)
app.command("streams.policy_command:policy", name="policy", help="Check a policy, and see what it would have cost.")


def main() -> None:
    """Entry point of the ``outpace`` command."""
    try:
        code = app([STDIN if a == "-" else a for a in sys.argv[1:]], exit_on_error=False, print_error=False)
    except CycloptsError as error:
        sys.stderr.write(f"outpace: {' '.join(str(error).split())}\n")
        sys.exit(2)
    except OutpaceError as error:
        sys.stderr.write(f"outpace: {printable(str(error))}\n")
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.stderr.write("outpace: interrupted\n")
        sys.exit(130)
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
