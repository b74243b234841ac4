"""What an intruder knows of a Microsoft tenant, and the first steps of every loop: tokens for whatever the credential opens, and listings with them.

Sources: ROADrecon (github.com/dirkjanm/ROADtools) and AzureHound (github.com/SpecterOps/AzureHound): what is enumerated first; Microsoft, "Microsoft Graph
permissions reference".
"""

import re

from simulation.entra import app_seat
from simulation.native.digests import hashed_uuid
from simulation.native.estate import NativeEstate
from simulation.native.intruder import Intruder

LOOKS = tuple(
    f"graph:GET/{path}"
    for path in (
        "users", "groups", "applications", "servicePrincipals", "directoryRoles", "roleManagement/directory/roleAssignments", "organization", "domains", "devices",
        "oauth2PermissionGrants", "identity/conditionalAccess/policies", "policies/authorizationPolicy", "auditLogs/signIns", "sites", "subscribedSkus",
        "roleManagement/directory/roleDefinitions", "directoryRoles/{id}/members", "groups/{id}/members", "servicePrincipals/{id}/appRoleAssignments",
    )
)  # fmt: skip
MINE = tuple(
    f"graph:GET/me{path}"
    for path in ("", "/memberOf", "/messages", "/mailFolders", "/drive/root/children", "/contacts")
)
AUDIENCES = (
    "graph",
    "azure",
    "key-vault",
    "storage",
    "exchange",
    "sharepoint",
    "devops",
    "cognitive-services",
    "sql",
    "aad-graph",
)
KEYS = tuple(
    f"azure:microsoft.{name}/action"
    for name in (
        "storage/storageaccounts/listkeys", "web/sites/config/list", "web/sites/publishxml", "documentdb/databaseaccounts/listkeys",
        "containerregistry/registries/listcredentials", "automation/automationaccounts/listkeys", "containerservice/managedclusters/listclusteradmincredential",
        "storage/storageaccounts/listaccountsas",
    )
)  # fmt: skip
ADD_KEY, ADD_KEY_TO_PRINCIPAL = (
    "graph:POST/applications/{id}/addPassword",
    "graph:POST/servicePrincipals/{id}/addPassword",
)
TOOLS = (
    "python-requests/2.32.3", "azurehound/v2.2.1", "Mozilla/5.0 PowerShell/7.4.5 mggraph/2.19", "azurecli/2.61.0 azsdk-python-identity/1.16 Python/3.11", "curl/8.9.1",
    "Go-http-client/2.0", "aiohttp/3.10 roadrecon",
)  # fmt: skip


class Terms:
    """How a tenant's operations are told apart."""

    free = re.compile(r"^entra:signin/")
    reads = re.compile(r"^graph:(GET/|POST/(search|\$batch))|^azure:.*/list\w*/action$|/publishxml/action$")
    guarded = re.compile(
        r"^entra:(?!signin)|/applications/|/servicePrincipals/|/oauth2PermissionGrants|/roleManagement|/directoryRoles|/authentication|/conditionalAccess"
        r"|POST/(applications|servicePrincipals|domains|invitations|users)|/messages|/mailFolders|keyvault|/list\w*/action|publishxml|regenerate"
        r"|microsoft\.(authorization|managedidentity|cognitiveservices)|runcommand"
    )


def place_of(operation: str, about: str) -> str:
    """The resource group an Azure operation lies in; what is asked of the directory is asked of the whole tenant."""
    return about.partition("/")[0] if operation.startswith("azure:") else ""


def things(estate: NativeEstate) -> dict[str, list[str]]:
    """Apps, people, groups and resources of an estate."""
    apps = [r for r in estate.identities if r.kind_of.where in ("secret", "certificate", "federated")]
    return {
        "apps": [r.name for r in apps],
        "users": [f"user-{n}" for n in range(1, 60)],
        "groups": [f"group-{n}" for n in range(17)],
        "resources": [f"{r.home}/{r.stem}" for r in estate.identities if r.path == "workload" and r.kind_of.counted],
    }


def sign_in(me: Intruder, audience: str) -> bool:
    """Whether a token for something was given out."""
    way = me.seat.body["way"]
    kind = {"managed": "managedidentity", "app": "serviceprincipal"}.get(way, "noninteractive")
    return me.ask(f"entra:signin/{kind}/{audience}")


def acts_for_somebody(me: Intruder) -> bool:
    """Whether a person stands behind the credential in hand."""
    return me.seat.body["way"] in ("grant", "user")


def introduce(me: Intruder) -> None:
    """Tokens first; then whose it is."""
    for audience in AUDIENCES[: int(me.rng.integers(1, 3))] if me.chance(0.6) else ():
        sign_in(me, audience)
    if acts_for_somebody(me):
        me.ask(MINE[0])
        if me.chance(0.4):
            me.ask(MINE[1])
    elif me.chance(0.7):
        me.ask("graph:GET/organization")


def look(me: Intruder, most: int) -> int:
    """Some listings; how many were answered."""
    won = 0
    for operation in me.pick(LOOKS, most):
        if me.ask(operation, me.one("groups") if "groups/{id}" in operation else ""):
            won += 1
            me.found |= {"GET/applications": {"apps"}, "GET/users": {"users"}, "GET/groups": {"groups"}}.get(
                operation.removeprefix("graph:"), set()
            )
    return won


def read_keys(me: Intruder, most: int) -> bool:
    """Keys of resources asked for, one resource after the other; whether one was had."""
    won = False
    for resource in me.some("resources", int(me.rng.integers(2, max(3, most)))):
        won = me.ask(me.pick(KEYS, 1)[0], resource) or won
    return won


def found_key(me: Intruder) -> bool:
    """A secret of another app that lay about, used from the intruder's own hand."""
    name = me.stray("apps")
    number = hashed_uuid("found", name, me.victim.resident.number)
    me.become(app_seat(name, number, me.seat.source, me.seat.agent))
    return True


def new_key(me: Intruder, app: str) -> bool:
    """Whether an app could be given another secret; it is the credential in hand from then on."""
    number = hashed_uuid("given", me.at_s, app)
    operation = ADD_KEY if me.chance(0.5) else ADD_KEY_TO_PRINCIPAL
    if not me.ask(operation, app, number):
        return False
    me.become(app_seat(app, number, me.seat.source, me.seat.agent))
    return True
