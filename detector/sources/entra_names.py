"""What Microsoft's records call a thing, and what we call it: operations, the audiences of tokens, Microsoft's own client programs.

Application ids: learn.microsoft.com, "Verify first-party Microsoft applications in sign-in reports" (troubleshoot/entra). Requests to Microsoft Graph keep their
method and the shape of their path; ids in it become ``{id}``. Names of Azure operations are in lower case, since Azure writes them either way.
"""

import re
from urllib.parse import unquote

MICROSOFT_CLIENTS = frozenset(
    {
        "04b07795-8ddb-461a-bbee-02f9e1bf7b46",  # Microsoft Azure CLI
        "1950a258-227b-4e31-a9cf-717495945fc2",  # Microsoft Azure PowerShell
        "14d82eec-204b-4c2f-b7e8-296a70dab67e",  # Microsoft Graph Command Line Tools
        "de8bc8b5-d9f9-48b1-a8ad-b748da725064",  # Graph Explorer
        "fb78d390-0c51-40cd-8e17-fdbfab77341b",  # Microsoft Exchange REST API Based PowerShell
        "c44b4083-3bb0-49c1-b47d-974e53cbdf3c",  # Azure Portal
        "497effe9-df71-4043-a8bb-14cf78c4b63b",  # Exchange Admin Center
        "80ccca67-54bd-44ab-8625-4b79c4dc7775",  # Microsoft 365 Security and Compliance Center
        "a3b79187-70b2-4139-83f9-6016c58cd27b",  # WindowsDefenderATP Portal
        "0000000c-0000-0000-c000-000000000000",  # Microsoft App Access Panel
        "00000006-0000-0ff1-ce00-000000000000",  # Microsoft Office 365 Portal
        "4765445b-32c6-49b0-83e6-1d93765276ca",  # OfficeHome
        "4b233688-031c-404b-9a80-a4f3f2351f90",  # Office.com
        "89bee1f7-5e6e-4d8a-9f3d-ecd601259da7",  # Office365 Shell WCSS-Client
        "d3590ed6-52b3-4102-aeff-aad2292ab01c",  # Microsoft Office
        "5d661950-3475-41cd-a2c3-d671a3162bc1",  # Microsoft Outlook
        "27922004-5251-4030-b22d-91ecd9a37ea4",  # Outlook Mobile
        "1fec8e78-bce4-4aaf-ab1b-5451cc387264",  # Microsoft Teams
        "5e3ce6c0-2b1f-4285-8d4b-75ee78787346",  # Microsoft Teams Web Client
        "ab9b8c07-8f02-4f72-87fa-80105867a763",  # OneDrive SyncEngine
        "2d4d3d8e-2be3-4bef-9f87-7875a61c29de",  # OneNote
        "08e18876-6177-487e-b8b5-cf950c1e598c",  # SharePoint Online Web Client Extensibility
        "871c010f-5e61-4fb1-83ac-98610a7e9110",  # Microsoft Power BI
        "29d9ed98-a469-4536-ade2-f981bc1d605e",  # Microsoft Authentication Broker
        "18fbca16-2224-45f6-85b0-f7bf2b39b3f3",  # Microsoft Docs
        "74bcdadc-2fdc-4bb3-8459-76d06952a0e9",  # Microsoft Intune Web Company Portal
    }
)
MICROSOFT_TENANTS = frozenset({"f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72f988bf-86f1-41af-91ab-2d7cd011db47"})

