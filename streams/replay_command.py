"""``outpace replay``: its options. What it does is ``replaying``'s, loaded once they are right."""

from typing import Annotated, Literal

from cyclopts import Parameter

from streams.policy_files import Source
from streams.terminal import logs_of


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
    from streams import replaying  # the engine and its compiler, which a wrong option does not wait for

    if to:
        only = {"--baseline": baseline, "--out": out, "--report": report, "--counterfactual": counterfactual}
        only |= {"--save-state": save_state, "--load-state": load_state}
        misplaced = [name for name, given in only.items() if given]
        return replaying.send(logs_of(paths), speed, settings, policy, source, misplaced, as_json=json)
    start = replaying.Start(policy, load_state, acts_at_once=cold_start == "act")
    outputs = replaying.Outputs(out, report, save_state, sweeps=counterfactual, as_json=json)
    return replaying.replay(logs_of(paths), logs_of(baseline), source, start, outputs)
