"""The backtest as one HTML page that opens anywhere, fetches nothing and runs nothing: figures, curves, what was missed and why.

Names in a case come from outside: every string passes ``safe``, and the page's own policy admits its one style sheet, by hash.
"""

from collections.abc import Sequence
from string import Template

from streams.backtest.calibration import Calibration, calibration
from streams.backtest.comparing import Comparison
from streams.backtest.curves import charts
from streams.backtest.expectations import Outcome
from streams.backtest.figures import Figures, figures
from streams.backtest.markup import between, html_row, html_table
from streams.backtest.page_comparison import comparison_section
from streams.backtest.result import Result
from streams.backtest.scoring import EpisodeScore, FalseDay
from streams.backtest.slices import Row, attack_rows
from streams.backtest.table import number, percent
from streams.report import content_hash, parts, safe
from streams.report_data import span
from streams.table import short_principal

MOST_LISTED = 500


def page(
    result: Result,
    comparison: Comparison | None = None,
    outcomes: Sequence[Outcome] = (),
    notes: Sequence[str] = (),
) -> str:
    """The whole page as text."""
    html, own_style = parts("backtest.html")
    style = parts("report.html")[1] + own_style
    scores = result.scores
    attacks = [e for score in scores for e in score.episodes if not e.benign]
    overall = figures(scores)
    return Template(html).substitute(
        title=safe(f"{percent(overall.contained)} contained"),
        policy=safe(result.policy),
        cases=safe(", ".join(score.case for score in scores) if len(scores) <= 4 else f"{len(scores)} cases"),
        style=style,
        style_hash=content_hash(style),
        counts=_counts(overall),
        notes="".join(f'<p class="note">{safe(note)}</p>' for note in notes),
        expectations=_expectations(outcomes),
        charts=charts(scores, result.curve),
        attacks=_attacks(attack_rows(scores)),
        comparison=comparison_section(comparison) if comparison else "",
        calibration=_calibration(calibration(scores)),
        false_days=_false_days([f for score in scores for f in score.false_days]),
        missed=_episodes([e for e in attacks if not e.contained], "Every attack was contained.", "Missed"),
        oddities=_oddities([e for score in scores for e in score.episodes if e.benign]),
        contained=_folded(
            _episodes([e for e in attacks if e.contained], "None.", "Contained"), sum(e.contained for e in attacks)
        ),
    )


def _counts(overall: Figures) -> str:
    values = (
        ("attacks", f"{overall.episodes:,}"),
        ("contained", percent(overall.contained)),
        ("actions, median", number(overall.actions_median)),
        ("identity-days", f"{overall.identity_days or 0:,}"),
        ("false revocations per 10,000", number(overall.false_revocations_per_10000)),
        ("exposure debt, actions a month", number(overall.exposure_debt)),
    )
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in values)


def _attacks(rows: Sequence[Row]) -> str:
    if not rows:
        return "<p>No attack in these cases.</p>"
    head = [
        ("", "by"),
        ("", "slice"),
        ("n", "attacks"),
        ("n", "contained"),
        ("n", "95 %"),
        ("n", "within 5"),
        ("n", "actions<br>p50 / p90"),
    ]
    head += [("n", "seconds<br>p50 / p90"), ("n", "alerted"), ("n", "actions<br>exposed"), ("", "contained")]
    made, group = [], ""
    for row in rows:
        f = row.figures
        cells = [
            ("by", "" if row.group == group else safe(row.group.replace("_", " "))),
            ("", safe(row.name.replace("_", " "))),
            ("n", f"{f.episodes:,}"),
            ("n", f"<b>{percent(f.contained)}</b>"),
            ("n", between(f.contained_low, f.contained_high, "percent")),
            ("n", percent(f.within_5)),
            ("n", f"{number(f.actions_median)} / {number(f.actions_p90)}"),
            ("n", f"{number(f.seconds_median)} / {number(f.seconds_p90)}"),
            ("n", percent(f.alerted)),
            ("n", number(f.exposed_actions)),
            ("", _meter(f.contained or 0.0)),
        ]
        made.append(html_row(cells, "first" if group and row.group != group else ""))
        group = row.group
    return html_table("Attacks by slice", head, made)


def _meter(share: float) -> str:
    return (
        '<span class="meter" aria-hidden="true"><svg viewBox="0 0 100 10" preserveAspectRatio="none">'
        f'<rect width="{share * 100:.1f}" height="10"/></svg></span>'
    )


def _calibration(rows: Sequence[Calibration]) -> str:
    head = [
        ("", "path"),
        ("", "over"),
        ("n", "identity-days"),
        ("n", "promised"),
        ("n", "false<br>revocations"),
        ("n", "95 %"),
        ("", ""),
    ]
    head += [("n", "promised"), ("n", "false alerts"), ("n", "95 %"), ("", "")]
    whole = [_calibrated(c, "") for c in rows if c.over == "report"]
    made, path = [], ""
    for c in rows:
        if c.over != "report":
            made.append(_calibrated(c, "first" if path and c.path != path else ""))
            path = c.path
    more = f"<details><summary>By path, phase of life and week: {len(made)} rows</summary>{html_table('Calibration over time', head, made)}</details>"
    return html_table("Promised and measured", head, whole) + more


