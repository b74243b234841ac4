"""Who lives in a Microsoft tenant: Microsoft's own apps, apps with secrets, certificates and federated credentials, managed identities, apps people consented to, people.

Permissions each program needs are those of its documentation (Microsoft Graph permissions reference, Terraform's providers for Azure); how often is an assumption.
A vault, a database or a storage account that is used shows as the sign-in for it, an hour's token at a time, a day's for managed identities.
"""

from dataclasses import replace
from typing import Any

from simulation.entra_routes import azure, changes, graph
from simulation.native.shape import Habit, Kind

_NOT_OURS = "an app of Microsoft's own: it holds nothing a tenant could take away"
_BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0"
_CLI = "azurecli/2.67.0 (DEB) azsdk-python-azure-mgmt-resource/23.1 Python/3.12"
_PYTHON, _NET, _JAVA = (
    "azsdk-python-identity/1.19.0 Python/3.12",
    "kiota-dotnet/1.16 graph-dotnet-5.64",
    "azsdk-java-azure-identity/1.14",
)
_NODE, _POWERSHELL = "graph-js/3.0.7 (featureUsage=2)", "Mozilla/5.0 PowerShell/7.4.6 mggraph/2.24"
_USER, _MAILBOX, _GROUP = "user-{n}", "user-{n}", "group-{n}"


def _token(audience: str, every_s: float = 3900, **changed: Any) -> Habit:
    """A token fetched for something whose own log is not among these."""
    return Habit((f"entra:signin/serviceprincipal/{audience}",), every_s=every_s, **changed)


_GROWTH = (
    Habit(graph("GET/users", "GET/groups", "GET/groups/{id}/members"), runs=(1, 6)),
    Habit(graph("GET/users/{id}/manager", "GET/users/{id}/memberOf", about=_USER), every_s=2400),
    Habit(graph("POST/users/{id}/sendMail", about=_MAILBOX), runs=(1, 5)),
    Habit(graph("GET/sites", "GET/sites/{id}/drives", "GET/drives/{id}/items/{id}/content"), every_s=4000),
    Habit(azure("storage/storageaccounts/listkeys/action"), runs=(1, 2)),
    Habit(graph("GET/subscriptions", "PATCH/subscriptions/{id}", "POST/subscriptions"), runs=(2, 5)),
    _token("key-vault"),
    _token("storage", 4200),
    Habit(graph("GET/devices", "GET/deviceManagement/managedDevices"), runs=(1, 4)),
)


def _microsofts(name: str, *habits: Habit) -> Kind:
    return Kind(name, "microsoft", "", habits, weight=0.01, counted=False, why_not=_NOT_OURS)


MICROSOFTS = (
    _microsofts("directory-sync-fabric", Habit(("entra:signin/serviceprincipal/aad-graph", *changes("update-user", "add-user", "update-group")), every_s=3000)),
    _microsofts("mail-online", Habit(("entra:signin/serviceprincipal/graph",), every_s=3600)),
    _microsofts("identity-governance", Habit((*changes("remove-member-from-group", "add-member-to-group", about=_GROUP),), runs=(1, 8))),
)  # fmt: skip


def _app(name: str, where: str, agent: str, *habits: Habit, **changed: Any) -> Kind:
    seldom = (
        *graph("GET/organization", "GET/applications", "GET/servicePrincipals/{id}", "GET/groups", "GET/users/{id}"),
    )
    return replace(Kind(name, where, agent, habits, growth=_GROWTH, seldom=seldom, seldom_chance=0.2), **changed)


