"""What intruders with a stolen Okta credential do, loop by loop, each step following from the answer to the one before.

Sources: Okta Security, "Cross-Tenant Impersonation: Prevention and Detection" (sec.okta.com, 2023); Cloudflare, BeyondTrust and 1Password on the stolen support
session of October 2023; CISA AA23-320A, "Scattered Spider"; Google Cloud, "Expansion of ShinyHunters SaaS data theft" (2026); MITRE ATT&CK T1098, T1484.002,
T1528, T1556.006, T1562.008. What only reads leaves no event, so an intruder is seen by the tokens it asks for and by what it changes.
"""

import re
from collections.abc import Mapping

from simulation.native.campaign import Loop
from simulation.native.digests import digest
from simulation.native.estate import NativeEstate
from simulation.native.intruder import Intruder
from simulation.native.shape import Seat
from simulation.okta import READ, client_id, client_seat, session_seat, token_seat
from simulation.okta_events import ident, login

_OWN, _CUSTOM = "okta:app.oauth2.token.grant.access_token", "okta:app.oauth2.as.token.grant.access_token"
_ADMIN_PAGE = "okta:user.session.access_admin_app"
_GRANT = "okta:user.account.privilege.grant"
_CLIENT, _SECRET, _SCOPES = (
    "okta:app.oauth2.client.lifecycle.create", "okta:app.oauth2.credentials.lifecycle.create", "okta:app.oauth2.client.privilege.grant",
)  # fmt: skip
_READ_SECRET, _REVEAL = "okta:app.oauth2.client.read_client_secret", "okta:pam.secret.reveal"
_MADE, _FACTOR, _RESET = (
    "okta:user.lifecycle.create",
    "okta:user.mfa.factor.reset_all",
    "okta:user.account.reset_password",
)
_ORGANISATION = tuple(f"okta.{what}.{how}" for what in ("users", "groups", "apps", "policies", "logs", "idps", "roles", "factors", "clients") for how in ("read",
    "manage"))  # fmt: skip
_APIS = (
    "payments.write",
    "orders.read",
    "warehouse.read",
    "ledger.write",
    "mail.send",
    "crm.read",
    "deploy",
    "stock.read",
    "admin",
    "chat.write",
)
_LOOKS = (
    f"{READ} /api/v1/users", f"{READ} /api/v1/groups", f"{READ} /api/v1/apps", f"{READ} /api/v1/policies", f"{READ} /api/v1/logs", f"{READ} /api/v1/idps",
)  # fmt: skip

TOOLS = (
    "python-requests/2.32.3", "curl/8.9.1", "Go-http-client/2.0", "PostmanRuntime/7.42.0", "okta-sdk-python/2.9.7 python/3.11", "node-fetch/3.3.2",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
)  # fmt: skip


class Terms:
    """How Okta's operations are told apart."""

    free = re.compile(r"^okta:(user\.session\.(start|end)|user\.authentication|policy\.evaluate_sign_on|GET)")
    reads = re.compile(
        r"token\.grant|read_client_secret|show_password|reveal|export|access_admin_app|support\.org\.view|sso$"
    )
    guarded = re.compile(
        r"privilege|^okta:(iam|pam|system|policy|zone|security|event_hook|inline_hook|oauth2)\.|oauth2\.(client|credentials)|mfa\.factor|reset_password|secret|password"
    )


def place_of(operation: str, about: str) -> str:
    """The thing a call is about, as far as rights are given by it: scopes and secrets one by one."""
    return about if "token.grant" in operation or operation in (_READ_SECRET, _REVEAL) else ""


def things(estate: NativeEstate) -> dict[str, list[str]]:
    """Applications, people, groups and secrets of an organisation."""
    clients = [r for r in estate.identities if r.kind_of.where == "client" and r.kind_of.counted]
    people = [r.name for r in estate.identities if r.path == "human"]
    workloads = [r for r in estate.identities if r.path == "workload" and r.kind_of.counted]
    return {
        "apps": [r.name for r in clients],
        "found": [r.name for r in clients if r.kind_of.rights == "none"],
        "people": [*people, *(f"user-{n}" for n in range(17))],
        "administrators": [r.name for r in estate.identities if r.kind == "administrator"],
        "groups": list(dict.fromkeys([*(r.home for r in workloads), "admins", "everyone"])),
        "secrets": [f"{r.home}/{r.stem}-{tail}" for r in workloads for tail in ("db", "api")],
        "scopes": [*_ORGANISATION, *_APIS],
    }


