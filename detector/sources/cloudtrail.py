"""AWS CloudTrail records to rows.

Format: AWS CloudTrail user guide, "CloudTrail record contents", "CloudTrail userIdentity element", "CloudTrail Lake".
The identity block, the parameters and the response stay raw bytes: the same block comes back all session long and is
resolved once, which makes this quicker than decoding it every time.

Blind to: what happened in a call CloudTrail does not log (most data events unless asked for), and secrets in responses,
which are never decoded.
"""

import re
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from detector.columns import ROW, Vocabulary, group_number
from detector.errors import Rejection
from detector.event import Actor, AuditEvent, Mark, Outcome, Provider
from detector.identity.agents import agent_name, network_of
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources.cloudtrail_identity import UserIdentity, claims_of, default_path, identify, role_of_session
from detector.sources.framing import Block, decode_block
from detector.sources.memo import Memo
from detector.sources.spans import resource_keys
from detector.sources.timestamps import FOREVER_NS, TimeColumn, parse_time_ns
from models.hashing import span_keys, text_key

NULL = msgspec.Raw(b"null")
_VERSION = re.compile(r"(?<=[a-z])20\d{6}(v\d+)?$")
_DENIED = re.compile(r"accessdenied|unauthorized|notauthorized|forbidden|explicitdeny", re.IGNORECASE)
_AUTHENTICATION = re.compile(
    r"invalidclienttokenid|signaturedoesnotmatch|expiredtoken|invalidaccesskeyid|authfailure|unrecognizedclient"
    r"|incompletesignature|missingauthenticationtoken|failed authentication",
    re.IGNORECASE,
)
_THROTTLED = re.compile(r"throttl|requestlimitexceeded|toomanyrequests|slowdown|rateexceeded", re.IGNORECASE)
_MINTING = re.compile(
    r"^(sts:(AssumeRole|AssumeRoot|GetSessionToken|GetFederationToken)|iam:(CreateAccessKey|CreateLoginProfile)$)"
)
_MEMO = 1 << 16
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


class _Key(msgspec.Struct):
    accessKeyId: str | None = None


class _Profile(msgspec.Struct):
    userName: str | None = None


class Minted(msgspec.Struct):
    """What of a response names a minted credential; everything else in it, the secrets first, is skipped."""

    credentials: _Key | None = None
    accessKey: _Key | None = None
    loginProfile: _Profile | None = None


class _SignIn(msgspec.Struct):
    ConsoleLogin: str | None = None


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


@lru_cache(maxsize=_MEMO)
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


class CloudTrailBatch:
    """Rows of a run of CloudTrail records, and the events behind them on demand.

    Clean JSON Lines are kept as bytes and decoded again for the rare batch somebody asks about: records that die young leave the memory warm.
    """

    def __init__(self, kept: "list[Record] | bytes", rows: np.ndarray, who: list[int], actors: list[Actor]) -> None:
        self.kept, self.rows, self.who, self.actors = kept, rows, who, actors
        self._starts: np.ndarray | None = None

    def _record(self, index: int) -> Record:
        if isinstance(self.kept, list):
            return self.kept[index]
        if self._starts is None:
            self._starts = line_starts(self.kept, len(self.rows))
        line = self.kept[self._starts[index] : self._starts[index + 1]]
        return msgspec.json.decode(line, type=Record)

    def event(self, index: int) -> AuditEvent:
        """The event of one row."""
        r = self._record(index)
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
            minted=minted_credential(operation, r),
            error=r.errorCode or "",
        )


def line_starts(data: bytes, count: int) -> np.ndarray:
    """Where each of ``count`` lines that are not blank starts in ``data``, and where the last one ends.

    >>> line_starts(b"{}\\n\\n{}\\n", 2).tolist()
    [0, 4, 7]
    """
    starts = np.concatenate([[0], np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1, [len(data)]])
    if starts[-1] == starts[-2]:
        starts = starts[:-1]
    if len(starts) == count + 1:
        return starts
    filled = [i for i in range(len(starts) - 1) if data[starts[i] : starts[i + 1]].strip()]
    return np.append(starts[filled], starts[-1])


def resource_name(parameters: msgspec.Raw) -> str:
    """The first resource a request names, for people to read; '' when it names none."""
    try:
        found: Any = msgspec.json.decode(parameters)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    for name, value in found.items():
        is_session = "ession" in name or "oken" in name
        if isinstance(value, str) and not is_session and name.lower().endswith(("name", "id", "arn", "key")):
            return value[:200]
    return ""