DIRECTORY = (
    _app("hr-import", "secret", _JAVA, Habit((*graph("GET/users", "GET/groups"), *graph("POST/users", "PATCH/users/{id}", "POST/users/{id}/assignLicense",
        about=_USER), *graph("POST/groups/{id}/members/$ref", about=_GROUP)), runs=(1, 4), hours=(5, 19), gap_s=(0.3, 4), part=0.8), rights="wide", weight=0.4),
    _app("offboarding", "secret", _PYTHON, Habit((*graph("GET/users/{id}", "POST/users/{id}/revokeSignInSessions", "PATCH/users/{id}", "GET/users/{id}/memberOf",
        about=_USER), *graph("DELETE/groups/{id}/members/{id}/$ref", about=_GROUP)), runs=(0, 4), hours=(8, 19), is_office=True), rights="wide", weight=0.4),
    _app("directory-connector", "certificate", "ADConnect/2.4.27", Habit(graph("PATCH/users/{id}", "PATCH/groups/{id}", "POST/groups/{id}/members/$ref",
        about=_USER), every_s=1400), Habit(graph("GET/users", "GET/groups", "GET/devices"), every_s=1800), rights="wide", weight=0.3),
    _app("license-manager", "secret", _POWERSHELL, Habit((*graph("GET/users", "GET/subscribedSkus"), *graph("POST/users/{id}/assignLicense", about=_USER)),
        runs=(1, 3), hours=(6, 9)), weight=0.4),
    _app("help-desk-bot", "secret", _NODE, Habit(graph("GET/users/{id}", "GET/users/{id}/authentication/methods",
        "POST/users/{id}/authentication/temporaryAccessPassMethods", "POST/users/{id}/revokeSignInSessions", about=_USER), runs=(2, 9), hours=(7, 19),
        is_office=True, part=0.6, gap_s=(1, 30)), rights="wide", weight=0.4),
    _app("access-review", "certificate", _PYTHON, Habit(graph("GET/users", "GET/groups", "GET/groups/{id}/members", "GET/directoryRoles",
        "GET/directoryRoles/{id}/members", "GET/roleManagement/directory/roleAssignments", "GET/servicePrincipals", "GET/oauth2PermissionGrants",
        "GET/servicePrincipals/{id}/appRoleAssignments", "GET/applications", "GET/identity/conditionalAccess/policies"), runs=(1, 2), hours=(2, 6),
        gap_s=(0.1, 3)), rights="reader", weight=0.4),
    _app("key-rotator", "certificate", _PYTHON, Habit((*graph("GET/applications"), *graph("GET/applications/{id}", "POST/applications/{id}/addPassword",
        "POST/applications/{id}/removePassword", about="app-{n}"), "entra:signin/serviceprincipal/key-vault"), runs=(1, 3), hours=(1, 4), gap_s=(0.4, 5)),
        rights="wide", weight=0.4),
    _app("group-automation", "secret", _POWERSHELL, Habit(graph("GET/groups", "GET/groups/{id}/members", "POST/groups/{id}/members/$ref", "PATCH/groups/{id}",
        about=_GROUP), every_s=1800), weight=0.7),
    _app("device-manager", "certificate", _NET, Habit(graph("GET/deviceManagement/managedDevices", "GET/devices", "PATCH/devices/{id}"), every_s=1200),
        weight=0.6),
    _app("guest-portal", "secret", _NET, Habit((*graph("POST/invitations", about="guest-{n}"), *graph("GET/users/{id}", about=_USER)), runs=(1, 8), hours=(7, 19),
        is_office=True), weight=0.5),
)  # fmt: skip

