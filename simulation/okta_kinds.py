"""Who lives in an Okta organisation: provisioning and lifecycle jobs, delivery, applications with clients of their own, vendors and people, as habits.

Event types are those of Okta's catalogue (developer.okta.com/docs/reference/api/event-types); what each program does is read off the product it stands for
(Okta's guides to provisioning, the AD agent, API service integrations, client secret rotation, Privileged Access). How often is an assumption. A token of a
client-credentials grant lives for an hour, so every replica of an application asks for one an hour.

Applications without rights at Okta itself are whose secrets intruders find: nobody attacks them for their own sake, else one attack would be judged for what
another did.
"""

from dataclasses import replace
from typing import Any

from simulation.native.shape import Habit, Kind

_OKTA_ITSELF = "Okta's own principal: it holds nothing a customer could take away"
_BROWSER = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
_PYTHON, _JAVA, _GO, _NODE, _NET = (
    "okta-sdk-python/2.9.8 python/3.12", "okta-sdk-java/20.0.0 java/21", "okta-sdk-golang/5.0.2 golang/1.23", "okta-sdk-nodejs/7.1.0 node/20.15.1",
    "okta-sdk-dotnet/9.0.4 runtime/8.0",
)  # fmt: skip
_OWN, _CUSTOM = "okta:app.oauth2.token.grant.access_token", "okta:app.oauth2.as.token.grant.access_token"
_REFRESHED = "okta:app.oauth2.as.token.grant.refresh_token"
_RUN_S = 1200  # a hosted runner or a vendor's fleet: another address for each run


def _asks(every_s: float, *scopes: str) -> Habit:
    """A token for Okta's own API, again and again."""
    return Habit(tuple(f"{_OWN} {scope}" for scope in scopes), every_s=every_s)


def _asks_custom(every_s: float, *scopes: str) -> Habit:
    """A token for an API of the company's."""
    return Habit(tuple(f"{_CUSTOM} {scope}" for scope in scopes), every_s=every_s)


# What a roll-out may bring for good.
_GROWTH = (
    Habit((f"{_CUSTOM} {{home}}.write", f"{_CUSTOM} {{home}}.admin"), every_s=5400),
    Habit((f"{_OWN} okta.users.read", f"{_OWN} okta.groups.read"), every_s=7200),
    Habit(("okta:user.account.update_profile user-{n}", "okta:group.user_membership.add user-{n}/{home}"), runs=(2, 8)),
    Habit(
        ("okta:application.user_membership.update user-{n}/{home}", "okta:user.account.update_user_type user-{n}"),
        runs=(1, 6),
    ),
    Habit(("okta:app.oauth2.as.token.revoke {home}", f"{_CUSTOM} {{home}}.read"), runs=(2, 10)),
    Habit(("okta:user.session.clear", "okta:user.account.expire_password user-{n}"), runs=(1, 4)),
    Habit(("okta:device.user.add device-{n}", "okta:device.lifecycle.activate device-{n}"), runs=(1, 5)),
    Habit(("okta:user.mfa.factor.activate user-{n}", "okta:user.account.update_primary_email user-{n}"), runs=(2, 9)),
)

OKTA_ITSELF = (
    Kind("okta-system", "system", "", (
        Habit(("okta:group.user_membership.add user-{n}/everyone", "okta:application.user_membership.add user-{n}/mail",
            "okta:application.provision.user.push_profile mail", "okta:user.lifecycle.activate user-{n}"), every_s=1100),
        Habit(("okta:system.import.start directory", "okta:system.import.user.update directory", "okta:system.import.complete directory"), runs=(6, 12)),
        Habit(("okta:user.account.lock user-{n}", "okta:system.email.delivery mail"), runs=(1, 6)),
    ), weight=0.1, counted=False, why_not=_OKTA_ITSELF),
)  # fmt: skip


def _job(name: str, where: str, agent: str, *habits: Habit, **changed: Any) -> Kind:
    return replace(Kind(name, where, agent, habits, growth=_GROWTH), **changed)


