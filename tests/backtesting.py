"""Small builders for backtests: a case without records, verdicts, and scores made by hand."""

from typing import Any

from detector.sources.timestamps import parse_time_ns
from streams.backtest.case import About, Case, Change, Episode, Identity, Label
from streams.backtest.figures import CaseScore, Promise
from streams.backtest.scoring import Days, EpisodeScore, FalseDay, Verdict

START = "2026-03-09T00:00:00Z"
END = "2026-03-30T00:00:00Z"
APP, JOB, OTHER = (f"arn:aws:iam::123456789012:role/{name}" for name in ("app", "job", "other"))
PATHS = ("human", "workload", "delegated", "emergency")


def at(second: float, day: int = 10) -> str:
    """RFC 3339 time on a day of March 2026, so many seconds after noon."""
    minutes, seconds = divmod(int(second), 60)
    return f"2026-03-{day:02d}T{12 + minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}Z"


def identity(principal: str = APP, **fields: Any) -> Identity:
    return Identity(**{"principal": principal, "provider": "aws", "path": "workload", "kind": "service", **fields})


def change(day: int) -> Change:
    return Change(f"2026-03-{day:02d}T00:00:00Z", "rollout")


def episode(name: str = "e1", seconds: tuple[float, ...] = (0, 10, 20, 30), day: int = 10, **fields: Any) -> Episode:
    """An attack on APP with an event at each second after noon."""
    labels = tuple(Label(f"{name}-{n}", at(s, day)) for n, s in enumerate(seconds))
    return Episode(
        **{
            "episode": name,
            "loop": "credential_testing",
            "pace": "agent",
            "mimicry": "plain",
            "freshness": "minted",
            "origin": "simulated",
            "path": "workload",
            "provider": "aws",
            "victim": APP,
            "principals": (APP,),
            "credentials": ("ASIAEXAMPLE1",),
            "events": labels,
            **fields,
        }
    )


def case_of(*episodes: Episode, identities: tuple[Identity, ...] = (identity(), identity(JOB))) -> Case:
    about = About(1, "made", START, START, END, estate="shop")
    start_ns, end_ns = parse_time_ns(START), parse_time_ns(END)
    return Case("made", about, start_ns, start_ns, end_ns, identities, tuple(episodes))


def verdict(second: float, event_id: str = "", principal: str = APP, day: int = 10, **fields: Any) -> Verdict:
    return Verdict(parse_time_ns(at(second, day)), event_id, principal, **fields)


def scored(name: str = "e1", actions: int | None = 3, case: str = "made", **fields: Any) -> EpisodeScore:
    """An attack of ten actions, contained after so many."""
    is_contained = actions is not None
    return EpisodeScore(
        **{
            "case": case,
            "episode": name,
            "benign": False,
            "loop": "credential_testing",
            "pace": "agent",
            "mimicry": "plain",
            "freshness": "minted",
            "origin": "simulated",
            "path": "workload",
            "provider": "aws",
            "victim": APP,
            "victim_kind": "service",
            "estate": "shop",
            "events": 10,
            "began": at(0),
            "lasted_s": 90.0,
            "actions": actions,
            "seconds": float(actions * 10) if actions is not None else None,
            "alert_actions": actions,
            "alert_seconds": None,
            "interrupted": is_contained,
            "action": "revoke_session" if is_contained else "",
            "pattern": "credential_testing" if is_contained else "",
            "decision_id": "d1",
            "why": "" if is_contained else "at most 3.0 of 12.7 bits",
            **fields,
        }
    )


def wrong(principal: str = JOB, day: str = "2026-03-11", action: str = "revoke_session", **fields: Any) -> FalseDay:
    return FalseDay(
        **{
            "case": "made",
            "principal": principal,
            "path": "workload",
            "kind": "service",
            "provider": "aws",
            "estate": "shop",
            "counted": True,
            "day": day,
            "week": 0,
            "phase": "settled",
            "action": action,
            "pattern": "privilege_chaining",
            "evidence_bits": 14.0,
            "threshold_bits": 12.7,
            "decision_id": "d2",
            **fields,
        }
    )


def days(count: int, path: str = "workload", week: int = 0, phase: str = "settled") -> Days:
    return Days("made", path, "service", "aws", "shop", week, phase, count)


def score_of(
    *episodes: EpisodeScore, seen: tuple[Days, ...] = (days(5000),), false: tuple[FalseDay, ...] = (), **fields: Any
) -> CaseScore:
    """Scores of a month of one case."""
    return CaseScore(
        **{
            "case": "made",
            "estate": "shop",
            "seed": 7,
            "report_days": 30.0,
            "attack_one_in": 1000.0,
            "promises": {path: Promise(1.0, 10.0) for path in PATHS},
            "episodes": episodes,
            "days": seen,
            "false_days": false,
            **fields,
        }
    )
