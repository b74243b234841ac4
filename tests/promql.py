"""What PromQL expressions ask for, and what the deployed rules and dashboard hold; enough of both languages for our own files."""

import json
import re
from pathlib import Path
from typing import NamedTuple

DEPLOY = Path(__file__).parents[1] / "deploy"
CONFIG = DEPLOY / "prometheus/prometheus.yml"
RULES = DEPLOY / "prometheus/rules.yml"
DASHBOARD = DEPLOY / "grafana/dashboards/outpace.json"
_WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset"}
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_MATCHER = re.compile(r'\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*')
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?(?!\s*\()(?![\w:])")


class Matcher(NamedTuple):
    """One ``label="value"`` of a selector."""

    label: str
    operator: str
    value: str

    def values(self) -> list[str]:
        """The values it names; none for a pattern."""
        if self.operator in ("=", "!="):
            return [self.value]
        return self.value.split("|") if re.fullmatch(r"[\w|]+", self.value) else []


class Asked(NamedTuple):
    """What one expression asks for: series with their matchers, and the labels it groups by."""

    selectors: list[tuple[str, list[Matcher]]]
    grouping: list[str]


def asked(expression: str) -> Asked:
    """Series, matchers and grouping labels of a PromQL expression.

    >>> asked('sum by (le) (rate(a_bucket{le="1.0"}[5m])) / on (path) b')
    Asked(selectors=[('a_bucket', [Matcher(label='le', operator='=', value='1.0')]), ('b', [])], grouping=['le', 'path'])
    """
    grouping = [label.strip() for group in _GROUPING.findall(expression) for label in group.split(",") if label.strip()]
    bare = re.sub(r"\[[^\]]*\]", "", _GROUPING.sub(" ", expression))
    selectors = []
    for name, inside in _SELECTOR.findall(bare):
        if name not in _WORDS:
            selectors.append((name, [Matcher(*found) for found in _MATCHER.findall(inside)]))
    return Asked(selectors, grouping)


class Rule(NamedTuple):
    """One rule: ``alert`` or ``record``, its name, expression, and what else stands in it."""

    kind: str
    name: str
    expression: str
    says: dict[str, str]


def rules() -> list[Rule]:
    """The deployed rules, from the plain YAML they are written in: one key a line, or folded with ``>-``."""
    text = re.sub(r">-\n((?: {10,}.*\n)+)", lambda m: " ".join(m[1].split()) + "\n", RULES.read_text("utf-8"))
    found = []
    for part in re.split(r"^ +- (?=alert:|record:)", text, flags=re.MULTILINE)[1:]:
        pairs = re.findall(r"^ *(alert|record|expr|for|severity|summary|action): (.+)$", part, re.MULTILINE)
        says = {key: value.strip('"') if value.startswith('"') else value for key, value in pairs}
        kind = "alert" if "alert" in says else "record"
        found.append(Rule(kind, says[kind], says["expr"], says))
    return found


def queries() -> list[tuple[str, str]]:
    """Title and expression of every query of the dashboard, Grafana's own variables filled in."""
    board = json.loads(DASHBOARD.read_text("utf-8"))
    return [(panel["title"], filled(t["expr"])) for panel in board["panels"] for t in panel.get("targets", ())]


def filled(expression: str) -> str:
    """An expression as Grafana would send it.

    >>> filled("rate(a[$__rate_interval]) + increase(a[$__range])")
    'rate(a[1m]) + increase(a[1h])'
    """
    return expression.replace("$__rate_interval", "1m").replace("$__range", "1h")
