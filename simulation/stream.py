"""A benchmark stream: CloudTrail records by the million, one JSON line each, with the locality real sessions have.

Records come from the estate's own record maker, cut into templates once; an event is then a join of byte pieces.
Cost: a few microseconds and 1.0 to 1.4 KB an event.
About `ACTIVE_SESSIONS` sessions are under way at a time, of `EVENTS_PER_SESSION` events each on
average, or fewer where the credentials asked for would not all get a turn.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simulation import repertoire, sessions
from simulation.cloudtrail import Call, Session, record, timestamp
from simulation.identifiers import ACCOUNT, principal_id

ACTIVE_SESSIONS = 200
EVENTS_PER_SESSION = 50
EVENTS_PER_SECOND = 100
CREDENTIALS_PER_PRINCIPAL = 40  # a role hands out a session key an hour or so

_START_S = 1_772_409_600  # 2026-03-02T00:00:00Z
_CHUNK = 8192
_FAILURE_SHARE = 0.01
_AGENT = (
    "Boto3/1.34.131 md/Botocore#1.34.131 ua/2.0 os/linux#5.10.220 md/arch#x86_64 lang/python#3.12.4 md/pyimpl#CPython"
)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_MARKS = ("~identity~", "~source~", "~time~", "~resource~", "~event~", "~request~", "~arn~")


@dataclass(frozen=True, slots=True)
class _Template:
    """A record cut at its changing parts: `pieces` stand between them, `marks` say which part follows each piece."""

    pieces: tuple[bytes, ...]
    marks: tuple[int, ...]


@dataclass(slots=True)
class _Active:
    identity: bytes
    source: bytes
    resource: bytes
    arn: bytes
    templates: tuple[_Template, ...]
    failing: _Template
    left: int


def records(events: int, credentials: int, seed: int, population: int = 0, after_s: int = 0) -> Iterator[bytes]:
    """Exactly `events` JSON lines, in event-time order, in which exactly `credentials` distinct keys appear.

    The keys are drawn from the first `population` there are (default: as many as appear); the first event comes `after_s` seconds
    after the stream's usual start. ValueError unless 1 <= credentials <= events.
    """
    if not 1 <= credentials <= events:
        raise ValueError(f"wanted 1 <= credentials <= events, got credentials={credentials}, events={events}")
    rng = np.random.default_rng([seed, 7])
    order = rng.permutation(max(credentials, population))[:credentials]
    return _records(events, order, _START_S + after_s, rng)


def _records(events: int, order: np.ndarray, start_s: int, rng: np.random.Generator) -> Iterator[bytes]:
    themes = _themes()
    credentials = len(order)
    upcoming = _schedule(events, order, rng)
    active = [_started(number, left, themes) for number, left in _first(upcoming, min(ACTIVE_SESSIONS, credentials))]
    for start in range(0, events, _CHUNK):
        size = min(_CHUNK, events - start)
        chosen, operation, failing = (
            rng.random(size).tolist(),
            (rng.random(size) ** 2).tolist(),
            (rng.random(size) < _FAILURE_SHARE).tolist(),
        )
        ids = rng.bytes(32 * size).hex()
        for row in range(size):
            slot = int(chosen[row] * len(active))
            session = active[slot]
            template = (
                session.failing if failing[row] else session.templates[int(operation[row] * len(session.templates))]
            )
            yield _line(template, session, start_s + (start + row) // EVENTS_PER_SECOND, ids[64 * row : 64 * row + 64])
            session.left -= 1
            if not session.left:
                _turned_over(active, slot, upcoming, themes)


def _line(template: _Template, session: _Active, at_s: int, ids: str) -> bytes:
    changing = (
        session.identity,
        session.source,
        _stamp(at_s),
        session.resource,
        _uuid(ids[:32]),
        _uuid(ids[32:]),
        session.arn,
    )
    parts = [template.pieces[0]]
    for mark, piece in zip(template.marks, template.pieces[1:], strict=True):
        parts += (changing[mark], piece)
    return b"".join(parts)


def _turned_over(
    active: list[_Active], slot: int, upcoming: Iterator[tuple[int, int]], themes: list[tuple[_Template, ...]]
) -> None:
    following = next(upcoming, None)
    if following is not None:
        active[slot] = _started(*following, themes)
        return
    active[slot] = active[-1]
    active.pop()


def _schedule(events: int, order: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Sessions as (credential number, events): every credential once in the order given, then round again as needed."""
    credentials = len(order)
    count = max(credentials, events // EVENTS_PER_SESSION)
    weights = rng.exponential(size=count)
    lengths = 1 + rng.multinomial(events - count, weights / weights.sum())
    return ((int(order[number % credentials]), int(length)) for number, length in enumerate(lengths))


def _first(upcoming: Iterator[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    return [session for _, session in zip(range(count), upcoming, strict=False)]


def _started(credential: int, left: int, themes: list[tuple[_Template, ...]]) -> _Active:
    principal = credential // CREDENTIALS_PER_PRINCIPAL
    *templates, failing = themes[principal % len(themes)]
    source = f"10.{principal >> 16 & 255}.{principal >> 8 & 255}.{principal & 255}".encode()
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/service-{principal}/task-{credential}"
    identity = _identity(principal, credential, arn)
    return _Active(identity, source, f"shop-{principal}".encode(), arn.encode(), tuple(templates), failing, left)


def _identity(principal: int, credential: int, arn: str) -> bytes:
    role, name, key_id = f"service-{principal}", f"task-{credential}", _key(credential)
    role_id = principal_id("AROA", role)
    issuer = {
        "type": "Role",
        "principalId": role_id,
        "arn": sessions.role_arn(role),
        "accountId": ACCOUNT,
        "userName": role,
    }
    attributes = {"creationDate": timestamp(_START_S), "mfaAuthenticated": "false"}
    identity = {
        "type": "AssumedRole",
        "principalId": f"{role_id}:{name}",
        "arn": arn,
        "accountId": ACCOUNT,
        "accessKeyId": key_id,
        "sessionContext": {"sessionIssuer": issuer, "attributes": attributes},
    }
    return json.dumps(identity, separators=(",", ":")).encode()


def _key(credential: int) -> str:
    letters = []
    for _ in range(9):
        credential, digit = divmod(credential, 32)
        letters.append(_ALPHABET[digit])
    return f"ASIA{''.join(letters)}EXAMPLE"


def _themes() -> list[tuple[_Template, ...]]:
    rng = np.random.default_rng(0)
    lists = [*repertoire.THEMES.values(), repertoire.MODEL, repertoire.SECRETS, repertoire.MONITORING, repertoire.BATCH]
    return [
        (*(_template(op, "", rng) for op in (*ops, *repertoire.SERVICE_TAIL[:6])), _template(ops[1], "denied", rng))
        for ops in lists
    ]


def _template(operation: str, failure: str, rng: np.random.Generator) -> _Template:
    resource = repertoire.MODELS[0] if operation.startswith("bedrock:") else "~resource~"
    session = Session("", {"arn": "~arn~"}, "~source~", _AGENT)
    body = record(Call(_START_S, session, operation, resource, failure), rng)
    body |= {"userIdentity": "~identity~", "eventTime": "~time~", "eventID": "~event~", "requestID": "~request~"}
    text = json.dumps(body, separators=(",", ":")).replace('"~identity~"', "~identity~") + "\n"
    return _cut(text)


def _cut(text: str) -> _Template:
    pieces: list[bytes] = []
    marks: list[int] = []
    while found := [(text.index(mark), number) for number, mark in enumerate(_MARKS) if mark in text]:
        position, number = min(found)
        pieces.append(text[:position].encode())
        marks.append(number)
        text = text[position + len(_MARKS[number]) :]
    return _Template((*pieces, text.encode()), tuple(marks))


def _stamp(at_s: int) -> bytes:
    day_s = at_s % 86_400
    return b"2026-03-%02dT%02d:%02d:%02dZ" % (
        2 + (at_s - _START_S) // 86_400,
        day_s // 3600,
        day_s // 60 % 60,
        day_s % 60,
    )


def _uuid(text: str) -> bytes:
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}".encode()
