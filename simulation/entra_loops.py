"""What intruders with a stolen credential do in a Microsoft tenant, loop by loop, each step following from the answer to the one before.

Sources (Microsoft Security): "Midnight Blizzard: Guidance for responders on nation-state attack"; "Storm-0501's evolving techniques lead to cloud-based ransomware";
"Threat actors misuse OAuth applications to automate financially driven attacks"; "Octo Tempest crosses boundaries"; "Storm-2372 conducts device code phishing
campaign"; Microsoft, Azure Threat Research Matrix; Stratus Red Team's Entra ID and Azure techniques; MITRE ATT&CK T1098.001, T1098.003, T1528, T1114.002, T1552.005.
"""

from collections.abc import Mapping

from simulation.entra import app_seat, federated_seat, managed_seat
from simulation.entra_kinds import MACHINES
from simulation.entra_steps import (
    ADD_KEY,
    ADD_KEY_TO_PRINCIPAL,
    AUDIENCES,
    KEYS,
    LOOKS,
    MINE,
    TOOLS,
    Terms,
    acts_for_somebody,
    found_key,
    introduce,
    look,
    new_key,
    place_of,
    read_keys,
    sign_in,
    things,
)  # fmt: skip
from simulation.native.campaign import Loop
from simulation.native.digests import hashed_uuid
from simulation.native.intruder import Intruder

_ROLE, _AZURE_ROLE = (
    "graph:POST/roleManagement/directory/roleAssignments",
    "azure:microsoft.authorization/roleassignments/write",
)
_OWNER, _APP_ROLE = "graph:POST/applications/{id}/owners/$ref", "graph:POST/servicePrincipals/{id}/appRoleAssignments"
_FEDERATED, _APP, _PRINCIPAL = (
    "graph:POST/applications/{id}/federatedIdentityCredentials",
    "graph:POST/applications",
    "graph:POST/servicePrincipals",
)
_GRANT, _POLICY = "graph:POST/oauth2PermissionGrants", "azure:microsoft.keyvault/vaults/accesspolicies/write"
_PASS, _INVITE, _USER = (
    "graph:POST/users/{id}/authentication/temporaryAccessPassMethods",
    "graph:POST/invitations",
    "graph:POST/users",
)
_RUN, _MODEL_KEYS = (
    "azure:microsoft.compute/virtualmachines/runcommand/action",
    "azure:microsoft.cognitiveservices/accounts/listkeys/action",
)
_MODEL_WRITE, _DEPLOY = (
    "azure:microsoft.cognitiveservices/accounts/write",
    "azure:microsoft.cognitiveservices/accounts/deployments/write",
)
_MAIL, _FOLDERS = "graph:GET/users/{id}/messages", "graph:GET/users/{id}/mailFolders/{id}/messages"
_FILES = (
    "graph:GET/sites",
    "graph:GET/sites/{id}/drives",
    "graph:GET/drives/{id}/items/{id}/content",
    "graph:GET/users/{id}/drive/root/children",
)
_OUTSIDERS = ("support-sync", "backup-helper", "mail-migration", "compliance-reader")


def reconnaissance(me: Intruder) -> None:
    """The directory, then who holds what."""
    introduce(me)
    look(me, int(me.rng.integers(7, 16)))
    for user in me.some("users", int(me.rng.integers(1, 6))):
        me.ask(
            me.pick(
                (
                    "graph:GET/users/{id}/memberOf",
                    "graph:GET/users/{id}",
                    "graph:GET/users/{id}/authentication/methods",
                ),
                1,
            )[0],
            user,
        )


def credential_testing(me: Intruder) -> None:
    """Token after token, to see what the credential opens, and a look behind each door."""
    for audience in me.pick(AUDIENCES, int(me.rng.integers(3, 8))):
        if sign_in(me, audience) and me.chance(0.5):
            me.ask(me.pick(MINE if acts_for_somebody(me) else LOOKS, 1)[0])
    look(me, int(me.rng.integers(2, 6)))
    for resource in me.some("resources", 2):
        me.ask(me.pick(KEYS, 1)[0], resource)


def leaked_secret_pivot(me: Intruder) -> None:
    """A secret tested, keys and settings read with it, and what lay in them used: another app's secret."""
    introduce(me)
    sign_in(me, "azure")
    won = read_keys(me, 7)
    if me.chance(0.4):
        won = me.ask(_MAIL, me.one("users")) or won
    if (won or me.chance(0.5)) and found_key(me):
        introduce(me)
        look(me, 6)
        if me.chance(0.5):
            read_keys(me, 5)


def privilege_chaining(me: Intruder) -> None:
    """From app to app, and by granting itself roles where no app lets it in."""
    introduce(me)
    look(me, int(me.rng.integers(2, 6)))
    hops = 0
    for way in me.rng.permutation(3):
        if (_another_app, widen, _through_a_machine)[way](me):
            hops += 1
            introduce(me)
            look(me, 3)
            if hops == 2:
                break
    spoils(me)


