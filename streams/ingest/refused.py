"""What was refused, as a message of ``outpace.rejected``: where it stood, why, and a glimpse of it with secrets masked."""

import re

import msgspec

from detector.errors import Rejection
from detector.sources.timestamps import format_time

EXCERPT = 200
_LOOKED_AT = 4 * EXCERPT
_NAME = (
    r"(?:secret|passw|token|authorization|assertion|cookie|credential|api.?key|private.?key|session.?key)[^\"\\:=\s]*"
)
_SCHEME = r"(?:bearer|basic|ssws)\s+"
_QUOTED = re.compile(rf'({_NAME}"\s*:\s*")(?:[^"\\]|\\.)*', re.IGNORECASE | re.DOTALL)
_ESCAPED = re.compile(rf'({_NAME}\\+"\s*:\s*\\+")(?:(?!\\+").)*', re.IGNORECASE | re.DOTALL)
"""The same in JSON inside a JSON string."""
_PLAIN = re.compile(rf"({_NAME}[\"']?\s*[:=]\s*(?:{_SCHEME})?|\b{_SCHEME})[^\"\\,&\s}}]+", re.IGNORECASE)
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9+/_\-.~=]{16,}")
MASK = "***"


class Refused(msgspec.Struct, frozen=True):
    """One refusal. Field names are a contract; ``source`` is the kind of source (path, topic, http, keycloak; frames at a worker)."""

    origin: str
    position: int
    json_path: str
    reason: str
    received: str
    source: str
    excerpt: str = ""
    version: int = 1


def refused(rejection: Rejection, source: str, received_ns: int, raw: bytes = b"") -> Refused:
    """The message for a rejection. ``raw``: the record, of which at most 200 masked characters are kept."""
    r = rejection
    # A reason may quote a value of the record.
    reason = masked(r.reason)[: 2 * EXCERPT]
    return Refused(r.origin, r.position, r.json_path, reason, format_time(received_ns), source, excerpt(raw))


def excerpt(raw: bytes) -> str:
    """The start of a record for people to recognise it by. Masked before it is cut: half a token is a secret too.

    >>> excerpt(b'{"eventTime": "yesterday", "password": "hunter2"}')
    '{"eventTime": "yesterday", "password": "***"}'
    """
    text = raw[:_LOOKED_AT].decode("utf-8", "replace")
    if len(raw) > _LOOKED_AT:
        # what runs over the edge of what is looked at could be the start of a token
        text = re.sub(r"[A-Za-z0-9+/_\-.~=]*$", "", text)
    return "".join(c if c.isprintable() else " " for c in masked(text))[:EXCERPT]


def masked(text: str) -> str:
    """Text without values named like secrets, and without long runs that may be tokens.

    >>> masked("Authorization: Bearer abc.def"), masked("key AKIAIOSFODNN7EXAMPLE")
    ('Authorization: Bearer ***', 'key ***')
    """
    for pattern in (_QUOTED, _ESCAPED, _PLAIN):
        text = pattern.sub(rf"\1{MASK}", text)
    return _TOKEN_LIKE.sub(MASK, text)
