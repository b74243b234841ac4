"""The report: one HTML file that opens anywhere, fetches nothing and runs no text it was given.

Log content is an attacker's. Every string passes ``safe`` (control characters to dots, HTML escaped), none stands inside a script,
and the page's own policy (``Content-Security-Policy``) admits only its one style sheet and one script, by their hashes.
"""

import re
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from importlib import resources
from string import Template
from typing import Any

from detector.decision import Decision
from detector.sources.timestamps import parse_time_ns
from streams.replay import Summary
from streams.report_data import Case, Point, dot_shape, shown, span, timeline
from streams.table import against, masked, sweep, top_reason
from streams.whole import write_output

MOST_CASES = 200
NODE_WIDTH, NODE_HEIGHT, COLUMN, ROW = 200.0, 40.0, 290.0, 56.0
TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")
DEEDS = {
    "observe": "watched",
    "step_up": "asked to authenticate again",
    "narrow": "narrowed",
    "revoke_session": "logged out, its session revoked,",
    "disable_credential": "disabled",
    "quarantine_principal": "quarantined with its principal",
    "cut_delegation": "cut off from its delegation",
}


def write_report(
    path: str, summary: Summary, cases: list[Case], counterfactual: list[dict[str, Any]] | None = None
) -> None:
    """Writes the page. ``counterfactual``: the sweep's rows, as ``Containment`` fields. Raises ``InputError`` if the file cannot be written."""
    write_output(path, page(summary, cases, counterfactual).encode())


def page(summary: Summary, cases: Sequence[Case], counterfactual: Sequence[dict[str, Any]] | None = None) -> str:
    """The whole page as text."""
    kept = most_telling(cases)
    html, style, script = parts("report.html")
    by_decision: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in counterfactual or ():
        by_decision[str(row["decision_id"])].append(row)
    return Template(html).substitute(
        title=f"{summary.revocations:,} revocations, {summary.alerts:,} alerts",
        style=style,
        style_hash=content_hash(style),
        script=script,
        script_hash=content_hash(script),
        counts=_counts(summary),
        notes=_notes(summary, cases, kept),
        table=_table(kept),
        sweep="" if counterfactual is None else _sweep(counterfactual),
        legend=_legend() if any(c.points for c in kept) else "",
        cards="\n".join(_card(c, i, by_decision[c.decision.decision_id]) for i, c in enumerate(kept)),
    )


def most_telling(cases: Sequence[Case]) -> list[Case]:
    """At most ``MOST_CASES`` cases in the order they came, revocations kept before alerts."""
    ranked = sorted(range(len(cases)), key=lambda i: (not cases[i].decision.is_revocation, i))
    return [cases[i] for i in sorted(ranked[:MOST_CASES])]


def safe(text: str) -> str:
    """Text as HTML, in an element or a quoted attribute."""
    return escape(shown(text))


def parts(template: str) -> list[str]:
    """A page, its style sheet and its script if it has one, as they stand in one file of ``templates``."""
    text = resources.files("streams").joinpath("templates", template).read_text("utf-8")
    return re.split(r"<!-- part: \w+ -->\n", text)


def content_hash(text: str) -> str:
    """What a ``Content-Security-Policy`` admits a style sheet or script by."""
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def _counts(summary: Summary) -> str:
    values = (
        ("events", f"{summary.events:,}"),
        ("credentials", f"{summary.credentials:,}"),
        ("revocations", f"{summary.revocations:,}"),
        ("alerts", f"{summary.alerts:,}"),
        ("events/s", f"{summary.events_per_second:,.0f}"),
    )
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in values)


def _notes(summary: Summary, cases: Sequence[Case], kept: Sequence[Case]) -> str:
    notes = []
    if len(kept) < len(cases):
        notes.append(
            f"Only {len(kept)} of {len(cases):,} decisions are shown, revocations first. The decisions file has all of them."
        )
    if summary.rejected:
        notes.append(f"{summary.rejected:,} records were not usable and took no part.")
    return "".join(f'<p class="note">{note}</p>' for note in notes)