MAIL_AND_FILES = (
    _app("mail-relay", "secret", _PYTHON, Habit(graph("POST/users/{id}/sendMail", about="user-1"), every_s=900), weight=1.0),
    _app("mail-archive", "certificate", _NET, Habit(graph("GET/users", "GET/users/{id}/mailFolders", "GET/users/{id}/mailFolders/{id}/messages",
        "GET/users/{id}/messages/{id}/attachments", about=_MAILBOX), every_s=900), rights="reader", weight=0.4),
    _app("file-backup", "certificate", _JAVA, Habit(graph("GET/sites", "GET/sites/{id}/drives", "GET/drives/{id}/items/{id}/content",
        "GET/users/{id}/drive/root/children", about=_USER), runs=(3, 9), hours=(0, 6)), rights="reader", weight=0.4),
    _app("room-booking", "secret", _NODE, Habit(graph("GET/users/{id}/calendarView", "POST/users/{id}/events", "GET/places", about="user-7"), every_s=1500),
        weight=0.9),
    _app("chat-bot", "secret", _NODE, Habit(graph("GET/teams/{id}/channels", "POST/teams/{id}/channels/{id}/messages", "GET/users/{id}/presence",
        about=_USER), every_s=1100), weight=0.8),
    _app("site-index", "certificate", _NET, Habit((*graph("GET/sites", "GET/sites/{id}/lists", "GET/sites/{id}/lists/{id}/items"),
        "entra:signin/serviceprincipal/sharepoint"), every_s=1300), rights="reader", weight=0.6),
    _app("form-intake", "secret", _NODE, Habit(graph("GET/users/{id}/messages", "GET/users/{id}/messages/{id}/attachments", "PATCH/users/{id}/messages/{id}",
        about="user-9"), every_s=1600), weight=0.8),
)  # fmt: skip

WATCHERS = (
    _app("log-collector", "secret", "siem-collector/2.3", Habit(graph("GET/auditLogs/signIns", "GET/auditLogs/directoryAudits", "GET/security/alerts_v2"),
        every_s=1000), _token("log-analytics"), rights="reader", weight=0.4),
    _app("report-builder", "secret", _PYTHON, Habit(graph("GET/reports/{id}", "GET/users", "GET/groups", "GET/subscribedSkus", "GET/organization"), runs=(2, 6)),
        rights="reader", weight=0.7),
    _app("ticket-sync", "secret", _JAVA, Habit(graph("GET/users", "GET/users/{id}", "GET/groups/{id}/members", about=_USER), every_s=1700), weight=0.9),
    _app("posture-scanner", "vendor", "posture-scanner/4.2", Habit((*graph("GET/users", "GET/applications", "GET/servicePrincipals",
        "GET/directoryRoles", "GET/directoryRoles/{id}/members", "GET/roleManagement/directory/roleAssignments", "GET/identity/conditionalAccess/policies",
        "GET/oauth2PermissionGrants", "GET/policies/authorizationPolicy", "GET/domains", "GET/devices"), "entra:signin/serviceprincipal/azure",
        "entra:signin/serviceprincipal/key-vault"), runs=(1, 3), hours=(2, 6), gap_s=(0.1, 2)), rights="reader", weight=0.4),
    _app("customer-sync", "vendor", "customer-sync/8.1", Habit(graph("GET/users", "GET/users/{id}/contacts", "POST/users/{id}/contacts", about=_USER),
        every_s=1500), weight=0.7),
    _app("signing-service", "vendor", "signing/3.0", Habit(graph("GET/users/{id}", "GET/drives/{id}/items/{id}/content", about=_USER), runs=(4, 12), hours=(7, 19),
        is_office=True), weight=0.6),
)  # fmt: skip

BUSINESS = (
    _app("erp-connector", "secret", _JAVA, _token("other", 3700), _token("sql", 3900), Habit(graph("GET/users/{id}", about=_USER), runs=(2, 8)), weight=1.2),
    _app("order-api", "secret", _NET, _token("key-vault", 3700), _token("sql", 3700), Habit(graph("GET/users/{id}", "GET/users/{id}/memberOf", about=_USER),
        every_s=1500), replicas=3, weight=1.8),
    _app("web-shop", "certificate", _NODE, _token("storage", 3700), Habit(graph("GET/users/{id}", "GET/users/{id}/photo", about=_USER), every_s=1200), replicas=3,
        weight=1.8),
    _app("nightly-load", "secret", _PYTHON, Habit(("entra:signin/serviceprincipal/storage", "entra:signin/serviceprincipal/sql",
        *azure("datafactory/factories/pipelines/createrun/action")), runs=(1, 2), hours=(1, 4)), Habit(graph("POST/users/{id}/sendMail", about="user-4"),
        runs=(1, 1), hours=(4, 6)), weight=1.2),
    _app("legacy-scripts", "secret", "PowerShell/5.1 AzureAD/2.0", Habit(("entra:signin/serviceprincipal/aad-graph", *graph("GET/users", "GET/groups",
        "PATCH/users/{id}", about=_USER)), every_s=1300), replicas=4, rights="wide", weight=0.7),
    _app("assistant", "secret", "openai-python/1.54", _token("cognitive-services", 3700), Habit(graph("GET/users/{id}", "POST/search/query", about=_USER),
        every_s=1800), weight=0.9),
    _app("notification", "certificate", _NET, Habit(graph("GET/users/{id}/presence", "POST/users/{id}/sendMail", about=_USER), every_s=1000), weight=1.2),
)  # fmt: skip

