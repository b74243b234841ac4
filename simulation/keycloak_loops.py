"""What intruders with a stolen Keycloak credential do, loop by loop, each step following from the answer to the one before.

Sources: Keycloak's server administration and securing applications guides (offline access, token exchange, impersonation, service accounts, client registration);
Keycloak's security advisories on the ways from managing users or clients to more; MITRE ATT&CK T1078, T1098, T1484.002, T1528, T1550.001, T1556. Steps seen at
other identity providers (see `okta_loops`) are done here by the means Keycloak has. What only reads, and what the admin API refuses, leaves no event.
"""

import re
from collections.abc import Mapping

from simulation.keycloak import READ, client_seat, principal, service_user, session_seat, user_number
from simulation.native.campaign import Loop
from simulation.native.digests import hashed_uuid
from simulation.native.estate import NativeEstate
from simulation.native.intruder import Intruder
from simulation.native.shape import Seat

_IN, _REFRESH, _EXCHANGE, _PERMIT, _STORED = (
    "keycloak:CLIENT_LOGIN", "keycloak:REFRESH_TOKEN", "keycloak:TOKEN_EXCHANGE", "keycloak:PERMISSION_TOKEN", "keycloak:IDENTITY_PROVIDER_RETRIEVE_TOKEN",
)  # fmt: skip
_ROLE, _CLIENT_ROLE, _GROUP = (
    "keycloak:CREATE/REALM_ROLE_MAPPING",
    "keycloak:CREATE/CLIENT_ROLE_MAPPING",
    "keycloak:CREATE/GROUP_MEMBERSHIP",
)
_CLIENT, _SECRET, _USER, _RESET = (
    "keycloak:CREATE/CLIENT",
    "keycloak:ACTION/CLIENT",
    "keycloak:CREATE/USER",
    "keycloak:ACTION/USER",
)
_SCOPES = (
    "admin", "payments.write", "orders.read", "warehouse.read", "ledger.write", "mail.send", "crm", "deploy", "stock.read", "view", "offline_access", "tools.call",
    "profile", "registry", "documents", "calendar",
)  # fmt: skip
_AUDIENCES = (
    "orders",
    "payments",
    "stock",
    "warehouse",
    "mail",
    "ledger",
    "realm-management",
    "account",
    "broker",
    "documents",
    "calendar",
    "crm",
)
_LOOKS = (
    f"{READ} users",
    f"{READ} clients",
    f"{READ} roles",
    f"{READ} client-secret",
    f"{READ} identity-provider",
    f"{READ} events",
)

TOOLS = ("",)
"""The events of a realm name no program."""


class Terms:
    """How Keycloak's operations are told apart."""

    free = re.compile(r"^keycloak:(LOGIN|GET|USER_INFO_REQUEST|INTROSPECT_TOKEN)")
    reads = re.compile(
        r"CLIENT_LOGIN|REFRESH_TOKEN|TOKEN_EXCHANGE|PERMISSION_TOKEN|RETRIEVE_TOKEN|CLIENT_INFO|partial-export"
    )
    guarded = re.compile(
        r"ROLE|/(CLIENT|USER|REALM|IDENTITY_PROVIDER|COMPONENT|AUTH|PROTOCOL_MAPPER)|RETRIEVE_TOKEN|CLIENT_REGISTER"
    )


def place_of(operation: str, about: str) -> str:
    """The thing a call is about, as far as rights are given by it: scopes, audiences and providers one by one."""
    return about if operation in (_IN, _REFRESH, _EXCHANGE, _PERMIT, _STORED) else ""


def things(estate: NativeEstate) -> dict[str, list[str]]:
    """Clients, people, groups and providers of a realm."""
    clients = [r for r in estate.identities if r.kind_of.where == "client"]
    people = [r.name for r in estate.identities if r.path == "human"]
    return {
        "clients": [r.name for r in clients],
        "found": [r.name for r in clients if r.kind_of.rights == "none"],
        "people": [*people, *(f"user-{n}" for n in range(17))],
        "administrators": [r.name for r in estate.identities if r.kind == "administrator"],
        "providers": ["partner", "social", "directory", "payroll", "suppliers"],
    }


def is_client(seat: Seat) -> bool:
    """Whether it is a service account."""
    return "session" not in seat.body


