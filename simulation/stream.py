"""A long stream of CloudTrail lines, made fast: for measuring speed, state and scaling, not detection.

Sessions come and go: about 200 are active at a time, each with a few dozen calls; a role is shared by many sessions, as in life.
"""

import json
from collections.abc import Iterator

import numpy as np

from simulation.cloudtrail import Call, Session, record
from simulation.identifiers import access_key
from simulation.repertoire import THEMES
from simulation.sessions import Client, by_service

ACTIVE = 200
_AT = "2026-03-02T00:00:00Z"
_AGENT = "Boto3/1.34.131 md/Botocore#1.34.131 ua/2.0 os/linux#5.10.220 md/arch#x86_64 lang/python#3.12.4 cfg/retry-mode#legacy"


def records(events: int, credentials: int, seed: int, principals: int | None = None, events_per_second: float = 200.0) -> Iterator[bytes]:
    """`events` JSON lines over `credentials` distinct session keys of `principals` roles (default: one for 20 keys, at least 50)."""
    rng = np.random.default_rng(seed)
    roles = principals or max(50, credentials // 20)
    templates = [_template(theme, operation, rng) for theme, operations in THEMES.items() for operation in operations]
    by_theme = np.array_split(np.arange(len(templates)), len(THEMES))
    per_key = max(1, events // credentials)
    start_s = 1_772_409_600
    for block in range(0, events, ACTIVE * per_key):
        size = min(ACTIVE * per_key, events - block)
        keys = [access_key(rng, "ASIA") for _ in range(ACTIVE)]
        first = block // per_key
        chosen = rng.integers(0, ACTIVE, size)
        picks = rng.integers(0, 1 << 30, size)
        ids = rng.bytes(16 * size).hex()
        for i in range(size):
            role = (first + int(chosen[i])) * 7919 % roles
            pool = by_theme[role % len(by_theme)]
            head, role_at, after, at, tail = templates[pool[int(picks[i] % len(pool))]]
            second = start_s + int((block + i) / events_per_second)
            x = ids[32 * i : 32 * i + 32]
            yield (
                f"{head}{role:06d}{role_at}{keys[chosen[i]]}{after}{_time(second)}{at}"
                f"{x[:8]}-{x[8:12]}-4{x[13:16]}-8{x[17:20]}-{x[20:]}{tail}\n"
            ).encode()


def _template(theme: str, operation: str, rng: np.random.Generator) -> tuple[str, str, str, str, str]:
    session: Session = by_service("svc-ROLE00", "lambda", theme, 0, Client("192.0.2.20", _AGENT), rng).session
    session.identity["accessKeyId"] = "KEY00"
    session.identity["principalId"] = "AROAEXAMPLE:session"
    session.identity["sessionContext"]["sessionIssuer"]["principalId"] = "AROAEXAMPLE"
    made = record(Call(0, session, operation, f"shop-{theme}/2026/part-0001.json"), rng)
    made["eventTime"], made["eventID"], made["requestID"] = "TIME00", "EVENT00", "5f7c0a2e-0000-4000-8000-000000000000"
    identity = made["userIdentity"]
    identity["arn"] = identity["arn"].replace("svc-ROLE00", "svc")
    identity["sessionContext"]["sessionIssuer"]["userName"] = "svc"
    made["userIdentity"] = {"sessionContext": identity.pop("sessionContext"), **identity}
    text = json.dumps(made, separators=(",", ":"))
    head, _, rest = text.partition("ROLE00")
    role_at, _, rest = rest.partition("KEY00")
    after, _, rest = rest.partition("TIME00")
    at, _, tail = rest.partition("EVENT00")
    return head, role_at, after, at, tail


def _time(second: int) -> str:
    if second not in _TIMES:
        if len(_TIMES) > 10_000:
            _TIMES.clear()
        _TIMES[second] = str(np.datetime64(second, "s")) + "Z"
    return _TIMES[second]


_TIMES: dict[int, str] = {}