def _table(cases: Sequence[Case]) -> str:
    if not cases:
        return "<p>No decision: nothing reached a threshold.</p>"
    head = "<th>when</th><th>action</th><th>credential</th><th>principal</th><th>pattern</th>"
    head += '<th class="n">bits</th><th class="n">actions<br>before</th><th>top reason</th>'
    rows = "".join(_row(case.decision, i) for i, case in enumerate(cases))
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Decisions"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(decision: Decision, i: int) -> str:
    reason = top_reason(decision)
    return (
        f'<tr><td class="t"><a href="#case-{i}">{safe(decision.time).replace("T", " ")}</a></td><td>{_action(decision)}</td>'
        f'<td class="mono">{safe(decision.credential)}</td><td class="w">{safe(decision.principal)}</td><td>{_words(decision.pattern)}</td>'
        f'<td class="n">{against(decision).replace("/", " / ")}</td><td class="n">{decision.actions_before}</td>'
        f'<td class="w">{safe(reason.text) if reason else ""}</td></tr>'
    )


def _action(decision: Decision) -> str:
    return f'<span class="act {"hard" if decision.is_revocation else "soft"}">{_words(decision.action)}</span>'


def _words(name: str) -> str:
    return safe(name.replace("_", " "))


def headline(decision: Decision, seconds: float) -> str:
    """One sentence, as HTML: what would have happened to whom, when, how far the intruder had come. ``seconds`` since its first suspicious action."""
    who = f"{safe(decision.principal)} <code>{safe(decision.credential)}</code>"
    if decision.action == "alert":
        deed = "would have raised an alert" if decision.dry_run else "raised an alert"
    else:
        deed = (
            f"{'would have been' if decision.dry_run else 'was'} {DEEDS.get(decision.action, _words(decision.action))}"
        )
    count = decision.actions_before
    later = f"{span(seconds)} after" if seconds >= 1.0 else "within a second of"
    when = f"{later} its first suspicious action, after {count} actions"
    if count <= 1:
        when = "at its first suspicious action"
    return f"{who} {deed} {when}."


def _card(case: Case, i: int, rows: Sequence[dict[str, Any]]) -> str:
    decision = case.decision
    after = case.own_after
    prevented = "would have been prevented by an immediate revocation" if decision.is_revocation else "followed"
    return f"""<article id="case-{i}" aria-labelledby="case-{i}-title">
<h3 id="case-{i}-title">{headline(decision, _seconds(decision))}</h3>
<p class="meta">{_action(decision)} {safe(decision.time)} · {_words(decision.pattern)} · {safe(decision.path)} path · {safe(decision.provider)} {safe(decision.scope)}
 · {_evidence(decision)} · decision <code>{safe(decision.decision_id)}</code></p>
{_timeline(case)}
<p>{_loop(decision)} {f"{after} more of its actions {prevented}." if after else ""}</p>
<div class="two"><div><h4>Reasons, in order of time</h4>{_reasons(decision)}</div>
<div>{_tags(decision)}{_matrix(rows)}</div></div>
{_lineage(case)}
{_actions(case)}
</article>"""


def _seconds(decision: Decision) -> float:
    return (parse_time_ns(decision.time) - parse_time_ns(decision.first_event_time)) / 1e9


def _evidence(decision: Decision) -> str:
    if not decision.threshold_bits:
        return "certain, no threshold to pass"
    return f"{decision.evidence_bits:.1f} bits against {decision.threshold_bits:.1f}"


def _loop(decision: Decision) -> str:
    loop = decision.loop
    if not loop.iterations:
        return "No decision loop seen."
    plural = "" if loop.iterations == 1 else "s"
    return f"Decision loop: {loop.iterations} iteration{plural}, {loop.seconds_per_decision:g} s a decision, {loop.per_minute:g} a minute."