def introduce(me: Intruder) -> None:
    """Does it work, who am I: a token, and what it says."""
    me.ask(_IN if is_client(me.seat) else _REFRESH)
    if me.chance(0.5):
        me.ask("keycloak:USER_INFO_REQUEST")
    if is_client(me.seat) and me.chance(0.4):
        me.ask("keycloak:INTROSPECT_TOKEN")
    for look in me.pick(_LOOKS, int(me.rng.integers(0, 4))):
        me.ask(look)


def ask_for(me: Intruder, most: int) -> int:
    """Tokens for one scope after the other; how many were given."""
    operation = _IN if is_client(me.seat) else _REFRESH
    answers = [me.ask(operation, scope) for scope in me.pick(_SCOPES, most)]
    return sum(answers)


def exchange(me: Intruder, most: int) -> int:
    """Tokens for other audiences; how many were given."""
    answers = [me.ask(_EXCHANGE, audience) for audience in me.pick(_AUDIENCES, most)]
    return sum(answers)


def reconnaissance(me: Intruder) -> None:
    """What there is: scopes, audiences, resources, providers, the realm as a whole."""
    introduce(me)
    looks = (
        lambda: ask_for(me, int(me.rng.integers(2, 7))),
        lambda: exchange(me, int(me.rng.integers(2, 7))),
        lambda: sum([me.ask(_PERMIT, thing) for thing in me.pick(_AUDIENCES, int(me.rng.integers(1, 5)))]),
        lambda: me.ask("keycloak:ACTION/REALM", "partial-export"),
        lambda: me.ask("keycloak:CLIENT_INFO", me.one("clients")),
        lambda: me.ask(_STORED, me.one("providers")),
        lambda: me.ask("keycloak:OAUTH2_DEVICE_AUTH"),
    )
    for n in me.rng.permutation(len(looks))[: int(me.rng.integers(4, 7))]:
        looks[n]()
    for look in me.pick(_LOOKS, 4):
        me.ask(look)


def credential_testing(me: Intruder) -> None:
    """One call after the other, to see what the credential is good for."""
    introduce(me)
    ask_for(me, int(me.rng.integers(4, 10)))
    exchange(me, int(me.rng.integers(2, 6)))
    tries = (
        ("keycloak:UPDATE/USER", me.one("people")), (_GROUP, f"{me.one('people')}/staff"), (_USER, "test"), (_ROLE, me.one("people")),
        ("keycloak:CLIENT_REGISTER", "test"), (_STORED, me.one("providers")), ("keycloak:ACTION/REALM", "partial-export"), (_PERMIT, "documents"),
        ("keycloak:UPDATE/CLIENT", me.one("clients")),
    )  # fmt: skip
    for n in me.rng.permutation(len(tries))[: int(me.rng.integers(3, 8))]:
        me.ask(*tries[n])


def leaked_secret_pivot(me: Intruder) -> None:
    """A secret tested, others read, which nobody sees, and used: another client."""
    introduce(me)
    if me.chance(0.5):
        ask_for(me, 4)
    me.ask(f"{READ} client-secret")
    for _ in range(int(me.rng.integers(1, 3))):
        hop(me)
        introduce(me)
        ask_for(me, int(me.rng.integers(1, 5)))
        exchange(me, int(me.rng.integers(1, 5)))
        if me.chance(0.4):
            stored_tokens(me, 3)


def hop(me: Intruder) -> None:
    """Go on as another client."""
    name = me.stray("found")
    if principal(service_user(name)) != me.me:
        me.become(client_seat(name, me.seat.source, me.seat.agent))


def stored_tokens(me: Intruder, most: int) -> bool:
    """Tokens of other providers that the realm keeps; whether one was had."""
    read = [me.ask(_STORED, provider) for provider in me.some("providers", int(me.rng.integers(1, max(2, most))))]
    return any(read)


def vault_self_grant(me: Intruder) -> None:
    """The role that reads the tokens kept for other providers given to oneself, then all of them, for one person after the other."""
    introduce(me)
    ways = (
        (_CLIENT_ROLE, "me/broker"),
        (_ROLE, "me"),
        (_GROUP, "me/broker-readers"),
        ("keycloak:UPDATE/IDENTITY_PROVIDER", me.one("providers")),
    )
    for n in me.rng.permutation(len(ways)):
        if me.ask(*ways[n]):
            me.rights.open(me.me, (_STORED,))
            break
    for _ in range(int(me.rng.integers(1, 5))):
        for provider in me.some("providers", 5):
            me.ask(_STORED, provider)