_RELEASE = azure("resources/deployments/write", "web/sites/write", "web/sites/config/write", "web/sites/restart/action")

PIPELINES = (
    _app("web-pipeline", "federated", "azure-cli/2.67 GitHubActions", Habit((*_RELEASE, *azure("containerregistry/registries/listcredentials/action")), runs=(3, 10),
        hours=(7, 20), is_office=True, part=0.85, gap_s=(1, 20)), rights="wide", weight=1.0),
    _app("cluster-pipeline", "federated", "azure-cli/2.67 GitHubActions", Habit(azure("containerservice/managedclusters/listclusterusercredential/action",
        "resources/deployments/write"), runs=(3, 9), hours=(7, 20), is_office=True), _token("kubernetes", 9000), weight=0.8),
    _app("infrastructure", "federated", "HashiCorp Terraform/1.9.5 terraform-provider-azurerm/4.10 terraform-provider-azuread/3.0", Habit((
        *graph("GET/applications", "GET/servicePrincipals", "GET/groups", "GET/servicePrincipals/{id}", "GET/applications/{id}", "GET/directoryRoles"),
        *azure("storage/storageaccounts/listkeys/action", "web/sites/config/list/action", "documentdb/databaseaccounts/listkeys/action")), runs=(2, 6), hours=(8, 19),
        is_office=True, gap_s=(0.05, 1.5)), Habit((*graph("POST/applications", "POST/servicePrincipals", "POST/applications/{id}/federatedIdentityCredentials",
        "POST/applications/{id}/addPassword", "POST/servicePrincipals/{id}/appRoleAssignments", about="app-{n}"), *azure("authorization/roleassignments/write",
        "keyvault/vaults/write", "keyvault/vaults/accesspolicies/write", "storage/storageaccounts/write", "network/networksecuritygroups/securityrules/write",
        "managedidentity/userassignedidentities/write", "insights/diagnosticsettings/write")), runs=(1, 3), hours=(9, 17), is_office=True, part=0.65, chance=0.4,
        gap_s=(0.1, 2)), rights="admin", weight=0.4),
    _app("pool-workload", "federated", _PYTHON, _token("key-vault", 3700), _token("storage", 3800), Habit(graph("GET/users/{id}", about=_USER), runs=(2, 9)),
        weight=1.4),
    _app("image-build", "federated", "packer/1.11 azsdk-go/1.16", Habit(azure("compute/virtualmachines/write", "compute/images/write", "compute/snapshots/write",
        "compute/virtualmachines/delete", "network/networkinterfaces/write"), runs=(1, 4), hours=(7, 20), is_office=True, gap_s=(5, 60)), rights="wide", weight=0.5),
    _app("release-approver", "federated", _NODE, _token("devops", 5000), Habit((*azure("resources/deployments/write"), *graph("GET/groups/{id}/members",
        about=_GROUP)), runs=(1, 6), hours=(8, 18), is_office=True), weight=0.6),
)  # fmt: skip


def _managed(name: str, agent: str, *habits: Habit, **changed: Any) -> Kind:
    return _app(name, "managed", agent, *habits, **changed)


