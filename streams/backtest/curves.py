"""The charts of a backtest: how fast attacks are contained, and what a looser budget would buy."""

from collections.abc import Sequence

from streams.backtest.charts import Axis, Dot, Series, chart, even_axis, log_axis, share_axis
from streams.backtest.figures import CaseScore, Figures, attacks_in
from streams.backtest.result import MIMICRIES, CurvePoint
from streams.backtest.scoring import EpisodeScore
from streams.backtest.table import number, percent

MARGIN = 1.25
PROMISED = "promised false revocations per 10,000 identity-days"


def charts(scores: Sequence[CaseScore], curve: Sequence[CurvePoint]) -> str:
    """Every chart there is anything to draw in."""
    found = [_race(scores)] if attacks_in(scores, {}) else []
    if curve:
        names = list(dict.fromkeys(name for point in curve for name in point.figures))
        if curve[0].figures["all"].episodes:
            found += [_containment(curve, names), _actions(curve, names)]
        found.append(_kept(curve))
    return f'<div class="plots">{"".join(found)}</div>' if found else ""


def _race(scores: Sequence[CaseScore]) -> str:
    """Share contained within so many actions: the race as the attacker sees it."""
    groups = [("all", attacks_in(scores, {}))]
    groups += [(m, of_it) for m in MIMICRIES if (of_it := attacks_in(scores, {"mimicry": (m,)}))]
    most = max([10.0, *(float(a.actions) for a in groups[0][1] if a.actions is not None)])
    across = log_axis("attacker actions, the one that led to the revocation included", [1.0, most])
    series = [Series(f"{name} ({len(of_it)})", _steps(of_it, most), True, False) for name, of_it in groups]
    return chart("Contained within so many actions", across, share_axis("contained"), series)


def _steps(attacks: Sequence[EpisodeScore], most: float) -> list[Dot]:
    actions = sorted(a.actions for a in attacks if a.actions is not None)
    dots = [Dot(float(n), sum(a <= n for a in actions) / len(attacks), None, None, "") for n in sorted({1, *actions})]
    return [*dots, dots[-1]._replace(x=most)]


def _containment(curve: Sequence[CurvePoint], names: Sequence[str]) -> str:
    series = [
        Series(
            name,
            [
                Dot(p.per_10000, f.contained, f.contained_low, f.contained_high, _says(p, name, f))
                for p in curve
                if (f := p.figures.get(name)) and f.contained is not None
            ],
        )
        for name in names
    ]
    return chart("Contained, by budget", _budgets(curve), share_axis("contained"), series)


def _actions(curve: Sequence[CurvePoint], names: Sequence[str]) -> str:
    series = [
        Series(
            name,
            [
                Dot(p.per_10000, f.actions_median, None, None, _says(p, name, f))
                for p in curve
                if (f := p.figures.get(name)) and f.actions_median is not None
            ],
        )
        for name in names
    ]
    values = [d.y for s in series for d in s.dots]
    title = "Actions before containment, median of all attacks, by budget (none where fewer than half are contained)"
    return chart(title, _budgets(curve), even_axis("actions", values), series)


def _kept(curve: Sequence[CurvePoint]) -> str:
    """Promised against measured."""
    dots = []
    for point in curve:
        f = point.figures["all"]
        measured, low, high = (
            f.false_revocations_per_10000,
            f.false_revocations_per_10000_low,
            f.false_revocations_per_10000_high,
        )
        if measured is not None:
            says = f"promised {point.per_10000:g}, measured {number(measured)}, 95 % {number(low)} to {number(high)}"
            dots.append(Dot(point.per_10000, measured, low, high, says))
    budgets = [point.per_10000 for point in curve]
    axis = log_axis(PROMISED, [min(budgets) / 3, max([3 * max(budgets), *(2 * d.y for d in dots)])])
    return chart(
        "Budget: promised and measured",
        axis,
        axis._replace(name="measured"),
        [Series("measured", dots)],
        "as promised",
    )


def _budgets(curve: Sequence[CurvePoint]) -> Axis:
    budgets = [point.per_10000 for point in curve]
    return log_axis(PROMISED, [min(budgets) / MARGIN, max(budgets) * MARGIN])


def _says(point: CurvePoint, name: str, f: Figures) -> str:
    return (
        f"{name} at {point.per_10000:g}: {percent(f.contained)} of {f.episodes} contained "
        f"({percent(f.contained_low)} to {percent(f.contained_high)}), median {number(f.actions_median)} actions"
    )
