"""What Microsoft's records call a thing, and what we call it: operations, the audiences of tokens, Microsoft's own client programs.

Application ids: learn.microsoft.com, "Verify first-party Microsoft applications in sign-in reports" (troubleshoot/entra). Requests to Microsoft Graph keep their
method and the shape of their path; ids in it become ``{id}``. Names of Azure operations are in lower case, since Azure writes them either way.
"""

import re
from urllib.parse import unquote

MICROSOFT_CLIENTS = frozenset(
    {
        "04b07795-8ddb-461a-bbee-02f9e1bf7b46",  # Azure CLI
        "1950a258-227b-4e31-a9cf-717495945fc2",  # Azure PowerShell
        "14d82eec-204b-4c2f-b7e8-296a70dab67e",  # Microsoft Graph Command Line Tools
        "de8bc8b5-d9f9-48b1-a8ad-b748da725064",  # Graph Explorer
        "c44b4083-3bb0-49c1-b47d-974e53cbdf3c",  # Azure Portal
        "00000006-0000-0ff1-ce00-000000000000",  # Microsoft Office 365 Portal
        "4765445b-32c6-49b0-83e6-1d93765276ca",  # OfficeHome
        "89bee1f7-5e6e-4d8a-9f3d-ecd601259da7",  # Office365 Shell WCSS-Client
        "d3590ed6-52b3-4102-aeff-aad2292ab01c",  # Microsoft Office
        "1fec8e78-bce4-4aaf-ab1b-5451cc387264",  # Microsoft Teams
        "5e3ce6c0-2b1f-4285-8d4b-75ee78787346",  # Microsoft Teams Web Client
        "27922004-5251-4030-b22d-91ecd9a37ea4",  # Outlook Mobile
        "ab9b8c07-8f02-4f72-87fa-80105867a763",  # OneDrive SyncEngine
        "b26aadf8-566f-4478-926f-589f601d9c74",  # OneDrive
        "29d9ed98-a469-4536-ade2-f981bc1d605e",  # Microsoft Authentication Broker
        "872cd9fa-d31f-45e0-9eab-6e460a02d1f1",  # Visual Studio
        "aebc6443-996d-45c2-90f0-388ff96faa56",  # Visual Studio Code
        "fb78d390-0c51-40cd-8e17-fdbfab77341b",  # Microsoft Exchange REST API Based PowerShell
        "a0c73c16-a7e3-4564-9a95-2bdf47383716",  # Microsoft Exchange Online Remote PowerShell
        "0c1307d4-29d6-4389-a11c-5cbe7f65d7fa",  # Azure Android App
        "2793995e-0a7d-40d7-bd35-6968ba142197",  # My Apps
        "19db86c3-b2b9-44cc-b339-36da233a3be2",  # My Signins
        "65d91a3d-ab74-42e6-8a2f-0add61688c74",  # Microsoft Approval Management
        "18fbca16-2224-45f6-85b0-f7bf2b39b3f3",  # Microsoft Docs
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
_SEGMENT = re.compile(r"^(\$?[A-Za-z]+|microsoft\.graph\.[A-Za-z.]+)$")
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
