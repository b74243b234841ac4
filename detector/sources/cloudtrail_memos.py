"""What CloudTrail records keep saying again, resolved once: operations, who acts, from where, with what outcome.

Whoever asks gives a decoded record and gets a number; the rows behind numbers are columns. Nothing here changes a decision.

Blind to: whatever of a record is not part of a memo's key (see decision 003).
"""

from typing import Any

import msgspec

from detector.columns import Vocabulary, group_number
from detector.event import Actor, Mark, Outcome, Provider
from detector.identity.agents import agent_name, cloud_network_of, network_of
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources.cloudtrail_identity import UserIdentity, claims_of, default_path, identify
from detector.sources.cloudtrail_record import MEMO, MINTING, Record, is_console_use, operation_of, outcome_of
from detector.sources.memo import Memo
from models.text_keys import text_key

ACTOR_COLUMNS = ("credential", "principal", "agent", "group", "path", "marks")
FAILED_LOGIN = int(Outcome.FAILED_AUTHENTICATION)
_UNATTRIBUTED = int(Mark.UNATTRIBUTED)


class CloudTrailMemos:
    """Bounded memos of one parser."""

    def __init__(self, vocabulary: Vocabulary, rules: IdentityRules, feeds: ContextFeeds) -> None:
        self.vocabulary, self.rules, self.feeds = vocabulary, rules, feeds
        self.identity_decoder = msgspec.json.Decoder(UserIdentity | None)
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
        self.outcomes: dict[str | None, int] = {None: 0}

    def make_room(self) -> bool:
        """Called before a batch: starts afresh what is full; says whether anything was."""
        return sum(memo.make_room() for memo in (self.actors, self.operations, self.sources)) > 0

    def operation(self, r: Record) -> int:
        """Number of what was called."""
        return self.operations.numbers.get((r.eventSource, r.eventName)) or self._operation(r.eventSource, r.eventName)

    def _operation(self, event_source: str, event_name: str) -> int:
        operation = operation_of(event_source, event_name)
        number = self.vocabulary.number(Provider.AWS, operation)
        special = bool(MINTING.match(operation)) or operation == "signin:ConsoleLogin"
        values = (number, text_key(operation), special)
        return self.operations.add((event_source, event_name), values, operation)

    def outcome(self, r: Record) -> int:
        """What was answered, an ``Outcome``."""
        known = self.outcomes.get(r.errorCode)
        if known is not None:
            return known
        found = int(outcome_of(r.errorCode))
        if len(self.outcomes) < MEMO:
            self.outcomes[r.errorCode] = found
        return found

    def source(self, r: Record) -> int:
        """Number of the address a call came from."""
        address = r.sourceIPAddress or ""
        return self.sources.numbers.get(address) or self._source(address)

    def _source(self, address: str) -> int:
        network = cloud_network_of(address)
        return self.sources.add(address, (text_key(address) if network else 0, text_key(network)), address)

    def who(self, r: Record, origin: str) -> int:
        """Number of who called, address left out."""
        hand = _hand(r)
        return self.actors.numbers.get(hand) or self._who(r, hand, origin)

    def _who(self, record: Record, hand: tuple[Any, ...], origin: str) -> int:
        of_origin = (hand, origin)
        if known := self.actors.numbers.get(of_origin):
            return known
        actor = self.actor(record, origin)
        by_address = self.rules.is_shared(actor.principal) or self.feeds.is_bound(actor.principal)
        key = of_origin if actor.marks & _UNATTRIBUTED else hand
        return self.actors.add(key, _row(actor, by_address), actor)

    def who_at_address(self, record: Record, origin: str) -> int:
        """Who, for an identity the address tells more about: a consumer of a shared account, a token bound to networks."""
        key = (*_hand(record), record.sourceIPAddress)
        return self.actors.numbers.get(key) or self.actors.add(
            key, _row(actor := self.actor(record, origin), False), actor
        )

    def is_of_its_file(self, number: int) -> bool:
        """Whether this is nobody known: such an actor stands for the file the record came in."""
        actor: Actor = self.actors.objects[number]
        return actor.marks & _UNATTRIBUTED != 0

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
        has_source_identity = who.sessionContext is not None and who.sessionContext.sourceIdentity
        claims = claims_of(who) if has_source_identity or who.invokedBy or who.identityProvider else ()
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
    return (bytes(r.userIdentity), r.userAgent, r.recipientAccountId, is_console_use(r))


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


def is_failed_login(operation: str, response: "msgspec.Raw | bytes") -> bool:
    """Whether this answers a console sign-in with a failure, which CloudTrail does not call an error."""
    return operation == "signin:ConsoleLogin" and b'"Failure"' in bytes(response)
