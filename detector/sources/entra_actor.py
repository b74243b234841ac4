"""Who acted in Microsoft's records, and with what.

Credentials: ``entra-key:ID`` a secret or certificate of an app, ``entra-fic:ID`` a federated credential of one, ``entra-app:ID`` an app (or a managed
identity) whose key the record does not name, ``entra-principal:ID`` a service principal of which not even the app's id is known; ``entra-token:ID`` an access
token an app holds; ``entra-grant:USER/APP`` what a user lets an app do in the user's name; ``entra-session:ID`` and ``entra-user:ID`` a user. Principals: an
app by its application id, a user by the object id.

Whoever uses a program of Microsoft's (command line, portal, Office) acts as themselves; any other app that has a user's token acts on behalf of that user.
"""

from typing import NamedTuple

from detector.event import Mark, Path
from detector.sources.entra_fields import Fields, Object, address_of, claims_of, known, lowered
from detector.sources.entra_names import MICROSOFT_CLIENTS, MICROSOFT_TENANTS
from detector.sources.events import Sighting, text_of, unattributed


class Caller(NamedTuple):
    """The parts of a record that say who called; '' where it has none. ``token``: id of the access token; ``owner``: tenant the app comes from."""

    user: str = ""
    login: str = ""
    app: str = ""
    app_name: str = ""
    principal: str = ""
    key: str = ""
    federated: str = ""
    token: str = ""
    session: str = ""
    owner: str = ""
    agent: str = ""
    address: str = ""
    tenant: str = ""

    @property
    def is_user(self) -> bool:
        """Whether a person is behind it, perhaps through an app."""
        return bool(self.user or self.login)

    @property
    def is_on_behalf(self) -> bool:
        """Whether somebody else's app uses a user's token."""
        return self.is_user and bool(self.app) and self.app.lower() not in MICROSOFT_CLIENTS


def of_sign_in(fields: Fields) -> Caller:
    """The caller of a sign-in."""
    inner = fields.inner
    return Caller(
        user=fields.id("userid"),
        login=_login(inner.get("userprincipalname")),
        app=fields.id("appid"),
        app_name=text_of(inner.get("serviceprincipalname")) or text_of(inner.get("appdisplayname")),
        principal=fields.id("serviceprincipalid"),
        key=fields.id("serviceprincipalcredentialkeyid"),
        federated=fields.id("federatedcredentialid"),
        session=fields.id("sessionid"),
        owner=fields.id("appownertenantid"),
        agent=text_of(inner.get("useragent")),
        address=address_of(inner.get("ipaddress"), fields.top.get("calleripaddress")),
        tenant=_tenant(fields),
    )


def of_request(fields: Fields) -> Caller:
    """The caller of a request to Microsoft Graph."""
    inner = fields.inner
    return Caller(
        user=fields.id("userid"),
        app=fields.id("appid"),
        principal=fields.id("serviceprincipalid"),
        token=fields.id("signinactivityid") or fields.id("uniquetokenid"),
        session=fields.id("sessionid") or fields.id("c_sid"),
        agent=text_of(inner.get("useragent")),
        address=address_of(inner.get("ipaddress"), fields.top.get("calleripaddress")),
        tenant=_tenant(fields),
    )


def of_change(fields: Fields) -> Caller:
    """The caller of a change in the directory: ``initiatedBy``."""
    initiated = fields.branch("initiatedby")
    user, app = lowered(initiated.get("user")), lowered(initiated.get("app"))
    details = details_of(fields)
    return Caller(
        user=known(user.get("id")),
        login=_login(user.get("userprincipalname")),
        app=known(app.get("appid")),
        app_name=text_of(app.get("displayname")),
        principal=known(app.get("serviceprincipalid")),
        agent=details.get("user-agent", "") or text_of(fields.inner.get("useragent")),
        address=address_of(user.get("ipaddress"), fields.top.get("calleripaddress"), fields.inner.get("ipaddress")),
        tenant=_tenant(fields),
    )