def _timeline(case: Case) -> str:
    if not case.points:
        return '<p class="note">No scored action is kept for this decision, so there is no timeline.</p>'
    cut = (
        f'<p class="note">{case.points_cut:,} actions furthest from the decision are left out.</p>'
        if case.points_cut
        else ""
    )
    name = f"Timeline of {len(case.points)} actions: evidence in bits over time. Arrow keys walk through them."
    return (
        f'{cut}<div class="chart timeline" tabindex="0" role="group" aria-label="{name}">{timeline(case.points, case.decision.is_revocation)}</div>'
        '<p class="says" aria-live="polite">Point at an action, or use the arrow keys, to read it.</p>'
    )


def _legend() -> str:
    entries = [
        ("success", False, False, "success"),
        ("denied", False, False, "denied"),
        ("error", False, False, "error or throttled"),
    ]
    entries += [
        ("success", True, False, "another hand of the same principal"),
        ("success", False, True, "after the decision"),
    ]
    items = []
    for outcome, is_other, is_after, text in entries:
        point = Point("", 0.0, "", outcome, "", "", "", 0.0, 0.0, not is_other, is_after, False)
        items.append(
            f'<li><svg width="16" height="16" aria-hidden="true">{dot_shape(point, 8.0, 8.0, "")}</svg>{text}</li>'
        )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _reasons(decision: Decision) -> str:
    most = max((abs(r.bits) for r in decision.reasons), default=0.0) or 1.0
    items = "".join(
        f'<li><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect width="{100 * abs(r.bits) / most:.1f}" height="10"/></svg>'
        f"<b>{f'{r.bits:+.1f} bits' if r.bits else 'certain'}</b><span>{safe(r.text)}</span></li>"
        for r in decision.reasons
    )
    return f'<ul class="reasons">{items}</ul>' if items else "<p>None recorded.</p>"


def _tags(decision: Decision) -> str:
    techniques = "".join(_technique(t) for t in decision.techniques)
    frameworks = "".join(f"<span>{safe(f)}</span>" for f in decision.frameworks)
    shown_techniques = f'<h4>Techniques</h4><p class="tags">{techniques}</p>' if techniques else ""
    return shown_techniques + (f'<h4>Frameworks</h4><p class="tags">{frameworks}</p>' if frameworks else "")


def _technique(name: str) -> str:
    if not TECHNIQUE.fullmatch(name):
        return f"<span>{safe(name)}</span>"
    return (
        f'<a href="https://attack.mitre.org/techniques/{name.replace(".", "/")}/" rel="noreferrer noopener">{name}</a>'
    )


def _lineage(case: Case) -> str:
    if not case.edges:
        return ""
    return f'<h4>Lineage: which credential minted which</h4><div class="chart lineage" tabindex="0" role="group" aria-label="Lineage">{lineage(case)}</div>'


def _actions(case: Case) -> str:
    if not case.points:
        return ""
    head = '<th class="n">after</th><th>operation</th><th>outcome</th><th class="n">bits</th><th>source</th><th>resource</th><th>credential</th><th>hand</th>'
    rows = "".join(
        f'<tr class="{"late" if p.is_after else ""}{"decided" if p.is_crossing else ""}"><td class="n">{span(p.seconds)}</td><td>{safe(p.operation)}</td><td>{safe(p.outcome)}</td>'
        f'<td class="n">{p.evidence_bits:.1f}</td><td class="mono">{safe(p.source)}</td><td class="w">{safe(p.resource)}</td>'
        f'<td class="mono">{safe(p.credential)}</td><td>{"own" if p.is_own_hand else "other"}</td></tr>'
        for p in case.points
    )
    table = f'<table><thead><tr>{head}</tr></thead><tbody class="actions">{rows}</tbody></table>'
    return f'<details><summary>All {len(case.points)} actions as a table</summary><div class="scroll" tabindex="0" role="region" aria-label="Actions">{table}</div></details>'


def _matrix(rows: Iterable[dict[str, Any]]) -> str:
    cells = {(lag, propagation): (through, stopped) for lag, propagation, _n, through, stopped in sweep(rows)}
    return f"<h4>Actions got through / stopped, by delay</h4>{_grid(cells)}" if cells else ""