LIFECYCLE = (
    _job("hr-import", "token", "hris-connector/3.4 " + _JAVA, Habit(
        ("okta:user.lifecycle.create user-{n}", "okta:user.account.update_profile user-{n}", "okta:user.lifecycle.activate user-{n}",
         "okta:group.user_membership.add user-{n}/{home}"), runs=(2, 7), hours=(6, 18), gap_s=(0.2, 3)),
        Habit(("okta:user.account.update_profile user-{n}",), every_s=2400),
        rights="wide", principal="svc-{stem}@example.com", seldom=("okta:user.lifecycle.suspend user-{n}", "okta:user.lifecycle.reactivate user-{n}",
            "okta:user.account.update_primary_email user-{n}"), weight=0.8),
    _job("directory-agent", "token", "Okta AD Agent/3.18.0", Habit(
        ("okta:system.agent.ad.read_dirsync directory", "okta:system.agent.ad.import_user directory", "okta:user.account.update_profile user-{n}",
         "okta:system.agent.ad.read_ldap directory"), every_s=1300), rights="wide", principal="okta-agent-{stem}@example.com",
        seldom=("okta:system.agent.ad.unlock_user_account directory", "okta:system.agent.ad.reset_user_password directory", "okta:system.agent.ad.upgrade directory"),
        weight=0.5),
    _job("scim-bridge", "client", _NODE, _asks(3500, "okta.users.manage"), Habit(
        ("okta:application.user_membership.add user-{n}/{home}", "okta:application.user_membership.update user-{n}/{home}",
         "okta:application.provision.user.push_profile {home}", "okta:application.user_membership.remove user-{n}/{home}"), runs=(4, 14), part=0.7),
        rights="wide"),
    _job("offboarding", "client", _PYTHON, _asks(5400, "okta.users.manage"), Habit(
        ("okta:user.session.clear", "okta:group.user_membership.remove user-{n}/{home}", "okta:application.user_membership.revoke user-{n}/{home}",
         "okta:user.lifecycle.deactivate user-{n}", "okta:user.mfa.factor.reset_all user-{n}"), runs=(1, 4), hours=(8, 20), gap_s=(0.3, 4), part=0.9),
        rights="wide", weight=0.6),
    _job("group-sync", "token", _GO, Habit(("okta:group.user_membership.add user-{n}/{home}", "okta:group.user_membership.remove user-{n}/{home}"),
        every_s=1500), Habit(("okta:group.lifecycle.create team-{n}", "okta:group.application_assignment.add team-{n}/{home}"), runs=(0, 2), chance=0.3),
        rights="wide", principal="svc-{stem}@example.com", weight=0.8),
    _job("access-reviews", "client", _JAVA, _asks(7200, "okta.governance.read", "okta.users.read"), Habit(
        ("okta:group.user_membership.remove user-{n}/{home}", "okta:application.user_membership.revoke user-{n}/{home}",
         "okta:user.account.privilege.revoke user-{n}"), runs=(1, 5), hours=(8, 18), is_office=True, part=0.7), rights="wide", weight=0.5),
    _job("helpdesk-bot", "token", "service-desk/8.2 " + _NET, Habit(
        ("okta:user.account.unlock_by_admin user-{n}", "okta:user.account.reset_password user-{n}", "okta:user.mfa.factor.deactivate user-{n}"),
        runs=(4, 14), hours=(7, 19), is_office=True, part=0.5, gap_s=(1, 20)), rights="wide", principal="svc-{stem}@example.com",
        seldom=("okta:user.mfa.factor.reset_all user-{n}", "okta:user.lifecycle.unsuspend user-{n}", "okta:user.session.clear"), weight=0.6),
    _job("contractor-expiry", "token", "python-requests/2.32.3", Habit(("okta:user.lifecycle.suspend user-{n}", "okta:user.session.clear",
        "okta:user.lifecycle.deactivate user-{n}"), runs=(2, 6), hours=(1, 4), part=0.8), rights="wide", principal="svc-{stem}@example.com", weight=0.5),
    _job("device-sync", "client", _GO, _asks(3600, "okta.devices.manage"), Habit(("okta:device.user.add device-{n}", "okta:device.lifecycle.activate device-{n}",
        "okta:device.lifecycle.deactivate device-{n}"), runs=(3, 10), part=0.7), weight=0.6),
    _job("signup", "client", _NODE, _asks(3300, "okta.users.manage", "okta.factors.manage"), Habit(
        ("okta:user.lifecycle.create guest-{n}", "okta:user.lifecycle.activate guest-{n}", "okta:user.mfa.factor.activate guest-{n}",
         "okta:application.user_membership.add guest-{n}/{home}"), every_s=900), replicas=2, rights="wide", weight=0.7,
        seldom=("okta:user.account.reset_password guest-{n}", "okta:user.account.update_primary_email guest-{n}", "okta:user.lifecycle.reactivate guest-{n}")),
)  # fmt: skip