def is_client(seat: Seat) -> bool:
    """Whether it is an application that asks for its tokens."""
    return str(seat.body["actor"]["type"]) == "PublicClientApp"


def introduce(me: Intruder) -> None:
    """What may I: an application asks for scopes, anybody else looks about, which nobody sees."""
    if not is_client(me.seat):
        for look in me.pick(_LOOKS, int(me.rng.integers(1, 5))):
            me.ask(look)
        if "session" in me.seat.body and "token" not in me.seat.body:
            me.ask(_ADMIN_PAGE, "admin")
        return
    ask_for(me, int(me.rng.integers(1, 5)))


def ask_for(me: Intruder, most: int) -> int:
    """Tokens for one scope after the other; how many were given."""
    won = 0
    for scope in me.pick((*_ORGANISATION, *_APIS), most):
        won += me.ask(_OWN if scope.startswith("okta.") else _CUSTOM, scope)
    return won


def reconnaissance(me: Intruder) -> None:
    """What there is: scopes, reports, the secrets of applications, other applications."""
    introduce(me)
    if is_client(me.seat):
        ask_for(me, int(me.rng.integers(4, 12)))
    looks = (
        lambda: me.ask("okta:analytics.reports.export.request", "report") and me.ask("okta:analytics.reports.export.download", "report"),
        lambda: me.ask("okta:system.ldapi.search", "directory"),
        lambda: any(me.ask(_READ_SECRET, app) for app in me.some("apps", int(me.rng.integers(1, 4)))),
        lambda: me.ask("okta:system.idp.lifecycle.read_client_secret", "partner"),
        lambda: me.ask("okta:system.agent.ad.read_topology", "directory"),
        lambda: me.ask("okta:application.user_membership.show_password", f"{me.one('people')}/app-{me.rng.integers(17)}"),
        lambda: me.ask("okta:support.org.view", "organisation"),
        lambda: me.ask("okta:system.directory.debugger.query_executed", "directory"),
    )  # fmt: skip
    for n in me.rng.permutation(len(looks))[: int(me.rng.integers(4, 9))]:
        looks[n]()
    for operation in me.pick(_LOOKS, 4):
        me.ask(operation)


def credential_testing(me: Intruder) -> None:
    """One call after the other, to see what the credential is good for."""
    introduce(me)
    if is_client(me.seat):
        ask_for(me, int(me.rng.integers(6, 14)))
    tries = (
        ("okta:user.account.update_profile", me.one("people")), ("okta:group.lifecycle.create", "test"), ("okta:user.session.clear", ""),
        ("okta:group.user_membership.add", f"{me.one('people')}/everyone"), (_READ_SECRET, me.one("apps")), (_MADE, "test"), (_GRANT, me.one("people")),
        ("okta:policy.rule.update", "office/rule-1"), ("okta:event_hook.created", "test"), (_REVEAL, me.one("secrets")), ("okta:zone.create", "test"),
        ("okta:application.lifecycle.create", "test"),
    )  # fmt: skip
    for n in me.rng.permutation(len(tries))[: int(me.rng.integers(4, 10))]:
        me.ask(*tries[n])


def leaked_secret_pivot(me: Intruder) -> None:
    """A key tested, secrets read, and what they open used: another application's client."""
    introduce(me)
    won = read_secrets(me, 6)
    if won or me.chance(0.4):
        hop(me)
        introduce(me)
        ask_for(me, 6)
        if me.chance(0.5):
            read_secrets(me, 5)


def read_secrets(me: Intruder, most: int) -> bool:
    """Secrets of applications and out of the vault; whether one was had."""
    read = [me.ask(_READ_SECRET, app) for app in me.some("apps", int(me.rng.integers(1, 4)))]
    read += [me.ask(_REVEAL, name) for name in me.some("secrets", int(me.rng.integers(2, max(3, most))))]
    if me.chance(0.4):
        read.append(me.ask("okta:pam.service_account.password.reveal", me.one("secrets")))
    return any(read)


def hop(me: Intruder) -> None:
    """Go on as another application."""
    name = me.stray("found")
    if client_id(name) != me.me:
        me.become(client_seat(name, me.seat.source, me.seat.agent))


