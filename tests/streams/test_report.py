"""The report: what it shows of a case, and that nothing a log says can act in the reader's browser."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from conftest import cloudtrail, routine, stolen_key

from detector.decision import Decision, Loop, Reason
from detector.errors import InputError
from streams import report
from streams.counterfactual import containments
from streams.replay import Replay, Summary
from streams.report import page, write_report
from streams.report_data import Case, Edge, Point, case_of, shown, time_positions

ReplayOf = Callable[..., Replay]
HOSTILE = "</script><script>alert(1)</script><img src=x onerror='a' href=\"http://198.51.100.1/\">\x1b[31m\u202e[red]"
START_S = 3000 * 60.0


class Reader(HTMLParser):
    """Collects tags, attributes and whether every opened element was closed in turn."""

    VOID = frozenset({"meta", "br", "img", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def decision(
    name: str = "AKIAEXAMPLE000000000", action: str = "disable_credential", number: int = 0, **fields: object
) -> Decision:
    made = Decision(
        decision_id=f"{number:016x}",
        time="2026-03-02T00:00:41Z",
        event_id="e-1",
        provider="aws",
        scope="123456789012",
        credential=name,
        principal="arn:aws:iam::123456789012:user/app",
        path="workload",
        action=action,
        dry_run=True,
        evidence_bits=15.5,
        threshold_bits=13.0,
        pattern="credential_testing",
        techniques=("T1078.004",),
        frameworks=("MAESTRO:L4",),
        loop=Loop(5, 12.0, 5.0),
        actions_before=6,
        first_event_time="2026-03-02T00:00:00Z",
        reasons=(Reason("operation", 4.0, "e-1", "iam:CreateUser: never used in 1000 earlier calls"),),
    )
    return msgspec.structs.replace(made, **fields)


def point(i: int, text: str = "iam:ListUsers", is_after: bool = False) -> Point:
    return Point(
        "2026-03-02T00:00:00Z", float(i), text, "denied", text, text, text, 1.0 * i, 13.0, True, is_after, False
    )


@pytest.fixture
def stolen(replay_of: ReplayOf) -> Replay:
    return replay_of(stolen_key(START_S), routine())


def test_a_case_has_the_actions_before_and_after_its_decision(stolen: Replay) -> None:
    revocation = next(d for d in stolen.decisions if d.is_revocation)
    case = case_of(stolen.engine, revocation)
    own_before = [p for p in case.points if p.is_own_hand and not p.is_after]
    assert len(own_before) == revocation.actions_before
    assert case.own_after == sum(p.is_after for p in case.points) > 0
    crossing = [p for p in case.points if p.is_crossing]
    assert [(p.time, p.evidence_bits) for p in crossing] == [(revocation.time, revocation.evidence_bits)]
    assert crossing[0].evidence_bits >= crossing[0].threshold_bits == pytest.approx(revocation.threshold_bits, abs=0.01)
    assert [p.seconds for p in case.points] == sorted(p.seconds for p in case.points)
    assert {p.outcome for p in case.points} == {"success", "denied"}


def test_an_alert_of_a_newborn_principal_is_drawn_against_its_own_threshold(replay_of: ReplayOf) -> None:
    run = replay_of(stolen_key(0.0))
    alert = next(d for d in run.decisions if d.action == "alert")
    case = case_of(run.engine, alert)
    assert {p.threshold_bits for p in case.points} == {alert.threshold_bits}
    assert next(p for p in case.points if p.is_crossing).evidence_bits == alert.evidence_bits


def test_a_minted_key_and_what_it_minted_are_in_the_lineage(replay_of: ReplayOf) -> None:
    def mint(number: int, second: float, user: str, key: str, fresh: str) -> dict[str, object]:
        answer = {"accessKey": {"userName": "next", "accessKeyId": fresh, "status": "Active"}}
        return cloudtrail(
            number, second, "iam:CreateAccessKey", user=user, key=key, source="203.0.113.66", responseElements=answer
        )

    first, second, third = "AKIAEXAMPLEAPP000000", "AKIAEXAMPLESECOND000", "AKIAEXAMPLETHIRD0000"
    live = [*stolen_key(0.0), mint(950_000, 60.0, "app", first, second), mint(950_001, 90.0, "next", second, third)]
    run = replay_of(live, cold_start_acts=True)
    case = case_of(run.engine, next(d for d in run.decisions if d.credential == first))
    assert {(first, second), (second, third)} <= {(e.parent, e.minted) for e in case.edges}
    assert all(e.is_after for e in case.edges)


def test_a_decision_without_kept_actions_still_gets_its_card() -> None:
    html = page(Summary(), [Case(decision(principal="arn:aws:iam::123456789012:user/gone"))])
    assert "there is no timeline" in html
    read(html)


def test_the_page_parses_and_fetches_nothing(stolen: Replay, tmp_path: Path) -> None:
    cases = [case_of(stolen.engine, d) for d in stolen.decisions]
    rows = [msgspec.to_builtins(r) for r in containments(stolen.engine, stolen.decisions)]
    path = tmp_path / "report.html"
    write_report(str(path), stolen.summary(), cases, rows)
    html = path.read_text("utf-8")
    reader = read(html)
    assert len(html) < 100_000
    for tag, name, value in reader.attributes:
        assert name not in {"src", "srcset", "action", "style"}, (tag, name)
        assert not name.startswith("on"), (tag, name)
        if name in {"href", "xlink:href"}:
            assert value.startswith(("#", "https://attack.mitre.org/techniques/T")), value
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|\blink\b rel", html)
    assert {"svg", "table", "article", "title"} <= set(reader.tags)
    assert reader.tags.count("article") == len(cases)
    links = {value for _tag, name, value in reader.attributes if name == "href" and value.startswith("#")}
    ids = {"#" + value for _tag, name, value in reader.attributes if name == "id"}
    assert links <= ids


def test_the_policy_of_the_page_admits_only_its_own_script_and_style() -> None:
    html = page(Summary(), [Case(decision(), (point(0), point(1, is_after=True)))])
    policy = next(v for t, n, v in read(html).attributes if (t, n) == ("meta", "content") and "default-src" in v)
    script = html.partition("<script>")[2].partition("</script>")[0]
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert report.content_hash(script) in policy
    assert report.content_hash(style) in policy
    assert "unsafe" not in policy


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    hostile = decision(
        HOSTILE,
        time="2026-03-02T00:00:41Z",
        principal=HOSTILE,
        scope=HOSTILE,
        provider=HOSTILE,
        path=HOSTILE,
        pattern=HOSTILE,
        decision_id=HOSTILE,
        techniques=(HOSTILE, "T1078\"onclick='a'"),
        frameworks=(HOSTILE,),
        reasons=(Reason("operation", 2.0, HOSTILE, HOSTILE),),
    )
    case = Case(
        hostile, (point(0, HOSTILE), point(5, HOSTILE, is_after=True)), (Edge(HOSTILE, "b", HOSTILE, "", True),)
    )
    calm = msgspec.structs.replace(case, decision=decision(), points=(point(0), point(5, is_after=True)))
    html = page(Summary(by_pattern={HOSTILE: 1}), [case])
    reader = read(html)
    assert reader.tags.count("script") == 1
    assert "img" not in reader.tags
    assert not [n for _t, n, _v in reader.attributes if n.startswith("on")]
    assert set(reader.tags) == set(read(page(Summary(), [calm])).tags)
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "alert(1)" in "".join(reader.text), "the text itself is still there to be read"


def test_at_most_two_hundred_cases_are_shown_revocations_first_and_the_page_says_so() -> None:
    cases = [Case(decision(number=i, action="alert" if i < 150 else "revoke_session")) for i in range(300)]
    html = page(Summary(), cases)
    assert "Only 200 of 300 decisions are shown" in html
    assert html.count("<article") == 200
    assert html.count('class="act hard"') == 2 * 150
    assert "are shown, revocations first" not in page(Summary(), cases[:200])


def test_a_long_case_is_cut_around_its_decision_and_says_so() -> None:
    case = Case(decision(), tuple(point(i) for i in range(500)), points_cut=12)
    html = page(Summary(), [case])
    assert "12 actions furthest from the decision are left out" in html
    assert len(html) < 400_000


def test_a_long_pause_does_not_squeeze_the_work_before_it() -> None:
    places, pauses = time_positions([0.0, 1.0, 2.0, 3.0, 90_003.0])
    assert pauses == [3]
    assert places[3] == pytest.approx(3 / 15)
    assert time_positions([5.0]) == ([0.5], [])


def test_a_report_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-such-folder"):
        write_report(str(tmp_path / "no-such-folder" / "report.html"), Summary(), [])


def test_an_empty_run_says_that_nothing_reached_a_threshold() -> None:
    html = page(Summary(), [], [])
    assert "nothing reached a threshold" in html
    assert "nothing to sweep" in html
    read(html)


@pytest.mark.parametrize("text", ["\x00", "\x1b[2J", "\u202e", "\ud800", "\u2066", "\x7f", "\r\n"])
def test_control_and_direction_characters_become_dots(text: str) -> None:
    assert shown(f"a{text}b").isprintable()
    page(Summary(), [Case(decision(f"a{text}b"))]).encode("utf-8")