def privilege_chaining(me: Intruder) -> None:
    """More rights by whatever way is open, then somebody else's identity, and what that is good for."""
    introduce(me)
    exchange(me, int(me.rng.integers(1, 6)))
    if widen(me):
        introduce(me)
    impersonate(me) or take_over(me)
    spoils(me)


def widen(me: Intruder) -> bool:
    """Whether some way of granting oneself more worked."""
    ways = (
        (_ROLE, "me"), (_CLIENT_ROLE, "me/realm-management"), (_GROUP, "me/admins"), ("keycloak:CREATE/CLIENT_SCOPE_MAPPING", me.one("clients")),
        ("keycloak:CREATE/PROTOCOL_MAPPER", me.one("clients")), ("keycloak:UPDATE/REALM_ROLE", "default-roles"), ("keycloak:UPDATE/CLIENT", me.one("clients")),
        ("keycloak:UPDATE/AUTHORIZATION_POLICY", "default"),
    )  # fmt: skip
    for n in me.rng.permutation(len(ways))[: int(me.rng.integers(3, 7))]:
        if me.ask(*ways[n]):
            me.rights.admins.add(me.me)
            return True
    return False


def impersonate(me: Intruder) -> bool:
    """Whether a token of somebody else's could be had by exchange."""
    if not is_client(me.seat):
        return False
    for person in [*me.some("administrators", 1), *me.some("people", 2)]:
        session = hashed_uuid("impersonated", person, me.at_s)
        if me.ask(_EXCHANGE, f"as:{person}", session):
            _go_on_as(me, person, session)
            return True
    return False


def take_over(me: Intruder) -> bool:
    """Whether a person's password could be reset: then a session of the intruder's own."""
    person = me.one("administrators") if me.chance(0.5) else me.one("people")
    if not me.ask(_RESET, f"{person}/reset-password"):
        return False
    if me.chance(0.5):
        me.ask("keycloak:UPDATE/USER", person)
    _go_on_as(me, person, hashed_uuid("taken", person, me.at_s))
    me.ask("keycloak:LOGIN")
    me.ask("keycloak:UPDATE_TOTP")
    return True


def _go_on_as(me: Intruder, person: str, session: str) -> None:
    me.become(session_seat(person, str(me.seat.body["client"]), session, me.seat.source, me.seat.agent))
    if person.startswith("administrator"):
        me.rights.admins.add(me.me)


def credential_minting(me: Intruder) -> None:
    """Ways back in: a client of its own, a new secret for one there is, a user, a provider that trusts outside, a lasting token."""
    introduce(me)
    ways = (_client, _secret, _user, _trust, _registered)
    won = 0
    for n in me.rng.permutation(len(ways)):
        won += ways[n](me)
        if won >= 2 and me.chance(0.5):
            break
    if me.chance(0.5):
        ask_for(me, 3)


def _client(me: Intruder) -> bool:
    name = (
        f"{me.pick(('support-sync', 'backup-agent', 'monitoring', 'account-helper'), 1)[0]}-{me.victim.resident.number}"
    )
    if not me.ask(_CLIENT, name):
        return False
    number = principal(service_user(name))
    if me.ask(_CLIENT_ROLE, f"service-account-{name}/realm-management"):
        me.rights.admins.add(number)
    me.rights.open(number, (_IN, _EXCHANGE))
    back = me.seat
    me.become(client_seat(name, me.seat.source, me.seat.agent))
    introduce(me)
    exchange(me, 2)
    me.become(back)
    return True


def _secret(me: Intruder) -> bool:
    """New secrets for clients there are, used where they are made."""
    won = False
    for name in me.some("found", int(me.rng.integers(1, 4))):
        if me.ask(_SECRET, f"{name}/client-secret"):
            won = True
            back = me.seat
            me.become(client_seat(name, me.seat.source, me.seat.agent))
            introduce(me)
            me.become(back)
    return won