DELIVERY = (
    _job("terraform", "client", "okta-terraform/4.12.0 " + _GO, Habit(
        (f"{_OWN} okta.apps.manage", f"{_OWN} okta.groups.manage", f"{_OWN} okta.policies.manage", "okta:application.lifecycle.update app-{n}"),
        runs=(2, 6), hours=(8, 19), is_office=True, part=0.8), Habit(
        ("okta:application.lifecycle.create app-{n}", "okta:group.lifecycle.create team-{n}", "okta:group.application_assignment.add team-{n}/app-{n}",
         "okta:policy.lifecycle.create policy-{n}", "okta:policy.rule.add policy-{n}/rule-{n}", "okta:policy.rule.update policy-{n}/rule-1",
         "okta:app.oauth2.client.lifecycle.create app-{n}", "okta:app.oauth2.client.privilege.grant app-{n}", "okta:oauth2.scope.created {home}", "okta:zone.update office",
         "okta:iam.role.create role-{n}", "okta:iam.resourceset.bindings.add role-{n}", "okta:security.trusted_origin.create {home}",
         "okta:event_hook.created hook-{n}"), runs=(1, 3), hours=(9, 17), is_office=True, part=0.7, chance=0.4, gap_s=(0.1, 2)),
        rights="admin", weight=0.5, life_s=_RUN_S),
    _job("pipeline", "client", "okta-cli/0.10.0 (Linux)", Habit((f"{_OWN} okta.apps.manage", "okta:application.lifecycle.update {home}",
        f"{_CUSTOM} deploy"), runs=(4, 14), hours=(7, 20), is_office=True, gap_s=(0.5, 12)), rights="wide", weight=0.8, life_s=_RUN_S,
        seldom=("okta:security.trusted_origin.update {home}", "okta:application.lifecycle.activate {home}", "okta:app.oauth2.client.lifecycle.update {home}")),
    _job("key-rotator", "client", _PYTHON, Habit((f"{_OWN} okta.apps.manage", "okta:app.oauth2.credentials.lifecycle.create web-{n}",
        "okta:app.oauth2.credentials.lifecycle.activate web-{n}", "okta:app.oauth2.credentials.lifecycle.deactivate web-{n}",
        "okta:app.oauth2.credentials.lifecycle.delete web-{n}"), runs=(1, 2), hours=(2, 4), gap_s=(0.4, 5)), rights="wide", weight=0.4),
    _job("config-backup", "client", "okta-backup/1.6 " + _PYTHON, Habit((f"{_OWN} okta.apps.read", f"{_OWN} okta.groups.read", f"{_OWN} okta.policies.read",
        f"{_OWN} okta.idps.read", f"{_OWN} okta.users.read"), runs=(3, 6), gap_s=(1, 20)), rights="reader", weight=0.4),
    _job("log-export", "client", "vector/0.42.0", _asks(1700, "okta.logs.read"), rights="reader", weight=0.5),
    _job("vault-reader", "token", "opa-client/1.24 " + _GO, Habit(("okta:pam.secret.reveal {home}/{stem}-db", "okta:pam.user_creds.issue {home}"), runs=(4, 12)),
        principal="svc-{stem}@example.com", seldom=("okta:pam.server.enroll server-{n}", "okta:pam.secret.update {home}/{stem}-db"), weight=0.6),
    _job("shared-scripts", "token", "curl/8.5.0", Habit(("okta:group.user_membership.add user-{n}/{home}", "okta:user.account.update_profile user-{n}"),
        every_s=1900), Habit(("okta:user.lifecycle.create user-{n}", "okta:user.account.reset_password user-{n}", "okta:user.lifecycle.deactivate user-{n}"),
        runs=(1, 5), part=0.6), Habit(("okta:application.lifecycle.update {home}", "okta:policy.rule.update policy-{n}/rule-1"), runs=(0, 2), chance=0.3),
        rights="wide", principal="shared-automation-{stem}@example.com", replicas=3, weight=0.5),
)  # fmt: skip


