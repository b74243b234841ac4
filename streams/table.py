"""Decisions, the summary and the counterfactual sweep as terminal tables. Log text is an attacker's: it is printed as text, never as markup."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from detector.decision import Decision, Reason
from streams.replay import Summary
from streams.report_data import shown

CREDENTIAL_CHARS = 20
PRINCIPAL_CHARS = 32


def masked(credential: str, most: int = CREDENTIAL_CHARS) -> str:
    """A credential's start and end, which tell it apart, without a middle nobody compares.

    >>> masked("kc:4b1f0c52-8d44-4f2a-9f6e-aa11bb22cc33")
    'kc:4b1f0c…11bb22cc33'
    """
    clean = shown(credential, 2000)
    if len(clean) <= most:
        return clean
    tail = most // 2
    return clean[: most - tail - 1] + "…" + clean[-tail:]


def short_principal(principal: str, most: int = PRINCIPAL_CHARS) -> str:
    """The telling end of a principal: what stands after the account in an ARN.

    >>> short_principal("arn:aws:iam::123456789012:role/ci/deployer")
    'role/ci/deployer'
    """
    clean = shown(principal, 2000)
    name = clean.split(":", 5)[5] if clean.startswith("arn:") and clean.count(":") >= 5 else clean
    return name if len(name) <= most else "…" + name[1 - most :]


def top_reason(decision: Decision) -> Reason | None:
    """The reason that weighs most; one that is certain (no bits) goes before all that are counted."""
    certain = next((r for r in decision.reasons if r.bits == 0.0), None)
    return certain or max(decision.reasons, key=lambda r: r.bits, default=None)


def decision_table(decisions: Sequence[Decision], limit: int = 20) -> Table:
    """The first ``limit`` decisions, a row each; the caption says how many are not shown."""
    table = Table(
        title=f"{len(decisions)} decision{'' if len(decisions) == 1 else 's'}",
        title_justify="left",
        caption_justify="left",
    )
    for header in ("when", "action", "credential", "principal", "pattern"):
        table.add_column(header, overflow="fold")
    table.add_column("bits", justify="right", no_wrap=True)
    table.add_column("actions before", justify="right", overflow="fold")
    table.add_column("top reason", overflow="fold", ratio=1)
    for decision in decisions[:limit]:
        table.add_row(*_cells(decision))
    if len(decisions) > limit:
        table.caption = f"{len(decisions) - limit} more: --out and --report have all of them"
    return table


def _cells(decision: Decision) -> list[Text]:
    reason = top_reason(decision)
    return [
        Text(shown(decision.time).replace("T", " ")),
        Text(decision.action, style="bold red" if decision.is_revocation else "yellow"),
        Text(masked(decision.credential)),
        Text(short_principal(decision.principal)),
        Text(shown(decision.pattern)),
        Text(against(decision)),
        Text(str(decision.actions_before)),
        Text(shown(reason.text, 120) if reason else ""),
    ]


def against(decision: Decision) -> str:
    """Evidence against its threshold in bits; a certain reason has no threshold to pass."""
    return f"{decision.evidence_bits:.1f}/{decision.threshold_bits:.1f}" if decision.threshold_bits else "certain"


def summary_lines(summary: Summary) -> Table:
    """The counts of a run as a grid of names and values; what is zero and unremarkable is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    speed = f"{summary.seconds:,.2f} s, {summary.events_per_second:,.0f} events/s"
    grid.add_row(Text("events"), Text(f"{summary.events:,} in {speed}"))
    if summary.baseline_events:
        grid.add_row(Text("learned from"), Text(f"{summary.baseline_events:,} baseline events"))
    grid.add_row(Text("identities"), Text(f"{summary.credentials:,} credentials of {summary.principals:,} principals"))
    made = f"{summary.decisions:,} ({summary.revocations:,} revocations, {summary.alerts:,} alerts)"
    grid.add_row(Text("decisions"), Text(made, style="bold" if summary.decisions else ""))
    for name, counts in (("by path", summary.by_path), ("by pattern", summary.by_pattern)):
        if counts:
            grid.add_row(
                Text(name),
                Text(
                    ", ".join(
                        f"{shown(k, 40)} {n:,}" for k, n in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))
                    )
                ),
            )
    left = {
        "rejected": summary.rejected,
        "duplicates": summary.duplicates,
        "late": summary.late,
        "evicted": summary.evicted,
    }
    if any(left.values()):
        grid.add_row(Text("left aside"), Text(", ".join(f"{name} {n:,}" for name, n in left.items() if n)))
    return grid


def sweep(rows: Iterable[dict[str, Any]]) -> list[tuple[float, float, int, int, int]]:
    """Each (source lag s, propagation s) with its credentials, and the own actions that got through and that were stopped, summed."""
    cells: dict[tuple[float, float], list[tuple[int, int]]] = defaultdict(list)
    for row in rows:
        cells[float(row["source_lag_s"]), float(row["propagation_s"])].append(
            (int(row["actions_before"]), int(row["actions_after"]))
        )
    return [(*key, len(cell), sum(b for b, _ in cell), sum(a for _, a in cell)) for key, cell in sorted(cells.items())]


def counterfactual_table(rows: Sequence[dict[str, Any]]) -> Table:
    """What would still have got through with a slower source or provider, over all contained credentials."""
    table = Table(title="had the log arrived later or the provider been slower", title_justify="left")
    for header in ("source lag", "propagation", "credentials", "actions got through", "actions stopped"):
        table.add_column(header, justify="right")
    for lag_s, propagation_s, credentials, through, stopped in sweep(rows):
        table.add_row(
            *map(Text, (f"{lag_s:g} s", f"{propagation_s:g} s", f"{credentials:,}", f"{through:,}", f"{stopped:,}"))
        )
    if not rows:
        table.caption = "no credential was revoked: nothing to sweep"
    return table
