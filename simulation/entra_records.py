"""Sign-ins, requests, changes and Azure operations as a Microsoft tenant writes them down; formats as in `simulation.entra`.

Cost: about 25 µs a record.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from simulation.entra_routes import AUDIENCES, COMMAND_LINE, OFFICE, PORTAL, TEAMS, change_of, is_sign_in, uri_of
from simulation.native.digests import digest, hashed_uuid
from simulation.native.shape import Act

TENANT = hashed_uuid("tenant")
_SUBSCRIPTION = "/subscriptions/123456789012"
_CODES: Mapping[str, int] = {"": 0, "denied": 53003, "throttled": 50196, "missing": 90033, "broken": 90033}
_STATUS: Mapping[str, int] = {"denied": 403, "throttled": 429, "missing": 404, "broken": 503}
_DONE: Mapping[str, int] = {"GET": 200, "POST": 201, "PATCH": 204, "DELETE": 204, "PUT": 201}
_SUBSTATUS: Mapping[str, str] = {
    "": "",
    "denied": "Forbidden",
    "throttled": "TooManyRequests",
    "missing": "NotFound",
    "broken": "InternalServerError",
}
_REASONS: Mapping[str, str] = {
    "": "",
    "denied": "Insufficient privileges to complete the operation.",
    "throttled": "TooManyRequests",
    "missing": "Resource not found",
    "broken": "Internal error",
}
_CATEGORIES: Mapping[str, str] = {
    "serviceprincipal": "ServicePrincipalSignInLogs",
    "managedidentity": "ManagedIdentitySignInLogs",
    "noninteractive": "NonInteractiveUserSignInLogs",
    "interactive": "SignInLogs",
}
_CLAIM = "http://schemas.microsoft.com/identity/claims"


def written(act: Act, event_id: str) -> bytes:
    """The act as one record."""
    if is_sign_in(act.operation):
        return msgspec.json.encode(_sign_in(act, event_id))
    make = {"graph": _request, "azure": _azure}.get(act.operation.partition(":")[0], _change)
    return msgspec.json.encode(make(act, event_id))


def user_id(login: str) -> str:
    """A person's object id."""
    return hashed_uuid("user", login)


def app_id(name: str) -> str:
    """An app's id."""
    return hashed_uuid("app", name)


def _envelope(act: Act, category: str, name: str, event_id: str) -> dict[str, Any]:
    """What a diagnostic setting wraps round a record."""
    return {
        "time": stamp(act.at_s),
        "resourceId": f"/tenants/{TENANT}/providers/Microsoft.aadiam",
        "operationName": name,
        "operationVersion": "1.0",
        "category": category,
        "tenantId": TENANT,
        "callerIpAddress": act.seat.source,
        "correlationId": hashed_uuid("correlation", event_id),
        "Level": 4,
    }


