"""A backtest as JUnit XML, for whatever shows test results: expectations pass or fail, episodes are listed, missed ones as skipped with the reason.

Format: the ``testsuites`` element as Jenkins and GitLab read it (https://github.com/testmoapp/junitxml describes what is common).
"""

from collections.abc import Sequence
from html import escape

from streams.backtest.expectations import Outcome
from streams.backtest.figures import CaseScore
from streams.backtest.scoring import EpisodeScore
from streams.report_data import shown


def junit(scores: Sequence[CaseScore], outcomes: Sequence[Outcome]) -> bytes:
    """The XML. A missed episode is no failure: whether too many were missed is for expectations to say."""
    suites = [_expectations(outcomes)] if outcomes else []
    suites += [_case(score) for score in scores]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="outpace backtest">\n'
        + "".join(suites)
        + "</testsuites>\n"
    ).encode()


def _expectations(outcomes: Sequence[Outcome]) -> str:
    tests = "".join(_expectation(outcome) for outcome in outcomes)
    failed = sum(bool(outcome.fault) for outcome in outcomes)
    return f'<testsuite name="expectations" tests="{len(outcomes)}" failures="{failed}" errors="0" skipped="0">\n{tests}</testsuite>\n'


def _expectation(outcome: Outcome) -> str:
    head = f'<testcase classname="expectations" name="{_text(outcome.name)}"'
    if not outcome.fault:
        return f"{head}/>\n"
    return f'{head}><failure message="{_text(outcome.fault)}"/></testcase>\n'


def _case(score: CaseScore) -> str:
    attacks = [e for e in score.episodes if not e.benign]
    tests = "".join(_episode(e) for e in attacks)
    missed = sum(not e.contained for e in attacks)
    return f'<testsuite name="{_text(score.case)}" tests="{len(attacks)}" failures="0" errors="0" skipped="{missed}" time="{score.seconds:g}">\n{tests}</testsuite>\n'


def _episode(e: EpisodeScore) -> str:
    name = f"{e.episode} {e.loop}, {e.pace}, {e.mimicry}"
    head = f'<testcase classname="{_text(e.case)}" name="{_text(name)}"'
    if e.contained:
        return f'{head} time="{e.seconds or 0:g}"/>\n'
    return f'{head}><skipped message="{_text(e.why or "not contained")}"/></testcase>\n'


def _text(text: str) -> str:
    return escape(shown(text, 500))