def _another_app(me: Intruder) -> bool:
    """Whether some app could be given a secret; denials lead to the next one."""
    for app in me.some("apps", int(me.rng.integers(1, 5))):
        if me.chance(0.3):
            me.ask(_OWNER, app)
        if new_key(me, app):
            return True
    return False


def widen(me: Intruder) -> bool:
    """Whether some way of granting oneself more worked."""
    ways = (
        (_ROLE, "user-1"), (_APP_ROLE, me.one("apps")), (_AZURE_ROLE, me.one("resources")), ("graph:POST/groups/{id}/members/$ref", me.one("groups")),
        (_OWNER, me.one("apps")), (_GRANT, ""), ("azure:microsoft.authorization/elevateaccess/action", ""), ("graph:PATCH/applications/{id}", me.one("apps")),
    )  # fmt: skip
    for n in me.rng.permutation(len(ways))[: int(me.rng.integers(3, 7))]:
        if me.ask(*ways[n]):
            me.rights.admins.add(me.me)
            return True
    return False


def _through_a_machine(me: Intruder) -> bool:
    """Whether a command could be run on a machine, whose identity is then at hand."""
    for resource in me.some("resources", int(me.rng.integers(1, 4))):
        if me.ask(_RUN, resource):
            kind = MACHINES[int(me.rng.integers(len(MACHINES)))]
            me.become(managed_seat(kind.name, kind, me.seat.source))
            return True
    return False


def vault_self_grant(me: Intruder) -> None:
    """Its own way into vaults and accounts, then every key there is."""
    introduce(me)
    ways = (
        (_POLICY, me.one("resources")),
        (_AZURE_ROLE, me.one("resources")),
        ("azure:microsoft.keyvault/vaults/write", me.one("resources")),
        (_ROLE, "user-2"),
    )
    for n in me.rng.permutation(len(ways)):
        if me.ask(*ways[n]):
            me.rights.open(me.me, (*KEYS, _MODEL_KEYS))
            break
    sign_in(me, "key-vault")
    read_keys(me, 26)
    sign_in(me, "storage")


def credential_minting(me: Intruder) -> None:
    """Ways back in: secrets on apps, an app of its own, credentials that trust outside, passes and people."""
    introduce(me)
    won = 0
    for way in me.rng.permutation(5):
        won += (_secrets, _own_app, _trust_outside, _people, _machine_trust)[way](me)
        if won >= 3 and me.chance(0.5):
            break


def _secrets(me: Intruder) -> bool:
    if me.chance(0.6) and me.ask("graph:GET/applications"):
        me.found.add("apps")
    won = False
    for app in me.some("apps", int(me.rng.integers(1, 5))):
        back = me.seat
        if new_key(me, app):
            won = True
            if me.chance(0.6):
                introduce(me)
            me.become(back)
    return won


def _own_app(me: Intruder) -> bool:
    name = me.pick(_OUTSIDERS, 1)[0]
    if not (me.ask(_APP, name) and me.ask(_PRINCIPAL, name)):
        return False
    me.ask(_APP_ROLE, name)
    number = hashed_uuid("own", me.at_s, name)
    if me.ask(ADD_KEY, name, number):
        back = me.seat
        me.become(app_seat(name, number, me.seat.source, me.seat.agent))
        introduce(me)
        look(me, 2)
        me.become(back)
    return True


def _trust_outside(me: Intruder) -> bool:
    app = me.one("apps")
    number = hashed_uuid("trusted", me.at_s, app)
    if not me.ask(_FEDERATED, app, number):
        return False
    back = me.seat
    me.become(federated_seat(app, number, me.seat.source, me.seat.agent))
    introduce(me)
    me.become(back)
    return True


def _people(me: Intruder) -> bool:
    won = me.ask(_INVITE, "guest-99")
    won = me.ask(_USER, "user-900") or won
    for user in me.some("users", int(me.rng.integers(1, 4))):
        won = me.ask(_PASS, user) or won
    return won


def _machine_trust(me: Intruder) -> bool:
    return me.ask(
        "azure:microsoft.managedidentity/userassignedidentities/federatedidentitycredentials/write", me.one("resources")
    )


def model_access_hijack(me: Intruder) -> None:
    """Keys of the accounts that serve models, more of them deployed, and tokens to use them."""
    if me.chance(0.5):
        introduce(me)
    sign_in(me, "cognitive-services")
    won = 0
    for resource in me.some("resources", int(me.rng.integers(3, 10))):
        won += me.ask(_MODEL_KEYS, resource)
        if me.chance(0.4) and me.ask(_DEPLOY, resource):
            won += 1
    for resource in me.some("resources", int(me.rng.integers(1, 4))):
        me.ask(_MODEL_WRITE, resource) and me.ask(_DEPLOY, resource)
        me.ask("azure:microsoft.cognitiveservices/accounts/regeneratekey/action", resource)
    sign_in(me, "cognitive-services")