def vault_self_grant(me: Intruder) -> None:
    """A policy of the vault rewritten to reveal secrets, then all of them."""
    introduce(me)
    ways = (
        ("okta:pam.security_policy.update", "vault"), ("okta:pam.resource_group.update", "vault"), ("okta:pam.security_policy.create", "support"),
        ("okta:group.user_membership.add", f"{me.one('people')}/vault-readers"), ("okta:iam.resourceset.bindings.add", "vault"),
    )  # fmt: skip
    for n in me.rng.permutation(len(ways)):
        if me.ask(*ways[n]):
            me.rights.open(me.me, (_REVEAL, "okta:pam.service_account.password.reveal"))
            break
    for name in me.some("secrets", int(me.rng.integers(4, 30))):
        me.ask(_REVEAL, name)


def privilege_chaining(me: Intruder) -> None:
    """More rights by whatever way is open, then another's account taken over, and what that is good for."""
    introduce(me)
    if widen(me):
        introduce(me)
    for person in me.some("administrators", 1) if me.chance(0.5) else me.some("people", 2):
        if take_over(me, person):
            break
    spoils(me)


def widen(me: Intruder) -> bool:
    """Whether some way of granting oneself more worked."""
    ways = (
        (_GRANT, me.one("people")), ("okta:group.privilege.grant", me.one("groups")), ("okta:iam.role.create", "support"), (_SCOPES, me.one("apps")),
        ("okta:iam.resourceset.bindings.add", "support"), ("okta:iam.role.permissions.add", "support"), ("okta:group.user_membership.add",
            f"{me.one('people')}/admins"), ("okta:app.oauth2.admin.consent.grant", me.one("apps")),
    )  # fmt: skip
    for n in me.rng.permutation(len(ways))[: int(me.rng.integers(3, 7))]:
        if me.ask(*ways[n]):
            me.rights.admins.add(me.me)
            return True
    return False


def take_over(me: Intruder, person: str) -> bool:
    """Whether a person's account could be had: factors and password reset, then a session of the intruder's own."""
    if me.chance(0.6):
        me.ask(_FACTOR, person)
    if not me.ask(_RESET, person):
        return False
    name = login(person)
    me.become(session_seat(name, "102" + digest("taken", name, me.at_s)[:22], me.seat.source, me.seat.agent))
    me.ask("okta:user.session.start")
    if me.ask("okta:user.mfa.factor.activate", person) or me.chance(0.7):
        me.ask("okta:user.authentication.sso", me.one("apps"))
    if person.startswith("administrator"):
        me.rights.admins.add(name)
    return True


def credential_minting(me: Intruder) -> None:
    """Ways back in: an application of its own, a secret for one there is, a user, a token, a provider of identities that trusts outside."""
    introduce(me)
    ways = (_application, _secret, _user, _api_token, _trust)
    won = 0
    for n in me.rng.permutation(len(ways)):
        won += ways[n](me)
        if won >= 2 and me.chance(0.5):
            break


def _application(me: Intruder) -> bool:
    name = me.pick(("support-sync", "backup-agent", "monitoring", "okta-helper"), 1)[0]
    number = ident("0oa", "own", name, me.at_s)
    if not me.ask(_CLIENT, name, number):
        return False
    me.ask(_SECRET, name, number)
    if me.ask(_SCOPES, name, number):
        me.rights.admins.add(number)
    _use(me, client_seat(name, me.seat.source, me.seat.agent, number=number))
    return True


def _secret(me: Intruder) -> bool:
    """A secret of its own for applications there are: used where it is made."""
    won = False
    for name in me.some("found", int(me.rng.integers(1, 4))):
        if me.ask(_SECRET, name):
            won = True
            me.ask("okta:app.oauth2.credentials.lifecycle.activate", name)
            _use(me, client_seat(name, me.seat.source, me.seat.agent))
    return won


def _use(me: Intruder, seat: Seat) -> None:
    if me.chance(0.6):
        back = me.seat
        me.become(seat)
        ask_for(me, int(me.rng.integers(2, 5)))
        me.become(back)


def _user(me: Intruder) -> bool:
    name = me.pick(("svc-support", "svc-audit", "helpdesk-2"), 1)[0]
    if not me.ask(_MADE, name):
        return False
    me.ask("okta:user.lifecycle.activate", name)
    if me.ask(_GRANT, name) or me.ask("okta:group.user_membership.add", f"{name}/admins"):
        me.rights.admins.add(login(name))
    return True