def _calibrated(c: Calibration, kind: str) -> str:
    cells = [
        ("", safe(c.path)),
        ("", safe(c.over)),
        ("n", f"{c.identity_days:,}"),
        ("n", number(c.promised)),
        ("n", f"<b>{number(c.measured)}</b> ({c.false_revocations:,})"),
        ("n", between(c.low, c.high)),
        ("", f'<span class="tag {c.kept}">{c.kept}</span>'),
        ("n", number(c.promised_alerts)),
        ("n", f"{number(c.measured_alerts)} ({c.false_alerts:,})"),
        ("n", between(c.alerts_low, c.alerts_high)),
        ("", f'<span class="tag {c.alerts_kept}">{c.alerts_kept}</span>'),
    ]
    return html_row(cells, kind)


def _false_days(days: Sequence[FalseDay]) -> str:
    revocations, others = [d for d in days if d.is_revocation], [d for d in days if not d.is_revocation]
    return _false_table(revocations, "false revocation") + _false_table(others, "false alert")


def _false_table(days: Sequence[FalseDay], name: str) -> str:
    if not days:
        return ""
    head = [
        ("", "day"),
        ("", "identity"),
        ("", "kind"),
        ("", "phase"),
        ("", "action"),
        ("", "pattern"),
        ("n", "bits"),
        ("", "counted"),
    ]
    rows = [
        html_row(
            [
                ("t", safe(d.day)),
                ("w", safe(short_principal(d.principal, 80))),
                ("", safe(d.kind or d.path)),
                ("", safe(d.phase)),
                ("", safe(d.action.replace("_", " "))),
                ("", safe(d.pattern.replace("_", " "))),
                ("n", f"{d.evidence_bits:.1f} / {d.threshold_bits:.1f}"),
                ("", "yes" if d.counted else "no"),
            ]
        )
        for d in days[:MOST_LISTED]
    ]
    return f"<details><summary>{len(days):,} {name}{'' if len(days) == 1 else 's'}</summary>{html_table(name, head, rows)}{_cut(len(days))}</details>"


def _cut(count: int) -> str:
    return (
        f'<p class="note">Only the first {MOST_LISTED} of {count:,} are shown; --json has all.</p>'
        if count > MOST_LISTED
        else ""
    )


def _folded(table: str, count: int) -> str:
    return f"<details><summary>{count:,} contained attacks</summary>{table}</details>" if count else table


def _episodes(episodes: Sequence[EpisodeScore], none: str, label: str) -> str:
    if not episodes:
        return f"<p>{none}</p>"
    head = [
        ("", "episode"),
        ("", "loop"),
        ("", "pace"),
        ("", "mimicry"),
        ("", "credential"),
        ("", "victim"),
        ("n", "actions"),
        ("n", "time"),
        ("", "said"),
    ]
    head += [("", "why not") if label == "Missed" else ("", "as")]
    return html_table(label, head, [_episode(e) for e in episodes[:MOST_LISTED]]) + _cut(len(episodes))


def _episode(e: EpisodeScore) -> str:
    seconds = e.lasted_s if e.seconds is None else e.seconds
    return html_row(
        [
            ("t mono", f"{safe(e.case)} {safe(e.episode)}"),
            ("", safe(e.loop.replace("_", " "))),
            ("", safe(e.pace)),
            ("", safe(e.mimicry)),
            ("", safe(e.freshness.replace("_", " "))),
            ("w", f'{safe(short_principal(e.victim, 60))} <span class="tag">{safe(e.victim_kind or e.path)}</span>'),
            ("n", f"{e.events if e.actions is None else e.actions:,} of {e.events:,}"),
            ("n", span(seconds)),
            ("", safe(e.action.replace("_", " ") or "nothing")),
            ("w", safe(e.pattern.replace("_", " ") if e.contained else e.why)),
        ]
    )


def _oddities(episodes: Sequence[EpisodeScore]) -> str:
    if not episodes:
        return ""
    revoked, alerted = sum(e.contained for e in episodes), sum(e.alerted for e in episodes)
    says = (
        f"{len(episodes):,} benign oddities, such as an engineer using a workload's key from a laptop, are counted apart: "
        f"{revoked:,} were revoked, {alerted:,} alerted on. Whether they should be is a choice of policy."
    )
    table = _episodes(episodes, "", "Missed")
    return f'<section aria-labelledby="odd-title"><h2 id="odd-title">Benign oddities</h2><p>{says}</p><details><summary>All {len(episodes):,}</summary>{table}</details></section>'


def _expectations(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return ""
    rows = [
        html_row(
            [
                ("", f'<span class="tag {"failed" if o.fault else "met"}">{"not met" if o.fault else "met"}</span>'),
                ("w", safe(o.name)),
                ("w", safe(o.fault.removeprefix(f"{o.name}: "))),
            ]
        )
        for o in sorted(outcomes, key=lambda o: not o.fault)
    ]
    table = html_table("Expectations", [("", ""), ("", "expected"), ("", "found")], rows)
    return f'<section aria-labelledby="expect-title"><h2 id="expect-title">Expectations</h2>{table}</section>'
