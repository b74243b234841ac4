"""What ``outpace replay`` does: captured logs in, decisions out, or the same records sent on to a broker."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.markup import escape

from detector import explain as explaining
from detector import snapshot
from detector.decision import Decision
from detector.errors import InputError
from detector.event import Provider
from streams import counterfactual as counterfactuals
from streams.case_files import cases_path
from streams.policy_files import SOURCES, Source, load_policy
from streams.progress import reading_progress
from streams.replay import KEPT_REJECTIONS, Replay, Summary
from streams.report import write_report
from streams.report_data import case_of
from streams.table import counterfactual_table, decision_table, summary_lines
from streams.terminal import check_writable, printable, terminal
from streams.whole import write_output

SHOWN_REJECTIONS = 5


class Start(NamedTuple):
    """What a replay begins from. ``acts_at_once``: principals without a day of history may be revoked too."""

    policy: str | None
    state: str | None
    acts_at_once: bool


class Outputs(NamedTuple):
    """Files to write, whether to sweep over lag and propagation, and whether to print JSON."""

    decisions: str | None
    report: str | None
    state: str | None
    sweeps: bool
    as_json: bool


class Done(NamedTuple):
    """A finished replay. ``sweep``: containments under other lags and propagations, None where nobody asked."""

    run: Replay
    decisions: list[Decision]
    summary: Summary
    sweep: list[dict[str, Any]] | None


def replay(paths: list[str], baseline: list[str], source: Source | None, start: Start, outputs: Outputs) -> int:
    """Learns the baseline, decides on the rest, writes and prints. Raises ``InputError`` after all of it where something could not be written."""
    run = _prepared(start)
    check_writable(outputs.decisions, outputs.report, outputs.state)
    decisions = _decided(run, paths, baseline, SOURCES.get(source or ""), quiet=outputs.as_json)
    sweep = _sweep(run, decisions) if outputs.sweeps else None
    done = Done(run, decisions, run.summary(), sweep)
    faults = _written(done, outputs)
    if outputs.as_json:
        _print_json(done)
    else:
        _print_tables(done, None if faults else outputs.report)
    if faults:
        raise InputError("; ".join(faults))
    return 0


def _sweep(run: Replay, decisions: list[Decision]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(row) for row in counterfactuals.containments(run.engine, decisions)]


def _prepared(start: Start) -> Replay:
    """A replay that knows the policy and what was learned before."""
    chosen = load_policy(start.policy)
    acts = chosen.cold_start_acts or start.acts_at_once
    run = Replay(msgspec.structs.replace(chosen, cold_start_acts=acts), start.policy)
    if start.state:
        snapshot.restore(run.engine, _read(start.state))
    return run


def _decided(
    run: Replay, paths: list[str], baseline: list[str], provider: Provider | None, *, quiet: bool
) -> list[Decision]:
    with reading_progress(paths, baseline, quiet=quiet) as progress:
        if baseline:
            run.learn(baseline, provider, progress)
        decisions = list(run.run(paths, provider, progress))
    _warn_of_baseline(run)
    return decisions


def _written(done: Done, outputs: Outputs) -> list[str]:
    """What could not be written, a line each: no room for one output costs neither the others nor the summary."""
    out, report, state = outputs.decisions, outputs.report, outputs.state
    writes: list[Callable[[], None]] = []
    if out:
        writes.append(lambda: _write_decisions(done, out))
    if report:
        writes.append(lambda: _write_report(done, report))
    if state:
        writes.append(lambda: write_output(state, snapshot.dump(done.run.engine)))
    faults = []
    for write in writes:
        try:
            write()
        except InputError as error:
            faults.append(str(error))
    return faults


def _write_report(done: Done, path: str) -> None:
    cases = [case_of(done.run.engine, decision) for decision in done.decisions]
    write_report(path, done.summary, cases, done.sweep)


def _write_decisions(done: Done, out: str) -> None:
    encode = msgspec.json.encode
    write_output(out, b"".join(encode(d) + b"\n" for d in done.decisions))
    cases = b"".join(encode(explaining.case_file(done.run.engine, d)) + b"\n" for d in done.decisions)
    write_output(str(cases_path(out)), cases)


def _print_json(done: Done) -> None:
    out = msgspec.to_builtins(done.summary)
    if done.sweep is not None:
        out["counterfactual"] = done.sweep
    if done.run.rejected:
        out["rejections"] = [str(r) for r in done.run.rejected]
    sys.stdout.write(msgspec.json.encode(out).decode() + "\n")


def _print_tables(done: Done, report: str | None) -> None:
    console = terminal()
    if done.decisions:
        console.print(decision_table(done.decisions))
    if done.sweep is not None:
        console.print(counterfactual_table(done.sweep))
    console.print(summary_lines(done.summary))
    _print_rejections(done.run)
    if report:
        console.print(f"report: {escape(report)}")


def _print_rejections(run: Replay) -> None:
    if not run.rejected_count:
        return
    errors = Console(stderr=True)
    errors.print(f"{run.rejected_count} records were not usable:")
    for rejection in run.rejected[:SHOWN_REJECTIONS]:
        errors.print(f"  {printable(str(rejection))}", markup=False, highlight=False, soft_wrap=True)
    if run.rejected_count > SHOWN_REJECTIONS:
        errors.print(f"  … the first {KEPT_REJECTIONS:,} with --json")


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


def send(
    paths: list[str],
    speed: str,
    settings: str | None,
    policy: str | None,
    source: Source | None,
    misplaced: list[str],
    *,
    as_json: bool,
) -> int:
    """``replay --to kafka``. Raises ``InputError`` where options that only a replay has stand beside it."""
    from streams.resend import resend  # a replay does not wait for the Kafka clients to load

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