MACHINES = (
    _managed("web-function", _NET, _token("storage", 20000), Habit(graph("GET/users/{id}", "POST/users/{id}/sendMail", about=_USER), every_s=1300), weight=1.4),
    _managed("workflow", "azure-logic-apps/1.0", Habit(graph("GET/users/{id}/messages", "POST/users/{id}/sendMail", "POST/groups/{id}/members/$ref", about="user-11"),
        every_s=1500), weight=0.9),
    _managed("runbook", "azure-automation/7.2", Habit(azure("compute/virtualmachines/start/action", "compute/virtualmachines/deallocate/action",
        "automation/automationaccounts/jobs/write"), runs=(3, 8)), Habit(azure("storage/storageaccounts/listkeys/action"), runs=(0, 2)), rights="wide", weight=0.7),
    _managed("scaler", "azure-autoscale", Habit(azure("compute/virtualmachinescalesets/write", "compute/virtualmachinescalesets/delete/action"), every_s=2000),
        weight=0.9),
    _managed("cluster", "azsdk-go/1.16 cloud-provider-azure", Habit(azure("network/loadbalancers/write", "compute/disks/write", "network/publicipaddresses/write",
        "compute/virtualmachinescalesets/virtualmachines/write"), every_s=1600), weight=0.9),
    _managed("snapshooter", "azure-backup", Habit(azure("compute/snapshots/write", "compute/snapshots/begingetaccess/action", "compute/snapshots/delete",
        "compute/disks/begingetaccess/action"), runs=(1, 3), hours=(0, 5), gap_s=(1, 20)), rights="wide", weight=0.5),
    _managed("data-factory", "azure-data-factory", Habit(azure("storage/storageaccounts/listkeys/action", "datafactory/factories/pipelines/createrun/action",
        "sql/servers/databases/resume/action"), runs=(4, 12)), rights="wide", weight=0.7),
    _managed("policy-fixer", "azure-policy", Habit(azure("resources/deployments/write", "insights/diagnosticsettings/write", "security/pricings/write"), runs=(1, 6)),
        rights="wide", weight=0.4),
    _managed("model-gateway", "azure-api-management", _token("cognitive-services", 30000), Habit(azure("cognitiveservices/accounts/listkeys/action"), runs=(1, 4)),
        Habit(graph("GET/users/{id}", about=_USER), every_s=2600), weight=0.6),
    _managed("monitor", "azure-grafana/11", _token("log-analytics", 30000), Habit(graph("GET/users", "GET/groups/{id}/members", about=_GROUP), every_s=1500),
        rights="reader", weight=0.8),
)  # fmt: skip


def _consented(name: str, agent: str, *habits: Habit, **changed: Any) -> Kind:
    return replace(Kind(name, "grant", agent, habits, path="delegated", growth=_GROWTH), **changed)


CONSENTED = (
    _consented("mail-client", "FastMail/4.2", Habit(graph("GET/me/mailFolders", "GET/me/messages", "GET/me/mailFolders/{id}/messages", "GET/me/contacts"), every_s=900),
        replicas=4, weight=1.0),
    _consented("meeting-notes", "meeting-notes/1.9", Habit(graph("GET/me", "GET/me/calendarView", "GET/me/onlineMeetings"), runs=(4, 14), hours=(7, 19),
        is_office=True), replicas=3, weight=0.9),
    _consented("scheduler", "scheduler/5.0", Habit(graph("GET/me/calendarView", "POST/me/events", "GET/users/{id}", about=_USER), every_s=1500), replicas=3, weight=0.8),
    _consented("sales-addin", "sales-addin/2.2", Habit(graph("GET/me", "GET/me/messages/{id}", "POST/me/sendMail", "GET/me/contacts"), runs=(6, 20), hours=(8, 18),
        is_office=True, part=0.8), weight=0.8),
    _consented("low-code", "azure-logic-apps/1.0 powerapps", Habit(graph("GET/me/drive/root/children", "GET/me/drive/items/{id}/content", "GET/users/{id}/manager",
        "POST/me/sendMail", about=_USER), every_s=1700), weight=0.8),
    _consented("writing-assistant", "writing-assistant/0.9", Habit(graph("GET/me", "POST/search/query", "GET/me/drive/items/{id}/content"), runs=(5, 20), hours=(8, 19),
        is_office=True, part=0.7), weight=0.7),
)  # fmt: skip

