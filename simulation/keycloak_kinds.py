"""Who lives in a Keycloak realm: provisioning jobs, delivery, service clients, applications that were lent access, vendors and people, as habits.

Event types and resource types are those of Keycloak's Javadoc (org.keycloak.events.EventType, org.keycloak.events.admin.ResourceType); what each program does
is read off the product it stands for (Terraform and Crossplane providers, the operator, provisioning by the admin API, offline access, token exchange). How
often is an assumption. The events of a realm name no client program. Applications without rights in the realm itself are whose secrets intruders find: nobody
attacks them for their own sake, else one attack would be judged for what another did.
"""

from dataclasses import replace
from typing import Any

from simulation.native.shape import Habit, Kind

_IN = "keycloak:CLIENT_LOGIN"
_REFRESH, _EXCHANGE, _PERMIT, _INSPECT = (
    "keycloak:REFRESH_TOKEN",
    "keycloak:TOKEN_EXCHANGE",
    "keycloak:PERMISSION_TOKEN",
    "keycloak:INTROSPECT_TOKEN",
)
_RUN_S = 1200  # a hosted runner or a mobile network: another address for each run


def _signs_in(every_s: float, *scopes: str) -> Habit:
    """A token for each scope, again and again."""
    return Habit(tuple(f"{_IN} {scope}" for scope in scopes) or (_IN,), every_s=every_s)


# What a roll-out may bring for good.
_GROWTH = (
    Habit((f"{_IN} {{home}}.write", f"{_IN} {{home}}.admin"), every_s=4200),
    Habit((f"{_EXCHANGE} orders", f"{_EXCHANGE} stock"), every_s=4800),
    Habit((f"{_PERMIT} {{home}}", f"{_PERMIT} documents"), every_s=3600),
    Habit((_INSPECT, "keycloak:USER_INFO_REQUEST"), every_s=2400),
    Habit((_IN, "keycloak:UPDATE/USER user-{n}", "keycloak:CREATE/GROUP_MEMBERSHIP user-{n}/{home}"), runs=(2, 6)),
    Habit((_IN, "keycloak:CREATE/USER guest-{n}", "keycloak:ACTION/USER guest-{n}/execute-actions-email"), runs=(1, 4)),
    Habit((_IN, "keycloak:CREATE/CLIENT_ROLE_MAPPING user-{n}/{home}"), runs=(1, 3)),
)


def _job(name: str, *habits: Habit, **changed: Any) -> Kind:
    return replace(Kind(name, "client", "", habits, growth=_GROWTH), **changed)


LIFECYCLE = (
    _job("hr-import", Habit((_IN, "keycloak:CREATE/USER user-{n}", "keycloak:UPDATE/USER user-{n}", "keycloak:CREATE/GROUP_MEMBERSHIP user-{n}/{home}",
        "keycloak:ACTION/USER user-{n}/execute-actions-email"), runs=(3, 9), hours=(6, 18), gap_s=(0.2, 3), part=0.9), rights="wide", weight=0.8,
        seldom=("keycloak:DELETE/USER user-{n}", "keycloak:DELETE/GROUP_MEMBERSHIP user-{n}/{home}")),
    _job("directory-sync", Habit((_IN, "keycloak:UPDATE/USER user-{n}", "keycloak:UPDATE/USER user-{n}", "keycloak:CREATE/GROUP_MEMBERSHIP user-{n}/staff"),
        every_s=1100), rights="wide", weight=0.6, seldom=("keycloak:ACTION/COMPONENT directory/sync", "keycloak:CREATE/GROUP team-{n}")),
    _job("offboarding", Habit((_IN, "keycloak:UPDATE/USER user-{n}", "keycloak:DELETE/GROUP_MEMBERSHIP user-{n}/{home}",
        "keycloak:DELETE/REALM_ROLE_MAPPING user-{n}", "keycloak:ACTION/USER user-{n}/logout", "keycloak:DELETE/USER_SESSION user-{n}"), runs=(1, 5),
        hours=(8, 20), gap_s=(0.3, 4), part=0.9), rights="wide", weight=0.6),
    _job("helpdesk-bot", Habit((_IN, "keycloak:ACTION/USER user-{n}/reset-password", "keycloak:DELETE/USER_LOGIN_FAILURE user-{n}",
        "keycloak:UPDATE/USER user-{n}"), runs=(4, 14), hours=(7, 19), is_office=True, gap_s=(0.5, 12), part=0.7), rights="wide", weight=0.6,
        seldom=("keycloak:ACTION/USER user-{n}/disable-credential-types", "keycloak:ACTION/USER user-{n}/execute-actions-email")),
    _job("role-sync", Habit((_IN, "keycloak:CREATE/REALM_ROLE_MAPPING user-{n}", "keycloak:DELETE/REALM_ROLE_MAPPING user-{n}",
        "keycloak:CREATE/CLIENT_ROLE_MAPPING user-{n}/{home}"), runs=(5, 14), gap_s=(0.2, 3), part=0.8), rights="wide", weight=0.6),
    _job("signup", _signs_in(1500), Habit(("keycloak:CREATE/USER guest-{n}", "keycloak:ACTION/USER guest-{n}/execute-actions-email"), every_s=1300),
        replicas=2, rights="wide", weight=0.7, seldom=("keycloak:ACTION/USER guest-{n}/reset-password", "keycloak:DELETE/USER guest-{n}")),
    _job("session-sweeper", Habit((_IN, "keycloak:DELETE/USER_SESSION user-{n}", "keycloak:ACTION/USER user-{n}/logout"), runs=(3, 9), hours=(0, 5)),
        rights="wide", weight=0.4),
)  # fmt: skip