def _api_token(me: Intruder) -> bool:
    """Only a session makes one; it speaks for whoever made it."""
    if is_client(me.seat):
        return False
    number = ident("00T", "minted", me.at_s)
    if not me.ask("okta:system.api_token.create", "sync", number):
        return False
    name = str(me.seat.body["actor"]["alternateId"])
    back = me.seat
    me.become(token_seat(name, number, me.seat.source, me.seat.agent))
    me.ask("okta:user.account.update_profile", me.one("people"))
    me.become(back)
    return True


def _trust(me: Intruder) -> bool:
    made = me.ask("okta:system.idp.lifecycle.create", "partner-sso")
    if made:
        me.ask("okta:system.idp.lifecycle.activate", "partner-sso")
        me.ask("okta:policy.rule.add", "routing/partner-sso")
    return made or me.ask("okta:inline_hook.created", "token-claims")


def delegated_access_abuse(me: Intruder) -> None:
    """An application that does with what it was lent what it was never lent for."""
    if me.chance(0.5):
        introduce(me)
    if is_client(me.seat):
        ask_for(me, int(me.rng.integers(3, 9)))
    parts = (
        lambda: read_secrets(me, 8),
        lambda: take_over(me, me.one("people")),
        lambda: _secret(me),
        lambda: widen(me),
        lambda: _spread(me),
    )
    for n in me.rng.permutation(len(parts)):
        parts[n]()


def _spread(me: Intruder) -> None:
    """Into applications one was not in."""
    for person in me.some("people", int(me.rng.integers(2, 6))):
        me.ask("okta:application.user_membership.add", f"{person}/app-{me.rng.integers(17)}")
    me.ask("okta:application.user_membership.change_username", f"{me.one('people')}/crm")


def spoils(me: Intruder) -> None:
    """Something taken, switched off or broken on the way out."""
    if me.chance(0.5):
        read_secrets(me, 6)
    if me.chance(0.4):
        _spread(me)
    if me.chance(0.35):
        me.ask("okta:policy.rule.deactivate", "office/mfa") or me.ask("okta:zone.update", "office")
    if me.chance(0.25):
        me.ask("okta:system.log_stream.lifecycle.deactivate", "siem")
    if me.chance(0.2):
        for person in me.some("people", int(me.rng.integers(2, 8))):
            me.ask("okta:user.lifecycle.suspend", person)


def break_glass_overrun(me: Intruder) -> None:
    """Emergency access that goes on after the emergency."""
    parts = (
        lambda: read_secrets(me, 12),
        lambda: _application(me),
        lambda: _api_token(me),
        lambda: widen(me),
        lambda: spoils(me),
        lambda: _trust(me),
    )
    for n in me.rng.permutation(len(parts)):
        parts[n]()


LOOPS: Mapping[str, Loop] = {
    "reconnaissance": Loop(reconnaissance, holes=(("okta:analytics.reports.export.request", "okta:analytics.reports.export.download"), (_OWN,))),
    "credential_testing": Loop(credential_testing),
    "privilege_chaining": Loop(privilege_chaining, holes=((_GRANT,), ("okta:group.privilege.grant",), (_RESET, _FACTOR), ("okta:iam.resourceset.bindings.add",))),
    "leaked_secret_pivot": Loop(leaked_secret_pivot, holes=((_READ_SECRET,), (_REVEAL,))),
    "vault_self_grant": Loop(vault_self_grant, holes=(("okta:pam.security_policy.update",), ("okta:pam.resource_group.update",))),
    "credential_minting": Loop(credential_minting, holes=((_CLIENT, _SECRET, _SCOPES), (_SECRET,), (_MADE, _GRANT), ("okta:system.idp.lifecycle.create",))),
    "delegated_access_abuse": Loop(delegated_access_abuse, ("delegated",), ((_READ_SECRET,), (_RESET,), (_SECRET,))),
    "break_glass_overrun": Loop(break_glass_overrun, ("emergency",)),
}  # fmt: skip
"""Every loop there is in Okta; models are no business of an identity provider's."""


class Attackers:
    """What `native.campaign` asks of Okta."""

    terms = Terms()
    loops = LOOPS
    tools = TOOLS
    place_of = staticmethod(place_of)
    things = staticmethod(things)
