"""The backtest as terminal tables. Names in a case are text, never markup."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from streams.backtest.calibration import Calibration, calibration
from streams.backtest.figures import CaseScore
from streams.backtest.scoring import EpisodeScore
from streams.backtest.slices import Row, attack_rows, benign_rows
from streams.report_data import shown

LISTED = 12


def tables(scores: Sequence[CaseScore]) -> list[Table]:
    """What a backtest says, as tables: attacks, false alarms, oddities, what was missed."""
    found = [attacks_table(attack_rows(scores))] if any(not e.benign for s in scores for e in s.episodes) else []
    found.append(false_table(benign_rows(scores), calibration(scores)))
    oddities = [e for score in scores for e in score.episodes if e.benign]
    missed = [e for score in scores for e in score.episodes if not e.benign and not e.contained]
    if oddities:
        found.append(oddities_table(oddities))
    if missed:
        found.append(missed_table(missed))
    return found


def attacks_table(rows: Sequence[Row]) -> Table:
    """Attacks by slice."""
    table = Table(title="attacks", title_justify="left", caption_justify="left")
    table.add_column("by", overflow="fold")
    table.add_column("slice", overflow="fold")
    for header in (
        "attacks",
        "contained",
        "95 %",
        "within 5",
        "actions p50/p90",
        "seconds p50/p90",
        "alerted",
        "exposed",
    ):
        table.add_column(header, justify="right")
    group = ""
    for row in rows:
        f = row.figures
        if group and row.group != group:
            table.add_section()
        table.add_row(
            Text("" if row.group == group else row.group),
            Text(shown(row.name, 60)),
            Text(f"{f.episodes:,}"),
            Text(percent(f.contained), style="bold"),
            Text(f"{percent(f.contained_low)}–{percent(f.contained_high)}"),
            Text(percent(f.within_5)),
            Text(f"{number(f.actions_median)} / {number(f.actions_p90)}"),
            Text(f"{number(f.seconds_median)} / {number(f.seconds_p90)}"),
            Text(percent(f.alerted)),
            Text(number(f.exposed_actions)),
        )
        group = row.group
    table.caption = "actions and seconds until the revocation, over all attacks: – where fewer than that share were contained; exposed: mean actions an attack got"
    return table


def false_table(rows: Sequence[Row], calibrated: Sequence[Calibration]) -> Table:
    """False alarms by path, promised beside measured, and the exposure debt."""
    table = Table(title="false alarms per 10,000 identity-days", title_justify="left", caption_justify="left")
    for header in (
        "path",
        "identity-days",
        "false revocations",
        "95 %",
        "promised",
        "",
        "false alerts",
        "95 %",
        "promised",
        "",
    ):
        table.add_column(header, justify="right")
    over = {c.path: c for c in calibrated if c.over == "report"}
    for row in rows:
        c, f = over.get(row.name), row.figures
        if c is None:
            continue
        table.add_row(
            Text(row.name),
            Text(f"{c.identity_days:,}"),
            Text(f"{number(c.measured)} ({c.false_revocations:,})", style="bold"),
            Text(f"{number(c.low)}–{number(c.high)}"),
            Text(number(c.promised)),
            Text(c.kept, style="red" if c.kept == "broken" else "dim"),
            Text(f"{number(f.false_alerts_per_10000)} ({c.false_alerts:,})"),
            Text(f"{number(c.alerts_low)}–{number(c.alerts_high)}"),
            Text(number(c.promised_alerts)),
            Text(c.alerts_kept, style="red" if c.alerts_kept == "broken" else "dim"),
        )
    table.caption = (
        debt_words(rows[0]) + "; kept, broken: the interval lies below, above the promise; open: too few days to say"
    )
    return table


def debt_words(row: Row) -> str:
    """The exposure debt in a sentence."""
    f = row.figures
    if f.exposure_debt is None or f.unnoticed_debt is None:
        return "no attack in these cases, so no exposure debt"
    return (
        f"exposure debt: {number(f.attacks_per_month)} attacks a month get {number(f.exposure_debt)} actions before they are stopped, "
        f"{number(f.unnoticed_debt)} before anything is said"
    )


def oddities_table(oddities: Sequence[EpisodeScore]) -> Table:
    """Benign oddities, a line a kind: a choice of policy, counted apart."""
    table = Table(title="benign oddities, counted apart", title_justify="left")
    table.add_column("kind", overflow="fold")
    for header in ("episodes", "revoked", "alerted"):
        table.add_column(header, justify="right")
    for kind in sorted({e.loop for e in oddities}):
        of_kind = [e for e in oddities if e.loop == kind]
        table.add_row(
            Text(shown(kind, 60)),
            Text(f"{len(of_kind):,}"),
            Text(f"{sum(e.contained for e in of_kind):,}"),
            Text(f"{sum(e.alerted for e in of_kind):,}"),
        )
    return table


def missed_table(missed: Sequence[EpisodeScore]) -> Table:
    """The first attacks that were not contained, and why."""
    table = Table(title=f"not contained: {len(missed):,}", title_justify="left", caption_justify="left")
    for header in ("episode", "attack", "why"):
        table.add_column(header, overflow="fold", ratio=2 if header == "why" else 1)
    for e in missed[:LISTED]:
        table.add_row(
            Text(shown(f"{e.case} {e.episode}", 60)),
            Text(shown(f"{e.loop}, {e.pace}, {e.mimicry}, on {e.victim_kind or e.path}", 80)),
            Text(shown(e.why, 200)),
        )
    if len(missed) > LISTED:
        table.caption = f"{len(missed) - LISTED:,} more: --report and --json have all of them"
    return table


def percent(share: float | None) -> str:
    """A share for reading.

    >>> percent(0.954), percent(1.0), percent(None)
    ('95 %', '100 %', '–')
    """
    return "–" if share is None else f"{share * 100:.0f} %"


def number(value: float | None) -> str:
    """A number for reading, three digits where it has a fraction.

    >>> number(None), number(3), number(10.000000000002), number(0.8217), number(1234.5)
    ('–', '3', '10', '0.82', '1,234')
    """
    if value is None:
        return "–"
    if abs(value - round(value)) < 1e-9 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2g}"