DELIVERY = (
    _job("terraform", Habit((_IN, "keycloak:UPDATE/CLIENT app-{n}", "keycloak:UPDATE/CLIENT_SCOPE {home}"), runs=(2, 7), hours=(8, 19), is_office=True),
        Habit((_IN, "keycloak:CREATE/CLIENT app-{n}", "keycloak:CREATE/CLIENT_SCOPE scope-{n}", "keycloak:CREATE/PROTOCOL_MAPPER app-{n}",
        "keycloak:CREATE/REALM_ROLE role-{n}", "keycloak:CREATE/CLIENT_ROLE app-{n}", "keycloak:CREATE/CLIENT_ROLE_MAPPING app-{n}/{home}",
        "keycloak:UPDATE/REALM", "keycloak:CREATE/AUTH_EXECUTION browser", "keycloak:CREATE/IDENTITY_PROVIDER_MAPPER partner",
        "keycloak:UPDATE/IDENTITY_PROVIDER partner", "keycloak:CREATE/GROUP team-{n}", "keycloak:CREATE/CLIENT_SCOPE_MAPPING app-{n}"), runs=(1, 3),
        hours=(9, 17), is_office=True, part=0.7, chance=0.4, gap_s=(0.1, 2)), rights="admin", weight=0.5, life_s=_RUN_S),
    _job("pipeline", Habit((f"{_IN} deploy", "keycloak:UPDATE/CLIENT {home}", f"{_IN} registry"), runs=(4, 14), hours=(7, 20), is_office=True,
        gap_s=(0.5, 12)), rights="wide", weight=0.8, life_s=_RUN_S, seldom=("keycloak:CREATE/PROTOCOL_MAPPER {home}", "keycloak:CREATE/CLIENT_ROLE {home}")),
    _job("secret-rotator", Habit((_IN, "keycloak:ACTION/CLIENT web-{n}/client-secret", "keycloak:ACTION/CLIENT orders-{n}/client-secret",
        "keycloak:DELETE/CLIENT web-{n}/client-secret/rotated"), runs=(1, 2), hours=(2, 4), gap_s=(0.4, 5)), rights="wide", weight=0.4),
    _job("realm-operator", Habit((_IN, "keycloak:UPDATE/CLIENT app-{n}", "keycloak:UPDATE/REALM_ROLE role-{n}"), every_s=1700), rights="admin", weight=0.4,
        seldom=("keycloak:UPDATE/REALM", "keycloak:UPDATE/COMPONENT keys", "keycloak:CREATE/CLIENT app-{n}")),
    _job("realm-backup", Habit((_IN, "keycloak:ACTION/REALM partial-export"), runs=(2, 5), gap_s=(0.5, 4)), rights="reader", weight=0.4),
    _job("event-export", _signs_in(900), rights="reader", weight=0.5),
    _job("shared-integration", _signs_in(1600, "{home}.read"), Habit((_IN, "keycloak:UPDATE/USER user-{n}", "keycloak:CREATE/USER user-{n}",
        "keycloak:ACTION/USER user-{n}/reset-password"), runs=(2, 7), part=0.6), Habit((_IN, "keycloak:UPDATE/CLIENT {home}",
        "keycloak:CREATE/REALM_ROLE_MAPPING user-{n}"), runs=(0, 2), chance=0.3), replicas=3, rights="wide", weight=0.5),
)  # fmt: skip


def _application(name: str, *habits: Habit, **changed: Any) -> Kind:
    return _job(name, *habits, **{"weight": 2.2, "replicas": 3, **changed})


APPLICATIONS = (
    _application("web", _signs_in(1300, "{home}.read", "{home}.write")),
    _application("orders", _signs_in(1400, "orders.read"), Habit((f"{_EXCHANGE} payments", f"{_EXCHANGE} stock"), every_s=1500)),
    _application(
        "gateway", _signs_in(900), Habit((f"{_EXCHANGE} {{home}}", f"{_EXCHANGE} orders"), every_s=700), weight=1.2
    ),
    _application("reports", _signs_in(2400, "warehouse.read"), rights="none"),
    _application("nightly", Habit((f"{_IN} warehouse.write", f"{_PERMIT} {{home}}"), runs=(1, 3), hours=(1, 4)), replicas=1),
    _application("payments", _signs_in(1500, "payments.write", "ledger.write"), rights="none"),
    _application("mailer", _signs_in(2600, "mail.send"), rights="none"),
    _application("assistant", _signs_in(1100, "tools.call"), Habit((f"{_EXCHANGE} {{home}}", f"{_EXCHANGE} mail"), every_s=1600)),
    _application("documents", _signs_in(1700), Habit((f"{_PERMIT} {{home}}", f"{_PERMIT} documents"), every_s=1000)),
    _application("resource-server", Habit((_INSPECT,), every_s=800), _signs_in(3000), weight=1.2),
    _application("broker", _signs_in(1800), Habit(("keycloak:IDENTITY_PROVIDER_RETRIEVE_TOKEN partner",), runs=(3, 10)), weight=0.6),
)  # fmt: skip