def delegated_access_abuse(me: Intruder) -> None:
    """What a person let an app do, turned on that person and on everybody else."""
    if me.chance(0.6):
        introduce(me)
    parts = (
        lambda: _own_mail(me),
        lambda: _files(me),
        lambda: look(me, 6),
        lambda: _everybodys_mail(me),
        lambda: _rules_and_letters(me),
        lambda: me.ask(_GRANT),
    )
    for n in me.rng.permutation(len(parts)):
        parts[n]()


def _own_mail(me: Intruder) -> None:
    for operation in (
        "graph:GET/me/mailFolders",
        *["graph:GET/me/mailFolders/{id}/messages"] * int(me.rng.integers(2, 7)),
        "graph:GET/me/messages/{id}/attachments",
    ):
        me.ask(operation)


def _everybodys_mail(me: Intruder) -> None:
    if me.ask("graph:GET/users"):
        me.found.add("users")
    for user in me.some("users", int(me.rng.integers(2, 8))):
        if me.ask(_MAIL, user):
            me.ask(_FOLDERS, user)


def _files(me: Intruder) -> None:
    me.ask("graph:POST/search/query")
    for operation in me.pick(_FILES, int(me.rng.integers(2, 5))):
        me.ask(operation, me.one("users") if "users" in operation else "")


def _rules_and_letters(me: Intruder) -> None:
    me.ask("graph:POST/me/mailFolders/{id}/messageRules")
    for _ in range(int(me.rng.integers(1, 5))):
        me.ask("graph:POST/me/sendMail")


def spoils(me: Intruder) -> None:
    """Something taken, broken or set to work on the way out."""
    if me.chance(0.5):
        _everybodys_mail(me)
    if me.chance(0.5):
        _files(me)
    if me.chance(0.4):
        read_keys(me, 6)
    if me.chance(0.3):
        for resource in me.some("resources", int(me.rng.integers(1, 5))):
            me.ask(me.pick(("azure:microsoft.compute/virtualmachines/write", "azure:microsoft.storage/storageaccounts/delete",
                            "azure:microsoft.authorization/locks/delete", "azure:microsoft.compute/snapshots/delete"), 1)[0], resource)  # fmt: skip
    if me.chance(0.25):
        me.ask("azure:microsoft.insights/diagnosticsettings/delete", me.one("resources"))


def break_glass_overrun(me: Intruder) -> None:
    """Emergency access that goes on after the emergency."""
    parts = (lambda: widen(me), lambda: _secrets(me), lambda: _own_app(me), lambda: _people(me), lambda: spoils(me),
             lambda: me.ask("graph:PATCH/identity/conditionalAccess/policies/{id}"))  # fmt: skip
    for n in me.rng.permutation(len(parts)):
        parts[n]()


LOOPS: Mapping[str, Loop] = {
    "reconnaissance": Loop(reconnaissance, holes=((*LOOKS[:6],), (LOOKS[0], LOOKS[1]))),
    "credential_testing": Loop(credential_testing),
    "privilege_chaining": Loop(privilege_chaining, holes=((ADD_KEY, ADD_KEY_TO_PRINCIPAL), (_ROLE,), (_APP_ROLE, _OWNER), (_RUN,))),
    "leaked_secret_pivot": Loop(leaked_secret_pivot, holes=((*KEYS[:4],), (_MAIL,))),
    "vault_self_grant": Loop(vault_self_grant, holes=((_POLICY,), (_AZURE_ROLE,))),
    "credential_minting": Loop(credential_minting, holes=((ADD_KEY, ADD_KEY_TO_PRINCIPAL), (_APP, _PRINCIPAL, ADD_KEY), (_FEDERATED, ADD_KEY))),
    "model_access_hijack": Loop(model_access_hijack, holes=((_MODEL_KEYS,), (_MODEL_KEYS, _DEPLOY, _MODEL_WRITE))),
    "delegated_access_abuse": Loop(delegated_access_abuse, ("delegated",), ((*MINE[2:], "graph:GET/me/mailFolders/{id}/messages"), (_MAIL, LOOKS[0]))),
    "break_glass_overrun": Loop(break_glass_overrun, ("emergency",)),
}  # fmt: skip
"""Every loop there is in a tenant."""


class Attackers:
    """What `native.campaign` asks of a tenant."""

    terms = Terms()
    loops = LOOPS
    tools = TOOLS
    place_of = staticmethod(place_of)
    things = staticmethod(things)
