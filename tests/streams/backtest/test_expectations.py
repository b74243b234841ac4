"""Expectations: read, refused where they contradict themselves, judged."""

from pathlib import Path

import pytest
from backtesting import APP, JOB, days, score_of, scored, wrong

from detector.errors import ConfigError
from streams.backtest.expectations import Expectations, check_possible, judged, read_expectations
from streams.backtest.scoring import Accused

SCORE = score_of(
    scored("e1", 1, pace="machine"),
    scored("e2", None, pace="agent"),
    seen=(days(10_000),),
    false=(wrong(),),
    accused=(Accused(APP, "credential_testing", "revoke_session", "e1"), Accused(JOB, "reconnaissance", "alert", "")),
)


def read(tmp_path: Path, text: str) -> Expectations:
    path = tmp_path / "expected.toml"
    path.write_text(text)
    return read_expectations(str(path))


def faults(tmp_path: Path, text: str) -> list[str]:
    return [outcome.fault for outcome in judged(read(tmp_path, text), [SCORE])]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[[at_least]]\ncontained = 0.5", ""),
        ("[[at_least]]\ncontained = 0.95", "all: contained at least 0.95: it is 0.5"),
        ("[[at_least]]\nslice = { pace = 'machine' }\ncontained = 1.0", ""),
        (
            "[[at_least]]\nslice = { pace = ['agent', 'human'] }\ncontained = 0.1",
            "agent or human: contained at least 0.1: it is 0",
        ),
        ("[[at_most]]\nfalse_revocations_per_10000 = 1", ""),
        (
            "[[at_most]]\nslice = { path = 'workload' }\nfalse_revocations = 0",
            "workload: false_revocations at most 0: it is 1",
        ),
        ("[[at_most]]\nactions_p90 = 8", "all: actions_p90 at most 8: too few were contained for it to have a value"),
        (
            "[[at_least]]\nslice = { pace = 'slow' }\ncontained = 0",
            "slow: contained at least 0: there is no attack in this slice",
        ),
        (
            "[[never]]\nrevoked_principal = '*:role/app'",
            f"never revoked: *:role/app: {APP} was, as credential_testing, by revoke_session in e1",
        ),
        ("[[never]]\nrevoked_principal = '*:role/job'", ""),
        (
            "[[never]]\nalerted_principal = '*:role/job'",
            f"never alerted on: *:role/job: {JOB} was, as reconnaissance, by alert",
        ),
        ("[[never]]\nloop = 'reconnaissance'", ""),
        (
            "[[never]]\nloop = 'credential_*'",
            f"never revoked: anybody as credential_*: {APP} was, as credential_testing, by revoke_session in e1",
        ),
        ("[[never]]\nloop = 'credential_*'\nrevoked_principal = '*job'", ""),
    ],
)
def test_an_expectation_is_met_or_says_in_one_line_why_not(tmp_path: Path, text: str, fault: str) -> None:
    assert faults(tmp_path, text) == [fault]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[at_lest]]\ncontained = 1", "unknown field `at_lest`"),
        ("[[at_least]]\ncontaned = 1", "no figure is called 'contaned'"),
        ("[[at_least]]\nslice = { colour = 'red' }\ncontained = 1", "nothing can be sliced by 'colour'"),
        ("[[at_least]]\nslice = 'machine'\ncontained = 1", "is no table such as"),
        ("[[at_least]]\nslice = { pace = 'machine' }", "names no figure"),
        ("[[at_least]]\ncontained = 'most'", "contained = 'most' is no number"),
        ("[[at_least]]\ncontained = true", "is no number"),
        (
            "[[at_most]]\nslice = { pace = 'machine' }\nfalse_revocations = 1",
            "false_revocations is not told apart by pace",
        ),
        ("[[at_most]]\nslice = { kind = 'ci' }\nactions_median = 1", "actions_median is not told apart by kind"),
        ("[[at_most]]\nslice = { week = '1' }\nexposure_debt = 1", "exposure_debt is not told apart by week"),
        ("[[never]]\nprincipal = 'x'", "unknown key 'principal'"),
        ("[[never]]\n", "wanted revoked_principal or alerted_principal"),
        (
            "[[never]]\nrevoked_principal = 'x'\nalerted_principal = 'y'",
            "wanted revoked_principal or alerted_principal",
        ),
        ("", "expects nothing"),
        ("[[at_least]", "expected.toml"),
        (
            "[[at_least]]\ncontained = 0.9\n[[at_most]]\ncontained = 0.8",
            "contradicts at_most: all: contained would have to be at least 0.9 and at most 0.8",
        ),
        (
            "[[at_least]]\nslice = { mimicry = 'bind', pace = ['agent', 'machine'] }\nwithin_5 = 0.9\n"
            "[[at_most]]\nslice = { pace = ['machine', 'agent'], mimicry = 'bind' }\nwithin_5 = 0.8",
            "contradicts at_most",
        ),
    ],
)
def test_what_is_unknown_or_contradicts_itself_is_refused_in_one_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_expectations("/nowhere.toml")


def test_nobody_can_have_to_be_contained_who_may_never_be_revoked(tmp_path: Path) -> None:
    text = "[[at_least]]\ncontained = {}\n[[never]]\nrevoked_principal = '*:role/job'"
    score = score_of(scored("e1"), scored("e2", victim=JOB))
    check_possible(read(tmp_path, text.format(0.5)), [score])
    with pytest.raises(ConfigError, match=r"at_least\[0\] contradicts never\[0\]: .*role/job may never be revoked"):
        check_possible(read(tmp_path, text.format(0.6)), [score])


def test_the_example_in_the_docstring_is_one_that_is_read(tmp_path: Path) -> None:
    from streams.backtest import expectations

    example = "\n".join(line[4:] for line in (expectations.__doc__ or "").splitlines() if line.startswith("    "))
    found = read(tmp_path, example)
    assert (len(found.limits), len(found.nevers)) == (2, 1)
