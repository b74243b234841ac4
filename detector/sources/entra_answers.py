"""What Microsoft answered: error codes of sign-ins, HTTP statuses, the words Azure and the directory use.

Codes: learn.microsoft.com, "Microsoft Entra authentication and authorization error codes". A code that is not listed here is a sign-in whose proof did not hold.
"""

import re

from detector.event import Outcome
from detector.sources.entra_fields import Fields, named
from detector.sources.events import text_of

_REFUSED_SIGN_INS = frozenset(
    re.findall(
        r"\d+",
        "50053 50057 50105 50131 50158 50177 53000 53001 53002 53003 53004 53011 65001 65004 90094 90095 500011 530032 7000112 700016 70011 90072",
    )
)
"""Refused for another reason than the proof: blocked, disabled, not assigned, no consent, conditional access."""
_BROKEN_SIGN_INS = frozenset(["90006", "90010", "90019", "90020", "90033", "90036", "50000", "50001", "900383"])
_THROTTLED_SIGN_INS = ("90055", "50196")

_DENIED = re.compile(
    r"forbidden|authorizationfailed|permissionmismatch|denied|disallowed|insufficient privileges|\b403\b", re.I
)
_UNPROVEN = re.compile(r"unauthorized|authenticationfailed|invalidauthentication|\b401\b", re.I)
_THROTTLED = re.compile(r"toomanyrequests|throttl|\b429\b", re.I)
_FAILED = re.compile(
    r"^(fail|error|timeout|client\w*error|server\w*error|network\w*error|\w*throttling|authorization\w*error)", re.I
)
_BY_STATUS = {401: Outcome.FAILED_AUTHENTICATION, 403: Outcome.DENIED, 429: Outcome.THROTTLED}


def sign_in_outcome(code: str) -> Outcome:
    """What a sign-in's error code means.

    >>> [sign_in_outcome(c).name for c in ("0", "7000215", "53003")]
    ['SUCCESS', 'FAILED_AUTHENTICATION', 'DENIED']
    """
    if code in ("", "0"):
        return Outcome.SUCCESS
    if code in _REFUSED_SIGN_INS:
        return Outcome.DENIED
    if code in _THROTTLED_SIGN_INS:
        return Outcome.THROTTLED
    return Outcome.ERROR if code in _BROKEN_SIGN_INS else Outcome.FAILED_AUTHENTICATION


def status_outcome(status: str) -> Outcome:
    """What an HTTP status means; a text that is none says nothing went wrong.

    >>> [status_outcome(s).name for s in ("204", "403", "404", "")]
    ['SUCCESS', 'DENIED', 'ERROR', 'SUCCESS']
    """
    number = int(status) if status.isascii() and status.isdigit() and len(status) < 4 else 0
    return _BY_STATUS.get(number, Outcome.ERROR if number >= 400 else Outcome.SUCCESS)


def worded_outcome(result: str, reason: str) -> Outcome:
    """What a result such as ``Failure`` means, with the words beside it.

    >>> worded_outcome("Failed", "Forbidden").name, worded_outcome("Started", "").name
    ('DENIED', 'SUCCESS')
    """
    if not _FAILED.match(result.strip()):
        return Outcome.SUCCESS
    said = f"{result} {reason}"
    if _DENIED.search(said):
        return Outcome.DENIED
    if _UNPROVEN.search(said):
        return Outcome.FAILED_AUTHENTICATION
    return Outcome.THROTTLED if _THROTTLED.search(said) else Outcome.ERROR


def sign_in_answer(fields: Fields) -> tuple[str, str]:
    """(error code, reason) of a sign-in."""
    status = fields.branch("status")
    code = text_of(status.get("errorcode")) or text_of(fields.top.get("resulttype"))
    return code, text_of(status.get("failurereason")) or text_of(fields.top.get("resultdescription"))


def azure_answer(fields: Fields) -> tuple[Outcome, str]:
    """(outcome, error) of an Azure operation: a status code where it has one, else words."""
    top, inner = fields.top, fields.inner
    status = text_of(top.get("statuscode")) or text_of(inner.get("httpstatuscode"))
    result = text_of(top.get("resulttype")) or named(top.get("status")) or text_of(top.get("activitystatusvalue"))
    beside = (
        text_of(top.get("statustext")),
        text_of(top.get("resultsignature")),
        text_of(inner.get("statuscode")),
        named(top.get("substatus")) or text_of(top.get("activitysubstatusvalue")),
        text_of(top.get("resultdescription")),
    )
    said = " ".join(dict.fromkeys(word for word in beside if word))
    outcome = status_outcome(status) if status.isdigit() else worded_outcome(result, said)
    if outcome is Outcome.SUCCESS and status.isdigit():
        outcome = worded_outcome(result, said)
    return outcome, "" if outcome is Outcome.SUCCESS else (said or status or result)[:200]
