"""Which provider wrote a log, from its content: never from its name."""

import re

from detector.event import Provider

_MARKS = {
    Provider.AWS: (re.compile(rb'\\?"eventSource\\?"\s*:'), re.compile(rb'\\?"eventName\\?"\s*:')),
    Provider.OKTA: (
        re.compile(rb'"published"\s*:'),
        re.compile(rb'"(eventType|displayMessage|outcome|debugContext)"\s*:'),
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
