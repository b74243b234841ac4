"""The backtest as one HTML page that opens anywhere, fetches nothing and runs nothing: figures, curves, what was missed and why.

Names in a case come from outside: every string passes ``safe``, and the page's own policy admits its one style sheet, by hash.
"""

from collections.abc import Sequence
from string import Template

from streams.backtest.calibration import Calibration, calibration
from streams.backtest.comparing import Comparison
from streams.backtest.comparison_table import SURE, signed
from streams.backtest.curves import charts
from streams.backtest.expectations import Outcome
from streams.backtest.figures import Figures, figures
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
        comparison=_comparison(comparison) if comparison else "",
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


def _table(label: str, head: Sequence[tuple[str, str]], rows: Sequence[str]) -> str:
    """A table that scrolls by itself. ``head``: class and text of each column."""
    cells = "".join(f'<th class="{kind}">{text}</th>' if kind else f"<th>{text}</th>" for kind, text in head)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(cells: Sequence[tuple[str, str]], kind: str = "") -> str:
    inside = "".join(f'<td class="{name}">{text}</td>' if name else f"<td>{text}</td>" for name, text in cells)
    return f'<tr class="{kind}">{inside}</tr>' if kind else f"<tr>{inside}</tr>"


def _between(low: float | None, high: float | None, reads: str = "number") -> str:
    say = percent if reads == "percent" else number
    return f"{say(low)} to {say(high)}"


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
            ("n", _between(f.contained_low, f.contained_high, "percent")),
            ("n", percent(f.within_5)),
            ("n", f"{number(f.actions_median)} / {number(f.actions_p90)}"),
            ("n", f"{number(f.seconds_median)} / {number(f.seconds_p90)}"),
            ("n", percent(f.alerted)),
            ("n", number(f.exposed_actions)),
            ("", _meter(f.contained or 0.0)),
        ]
        made.append(_row(cells, "first" if group and row.group != group else ""))
        group = row.group
    return _table("Attacks by slice", head, made)


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
    more = f"<details><summary>By path, phase of life and week: {len(made)} rows</summary>{_table('Calibration over time', head, made)}</details>"
    return _table("Promised and measured", head, whole) + more


def _calibrated(c: Calibration, kind: str) -> str:
    cells = [
        ("", safe(c.path)),
        ("", safe(c.over)),
        ("n", f"{c.identity_days:,}"),
        ("n", number(c.promised)),
        ("n", f"<b>{number(c.measured)}</b> ({c.false_revocations:,})"),
        ("n", _between(c.low, c.high)),
        ("", f'<span class="tag {c.kept}">{c.kept}</span>'),
        ("n", number(c.promised_alerts)),
        ("n", f"{number(c.measured_alerts)} ({c.false_alerts:,})"),
        ("n", _between(c.alerts_low, c.alerts_high)),
        ("", f'<span class="tag {c.alerts_kept}">{c.alerts_kept}</span>'),
    ]
    return _row(cells, kind)


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
        _row(
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
    return f"<details><summary>{len(days):,} {name}{'' if len(days) == 1 else 's'}</summary>{_table(name, head, rows)}{_cut(len(days))}</details>"


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
    return _table(label, head, [_episode(e) for e in episodes[:MOST_LISTED]]) + _cut(len(episodes))


def _episode(e: EpisodeScore) -> str:
    seconds = e.lasted_s if e.seconds is None else e.seconds
    return _row(
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
        _row(
            [
                ("", f'<span class="tag {"failed" if o.fault else "met"}">{"not met" if o.fault else "met"}</span>'),
                ("w", safe(o.name)),
                ("w", safe(o.fault.removeprefix(f"{o.name}: "))),
            ]
        )
        for o in sorted(outcomes, key=lambda o: not o.fault)
    ]
    table = _table("Expectations", [("", ""), ("", "expected"), ("", "found")], rows)
    return f'<section aria-labelledby="expect-title"><h2 id="expect-title">Expectations</h2>{table}</section>'


def _comparison(c: Comparison) -> str:
    head = [
        ("", "slice"),
        ("n", "attacks"),
        ("n", "old"),
        ("n", "new"),
        ("n", "change"),
        ("n", "95 %"),
        ("n", "gained"),
        ("n", "lost"),
        ("n", "p"),
    ]
    head += [("n", "actions<br>exposed"), ("n", "95 %")]
    rows, group = [], ""
    for d in c.slices:
        change = signed(d.contained_change, True)
        cells = [
            ("", safe(d.name.replace("_", " "))),
            ("n", f"{d.episodes:,}"),
            ("n", percent(d.contained_old)),
            ("n", percent(d.contained_new)),
            ("n", f"<b>{change}</b>" if d.p < SURE else change),
            ("n", f"{signed(d.contained_change_low, True)} to {signed(d.contained_change_high, True)}"),
            ("n", f"{d.gained:,}"),
            ("n", f"{d.lost:,}"),
            ("n", f"{d.p:.2g}"),
            ("n", signed(d.exposed_change)),
            ("n", f"{signed(d.exposed_change_low)} to {signed(d.exposed_change_high)}"),
        ]
        rows.append(_row(cells, "first" if group and d.group != group else ""))
        group = d.group
    wrong = "; ".join(
        f"false {f.kind} {f.old:,} → {f.new:,} ({f.only_old:,} only old, {f.only_new:,} only new, p {f.p:.2g})"
        for f in c.false_ones
    )
    return (
        f'<section aria-labelledby="compare-title"><h2 id="compare-title">{safe(c.new)} against {safe(c.old)}</h2>'
        f"{_table('Paired difference by slice', head, rows)}<p>{wrong}.</p>{_changed(c)}</section>"
    )


def _changed(c: Comparison) -> str:
    if not c.episodes and not c.days:
        return "<p>No attack and no false revocation went otherwise.</p>"
    rows = [
        _row(
            [
                ("mono", f"{safe(e.case)} {safe(e.episode)}"),
                ("", safe(e.what.replace("_", " "))),
                ("n", "missed" if e.old_actions is None else f"after {e.old_actions:,}"),
                ("n", "missed" if e.new_actions is None else f"after {e.new_actions:,}"),
                ("w", safe(e.why)),
            ]
        )
        for e in c.episodes
    ]
    rows += [
        _row(
            [
                ("mono", f"{safe(d.case)} {safe(d.day)}"),
                ("w", f"false revocation of {safe(d.principal)}"),
                ("n", "made" if d.only == "old" else ""),
                ("n", "made" if d.only == "new" else ""),
                ("w", safe(d.why)),
            ]
        )
        for d in c.days
    ]
    head = [("", "what"), ("", ""), ("n", "old"), ("n", "new"), ("", "why")]
    return f"<details><summary>{len(rows):,} that went otherwise</summary>{_table('Changed', head, rows)}</details>"
