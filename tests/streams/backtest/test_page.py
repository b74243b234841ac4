"""The page and the JUnit file: safe, self-contained, and saying what they should."""

import re
from xml.etree import ElementTree

from backtesting import days, score_of, scored, wrong

from streams.backtest.comparing import compared
from streams.backtest.expectations import Outcome
from streams.backtest.junit import junit
from streams.backtest.page import page
from streams.backtest.result import VERSION, Result, curve_point
from streams.report import content_hash

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e&\"'"
SCORE = score_of(
    scored("e1", 1),
    scored("e2", None, victim=HOSTILE, loop=HOSTILE, why=HOSTILE),
    scored("odd", None, benign=True),
    seen=(days(5000), days(300, phase="changed")),
    false=(wrong(HOSTILE), wrong(day="2026-03-12", action="alert")),
)
OUTCOMES = [Outcome("all: contained at least 0.4"), Outcome(HOSTILE, f"{HOSTILE}: it is 0")]


def whole_page() -> str:
    curve = tuple(curve_point(budget, [SCORE]) for budget in (1.0, 10.0, 100.0))
    result = Result(VERSION, HOSTILE, (SCORE,), curve)
    return page(result, compared(result, result), OUTCOMES, [HOSTILE])


def test_text_from_a_case_is_shown_as_text_and_never_as_markup() -> None:
    text = whole_page()
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_the_page_admits_its_own_style_and_nothing_else() -> None:
    text = whole_page()
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert policy == f"default-src 'none'; style-src '{content_hash(style)}'; base-uri 'none'; form-action 'none'"
    assert not re.findall(r'(?:src|href)="(?!#)', text)
    assert not re.findall(r'style="|url\(|@import', text)


def test_figures_curves_misses_and_reasons_are_on_it() -> None:
    text = whole_page()
    assert text.count("<figure") == 4
    assert "Contained within so many actions" in text
    assert "50 %" in text
    assert "1 of 10" in text
    assert "10 of 10" in text
    assert "1 benign oddities" in text
    assert "role/app" in text


def test_every_drawing_is_well_formed_and_inside_its_frame() -> None:
    drawings = re.findall(r"<svg viewBox=\"0 0 560 300\".*?</svg>", whole_page(), re.DOTALL)
    assert len(drawings) == 4
    for drawing in drawings:
        for element in ElementTree.fromstring(drawing).iter():  # noqa: S314
            for name, most in (("cx", 560), ("x1", 560), ("x2", 560), ("cy", 300), ("y1", 300), ("y2", 300)):
                assert 0 <= float(element.get(name, "0")) <= most


def test_without_attacks_or_alarms_there_is_still_a_page() -> None:
    text = page(Result(VERSION, "defaults", (score_of(),)))
    assert "No attack in these cases." in text
    assert "Every attack was contained." in text


def test_junit_fails_expectations_and_lists_missed_attacks_as_skipped_with_the_reason() -> None:
    root = ElementTree.fromstring(junit([SCORE], OUTCOMES).decode().split("\n", 1)[1])  # noqa: S314
    expectations, attacks = root.findall("testsuite")
    assert (expectations.get("tests"), expectations.get("failures")) == ("2", "1")
    assert "it is 0" in str(expectations.find("testcase/failure").get("message"))  # type: ignore[union-attr]
    assert (attacks.get("tests"), attacks.get("skipped"), attacks.get("failures")) == ("2", "1", "0")
    assert "<script>alert(1)</script>" in str(attacks.find("testcase/skipped").get("message"))  # type: ignore[union-attr]


def test_junit_without_expectations_holds_the_episodes_alone() -> None:
    root = ElementTree.fromstring(junit([SCORE], []).decode().split("\n", 1)[1])  # noqa: S314
    assert [suite.get("name") for suite in root] == ["made"]
