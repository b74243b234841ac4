"""Dashboard and rules ask only for metrics, labels and label values that are declared."""

import pytest
from declared import PROCESS, declared
from promql import Matcher, Rule, asked, queries, rules

from streams.metrics import CLOSED_LABELS

TARGET = {"job": ("outpace-worker", "outpace-ingest"), "instance": ()}
"""Labels Prometheus adds to whatever it scrapes."""
ALERT = {"alertname": tuple(r.name for r in rules() if r.kind == "alert"), "alertstate": ("pending", "firing")}
SERIES = {name: labels for metric in declared() for name, labels in metric.series().items()}
BUCKETS = {f"{metric.name}_bucket": metric.buckets for metric in declared()}
RECORDED = {rule.name: rule for rule in rules() if rule.kind == "record"}
EXPRESSIONS = [*queries(), *((rule.name, rule.expression) for rule in rules())]


def labels_of(name: str) -> set[str]:
    """The labels a series has; raises ``KeyError`` for one that nobody declares."""
    if name in RECORDED:
        return set(asked(RECORDED[name].expression).grouping) - {"le"}
    if name == "ALERTS":
        return set(ALERT)
    if name in PROCESS or name == "up":
        return set(TARGET)
    return {*SERIES[name], *TARGET}


def faults(name: str, matcher: Matcher) -> list[str]:
    """What is wrong with one matcher of a series."""
    if matcher.label not in labels_of(name):
        return [f"{name} has no label {matcher.label}"]
    values = BUCKETS[name] if matcher.label == "le" else (CLOSED_LABELS | TARGET | ALERT)[matcher.label]
    return [f"{name}: no {matcher.label} is {value}" for value in matcher.values() if value not in values]


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS, ids=lambda text: str(text)[:40])
def test_a_query_asks_only_for_what_is_declared(title: str, expression: str) -> None:
    wanted = asked(expression)
    assert wanted.selectors
    assert [name for name, _ in wanted.selectors if name not in {*SERIES, *RECORDED, *PROCESS, "up", "ALERTS"}] == []
    assert [fault for name, matchers in wanted.selectors for m in matchers for fault in faults(name, m)] == []
    has = set().union(*(labels_of(name) for name, _ in wanted.selectors))
    assert set(wanted.grouping) <= has


@pytest.mark.parametrize(
    "expression",
    [
        "outpace_event_total",
        "outpace_detection_seconds",
        "rate(outpace_tempo_ratio_bucket{le='1.0'}[5m]) + outpace_tempo_ratio_total",
        'outpace_events_total{stage="parse"}',
        'outpace_events_total{path="workloads"}',
        'outpace_tempo_ratio_bucket{le="1"}',
        'outpace_events_total{outcome=~"denied|refused"}',
        "sum by (partition) (outpace_entities)",
    ],
)
def test_a_query_for_what_is_not_declared_is_caught(expression: str) -> None:
    with pytest.raises(AssertionError):
        test_a_query_asks_only_for_what_is_declared("wrong", expression)


def test_a_counter_is_only_asked_how_it_rises() -> None:
    counters = {metric.name for metric in declared() if metric.kind != "gauge"}
    ends = ("", "_bucket", "_sum", "_count")
    for _title, expression in EXPRESSIONS:
        bare = expression
        for part in expression.split("rate(")[1:] + expression.split("increase(")[1:]:
            bare = bare.replace(part.partition("[")[0], "")
        assert [n for n, _ in asked(bare).selectors if any(n == c + e for c in counters for e in ends)] == []


def test_every_metric_an_analyst_needs_is_on_the_dashboard() -> None:
    """Left out on purpose: a worker's own budget gauges, which the recorded 30 days sum up."""
    recorded = [RECORDED[n].expression for _, e in queries() for n, _ in asked(e).selectors if n in RECORDED]
    deeper = [RECORDED[n].expression for e in recorded for n, _ in asked(e).selectors if n in RECORDED]
    shown = {name for e in [*(q for _, q in queries()), *recorded, *deeper] for name, _ in asked(e).selectors}
    missing = {metric.name for metric in declared() if not shown & set(metric.series())}
    assert missing == {
        "outpace_false_revocation_budget_used_ratio",
        "outpace_measured_revocations_per_identity_day",
        "outpace_measured_alerts_per_identity_day",
    }


@pytest.mark.parametrize("rule", [r for r in rules() if r.kind == "alert"], ids=lambda rule: rule.name)
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: Rule) -> None:
    assert rule.name.startswith("Outpace")
    assert rule.says["severity"] in ("critical", "warning")
    assert rule.says["summary"].endswith(".")
    assert rule.says["action"].endswith(".")
    assert len(rule.says["action"].split()) > 10
    assert rule.says["for"]