def of_azure(fields: Fields) -> Caller:
    """The caller of an Azure operation: the claims of the token it came with, else ``caller``."""
    claims, identity = claims_of(fields), fields.branch("identity")
    requester = lowered(identity.get("requester"))
    caller = text_of(fields.top.get("caller"))
    number = known(claims.get("objectidentifier") or claims.get("oid") or requester.get("objectid"))
    login = _login(claims.get("upn") or requester.get("upn") or claims.get("name") or claims.get("emailaddress"))
    login = login or _login(caller)
    is_user = bool(login or claims.get("scope") or claims.get("scp")) and claims.get("idtyp") != "app"
    return Caller(
        user=number if is_user else "",
        login=login if is_user else "",
        app=known(claims.get("appid") or requester.get("appid")),
        principal="" if is_user else number or known(caller),
        token=known(claims.get("uti")),
        session=known(claims.get("sid")),
        agent=_azure_agent(fields.inner),
        address=address_of(
            fields.top.get("calleripaddress"), fields.branch("httprequest").get("clientipaddress"), claims.get("ipaddr")
        ),
        tenant=_tenant(fields) or known(claims.get("tenantid")),
    )


def sighting(caller: Caller, origin: str, is_interactive: bool = True) -> Sighting:
    """Who acted. ``is_interactive``: whether a user was there, so that it was the user and no app that signed in."""
    if caller.is_on_behalf and not is_interactive:
        return _on_behalf(caller)
    if caller.is_user:
        return _as_user(caller)
    if caller.app or caller.principal:
        return _as_app(caller)
    nobody = unattributed(origin)
    return _seen(caller, nobody, nobody, Path.HUMAN, int(Mark.UNATTRIBUTED))


def _as_user(caller: Caller) -> Sighting:
    who = caller.user or caller.login
    session = caller.session or caller.token
    credential, marks = (f"entra-session:{session}", int(Mark.TEMPORARY)) if session else (f"entra-user:{who}", 0)
    return _seen(caller, credential, who, Path.HUMAN, marks, caller.login)


def _on_behalf(caller: Caller) -> Sighting:
    user = caller.user or caller.login
    credential = f"entra-token:{caller.token}" if caller.token else grant(user, caller.app)
    found = _seen(caller, credential, caller.app, Path.DELEGATED, 0, caller.app_name)
    return found._replace(claims=(("on_behalf_of", user), *found.claims))


def _as_app(caller: Caller) -> Sighting:
    if caller.token:
        credential = f"entra-token:{caller.token}"
    elif caller.key:
        credential = f"entra-key:{caller.key}"
    elif caller.federated:
        credential = f"entra-fic:{caller.federated}"
    else:
        credential = f"entra-app:{caller.app}" if caller.app else f"entra-principal:{caller.principal}"
    is_microsofts = caller.owner.lower() in MICROSOFT_TENANTS and not caller.key and not caller.federated
    marks = int(Mark.PROVIDER_OWNED) if is_microsofts else 0
    return _seen(caller, credential, caller.app or caller.principal, Path.WORKLOAD, marks, caller.app_name)


def _seen(caller: Caller, credential: str, principal: str, path: Path, marks: int, alias: str = "") -> Sighting:
    claims = (("name", alias),) if alias and alias != principal else ()
    return Sighting(credential, principal, path, caller.agent, caller.address, marks, caller.tenant, claims, alias)


def grant(user: str, app: str) -> str:
    """The credential that a user's consent to an app is."""
    return f"entra-grant:{user}/{app}"


def details_of(fields: Fields) -> dict[str, str]:
    """``additionalDetails`` of a change in the directory, keys in lower case."""
    found = fields.inner.get("additionaldetails")
    pairs = [lowered(item) for item in found] if isinstance(found, list) else []
    return {text_of(pair.get("key")).lower(): text_of(pair.get("value")) for pair in pairs}


def _login(value: object) -> str:
    """A login; '' for a text that is none, such as a person's full name."""
    text = text_of(value)[:200]
    return text if "@" in text else ""


def _azure_agent(inner: Object) -> str:
    return text_of(inner.get("useragentheader")) or text_of(inner.get("clientinfo")) or text_of(inner.get("useragent"))


def _tenant(fields: Fields) -> str:
    """The tenant; of Log Analytics, where ``TenantId`` is the workspace's, ``AADTenantId``."""
    own = () if "timegenerated" in fields.top else (fields.top.get("tenantid"), fields.inner.get("tenantid"))
    named = (fields.top.get("aadtenantid"), *own)
    return next((found for value in named if (found := known(value))), "")