def _application(name: str, agent: str, *habits: Habit, **changed: Any) -> Kind:
    return _job(name, "client", agent, *habits, **{"weight": 2.2, "replicas": 3, **changed})


APPLICATIONS = (
    _application("web", _NODE, _asks_custom(1300, "{home}.read", "{home}.write")),
    _application("orders", _JAVA, _asks_custom(1200, "orders.read", "payments.write", "stock.read")),
    _application("gateway", _GO, _asks_custom(500, "{home}.read", "orders.read", "stock.read", "mail.send"), weight=1.2),
    _application("reports", _PYTHON, _asks_custom(2900, "warehouse.read"), _asks(3600, "okta.users.read")),
    _application("nightly", _PYTHON, Habit((f"{_CUSTOM} {{home}}.read", f"{_CUSTOM} warehouse.write"), runs=(1, 2), hours=(1, 4)), replicas=1),
    _application("payments", _NET, _asks_custom(1500, "payments.write", "ledger.write"), rights="none"),
    _application("mailer", _NODE, _asks_custom(2600, "mail.send"), rights="none"),
    _application("assistant", "agent-runtime/0.9 " + _PYTHON, _asks_custom(700, "tools.call", "{home}.read", "mail.send"),
        Habit(("okta:app.oauth2.token.grant.id_jag {home}",), every_s=1500)),
    _application("portal", _JAVA, _asks(3400, "okta.users.manage"), Habit(("okta:user.account.update_profile guest-{n}",
        "okta:user.account.update_password guest-{n}", "okta:user.mfa.factor.activate guest-{n}"), runs=(4, 14), part=0.6), rights="wide"),
    _application("edge-auth", _GO, _asks_custom(1000, "introspect"), Habit(("okta:app.oauth2.as.token.revoke {home}",), runs=(2, 9)),
        rights="none"),
)  # fmt: skip

LENT = (
    _job("crm-desktop", "refresh", "crm-sync/5.1 " + _NET, Habit((f"{_CUSTOM} crm.read", f"{_REFRESHED} crm.read"), every_s=1800), path="delegated"),
    _job("mobile-app", "refresh", "okhttp/4.12.0", Habit((f"{_CUSTOM} openid", f"{_REFRESHED} openid"), every_s=2600), path="delegated", life_s=_RUN_S),
    _job("chat-bot", "refresh", _NODE, Habit((f"{_CUSTOM} chat.write", f"{_CUSTOM} calendar.read"), every_s=1700),
        Habit(("okta:user.account.update_profile user-{n}",), runs=(1, 4)), path="delegated"),
    _job("dashboards", "refresh", "grafana/11.3.0", Habit((f"{_CUSTOM} warehouse.read",), every_s=2200), path="delegated", rights="reader", weight=0.7),
    _job("vendor-posture", "client", "vendor-posture/4.2 " + _PYTHON, Habit((f"{_OWN} okta.users.read", f"{_OWN} okta.groups.read", f"{_OWN} okta.apps.read",
        f"{_OWN} okta.policies.read", f"{_OWN} okta.roles.read", f"{_OWN} okta.logs.read", f"{_OWN} okta.idps.read"), runs=(2, 4), gap_s=(0.5, 9)),
        path="delegated", rights="reader", weight=0.5),
    _job("vendor-lifecycle", "token", "partner-lifecycle/2.0 " + _JAVA, Habit(("okta:user.account.update_profile user-{n}",
        "okta:application.user_membership.add user-{n}/{home}", "okta:application.user_membership.remove user-{n}/{home}"), every_s=1500),
        path="delegated", rights="wide", principal="{stem}@example.com", weight=0.7),
    _job("vendor-service-desk", "client", "partner-itsm/7.5", _asks(3500, "okta.users.manage"), Habit(("okta:user.account.unlock_by_admin user-{n}",
        "okta:group.user_membership.add user-{n}/{home}", "okta:user.account.reset_password user-{n}"), runs=(3, 10), hours=(7, 19), is_office=True, part=0.6),
        path="delegated", rights="wide", weight=0.5),
)  # fmt: skip

