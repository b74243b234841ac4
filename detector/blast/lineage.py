"""Who delegated to whom, from events in order of time: which credential minted which, which principal's calls led into which other, how often and when last.

A use counts for the credential, for its principal, and for everything it hangs on: the credentials that minted it and the delegations in between. So each
count is "uses that would have failed without this".

Memory: at most ``CREDENTIALS``, ``PRINCIPALS`` and ``DELEGATIONS``, those idle longest dropped and counted.

Blind to: delegations nobody walked while it watched; who minted a credential where the provider does not say.
"""

from collections import OrderedDict
from itertools import pairwise
from typing import TypeVar

import msgspec

from detector.event import Actor, AuditEvent, Mark, Outcome, Provider

CREDENTIALS, PRINCIPALS, DELEGATIONS = 200_000, 50_000, 100_000
DEPTH = 8
"""How many credentials up a use counts: chains of roles are shorter."""
_NOBODY = Mark.UNATTRIBUTED | Mark.ANONYMOUS
_EXCHANGE = "keycloak:TOKEN_EXCHANGE"
_TEMPORARY = ("ASIA", "keycloak-session:", "okta-session:", "entra-session:", "entra-token:", "github-app-token:")
K = TypeVar("K")
T = TypeVar("T")


class Credential(msgspec.Struct):
    """One credential. ``uses``: legitimate ones that hang on it; ``thief``: uses since the theft by what the thief holds. ``minted_ns``: 0 where nobody saw it."""

    name: str
    principal: str = ""
    parent: str = ""
    provider: Provider = Provider.AWS
    is_temporary: bool = False
    is_held: bool = False
    uses: int = 0
    thief: int = 0
    minted_ns: int = 0
    last_ns: int = 0


class Principal(msgspec.Struct):
    """One principal, and where it was seen at work."""

    name: str
    scopes: tuple[str, ...] = ()
    uses: int = 0
    thief: int = 0
    last_ns: int = 0


class Delegation(msgspec.Struct):
    """Somebody who acts as ``giver`` came to act as ``taker``. ``walks``: how often; ``thief``: how often by what the thief holds; ``uses``: legitimate ones that hang on it."""

    giver: str
    taker: str
    walks: int = 0
    thief: int = 0
    uses: int = 0
    last_ns: int = 0


class Lineage:
    """Takes events in order of time. ``stolen`` and all it mints from ``since_ns`` on count as the thief's; −1 for a theft at an unknown time: then every use counts as legitimate."""

    def __init__(self, stolen: str = "", since_ns: int = -1) -> None:
        self.stolen, self.since_ns = stolen, since_ns
        self.credentials: OrderedDict[str, Credential] = OrderedDict()
        self.principals: OrderedDict[str, Principal] = OrderedDict()
        self.delegations: OrderedDict[tuple[str, str], Delegation] = OrderedDict()
        self.dropped = 0
        self.now_ns = 0

    def note(self, event: AuditEvent, heir: str = "") -> None:
        """Takes one event. ``heir``: the principal a minted credential speaks for; '' for the caller itself or nobody known."""
        actor, now = event.actor, event.time_ns
        if actor.marks & _NOBODY:
            return
        self.now_ns = max(self.now_ns, now)
        user = self._user(event)
        by_thief = user.is_held and 0 <= self.since_ns <= now
        if event.outcome is Outcome.SUCCESS or by_thief:
            self._count(user, by_thief, now)
        if event.outcome is Outcome.SUCCESS:
            self._act_for(event, actor, by_thief)
            if event.minted and not actor.marks & Mark.PROVIDER_OWNED:
                self._mint(event, user, heir, by_thief)

    def _user(self, event: AuditEvent) -> Credential:
        """The credential used, with all that the event says of it."""
        actor = event.actor
        found = self._credential(actor.credential)
        found.last_ns, found.provider = event.time_ns, event.provider
        found.is_temporary = bool(actor.marks & Mark.TEMPORARY)
        if event.parent and not found.parent:
            self._bear(found, self._credential(event.parent))
        if found.principal != actor.principal:
            found.principal = actor.principal
            self._entrust(found, 0, event.time_ns)
        scope = actor.scope
        principal = self._principal(actor.principal)
        if scope and scope not in principal.scopes:
            principal.scopes = (*principal.scopes, scope)
        return found

    def _count(self, user: Credential, by_thief: bool, now: int) -> None:
        chain = self._chain(user)
        if by_thief:
            user.thief += 1
            self._principal(user.principal).thief += 1
        else:
            for credential in chain:
                credential.uses += 1
            for name in {credential.principal for credential in chain if credential.principal}:
                self._principal(name).uses += 1
            for child, parent in pairwise(chain):
                if found := self.delegations.get((parent.principal, child.principal)):
                    found.uses += 1
        self._principal(user.principal).last_ns = now

    def _chain(self, user: Credential) -> list[Credential]:
        """A credential and those it comes from, nearest first."""
        chain, seen = [user], {user.name}
        while len(chain) < DEPTH:
            parent = self.credentials.get(chain[-1].parent)
            if parent is None or parent.name in seen:
                break
            chain.append(parent)
            seen.add(parent.name)
        return chain

    def _mint(self, event: AuditEvent, user: Credential, heir: str, by_thief: bool) -> None:
        child = self._credential(event.minted)
        if child.name == user.name:
            return
        child.minted_ns = child.last_ns = event.time_ns
        child.provider = user.provider
        child.is_temporary = child.name.startswith(_TEMPORARY)
        child.principal = heir or child.principal
        self._bear(child, user)
        self._entrust(child, int(by_thief), event.time_ns)

    def _bear(self, child: Credential, parent: Credential) -> None:
        child.parent = parent.name
        child.is_held = child.is_held or (parent.is_held and child.minted_ns >= self.since_ns)

    def _entrust(self, child: Credential, thief: int, now: int) -> None:
        """Notes the delegation a minted credential stands for, once both its principals are known."""
        parent = self.credentials.get(child.parent)
        if parent and parent.principal and child.principal:
            self._delegate(parent.principal, child.principal, thief or int(child.is_held and self.since_ns >= 0), now)

    def _act_for(self, event: AuditEvent, actor: Actor, by_thief: bool) -> None:
        """Delegations an event names itself: acting for a user, a token exchanged for another client's."""
        owner = dict(actor.claims).get("on_behalf_of", "")
        if event.operation == _EXCHANGE and event.resource.startswith("client:"):
            owner = event.resource.removeprefix("client:")
        if owner and event.provider is Provider.KEYCLOAK:
            owner = f"keycloak:{actor.scope}/{owner}"
        if owner:
            self._delegate(actor.principal, owner, int(by_thief), event.time_ns)

    def _delegate(self, giver: str, taker: str, thief: int, now: int) -> None:
        if giver == taker:
            return
        self._principal(taker)
        found = self._kept(self.delegations, (giver, taker), Delegation(giver, taker), DELEGATIONS)
        found.walks += 1
        found.thief += thief
        found.last_ns = now

    def _credential(self, name: str) -> Credential:
        fresh = Credential(name, is_held=bool(self.stolen) and name == self.stolen)
        return self._kept(self.credentials, name, fresh, CREDENTIALS)

    def _principal(self, name: str) -> Principal:
        return self._kept(self.principals, name, Principal(name), PRINCIPALS)

    def _kept(self, table: OrderedDict[K, T], key: K, fresh: T, limit: int) -> T:
        found = table.setdefault(key, fresh)
        table.move_to_end(key)
        if len(table) > limit:
            table.popitem(last=False)
            self.dropped += 1
        return found
