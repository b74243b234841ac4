"""A command line in a program's own network may be its owner's; from anywhere else it is a stranger's."""

from typing import Any

from conftest import cloudtrail, watched

HOME, AWAY = "10.20.30.40", "203.0.113.9"
DAY_S, LIVE_S = 86_400.0, 5 * 86_400.0
TYPED = "aws-cli/2.22.12 md/awscrt#0.22.0 ua/2.0 os/linux#6.1 lang/python#3.12.6"


def use(number: int, second: float, operation: str = "s3:GetObject", **fields: Any) -> dict[str, Any]:
    return cloudtrail(number, second, operation, key="AKIAEXAMPLEMAILER0000", user="mailer", **fields)


def work(source: str, since_s: float, until_s: float) -> list[dict[str, Any]]:
    """The program's own calls, one every quarter of an hour."""
    return [use(int(at), at, source=source) for at in range(int(since_s), int(until_s), 900)]


def shell(source: str, agent: str = TYPED) -> list[dict[str, Any]]:
    """Who am I, what is there, and what does it say?"""
    calls = (
        ("sts:GetCallerIdentity", None),
        ("s3:ListBuckets", "AccessDenied"),
        ("ec2:DescribeInstances", "AccessDenied"),
    )
    return [
        use(900_000 + n, LIVE_S + 20.0 * n, operation, error=error, source=source, agent=agent)
        for n, (operation, error) in enumerate(calls)
    ]


def against_change(records: list[dict[str, Any]]) -> float:
    """What speaks against a change of the owner's at the end, in bits."""
    return float(watched(records)["b"].max())


def test_a_shell_at_home_says_less_than_a_strange_client_there_and_than_a_shell_elsewhere() -> None:
    at_home = work(HOME, 0.0, LIVE_S)
    typed = against_change(at_home + shell(HOME))
    assert typed + 2.0 < against_change(at_home + shell(HOME, "curl/8.9.1"))
    assert typed + 5.0 < against_change(at_home + shell(AWAY))


def test_a_network_is_home_after_a_day() -> None:
    def moved(before_s: float) -> float:
        return against_change(work(HOME, 0.0, LIVE_S - before_s) + work(AWAY, LIVE_S - before_s, LIVE_S) + shell(AWAY))

    assert moved(2 * DAY_S) + 2.0 < moved(0.5 * DAY_S)