def stamp(at_s: float) -> str:
    """A time as these logs write it."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"


def _sign_in(act: Act, event_id: str) -> dict[str, Any]:
    kind, audience = act.operation.split("/")[1:]
    body, (resource, display) = act.seat.body, AUDIENCES[audience]
    code = (50126 if "user" in body else 7000215) if act.failure == "unproven" else _CODES[act.failure]
    properties: dict[str, Any] = {
        "id": event_id,
        "createdDateTime": stamp(act.at_s),
        "ipAddress": act.seat.source,
        "status": {"errorCode": code},
        "resourceId": resource,
        "resourceDisplayName": display,
        "isInteractive": kind == "interactive",
        **({"uniqueTokenIdentifier": act.issued or digest("token", event_id)} if not code else {}),
        **(_user_fields(act, kind, audience) if "user" in body else _app_fields(body)),
    }
    found = _envelope(act, _CATEGORIES[kind], "Sign-in activity", event_id)
    return {**found, "properties": properties, "resultType": str(code), "resultSignature": "None"}


def _app_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    key, federated = body.get("key", ""), body.get("federated", "")
    return {
        "appId": body["app"],
        "appOwnerTenantId": body["owner"],
        "servicePrincipalId": hashed_uuid("principal", body["app"]),
        "servicePrincipalName": body["name"],
        **({"servicePrincipalCredentialKeyId": key} if key else {}),
        **({"federatedCredentialId": federated} if federated else {}),
    }


def _user_fields(act: Act, kind: str, audience: str) -> dict[str, Any]:
    body = act.seat.body
    program = PORTAL if audience == "azure" else TEAMS if kind == "noninteractive" else OFFICE
    found = {
        "userId": body["user"],
        "userPrincipalName": f"{body['login']}@example.com",
        "appId": body.get("app") or program,
        "appDisplayName": body.get("name", "Microsoft"),
        "userAgent": act.seat.agent,
    }
    session = body.get("session") if act.failure != "unproven" else None
    return found | ({"sessionId": session} if session else {})


def _request(act: Act, event_id: str) -> dict[str, Any]:
    """A request to Microsoft Graph."""
    body, method = act.seat.body, act.operation.removeprefix("graph:").partition("/")[0]
    status = _STATUS[act.failure] if act.failure else _DONE.get(method, 200)
    properties = {
        "requestId": event_id,
        "operationId": event_id,
        "apiVersion": "v1.0",
        "requestMethod": method,
        "requestUri": uri_of(act.operation, act.about),
        "responseStatusCode": status,
        "appId": body.get("app") or COMMAND_LINE,
        "tenantId": TENANT,
        "ipAddress": act.seat.source,
        "userAgent": act.seat.agent,
        "signInActivityId": act.seat.credential.partition(":")[2],
        **(
            {"userId": body["user"]}
            if "user" in body
            else {"servicePrincipalId": hashed_uuid("principal", body["app"])}
        ),
        **({"c_sid": body["session"]} if "session" in body else {}),
    }
    found = _envelope(act, "MicrosoftGraphActivityLogs", "Microsoft Graph Activity", event_id)
    return {**found, "properties": properties, "resultSignature": str(status)}


def _change(act: Act, event_id: str) -> dict[str, Any]:
    """A change in the directory."""
    body, (name, kind) = act.seat.body, change_of(act.operation)
    by_user = {
        "id": body.get("user"),
        "userPrincipalName": f"{body.get('login')}@example.com",
        "ipAddress": act.seat.source,
    }
    by_app = {
        "appId": body.get("app"),
        "displayName": body.get("name"),
        "servicePrincipalId": hashed_uuid("principal", body.get("app")),
    }
    properties = {
        "id": event_id,
        "category": "RoleManagement"
        if "role" in act.operation
        else "ApplicationManagement"
        if "pplication" in kind
        else "UserManagement",
        "activityDisplayName": name,
        "activityDateTime": stamp(act.at_s),
        "result": "failure" if act.failure else "success",
        "resultReason": _REASONS[act.failure],
        "initiatedBy": {"user": by_user} if "user" in body else {"app": by_app},
        "targetResources": [_target(act, kind)],
        "additionalDetails": [
            {"key": "User-Agent", "value": act.seat.agent},
            {"key": "AppId", "value": app_id(act.about)},
        ],
    }
    return {
        **_envelope(act, "AuditLogs", name, event_id),
        "properties": properties,
        "resultSignature": "None",
        "identity": body.get("name", ""),
    }


def _target(act: Act, kind: str) -> dict[str, Any]:
    """What a change touched, with the credential it made."""
    number = act.issued or hashed_uuid("made", act.at_s, act.about)
    made: dict[str, Any] = {}
    if "certificates" in act.operation or "add-service-principal-credentials" in act.operation:
        old, new = (
            f"[KeyIdentifier={key},KeyType=Password,KeyUsage=Verify,DisplayName=ci]"
            for key in (hashed_uuid("old", act.about), number)
        )
        made = {"displayName": "KeyDescription", "oldValue": f'["{old}"]', "newValue": f'["{new}","{old}"]'}
    elif act.operation == "entra:update-application" and act.issued:
        listed = [
            {"Name": "support", "Issuer": "https://token.example.com", "Subject": "repo:example/support", "Id": number}
        ]
        made = {
            "displayName": "FederatedIdentityCredentials",
            "oldValue": "[]",
            "newValue": msgspec.json.encode(listed).decode(),
        }
    elif act.operation == "entra:consent-to-application":
        given = f"[Id: {number}, ClientId: {app_id(act.about)}, PrincipalId: {act.seat.body.get('user', '')}, ResourceId: graph, ConsentType: Principal, Scope: Mail.Read]"
        made = {"displayName": "ConsentAction.Permissions", "oldValue": None, "newValue": f'"[] => [{given}]; "'}
    names = {"displayName": "TargetId.ServicePrincipalNames", "oldValue": None, "newValue": f'"{app_id(act.about)}"'}
    is_app = "pplication" in kind or kind == "ServicePrincipal"
    return {
        "id": hashed_uuid("object", act.about),
        "type": kind,
        "displayName": act.about or "the tenant",
        "modifiedProperties": [*([made] if made else []), *([names] if is_app else [])],
    }


def _azure(act: Act, event_id: str) -> dict[str, Any]:
    """An Azure operation, as a workspace keeps it."""
    body, name = act.seat.body, act.operation.removeprefix("azure:")
    group, _, thing = act.about.rpartition("/")
    provider, _, kind = name.rsplit("/", 2 if name.endswith("/action") else 1)[0].partition("/")
    if "user" in body:
        who = {
            "upn": f"{body['login']}@example.com",
            f"{_CLAIM}/objectidentifier": body["user"],
            f"{_CLAIM}/scope": "user_impersonation",
        }
        who |= {"sid": body["session"]} if "session" in body else {}
    else:
        who = {f"{_CLAIM}/objectidentifier": hashed_uuid("principal", body["app"]), "idtyp": "app"}
    claims = who | {
        "appid": body.get("app") or PORTAL,
        "uti": act.seat.credential.partition(":")[2],
        f"{_CLAIM}/tenantid": TENANT,
    }
    return {
        "TimeGenerated": stamp(act.at_s),
        "OperationNameValue": name.upper(),
        "CategoryValue": "Administrative",
        "ActivityStatusValue": "Failure" if act.failure else "Success",
        "ActivitySubstatusValue": _SUBSTATUS[act.failure],
        "Caller": who.get("upn") or who[f"{_CLAIM}/objectidentifier"],
        "CallerIpAddress": act.seat.source,
        "Claims": msgspec.json.encode(claims).decode(),
        "CorrelationId": hashed_uuid("correlation", event_id),
        "EventDataId": event_id,
        "Level": "Error" if act.failure else "Information",
        "ResourceProviderValue": provider.upper(),
        "_ResourceId": f"{_SUBSCRIPTION}/resourcegroups/{group or 'shop'}/providers/{provider}/{kind or 'subscriptions'}/{thing or 'main'}",
        "Type": "AzureActivity",
        "TenantId": "the-workspace",
    }