_SIGN_IN = (
    "okta:user.session.start",
    "okta:policy.evaluate_sign_on office/mfa",
    "okta:user.authentication.auth_via_mfa",
)
_APPS = (
    "okta:user.authentication.sso mail",
    "okta:user.authentication.sso app-{n}",
    "okta:user.authentication.sso wiki",
)


def _human(name: str, agent: str, *habits: Habit, **changed: Any) -> Kind:
    first = Habit(_SIGN_IN, runs=(1, 2), hours=(7, 10), is_office=True, gap_s=(1, 12))
    return replace(Kind(name, "session", agent, (first, *habits), path="human"), **changed)


PEOPLE = (
    _human("staff", _BROWSER, Habit(_APPS, runs=(2, 7), hours=(8, 18), is_office=True, gap_s=(5, 600), part=0.6),
        Habit(("okta:user.account.update_password", "okta:user.mfa.factor.activate {stem}"), runs=(1, 1), hours=(9, 17), is_office=True, chance=0.02),
        rights="none", weight=1.2),
    _human("developer", "okta-aws-cli/2.4.0 (linux; amd64) go1.23", Habit(("okta:user.authentication.sso cloud", "okta:policy.evaluate_sign_on cloud/mfa",
        "okta:app.oauth2.authorize.code cli"), runs=(2, 9), hours=(8, 19), is_office=True, gap_s=(0.5, 6), part=0.8), rights="reader", weight=1.4),
    _human("helpdesk", _BROWSER, Habit(("okta:user.session.access_admin_app admin", "okta:user.account.reset_password user-{n}",
        "okta:user.account.unlock_by_admin user-{n}", "okta:user.mfa.factor.reset_all user-{n}"), runs=(2, 9), hours=(8, 18), is_office=True, gap_s=(5, 90),
        part=0.5), rights="wide", weight=0.6),
    _human("administrator", _BROWSER, Habit(("okta:user.session.access_admin_app admin", "okta:application.lifecycle.update app-{n}",
        "okta:group.user_membership.add user-{n}/admins", "okta:policy.rule.update policy-{n}/rule-1", "okta:user.account.privilege.grant user-{n}",
        "okta:system.api_token.create nightly-{n}", "okta:zone.update office"), runs=(1, 4), hours=(8, 18), is_office=True, gap_s=(5, 120), part=0.45),
        rights="admin", weight=0.5),
    _human("auditor", _BROWSER, Habit(("okta:user.session.access_admin_app admin", "okta:analytics.reports.export.request report",
        "okta:analytics.reports.export.download report"), runs=(1, 3), hours=(9, 17), is_office=True, gap_s=(10, 120), chance=0.5), rights="reader", weight=0.3),
    Kind("break-glass", "session", _BROWSER, (Habit((*_SIGN_IN, "okta:user.session.access_admin_app admin", "okta:policy.rule.update office/mfa",
        "okta:user.mfa.factor.reset_all administrator", "okta:user.account.unlock_by_admin administrator"), runs=(1, 1), hours=(9, 18), gap_s=(10, 90),
        chance=0.06),), path="emergency", rights="admin", principal="break-glass-{stem}@example.com", weight=0.2),
)  # fmt: skip

KINDS = (*OKTA_ITSELF, *LIFECYCLE, *DELIVERY, *APPLICATIONS, *LENT, *PEOPLE)
"""Every kind, in the order in which an estate is filled."""