def minted_credential(operation: str, record: Record) -> str:
    """The credential this call issued, '' when none: an access key id, or a user's console password by the user's name."""
    if not _MINTING.match(operation) or record.errorCode:
        return ""
    try:
        found = msgspec.json.decode(record.responseElements, type=Minted | None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if found is None:
        return ""
    key = (found.credentials and found.credentials.accessKeyId) or (found.accessKey and found.accessKey.accessKeyId)
    if not key and found.loginProfile and found.loginProfile.userName:
        return f"password:{found.loginProfile.userName}"
    return key or ""


class _Request(msgspec.Struct):
    roleArn: str | None = None


class _Session(msgspec.Struct):
    arn: str | None = None


class _Owner(msgspec.Struct):
    userName: str | None = None


class _Heir(msgspec.Struct):
    assumedRoleUser: _Session | None = None
    accessKey: _Owner | None = None
    loginProfile: _Owner | None = None


def heir_of(operation: str, record: Record) -> str:
    """The principal a minted credential speaks for, where the record names one; '' for the caller itself or nobody known.

    The role's own name comes first: the session's leaves out the path of a role such as ``role/service/deploy``.
    """
    try:
        asked = msgspec.json.decode(record.requestParameters, type=_Request | None)
        given = msgspec.json.decode(record.responseElements, type=_Heir | None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if operation.startswith("sts:AssumeRole"):
        session = given and given.assumedRoleUser and given.assumedRoleUser.arn
        return (asked and asked.roleArn) or role_of_session(session or "")
    owner = given and (given.accessKey or given.loginProfile)
    account = record.recipientAccountId
    return f"arn:aws:iam::{account}:user/{owner.userName}" if owner and owner.userName and account else ""


class CloudTrailParser:
    """Turns blocks of CloudTrail into batches. Holds only bounded memos: nothing here changes a decision."""

    provider = Provider.AWS

    def __init__(
        self, vocabulary: Vocabulary, rules: IdentityRules, feeds: ContextFeeds, not_after_ns: int = FOREVER_NS
    ) -> None:
        self.vocabulary, self.rules, self.feeds = vocabulary, rules, feeds
        self.decoder = msgspec.json.Decoder(Record)
        self.array_decoder = msgspec.json.Decoder(list[Record])
        self.identity_decoder = msgspec.json.Decoder(UserIdentity | None)
        self.times = TimeColumn(not_after_ns)
        self.actors = Memo(
            [
                ("credential", "u8"),
                ("principal", "u8"),
                ("agent", "u8"),
                ("group", "u2"),
                ("path", "u1"),
                ("marks", "u2"),
                ("by_address", "?"),
            ]
        )
        self.operations = Memo([("operation", "u2"), ("operation_key", "u8"), ("special", "?")])
        self.sources = Memo([("source", "u8"), ("network", "u8")])
        self.outcome_memo: dict[str | None, int] = {None: 0}

    def parse(self, block: Block) -> tuple[CloudTrailBatch | None, list[Rejection]]:
        """Rows of every usable record, and a rejection for every other one."""
        decoded = decode_block(block, self.decoder, self.array_decoder)
        records: list[Record] = decoded.records
        if not records:
            return None, decoded.rejected
        times = self.times([r.eventTime for r in records])
        bad = np.flatnonzero(np.isnan(times))
        if len(bad):
            positions = decoded.positions or range(decoded.first, decoded.first + len(records))
            decoded.rejected.extend(
                Rejection(
                    block.origin, positions[i], "$.eventTime", f"{records[i].eventTime[:80]!r} is no believable time"
                )
                for i in bad
            )
            keep = np.flatnonzero(~np.isnan(times))
            records, times = [records[i] for i in keep], times[keep]
        if not records:
            return None, decoded.rejected
        batch = self._batch(records, times, block.origin)
        if block.is_lines and decoded.positions is None and not len(bad):
            batch.kept = block.data
        return batch, decoded.rejected

    def _batch(self, records: list[Record], times: np.ndarray, origin: str) -> CloudTrailBatch:
        rows = np.zeros(len(records), ROW)
        rows["time_s"] = times
        rows["provider"] = int(Provider.AWS)
        rows["event_key"] = _text_column([r.eventID or "" for r in records])
        self._fill_operations(rows, records)
        who = self._fill_actors(rows, records, origin)
        self._fill_sources(rows, records)
        parameters = b"\x00".join([r.requestParameters for r in records])
        rows["resource"] = resource_keys(np.frombuffer(parameters, np.uint8), len(records))
        return CloudTrailBatch(records, rows, who, self.actors.objects)

    def _fill_operations(self, rows: np.ndarray, records: list[Record]) -> None:
        self.operations.make_room()
        get = self.operations.numbers.get
        found = [get((r.eventSource, r.eventName)) or self._operation(r.eventSource, r.eventName) for r in records]
        resolved = self.operations.rows_of(found)
        rows["operation"] = resolved["operation"]
        rows["operation_key"] = resolved["operation_key"]
        outcomes = self.outcome_memo
        rows["outcome"] = [
            outcomes[r.errorCode] if r.errorCode in outcomes else self._outcome(r.errorCode) for r in records
        ]
        for i in np.flatnonzero(resolved["special"]).tolist():
            self._fill_special(rows, i, records[i])

    def _fill_special(self, rows: np.ndarray, i: int, record: Record) -> None:
        operation = operation_of(record.eventSource, record.eventName)
        minted = minted_credential(operation, record)
        if minted:
            rows[i]["minted"] = text_key(minted)
            rows[i]["minted_for"] = text_key(heir_of(operation, record))
        if operation == "signin:ConsoleLogin" and b'"Failure"' in bytes(record.responseElements):
            rows[i]["outcome"] = int(Outcome.FAILED_AUTHENTICATION)

    def _operation(self, event_source: str, event_name: str) -> int:
        operation = operation_of(event_source, event_name)
        number = self.vocabulary.number(Provider.AWS, operation)
        special = bool(_MINTING.match(operation)) or operation == "signin:ConsoleLogin"
        return self.operations.add((event_source, event_name), (number, text_key(operation), special))

    def _outcome(self, error_code: str | None) -> int:
        if len(self.outcome_memo) < _MEMO:
            self.outcome_memo[error_code] = int(outcome_of(error_code))
        return int(outcome_of(error_code))

    def _fill_sources(self, rows: np.ndarray, records: list[Record]) -> None:
        self.sources.make_room()
        get = self.sources.numbers.get
        resolved = self.sources.rows_of(
            [get(r.sourceIPAddress or "") or self._source(r.sourceIPAddress) for r in records]
        )
        rows["source"] = resolved["source"]
        rows["network"] = resolved["network"]

    def _source(self, address: str | None) -> int:
        network = network_of(address or "")
        return self.sources.add(address or "", (text_key(address or "") if network else 0, text_key(network)))

    def _fill_actors(self, rows: np.ndarray, records: list[Record], origin: str) -> list[int]:
        self.actors.make_room()
        get, resolve = self.actors.numbers.get, self._resolve
        who = [get((bytes(r.userIdentity), r.userAgent, r.recipientAccountId)) or resolve(r, origin) for r in records]
        for i in np.flatnonzero(self.actors.rows_of(who)["by_address"]).tolist():
            who[i] = self._resolve_at_address(records[i], origin)
        resolved = self.actors.rows_of(who)
        for name in ("credential", "principal", "agent", "group", "path", "marks"):
            rows[name] = resolved[name]
        return who

    def _resolve(self, record: Record, origin: str) -> int:
        of_origin = (*_hand(record), "of", origin)
        if known := self.actors.numbers.get(of_origin):
            return known
        actor = self.actor(record, origin)
        by_address = self.rules.is_shared(actor.principal) or self.feeds.is_bound(actor.principal)
        key = of_origin if actor.marks & Mark.UNATTRIBUTED else _hand(record)
        return self.actors.add(key, _row(actor, by_address), actor)

    def _resolve_at_address(self, record: Record, origin: str) -> int:
        """Who, for an identity the address tells more about: a consumer of a shared account, a token bound to networks."""
        key = (*_hand(record), record.sourceIPAddress)
        return self.actors.numbers.get(key) or self.actors.add(
            key, _row(actor := self.actor(record, origin), False), actor
        )

    def actor(self, record: Record, origin: str = "") -> Actor:
        """Who made this call."""
        try:
            who = self.identity_decoder.decode(record.userIdentity) or UserIdentity(type="Stripped")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            who = UserIdentity(type="Unreadable")
        principal, credential, marks = identify(who, origin)
        agent = record.userAgent or ""
        family = self.rules.family(principal, agent)
        recipient = str(record.recipientAccountId or "")
        path = self.rules.path(principal, family, default_path(who, is_console_use(record), recipient))
        consumer = f"{family}/{network_of(record.sourceIPAddress or '')}" if self.rules.is_shared(principal) else ""
        marks |= self.feeds.marks(credential, principal, record.sourceIPAddress or "")
        claims = claims_of(who) if who.invokedBy or who.identityProvider or who.sessionContext else ()
        return Actor(
            credential,
            principal,
            path,
            family,
            agent_name(agent),
            recipient or who.accountId or "",
            "",
            consumer,
            claims,
            marks,
        )


def _hand(r: Record) -> tuple[Any, ...]:
    return (bytes(r.userIdentity), r.userAgent, r.recipientAccountId)


def _row(actor: Actor, by_address: bool) -> tuple[Any, ...]:
    group = group_number(Provider.AWS, actor.path, actor.family)
    return (
        actor.credential_key,
        actor.principal_key,
        text_key(actor.agent),
        group,
        int(actor.path),
        actor.marks,
        by_address,
    )


def _text_column(texts: list[str]) -> np.ndarray:
    joined = "\x00".join(texts).encode("utf-8", "surrogatepass")
    return span_keys(np.frombuffer(joined, np.uint8), len(texts))
