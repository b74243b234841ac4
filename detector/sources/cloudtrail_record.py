"""What of a CloudTrail record scoring needs, and what the record says by itself.

Format: AWS CloudTrail user guide, "CloudTrail record contents".

Blind to: secrets in responses, which are never decoded.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np

from detector.event import Actor, AuditEvent, Outcome, Provider
from detector.sources.spans import resource_span
from detector.sources.timestamps import parse_time_ns

NULL = msgspec.Raw(b"null")
_VERSION = re.compile(r"(?<=[a-z])20\d{6}(v\d+)?$")
_DENIED = re.compile(r"accessdenied|unauthorized|notauthorized|forbidden|explicitdeny", re.IGNORECASE)
_AUTHENTICATION = re.compile(
    r"invalidclienttokenid|signaturedoesnotmatch|expiredtoken|invalidaccesskeyid|authfailure|unrecognizedclient"
    r"|incompletesignature|missingauthenticationtoken|failed authentication",
    re.IGNORECASE,
)
_THROTTLED = re.compile(r"throttl|requestlimitexceeded|toomanyrequests|slowdown|rateexceeded", re.IGNORECASE)
MINTING = re.compile(
    r"^(sts:(AssumeRole|AssumeRoot|GetSessionToken|GetFederationToken)|iam:(CreateAccessKey|CreateLoginProfile)$)"
)
MEMO = 1 << 16
RESOURCE_LETTERS = 200
"""So much of a resource's name is kept for people to read."""
DECODED = -1
"""``response_start`` of a record that had to be decoded."""
_OUTCOMES = tuple(Outcome)


class Record(msgspec.Struct, gc=False):
    """The fields of a CloudTrail record that scoring needs."""

    eventTime: str
    eventName: str
    eventSource: str
    userIdentity: msgspec.Raw = NULL
    sourceIPAddress: str | None = None
    userAgent: str | None = None
    errorCode: str | None = None
    eventID: str | None = None
    eventType: str | None = None
    sessionCredentialFromConsole: str | bool | None = None
    recipientAccountId: str | int | None = None
    requestParameters: msgspec.Raw = NULL
    responseElements: msgspec.Raw = NULL


_DECODER = msgspec.json.Decoder(Record)


class _Key(msgspec.Struct):
    accessKeyId: str | None = None


class _Profile(msgspec.Struct):
    userName: str | None = None


class Minted(msgspec.Struct):
    """What of a response names a minted credential; everything else in it, the secrets first, is skipped."""

    credentials: _Key | None = None
    accessKey: _Key | None = None
    loginProfile: _Profile | None = None


def outcome_of(error_code: str | None) -> Outcome:
    """What the provider answered, from the error code.

    >>> outcome_of("Client.UnauthorizedOperation").name
    'DENIED'
    """
    if not error_code:
        return Outcome.SUCCESS
    if _THROTTLED.search(error_code):
        return Outcome.THROTTLED
    if _AUTHENTICATION.search(error_code):
        return Outcome.FAILED_AUTHENTICATION
    return Outcome.DENIED if _DENIED.search(error_code) else Outcome.ERROR


@lru_cache(maxsize=MEMO)
def operation_of(event_source: str, event_name: str) -> str:
    """Canonical operation name; API version suffixes are taken off.

    >>> operation_of("lambda.amazonaws.com", "UpdateFunctionCode20150331v2")
    'lambda:UpdateFunctionCode'
    """
    return f"{event_source.partition('.')[0]}:{_VERSION.sub('', event_name)}"


def is_console_use(record: Record) -> bool:
    """Whether a person clicked: a sign-in, a console action, or a session the console was given."""
    return record.sessionCredentialFromConsole in ("true", True) or record.eventType in (
        "AwsConsoleSignIn",
        "AwsConsoleAction",
    )


class Spans(NamedTuple):
    """Records kept as the bytes they came in and decoded for the few somebody asks about: what dies young leaves the memory warm.

    ``found``: where each stands (``cloudtrail_scan.FOUND``); its numbers lead into ``operations`` and ``addresses``.
    """

    data: bytes
    found: np.ndarray
    operations: list[str]
    addresses: list[str]

    def record(self, index: int) -> Record:
        """One record."""
        here = self.found[index]
        return _DECODER.decode(self.data[here["start"] : here["stop"]])


class CloudTrailBatch:
    """Rows of a run of CloudTrail records, and the events behind them on demand."""

    def __init__(
        self, kept: list[Record] | Spans, rows: np.ndarray, who: Sequence[int] | np.ndarray, actors: list[Actor]
    ) -> None:
        self.kept, self.rows, self.who, self.actors = kept, rows, who, actors

    def record(self, index: int) -> Record:
        """The record of one row."""
        return self.kept.record(index) if isinstance(self.kept, Spans) else self.kept[index]

    def event(self, index: int) -> AuditEvent:
        """The event of one row."""
        r = self.record(index)
        operation = operation_of(r.eventSource, r.eventName)
        return AuditEvent(
            time_ns=parse_time_ns(r.eventTime),
            provider=Provider.AWS,
            event_id=r.eventID or "",
            operation=operation,
            outcome=_OUTCOMES[self.rows[index]["outcome"]],
            actor=self.actors[self.who[index]],
            source=r.sourceIPAddress or "",
            resource=resource_name(r.requestParameters),
            minted=minted_credential(operation, bool(r.errorCode), r.responseElements),
            error=r.errorCode or "",
        )


def resource_name(parameters: msgspec.Raw) -> str:
    """The first resource a request names, for people to read; '' when it names none."""
    data = bytes(parameters)
    start, stop = resource_span(np.frombuffer(data, np.uint8), 0, len(data))
    return json_text(data[start:stop])[:RESOURCE_LETTERS] if start < stop else ""


def json_text(literal: bytes) -> str:
    """The text of a JSON string, its quotes included; '' where it has none."""
    try:
        return msgspec.json.decode(literal, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def minted_credential(operation: str, is_error: bool, response: "msgspec.Raw | bytes") -> str:
    """The credential this call issued, '' when none: an access key id, or a user's console password by the user's name."""
    if is_error or not MINTING.match(operation):
        return ""
    try:
        found = msgspec.json.decode(response, type=Minted | None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if found is None:
        return ""
    key = (found.credentials and found.credentials.accessKeyId) or (found.accessKey and found.accessKey.accessKeyId)
    if not key and found.loginProfile and found.loginProfile.userName:
        return f"password:{found.loginProfile.userName}"
    return key or ""