LENT = (
    _job("crm-desktop", Habit((f"{_REFRESH} crm",), every_s=1500), where="offline", path="delegated"),
    _job("mobile-app", Habit((f"{_REFRESH} profile",), every_s=1900), where="offline", path="delegated", life_s=_RUN_S),
    _job(
        "chat-bot",
        Habit((f"{_REFRESH} chat", f"{_REFRESH} chat", f"{_EXCHANGE} calendar"), every_s=1600),
        where="offline",
        path="delegated",
    ),
    _job("dashboards", Habit((f"{_REFRESH} warehouse.read",), every_s=2200), where="offline", path="delegated", rights="reader", weight=0.7),
    _job("vendor-posture", Habit((_IN, f"{_IN} view", "keycloak:ACTION/REALM partial-export"), runs=(2, 5), gap_s=(0.5, 9)), path="delegated",
        rights="reader", weight=0.5),
    _job("vendor-lifecycle", Habit((_IN, "keycloak:UPDATE/USER user-{n}", "keycloak:CREATE/GROUP_MEMBERSHIP user-{n}/{home}",
        "keycloak:DELETE/GROUP_MEMBERSHIP user-{n}/{home}"), every_s=1300), path="delegated", rights="wide", weight=0.7),
    _job("vendor-service-desk", _signs_in(2400), Habit(("keycloak:DELETE/USER_LOGIN_FAILURE user-{n}", "keycloak:ACTION/USER user-{n}/reset-password"),
        runs=(3, 10), hours=(7, 19), is_office=True, part=0.7), path="delegated", rights="wide", weight=0.5),
)  # fmt: skip

_SIGN_IN = ("keycloak:LOGIN", "keycloak:CODE_TO_TOKEN")


def _human(name: str, *habits: Habit, **changed: Any) -> Kind:
    first = Habit(_SIGN_IN, runs=(1, 3), hours=(7, 17), is_office=True, gap_s=(0.5, 2))
    return replace(Kind(name, "session", "", (first, *habits), path="human", rights="none"), **changed)


PEOPLE = (
    _human("staff", Habit((_REFRESH, _REFRESH, "keycloak:LOGOUT"), runs=(1, 4), hours=(8, 18), is_office=True, gap_s=(60, 900), part=0.7),
        Habit(("keycloak:UPDATE_PASSWORD", "keycloak:UPDATE_TOTP"), runs=(1, 1), hours=(9, 17), is_office=True, chance=0.02), weight=1.2),
    _human("developer", Habit((_REFRESH, "keycloak:OAUTH2_DEVICE_AUTH", "keycloak:OAUTH2_DEVICE_CODE_TO_TOKEN"), runs=(1, 6), hours=(8, 19), is_office=True,
        gap_s=(2, 60), part=0.8), rights="reader", weight=1.4),
    _human("helpdesk", Habit(("keycloak:ACTION/USER user-{n}/reset-password", "keycloak:DELETE/USER_LOGIN_FAILURE user-{n}", "keycloak:UPDATE/USER user-{n}"),
        runs=(2, 9), hours=(8, 18), is_office=True, gap_s=(5, 90), part=0.6), rights="wide", weight=0.6),
    _human("administrator", Habit(("keycloak:UPDATE/CLIENT app-{n}", "keycloak:CREATE/REALM_ROLE_MAPPING user-{n}", "keycloak:UPDATE/USER user-{n}",
        "keycloak:ACTION/CLIENT app-{n}/client-secret", "keycloak:UPDATE/AUTH_FLOW browser", "keycloak:UPDATE/REALM"), runs=(1, 4), hours=(8, 18),
        is_office=True, gap_s=(5, 120), part=0.45), rights="admin", weight=0.5),
    _human("auditor", Habit(("keycloak:ACTION/REALM partial-export",), runs=(1, 2), hours=(9, 17), is_office=True, chance=0.4), rights="reader", weight=0.3),
    Kind("break-glass", "session", "", (Habit((*_SIGN_IN, "keycloak:UPDATE/AUTH_FLOW browser", "keycloak:ACTION/USER administrator/reset-password",
        "keycloak:DELETE/USER_LOGIN_FAILURE administrator"), runs=(1, 1), hours=(9, 18), gap_s=(10, 90), chance=0.06),), path="emergency", rights="admin",
        weight=0.2),
)  # fmt: skip

KINDS = (*LIFECYCLE, *DELIVERY, *APPLICATIONS, *LENT, *PEOPLE)
"""Every kind, in the order in which a realm is filled."""
