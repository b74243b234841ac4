"""Which provider wrote a log, from its content: never from its name."""

import re

from detector.event import Provider

KNOWN = "CloudTrail, Okta, Keycloak, Kubernetes, Google Cloud"
"""The logs that are told apart, for people."""

_MARKS = {
    Provider.AWS: (re.compile(rb'\\?"eventSource\\?"\s*:'), re.compile(rb'\\?"eventName\\?"\s*:')),
    Provider.OKTA: (
        re.compile(rb'"published"\s*:'),
        re.compile(rb'"(eventType|displayMessage|outcome|debugContext)"\s*:'),
    ),
    Provider.KUBERNETES: (
        re.compile(rb'audit\.k8s\.io\\?/|\\?"(auditID|requestURI)\\?"\s*:'),
        re.compile(rb'\\?"kind\\?"\s*:|\\?"objectRef\\?"\s*:'),
    ),
    Provider.GCP: (
        re.compile(rb'"(protoPayload|protopayload_auditlog|logName|logname|messageId|message_id)"\s*:'),
        re.compile(rb'"(insertId|insertid|methodName|resource|data)"\s*:'),
    ),
    Provider.KEYCLOAK: (re.compile(rb'"(realmId|realmName)"\s*:'), re.compile(rb'"(type|operationType)"\s*:')),
}


def sniff(data: bytes) -> Provider | None:
    """The provider whose field names stand in ``data`` (the start of a log), or None.

    >>> sniff(b'{"eventSource": "s3.amazonaws.com", "eventName": "GetObject"}').name
    'AWS'
    """
    for provider, marks in _MARKS.items():
        if all(mark.search(data) for mark in marks):
            return provider
    return None
