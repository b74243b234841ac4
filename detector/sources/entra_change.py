"""Changes in the directory: what they were about, which credential they made and whose it is.

Properties as the audit log has them (learn.microsoft.com, "Microsoft Entra audit log categories and activities"; "directoryAudit resource type"): ``KeyDescription`` lists an
app's keys before and after, ``FederatedIdentityCredentials`` its federated credentials, ``ConsentAction.Permissions`` what was consented to, ``TargetId.ServicePrincipalNames``
the app's id.

Blind to: consent given for everybody, which is nobody's grant in particular.
"""

import re
from typing import Any

import msgspec

from detector.sources.entra_actor import details_of, grant
from detector.sources.entra_fields import Fields, Object, known, lowered
from detector.sources.events import text_of

_GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_KEY = re.compile(rf"KeyIdentifier=({_GUID}|[\w-]+)")
_APP = re.compile(rf"^\W*({_GUID})\b")
_TO_ONE = re.compile(rf"PrincipalId: ({_GUID}|[\w-]+)[^\]]*?ConsentType: Principal\b")
_SECURE_NAMES = ("serviceprincipal", "application")


def targets_of(fields: Fields) -> list[Object]:
    """What a change touched."""
    found = fields.inner.get("targetresources")
    return [lowered(item) for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def changed(targets: list[Object]) -> dict[str, tuple[str, str]]:
    """(before, after) of every property a change touched, names in lower case."""
    found: dict[str, tuple[str, str]] = {}
    for target in targets:
        many = target.get("modifiedproperties")
        for item in many if isinstance(many, list) else ():
            change = lowered(item)
            name = text_of(change.get("displayname")).lower()
            found.setdefault(name, (text_of(change.get("oldvalue")), text_of(change.get("newvalue"))))
    return found


def about(fields: Fields) -> str:
    """The first thing a change touched, ``type:name``."""
    for target in targets_of(fields):
        name = text_of(target.get("userprincipalname")) or text_of(target.get("displayname")) or known(target.get("id"))
        if name:
            return f"{text_of(target.get('type'))}:{name}"[:200]
    return ""


def made_by(fields: Fields) -> str:
    """The credential a change made: a key, a federated credential or a user's grant; '' when none."""
    properties = changed(targets_of(fields))
    before, after = properties.get("keydescription", ("", ""))
    held = set(_KEY.findall(before))
    fresh = [key for key in _KEY.findall(after) if key not in held]
    if fresh:
        return f"entra-key:{fresh[0]}"
    before, after = properties.get("federatedidentitycredentials", ("", ""))
    held = set(_federated(before))
    fresh = [number for number in _federated(after) if number not in held]
    if fresh:
        return f"entra-fic:{fresh[0]}"
    app = app_of(fields)
    given = _TO_ONE.search(properties.get("consentaction.permissions", ("", ""))[1])
    return grant(given[1], app) if given and app else ""


def app_of(fields: Fields) -> str:
    """The id of the app a change was about; '' where the record does not say."""
    named = changed(targets_of(fields)).get("targetid.serviceprincipalnames", ("", ""))[1]
    found = _APP.match(named)
    return found[1] if found else known(details_of(fields).get("appid"))


def _federated(text: str) -> list[str]:
    """Ids of federated credentials in the JSON text that lists them."""
    try:
        listed: Any = msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    found = [known(lowered(item).get("id")) for item in listed] if isinstance(listed, list) else []
    return [number for number in found if number]