_MORNING = Habit(("entra:signin/interactive/graph", "entra:signin/noninteractive/graph", "entra:signin/noninteractive/exchange"), runs=(1, 2), hours=(7, 10),
                 is_office=True, gap_s=(2, 60))  # fmt: skip
_OFFICE = Habit(("entra:signin/noninteractive/graph", "entra:signin/noninteractive/exchange", "entra:signin/noninteractive/sharepoint"), runs=(3, 9), hours=(8, 18),
                is_office=True, part=0.6)  # fmt: skip

PEOPLE = (
    Kind("staff", "office", _BROWSER, (_MORNING, _OFFICE), path="human", rights="none", weight=2.0),
    Kind("manager", "office", _BROWSER, (_MORNING, _OFFICE, Habit(changes("add-member-to-group", "invite-external-user", about=_GROUP), runs=(0, 2), hours=(9, 17),
        is_office=True)), path="human", rights="none", weight=0.8),
    Kind("developer", "desk", _CLI, (
        _MORNING,
        Habit(("entra:signin/interactive/azure", *azure("web/sites/restart/action", "resources/deployments/write", "web/sites/config/list/action",
              "containerservice/managedclusters/listclusterusercredential/action")), runs=(1, 5), hours=(8, 18), is_office=True, gap_s=(3, 120), part=0.6),
        Habit(graph("GET/me", "GET/applications", "GET/servicePrincipals", "GET/groups"), runs=(1, 2), hours=(9, 17), is_office=True, part=0.5, chance=0.4),
        Habit(changes("add-application", "update-application-certificates-and-secrets-management", "consent-to-application", about="app-{n}"), runs=(1, 1),
              hours=(9, 17), is_office=True, part=0.5, chance=0.1),
    ), path="human", rights="wide", weight=1.4),
    Kind("administrator", "office", _BROWSER, (
        _MORNING,
        Habit(("entra:signin/interactive/azure", *changes("add-user", "update-user", "add-member-to-group", "add-member-to-role",
              "add-member-to-role-completed-pim-activation", "reset-user-password", "update-conditional-access-policy", "add-owner-to-application"),
              *azure("authorization/roleassignments/write", "keyvault/vaults/accesspolicies/write")), runs=(1, 4), hours=(8, 18), is_office=True, gap_s=(4, 120),
              part=0.35),
    ), path="human", rights="admin", weight=0.5),
    Kind("help-desk", "office", _BROWSER, (
        _MORNING,
        Habit(changes("reset-user-password", "admin-registered-security-info", "update-user", "change-user-license"), runs=(3, 10), hours=(8, 18), is_office=True,
              gap_s=(10, 300), part=0.6),
    ), path="human", rights="wide", weight=0.5),
    Kind("analyst", "desk", _POWERSHELL, (
        _MORNING,
        Habit(graph("GET/me", "GET/users", "GET/auditLogs/signIns", "GET/groups"), runs=(1, 4), hours=(8, 18), is_office=True, part=0.7, gap_s=(3, 90)),
    ), path="human", rights="reader", weight=0.5),
    Kind("break-glass", "office", _BROWSER, (
        Habit(("entra:signin/interactive/azure", *changes("update-conditional-access-policy", "add-member-to-role"), *azure("compute/virtualmachines/restart/action")),
              runs=(1, 1), hours=(9, 18), gap_s=(10, 90), chance=0.06),
    ), path="emergency", rights="admin", principal="break-glass-{number}", weight=0.2),
)  # fmt: skip

KINDS = (*MICROSOFTS, *PEOPLE, *DIRECTORY, *CONSENTED, *PIPELINES, *MACHINES, *MAIL_AND_FILES, *WATCHERS, *BUSINESS)
"""Every kind, in the order in which an estate is filled."""
