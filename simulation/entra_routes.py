"""Requests to Microsoft Graph, changes in the directory and Azure operations by short names, and what a request that changes something leaves beside itself.

Sources (learn.microsoft.com): Microsoft Graph REST API v1.0 reference; "Microsoft Entra audit log categories and activities"; "Azure resource provider operations";
"Verify first-party Microsoft applications in sign-in reports" (the ids of audiences and of Microsoft's own programs).
"""

from collections.abc import Mapping

from simulation.native.digests import hashed_uuid

AUDIENCES: Mapping[str, tuple[str, str]] = {
    "graph": ("00000003-0000-0000-c000-000000000000", "Microsoft Graph"),
    "aad-graph": ("00000002-0000-0000-c000-000000000000", "Windows Azure Active Directory"),
    "azure": ("797f4846-ba00-4fd7-ba43-dac1f8f63013", "Windows Azure Service Management API"),
    "key-vault": ("cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "Azure Key Vault"),
    "storage": ("e406a681-f3d4-42a8-90b6-c2b029497af1", "Azure Storage"),
    "sql": ("022907d3-0f1b-48f7-badc-1ba6abab6d66", "Azure SQL Database"),
    "devops": ("499b84ac-1321-427f-aa17-267ca6975798", "Azure DevOps"),
    "exchange": ("00000002-0000-0ff1-ce00-000000000000", "Office 365 Exchange Online"),
    "sharepoint": ("00000003-0000-0ff1-ce00-000000000000", "Office 365 SharePoint Online"),
    "cognitive-services": ("7d312290-28c8-473c-a0ed-8e53749b6d6d", "Microsoft Cognitive Services"),
    "log-analytics": ("ca7f3f0b-7d91-482c-8e09-c5d840d0eac5", "Log Analytics API"),
    "kubernetes": ("6dae42f8-4368-4678-94ff-3960e28e3630", "Azure Kubernetes Service AAD Server"),
    "other": ("99999999-1111-4000-8000-000000000099", "Example ERP"),
}
"""What a token is for: the id and the name of the resource."""
PORTAL, COMMAND_LINE, OFFICE, TEAMS = (
    "c44b4083-3bb0-49c1-b47d-974e53cbdf3c",
    "14d82eec-204b-4c2f-b7e8-296a70dab67e",
    "d3590ed6-52b3-4102-aeff-aad2292ab01c",
    "1fec8e78-bce4-4aaf-ab1b-5451cc387264",
)
"""Programs of Microsoft's, whose user is a person: the Azure portal, Graph command line tools, Office, Teams."""

_CHANGES: Mapping[str, tuple[str, str]] = {
    "update-application-certificates-and-secrets-management": ("Update application \N{EN DASH} Certificates and secrets management ", "Application"),
    "add-service-principal-credentials": ("Add service principal credentials", "ServicePrincipal"),
    "remove-service-principal-credentials": ("Remove service principal credentials", "ServicePrincipal"),
    "add-application": ("Add application", "Application"),
    "update-application": ("Update application", "Application"),
    "delete-application": ("Delete application", "Application"),
    "add-service-principal": ("Add service principal", "ServicePrincipal"),
    "update-service-principal": ("Update service principal", "ServicePrincipal"),
    "add-owner-to-application": ("Add owner to application", "Application"),
    "add-owner-to-service-principal": ("Add owner to service principal", "ServicePrincipal"),
    "add-app-role-assignment-to-service-principal": ("Add app role assignment to service principal", "ServicePrincipal"),
    "add-app-role-assignment-grant-to-user": ("Add app role assignment grant to user", "User"),
    "add-delegated-permission-grant": ("Add delegated permission grant", "ServicePrincipal"),
    "consent-to-application": ("Consent to application", "ServicePrincipal"),
    "add-member-to-role": ("Add member to role", "User"),
    "remove-member-from-role": ("Remove member from role", "User"),
    "add-member-to-role-completed-pim-activation": ("Add member to role completed (PIM activation)", "User"),
    "add-member-to-group": ("Add member to group", "Group"),
    "remove-member-from-group": ("Remove member from group", "Group"),
    "add-group": ("Add group", "Group"),
    "update-group": ("Update group", "Group"),
    "add-user": ("Add user", "User"),
    "update-user": ("Update user", "User"),
    "delete-user": ("Delete user", "User"),
    "disable-account": ("Disable account", "User"),
    "change-user-license": ("Change user license", "User"),
    "invite-external-user": ("Invite external user", "User"),
    "reset-user-password": ("Reset user password", "User"),
    "change-user-password": ("Change user password", "User"),
    "user-registered-security-info": ("User registered security info", "User"),
    "admin-registered-security-info": ("Admin registered security info", "User"),
    "update-stsrefreshtokenvalidfrom-timestamp": ("Update StsRefreshTokenValidFrom Timestamp", "User"),
    "add-device": ("Add device", "Device"),
    "update-device": ("Update device", "Device"),
    "update-conditional-access-policy": ("Update conditional access policy", "Policy"),
    "delete-conditional-access-policy": ("Delete conditional access policy", "Policy"),
    "update-authorization-policy": ("Update authorization policy", "Policy"),
    "set-federation-settings-on-domain": ("Set federation settings on domain", "Other"),
    "add-unverified-domain": ("Add unverified domain", "Other"),
}  # fmt: skip
_LEFT: Mapping[str, str] = {
    "POST/applications/{id}/addPassword": "update-application-certificates-and-secrets-management",
    "POST/applications/{id}/removePassword": "update-application-certificates-and-secrets-management",
    "POST/applications/{id}/addKey": "update-application-certificates-and-secrets-management",
    "POST/servicePrincipals/{id}/addPassword": "add-service-principal-credentials",
    "POST/servicePrincipals/{id}/addKey": "add-service-principal-credentials",
    "POST/applications/{id}/federatedIdentityCredentials": "update-application",
    "POST/applications": "add-application",
    "PATCH/applications/{id}": "update-application",
    "DELETE/applications/{id}": "delete-application",
    "POST/servicePrincipals": "add-service-principal",
    "PATCH/servicePrincipals/{id}": "update-service-principal",
    "POST/applications/{id}/owners/$ref": "add-owner-to-application",
    "POST/servicePrincipals/{id}/owners/$ref": "add-owner-to-service-principal",
    "POST/servicePrincipals/{id}/appRoleAssignments": "add-app-role-assignment-to-service-principal",
    "POST/users/{id}/appRoleAssignments": "add-app-role-assignment-grant-to-user",
    "POST/oauth2PermissionGrants": "add-delegated-permission-grant",
    "POST/roleManagement/directory/roleAssignments": "add-member-to-role",
    "POST/groups/{id}/members/$ref": "add-member-to-group",
    "DELETE/groups/{id}/members/{id}/$ref": "remove-member-from-group",
    "POST/groups": "add-group",
    "PATCH/groups/{id}": "update-group",
    "POST/users": "add-user",
    "PATCH/users/{id}": "update-user",
    "DELETE/users/{id}": "delete-user",
    "POST/users/{id}/assignLicense": "change-user-license",
    "POST/users/{id}/revokeSignInSessions": "update-stsrefreshtokenvalidfrom-timestamp",
    "POST/users/{id}/authentication/temporaryAccessPassMethods": "admin-registered-security-info",
    "POST/users/{id}/authentication/methods/{id}/resetPassword": "reset-user-password",
    "POST/invitations": "invite-external-user",
    "PATCH/devices/{id}": "update-device",
    "PATCH/identity/conditionalAccess/policies/{id}": "update-conditional-access-policy",
    "DELETE/identity/conditionalAccess/policies/{id}": "delete-conditional-access-policy",
    "POST/domains": "add-unverified-domain",
    "POST/domains/{id}/federationConfiguration": "set-federation-settings-on-domain",
}


def graph(*requests: str, about: str = "") -> tuple[str, ...]:
    """Calls of Microsoft Graph, such as "GET/users"."""
    return tuple(f"graph:{one} {about}".strip() for one in requests)


def azure(*operations: str, about: str = "{home}/{stem}") -> tuple[str, ...]:
    """Operations of Azure that its activity log tells of, such as "storage/storageaccounts/write"."""
    return tuple(f"azure:microsoft.{one} {about}".strip() for one in operations)


def changes(*names: str, about: str = "user-{n}") -> tuple[str, ...]:
    """Changes in the directory that are made in its portal."""
    return tuple(f"entra:{name} {about}".strip() for name in names)


def left_by(operation: str) -> str:
    """The change in the directory that a request leaves beside its own record when it succeeds; '' for none.

    >>> left_by("graph:POST/applications/{id}/addPassword")
    'entra:update-application-certificates-and-secrets-management'
    """
    found = _LEFT.get(operation.removeprefix("graph:"), "")
    return f"entra:{found}" if found else ""


def change_of(operation: str) -> tuple[str, str]:
    """(the activity's name, the type of what it touches) of a change in the directory."""
    return _CHANGES[operation.removeprefix("entra:")]


def is_sign_in(operation: str) -> bool:
    """Whether an operation is a sign-in."""
    return operation.startswith("entra:signin/")


def audience_of(operation: str) -> str:
    """What a token has to be for to do the operation.

    >>> audience_of("entra:signin/serviceprincipal/sql"), audience_of("graph:GET/users")
    ('sql', 'graph')
    """
    return operation.rpartition("/")[2] if is_sign_in(operation) else operation.partition(":")[0]


def uri_of(operation: str, about: str) -> str:
    """The address a request to Microsoft Graph goes to: ids in the place of `{id}`, the first that of what it is about."""
    _, _, path = operation.removeprefix("graph:").partition("/")
    first = f"{about}@example.com" if about.startswith("user-") else hashed_uuid("object", about or operation)
    ids = iter((first, hashed_uuid("inner", about)))
    parts = [next(ids, hashed_uuid("inner", n)) if part == "{id}" else part for n, part in enumerate(path.split("/"))]
    return "https://graph.microsoft.com/v1.0/" + "/".join(parts)