_AUDIENCES = {
    "00000003-0000-0000-c000-000000000000": "graph",
    "00000002-0000-0000-c000-000000000000": "aad-graph",
    "797f4846-ba00-4fd7-ba43-dac1f8f63013": "azure",
    "cfa8b339-82a2-471a-a3c9-0fc0be7a4093": "key-vault",
    "e406a681-f3d4-42a8-90b6-c2b029497af1": "storage",
    "022907d3-0f1b-48f7-badc-1ba6abab6d66": "sql",
    "499b84ac-1321-427f-aa17-267ca6975798": "devops",
    "00000002-0000-0ff1-ce00-000000000000": "exchange",
    "00000003-0000-0ff1-ce00-000000000000": "sharepoint",
    "7d312290-28c8-473c-a0ed-8e53749b6d6d": "cognitive-services",
    "ca7f3f0b-7d91-482c-8e09-c5d840d0eac5": "log-analytics",
    "6dae42f8-4368-4678-94ff-3960e28e3630": "kubernetes",
}
_SEGMENT = re.compile(r"^(\$?[A-Za-z]+|oauth2[A-Za-z]+|[a-z]+_v2|microsoft\.graph\.[A-Za-z.]+)$")
_BY_KEY = re.compile(r"^([A-Za-z.]+)\(.*\)$", re.DOTALL)
_BASE64 = re.compile(r"[a-z][A-Z]{2,}|[A-Z]{3,}[a-z]")
_VERSION = re.compile(r"^(v\d[\d.]*|beta)$", re.IGNORECASE)
_NOT_WORD = re.compile(r"[^a-z0-9$]+")
_MOST_SEGMENTS, _LONGEST_WORD, _LONGEST = 7, 40, 120


def audience(app_id: str) -> str:
    """What a token is for: a word for the commonest audiences, ``other`` for the rest.

    >>> audience("00000003-0000-0000-C000-000000000000")
    'graph'
    """
    return _AUDIENCES.get(app_id.lower(), "other")


def slug(name: str) -> str:
    """An activity's name as one word.

    >>> slug("Update application \N{EN DASH} Certificates and secrets management ")
    'update-application-certificates-and-secrets-management'
    """
    return _NOT_WORD.sub("-", name.lower()).strip("-")[:_LONGEST]


def request_of(method: str, uri: str) -> tuple[str, str]:
    """(operation, what it was about) of a request to Microsoft Graph; neither keeps the query. A sharing link is as good as a key, so it is not kept.

    >>> request_of("GET", "https://graph.microsoft.com/v1.0/users/ann@example.com/messages?$top=5")
    ('graph:GET/users/{id}/messages', 'users/ann@example.com/messages')
    """
    path = uri.partition("?")[0].partition("#")[0]
    host = path.partition("://")[2]
    parts = [part for part in (host.partition("/")[2] if host else path).split("/") if part]
    if parts and _VERSION.match(parts[0]):
        del parts[0]
    shape = [shaped for part in parts[:_MOST_SEGMENTS] for shaped in _shape(part)]
    about = "/".join("{link}" if part.startswith("u!") else unquote(part) for part in parts)
    verb = _NOT_WORD.sub("", method.lower()).upper()[:10] or "ANY"
    return f"graph:{verb}/{'/'.join(shape)}"[:_LONGEST], about[:200]


def _shape(part: str) -> list[str]:
    keyed = _BY_KEY.match(part)
    if keyed:
        return [keyed[1], "{id}"] if len(keyed[1]) <= _LONGEST_WORD else ["{id}"]
    is_word = _SEGMENT.match(part) and len(part) <= _LONGEST_WORD and not _BASE64.search(part)
    return [part if is_word else "{id}"]


def azure_operation(name: str, resource: str, category: str) -> str:
    """An Azure operation; one of a resource's own log, which says only ``SecretGet``, with the service in front.

    >>> azure_operation("SecretGet", "/SUBSCRIPTIONS/X/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/A", "AuditEvent")
    'azure:microsoft.keyvault/secretget'
    """
    word = re.sub(r"\s+", "-", name.strip().lower())[:_LONGEST]
    if "/" in word:
        return f"azure:{word}"
    service = re.search(r"/providers/(microsoft\.[a-z]+)", resource, re.IGNORECASE)
    owner = (
        service[1].lower() if service else "microsoft.storage" if category.lower().startswith("storage") else "other"
    )
    return f"azure:{owner}/{word}"