def _user(me: Intruder) -> bool:
    name = f"{me.pick(('svc-support', 'svc-audit', 'helpdesk-2'), 1)[0]}-{me.victim.resident.number}"
    if not me.ask(_USER, name):
        return False
    me.ask(_RESET, f"{name}/reset-password")
    if me.ask(_ROLE, name) or me.ask(_GROUP, f"{name}/admins"):
        me.rights.admins.add(principal(user_number(name)))
    return True


def _trust(me: Intruder) -> bool:
    made = me.ask("keycloak:CREATE/IDENTITY_PROVIDER", "partner-sso")
    if made:
        me.ask("keycloak:CREATE/IDENTITY_PROVIDER_MAPPER", "partner-sso")
    return made or me.ask("keycloak:CREATE/COMPONENT", "keys")


def _registered(me: Intruder) -> bool:
    """A token that registers clients, or one that never ends."""
    made = me.ask("keycloak:CREATE/CLIENT_INITIAL_ACCESS_MODEL", "registration")
    return me.ask(_IN if is_client(me.seat) else _REFRESH, "offline_access") or made


def delegated_access_abuse(me: Intruder) -> None:
    """An application that does with what it was lent what it was never lent for."""
    introduce(me)
    parts = (
        lambda: ask_for(me, int(me.rng.integers(3, 8))),
        lambda: exchange(me, int(me.rng.integers(3, 9))),
        lambda: stored_tokens(me, 5),
        lambda: _secret(me),
        lambda: widen(me),
        lambda: me.ask("keycloak:GRANT_CONSENT") and me.ask("keycloak:UPDATE_PROFILE"),
    )
    for n in me.rng.permutation(len(parts)):
        parts[n]()


def spoils(me: Intruder) -> None:
    """Something taken, switched off or broken on the way out."""
    if me.chance(0.5):
        stored_tokens(me, 5)
    if me.chance(0.5):
        me.ask("keycloak:ACTION/REALM", "partial-export")
    if me.chance(0.35):
        me.ask("keycloak:UPDATE/AUTH_EXECUTION", "browser") or me.ask(
            "keycloak:UPDATE/REQUIRED_ACTION", "CONFIGURE_TOTP"
        )
    if me.chance(0.3):
        me.ask("keycloak:UPDATE/REALM")
    if me.chance(0.25):
        for person in me.some("people", int(me.rng.integers(2, 8))):
            me.ask("keycloak:DELETE/USER", person)


def break_glass_overrun(me: Intruder) -> None:
    """Emergency access that goes on after the emergency."""
    parts = (
        lambda: _client(me),
        lambda: _user(me),
        lambda: widen(me),
        lambda: spoils(me),
        lambda: _trust(me),
        lambda: _secret(me),
    )
    for n in me.rng.permutation(len(parts)):
        parts[n]()


LOOPS: Mapping[str, Loop] = {
    "reconnaissance": Loop(reconnaissance, holes=((_EXCHANGE,), (_IN, _REFRESH), ("keycloak:ACTION/REALM",))),
    "credential_testing": Loop(credential_testing),
    "privilege_chaining": Loop(privilege_chaining, holes=((_ROLE,), (_CLIENT_ROLE,), (_RESET,), (_EXCHANGE,))),
    "leaked_secret_pivot": Loop(leaked_secret_pivot, holes=((_EXCHANGE,), (_STORED,))),
    "vault_self_grant": Loop(vault_self_grant, holes=((_CLIENT_ROLE,), (_ROLE,), (_GROUP,))),
    "credential_minting": Loop(credential_minting, holes=((_CLIENT, _CLIENT_ROLE), (_SECRET,), (_USER, _RESET, _ROLE), ("keycloak:CREATE/IDENTITY_PROVIDER",))),
    "delegated_access_abuse": Loop(delegated_access_abuse, ("delegated",), ((_EXCHANGE,), (_STORED,), (_SECRET,))),
    "break_glass_overrun": Loop(break_glass_overrun, ("emergency",)),
}  # fmt: skip
"""Every loop there is in Keycloak; models are no business of an identity provider's."""


class Attackers:
    """What `native.campaign` asks of Keycloak."""

    terms = Terms()
    loops = LOOPS
    tools = TOOLS
    place_of = staticmethod(place_of)
    things = staticmethod(things)