def _sweep(rows: Sequence[dict[str, Any]]) -> str:
    totals = sweep(rows)
    title = "<section><h2>Had the log arrived later, or the provider been slower</h2>"
    if not totals:
        return f"{title}<p>No credential was revoked, so there is nothing to sweep.</p></section>"
    cells = {(lag, propagation): (through, stopped) for lag, propagation, _n, through, stopped in totals}
    text = f"Own actions that got through / that were stopped, summed over {totals[0][2]:,} revoked credential{'' if totals[0][2] == 1 else 's'}."
    return f"{title}<p>{text}</p>{_grid(cells)}</section>"


def _grid(cells: dict[tuple[float, float], tuple[int, int]]) -> str:
    lags, propagations = sorted({lag for lag, _ in cells}), sorted({propagation for _, propagation in cells})
    head = "<th>source lag</th>" + "".join(f'<th class="n">propagation<br>{span(p)}</th>' for p in propagations)
    body = ""
    for lag in lags:
        values = (cells.get((lag, p)) for p in propagations)
        body += (
            f"<tr><td>{span(lag)}</td>"
            + "".join(f'<td class="n">{v[0]:,} / {v[1]:,}</td>' if v else "<td></td>" for v in values)
            + "</tr>"
        )
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Counterfactual"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def generations(pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Each credential's generation: 0 for those nobody here minted. A circle of mints is cut where it closes."""
    minted = {child for _parent, child in pairs}
    names = dict.fromkeys(name for pair in pairs for name in pair)
    level = {name: 0 for name in names if name not in minted} or {next(iter(names)): 0}
    for _ in range(len(names)):
        for parent, child in pairs:
            if parent in level and child not in level:
                level[child] = level[parent] + 1
    return {name: level.get(name, 0) for name in names}


def lineage(case: Case) -> str:
    """Which credential minted which, oldest generation on the left."""
    level = generations([(e.parent, e.minted) for e in case.edges])
    filled: dict[int, int] = {}
    places: dict[str, tuple[float, float]] = {}
    for name, column in level.items():
        places[name] = (4 + column * COLUMN, 4 + filled.get(column, 0) * ROW)
        filled[column] = filled.get(column, 0) + 1
    width, height = 8 + max(level.values()) * COLUMN + NODE_WIDTH, max(filled.values()) * ROW
    arrows = "".join(_arrow(places[e.parent], places[e.minted], e.operation, e.is_after) for e in case.edges)
    nodes = "".join(_node(name, *place, name == case.decision.credential) for name, place in places.items())
    return f'<svg width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="lineage">{arrows}{nodes}</svg>'


def _arrow(start: tuple[float, float], end: tuple[float, float], operation: str, is_after: bool) -> str:
    x1, y1, x2, y2 = start[0] + NODE_WIDTH, start[1] + NODE_HEIGHT / 2, end[0], end[1] + NODE_HEIGHT / 2
    bend = (x1 + x2) / 2
    title = escape(f"{shown(operation, 80) or 'minted'}{', after the decision' if is_after else ''}")
    head = f"M{x2 - 7:g} {y2 - 4:g}L{x2:g} {y2:g}L{x2 - 7:g} {y2 + 4:g}"
    return f'<path class="{"late" if is_after else ""}" d="M{x1:g} {y1:g}C{bend:g} {y1:g} {bend:g} {y2:g} {x2:g} {y2:g}{head}"><title>{title}</title></path>'


def _node(name: str, x: float, y: float, is_this: bool) -> str:
    text = f'<text x="{x + NODE_WIDTH / 2:g}" y="{y + 25:g}" text-anchor="middle">{escape(masked(name, 24))}</text>'
    return f'<g class="{"this" if is_this else ""}"><title>{escape(shown(name))}</title><rect x="{x:g}" y="{y:g}" width="{NODE_WIDTH:g}" height="{NODE_HEIGHT:g}" rx="8"/>{text}</g>'
