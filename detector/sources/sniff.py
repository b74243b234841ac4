"""Which provider wrote a log, from its content: never from its name."""

import re

from detector.event import Provider

KNOWN = "CloudTrail, Okta, Keycloak, Kubernetes, Google Cloud, Entra and Azure, GitHub"
"""The logs that are told apart, for people."""


def _fields(*names: str) -> re.Pattern[bytes]:
    """A field of any of these names."""
    return re.compile(rb'\\?"(' + "|".join(map(re.escape, names)).encode() + rb')\\?"\s*:')


_MARKS = (
    (Provider.AWS, _fields("eventSource"), _fields("eventName")),
    (Provider.OKTA, _fields("published"), _fields("eventType", "displayMessage", "outcome", "debugContext")),
    (
        Provider.KUBERNETES,
        re.compile(rb'audit\.k8s\.io\\?/|\\?"(auditID|requestURI)\\?"\s*:'),
        _fields("kind", "objectRef"),
    ),
    (
        Provider.GCP,
        _fields("protoPayload", "protopayload_auditlog", "logName", "logname", "messageId", "message_id"),
        _fields("insertId", "insertid", "methodName", "resource", "data"),
    ),
    (Provider.KEYCLOAK, _fields("realmId", "realmName"), _fields("type", "operationType")),
    (
        Provider.ENTRA,
        _fields("operationName", "OperationName", "OperationNameValue"),
        _fields(
            "category",
            "Category",
            "CategoryValue",
            "callerIpAddress",
            "correlationId",
            "CorrelationId",
            "resourceId",
            "caller",
        ),
    ),
    (Provider.ENTRA, _fields("requestUri", "RequestUri"), _fields("signInActivityId", "SignInActivityId")),
    (
        Provider.ENTRA,
        _fields("createdDateTime", "CreatedDateTime"),
        _fields("ipAddress", "IPAddress"),
        _fields("appId", "AppId"),
    ),
    (
        Provider.ENTRA,
        _fields("activityDateTime", "ActivityDateTime"),
        _fields("activityDisplayName", "ActivityDisplayName"),
    ),
    (Provider.GITHUB, _fields("action"), _fields("@timestamp", "_document_id", "at_sign_timestamp")),
    (
        Provider.GITHUB,
        _fields("action"),
        _fields("actor"),
        _fields("created_at", "p_event_time"),
        _fields("org", "repo", "business"),
    ),
)
"""In this order: fields that stand in a provider's logs, all of a row's."""


def sniff(data: bytes) -> Provider | None:
    """The provider whose field names stand in ``data`` (the start of a log), or None.

    >>> sniff(b'{"eventSource": "s3.amazonaws.com", "eventName": "GetObject"}').name
    'AWS'
    """
    for provider, *marks in _MARKS:
        if all(mark.search(data) for mark in marks):
            return provider
    return None
