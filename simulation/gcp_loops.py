"""What intruders with a stolen Google Cloud credential do, loop by loop, each step following from the answer to the one before.

Sources: Rhino Security Labs, "Privilege Escalation in Google Cloud Platform" (parts 1 and 2); Stratus Red Team's GCP techniques; Expel,
    "Incident report: Spotting
an attacker in GCP"; Sysdig, "LLMjacking"; MITRE ATT&CK T1548.005, T1098.001, T1555.006, T1496.004.
"""

import re
from collections.abc import Mapping

from simulation.gcp import PROJECT, account, key_name, key_seat, lent_seat
from simulation.native.campaign import Loop
from simulation.native.digests import digest
from simulation.native.estate import NativeEstate
from simulation.native.intruder import Intruder
from simulation.native.shape import Seat

_PROJECT = "cloudresourcemanager"
_TEST, _POLICY = f"{_PROJECT}:TestIamPermissions", f"{_PROJECT}:GetIamPolicy"
_TOKEN = "iamcredentials:GenerateAccessToken"  # noqa: S105 (an operation)
_LOOKS = (
    f"{_PROJECT}:ListProjects", "cloudasset:SearchAllResources", "cloudasset:SearchAllIamPolicies", "iam:ListServiceAccounts", "iam:ListRoles",
        "serviceusage:ListServices",
    "compute:instances.list", "compute:instances.aggregatedList", "compute:firewalls.list", "storage:buckets.list", "bigquery:ListDatasets",
        "container:ListClusters",
    "secretmanager:ListSecrets", "cloudkms:ListCryptoKeys", "run:ListServices", "cloudfunctions:ListFunctions", "logging:ListSinks",
        "cloudsql:instances.list",
    "pubsub:ListTopics", "apikeys:ListKeys", "artifactregistry:ListRepositories",
)  # fmt: skip
_REGIONS = ("us-central1", "us-east5", "europe-west1", "europe-west4", "asia-southeast1", "us-west1")
_MODELS = ("example-model", "example-model-pro", "partner-large", "partner-small", "open-70b", "image-maker")

TOOLS = (
    "google-cloud-sdk gcloud/502.0.0 command/gcloud.x invocation-id/{call} environment/None interactive/True (Linux 6.6.15)",
    "google-cloud-sdk gcloud/489.0.0 command/gcloud.y invocation-id/{call} environment/None interactive/False (Macintosh 23.5.0)",
    "python-requests/2.32.3", "google-api-python-client/2.149.0 (gzip)", "gcloud-python/2.19.0 gl-python/3.11 grpc/1.67", "curl/8.9.1", "gcp_scanner/1.4",
)  # fmt: skip


class Terms:
    """How Google Cloud's operations are told apart."""

    free = re.compile(r":(TestIamPermissions|testIamPermissions|ExchangeToken)$")
    reads = re.compile(
        r":([\w]+\.)?(Get|List|Search|Query|Test|Analyze|Count|Access|Run|Lookup|get|list|aggregatedList|search)\w*$"
    )
    guarded = re.compile(
        r"^(iam|iamcredentials|secretmanager|cloudkms|apikeys|orgpolicy|admin):|:(Set|Get)IamPolicy$|[gs]etIam|hmacKeys|setMetadata|setServiceAccount"
    )


def place_of(operation: str, about: str) -> str:
    """The thing a call is about, as far as rights are given by it: secrets and accounts one by one, buckets as a whole."""
    if operation.startswith("storage:"):
        return about.partition("/")[0]
    return about if operation.startswith(("secretmanager:", "iam", "aiplatform:")) else ""


def things(estate: NativeEstate) -> dict[str, list[str]]:
    """Accounts, secrets, buckets and models of an estate."""
    workloads = [
        r for r in estate.identities if r.path == "workload" and r.kind_of.counted and r.kind_of.where != "federated"
    ]
    return {
        "accounts": [*(r.name for r in workloads), "terraform", "deploy", "owner-automation"],
        "secrets": [f"{r.stem}-{tail}" for r in workloads for tail in ("db", "api")],
        "buckets": [f"shop-{r.stem}" for r in workloads],
        "models": [f"{region}/{model}" for region in _REGIONS for model in _MODELS],
    }


def introduce(me: Intruder) -> None:
    """What may I: the project's permissions tried, its policy read."""
    if me.chance(0.4):
        me.ask(f"{_PROJECT}:GetProject")
    if me.chance(0.65):
        for _ in range(int(me.rng.integers(1, 4))):
            me.ask(_TEST)
    if me.chance(0.6):
        me.ask(_POLICY)


def look(me: Intruder, most: int) -> int:
    """Some listings; how many were answered."""
    won = 0
    for operation in me.pick(_LOOKS, most):
        if me.ask(operation):
            won += 1
            me.found |= {"accounts"} if operation == "iam:ListServiceAccounts" else set()
    return won


def reconnaissance(me: Intruder) -> None:
    """The whole project, service by service."""
    introduce(me)
    look(me, int(me.rng.integers(8, 18)))
    for bucket in me.some("buckets", int(me.rng.integers(1, 5))):
        if me.ask("storage:objects.list", bucket) and me.chance(0.5):
            me.ask("storage:getIamPermissions", bucket)
    for name in me.some("accounts", int(me.rng.integers(0, 4))):
        me.ask("iam:GetIamPolicy", name)


def credential_testing(me: Intruder) -> None:
    """One call after the other, to see what the credential is good for."""
    introduce(me)
    tries = (
        *_LOOKS[:14],
        _TEST,
        _POLICY,
        "iam:TestIamPermissions",
        "iam:QueryTestablePermissions",
        "storage:testIamPermissions",
    )
    for operation in me.pick(tries, int(me.rng.integers(6, 14))):
        me.ask(operation)


def leaked_secret_pivot(me: Intruder) -> None:
    """A key tested, secrets and buckets read, and what lay in them used: another account's key."""
    introduce(me)
    won = read_secrets(me, 6)
    for bucket in me.some("buckets", int(me.rng.integers(1, 4))):
        if me.ask("storage:objects.list", bucket):
            won = me.ask("storage:objects.get", f"{bucket}/config/service-account.json") or won
    if won or me.chance(0.3):
        me.become(_found_key(me))
        introduce(me)
        look(me, 6)
        if me.chance(0.5):
            read_secrets(me, 5)


def _found_key(me: Intruder) -> Seat:
    """A key of another account that lay about."""
    name = account(me.one("accounts"))
    return key_seat(name, digest("found", name, me.victim.resident.number), me.seat.source, me.seat.agent)


def read_secrets(me: Intruder, most: int) -> bool:
    """Secrets listed and read; whether one was had."""
    if me.ask("secretmanager:ListSecrets"):
        me.found.add("secrets")
    read = [
        me.ask("secretmanager:AccessSecretVersion", name)
        for name in me.some("secrets", int(me.rng.integers(2, max(3, most))))
    ]
    return any(read)


def privilege_chaining(me: Intruder) -> None:
    """From account to account, and by rewriting a policy where no account lets it in."""
    introduce(me)
    hops = 0
    for _ in range(3):
        if not _next_account(me):
            break
        hops += 1
        introduce(me)
        look(me, 3)
    if hops < 2:
        widen(me)
    spoils(me)


def _next_account(me: Intruder) -> bool:
    """Whether some account lent itself; denials lead to the next one."""
    if me.chance(0.7) and me.ask("iam:ListServiceAccounts"):
        me.found.add("accounts")
    for name in me.some("accounts", int(me.rng.integers(1, 5))):
        if me.chance(0.3):
            me.ask("iam:GetIamPolicy", name)
        target = account(name)
        if target not in (me.me, me.victim.seat.principal) and me.ask(_TOKEN, target):
            if name in ("terraform", "owner-automation"):
                me.rights.admins.add(target)
            me.become(lent_seat(target, me.seat))
            return True
    return False


def widen(me: Intruder) -> bool:
    """Whether some way of granting oneself more worked."""
    ways = (
        (f"{_PROJECT}:SetIamPolicy", ""), ("iam:SetIamPolicy", me.one("accounts")), ("iam:UpdateRole", ""), ("cloudfunctions:CreateFunction", "sync"),
        ("cloudbuild:CreateBuild", ""), ("run:CreateService", "sync"), ("compute:instances.setMetadata", "vm-1"),
            ("compute:projects.setCommonInstanceMetadata", ""),
        ("orgpolicy:UpdatePolicy", ""), ("deploymentmanager:deployments.insert", "support"), ("iam:CreateServiceAccountKey", me.one("accounts")),
    )  # fmt: skip
    for n in me.rng.permutation(len(ways))[: int(me.rng.integers(3, 8))]:
        if me.ask(*ways[n]):
            me.rights.admins.add(me.me)
            return True
    return False


def credential_minting(me: Intruder) -> None:
    """Ways back in: keys of accounts, an account of its own, keys of other kinds, a pool that trusts outside."""
    introduce(me)
    ways = (_keys, _own_account, _other_keys, _pool)
    won = 0
    for n in me.rng.permutation(len(ways)):
        won += ways[n](me)
        if won >= 2 and me.chance(0.5):
            break


def _keys(me: Intruder) -> bool:
    if me.chance(0.6) and me.ask("iam:ListServiceAccounts"):
        me.found.add("accounts")
    won = False
    for name in me.some("accounts", int(me.rng.integers(1, 5))):
        number = digest("minted", me.at_s, name)
        if me.ask("iam:CreateServiceAccountKey", name, key_name(account(name), number)):
            won = True
            if me.chance(0.4):
                back = me.seat
                me.become(key_seat(account(name), number, me.seat.source, me.seat.agent))
                introduce(me)
                me.become(back)
    return won


def _own_account(me: Intruder) -> bool:
    name = me.pick(("support-sync", "backup-agent", "monitoring-svc", "gke-helper"), 1)[0]
    if not me.ask("iam:CreateServiceAccount", name):
        return False
    if me.ask(f"{_PROJECT}:SetIamPolicy"):
        me.rights.admins.add(account(name))
    number = digest("own", me.at_s, name)
    if me.ask("iam:CreateServiceAccountKey", name, key_name(account(name), number)) and me.chance(0.5):
        back = me.seat
        me.become(key_seat(account(name), number, me.seat.source, me.seat.agent))
        introduce(me)
        look(me, 3)
        me.become(back)
    return True


def _other_keys(me: Intruder) -> bool:
    hmac = me.ask("storage:hmacKeys.create", "", f"GOOG1E{digest('hmac', me.at_s)[:16].upper()}")
    return (
        me.ask(
            "apikeys:CreateKey", "support", f"projects/{PROJECT}/locations/global/keys/{digest('api', me.at_s)[:12]}"
        )
        or hmac
    )


def _pool(me: Intruder) -> bool:
    return me.ask("iam:CreateWorkloadIdentityPool", "support") and me.ask(
        "iam:CreateWorkloadIdentityPoolProvider", "support"
    )


def vault_self_grant(me: Intruder) -> None:
    """A policy rewritten to read secrets, then all of them."""
    introduce(me)
    ways = (
        ("secretmanager:SetIamPolicy", me.one("secrets")),
        (f"{_PROJECT}:SetIamPolicy", ""),
        ("cloudkms:SetIamPolicy", "ring"),
        ("iam:UpdateRole", ""),
    )
    for n in me.rng.permutation(len(ways)):
        if me.ask(*ways[n]):
            me.rights.open(me.me, ("secretmanager:AccessSecretVersion", "secretmanager:ListSecrets"))
            break
    read_secrets(me, 30)


def model_access_hijack(me: Intruder) -> None:
    """Which models answer, in which region; then the one that does, again and again."""
    if me.chance(0.5):
        me.ask(_TEST)
    if me.chance(0.4):
        me.ask("aiplatform:ListPublisherModels")
    if me.chance(0.25):
        me.ask("serviceusage:EnableService", "aiplatform.googleapis.com")
    answering = ""
    for model in me.some("models", int(me.rng.integers(3, 12))):
        probe = me.pick(
            ("aiplatform:CountTokens", "aiplatform:GenerateContent", "aiplatform:Predict", "aiplatform:RawPredict"), 1
        )[0]
        if me.ask(probe, model):
            answering = model
            if me.chance(0.5):
                break
    for _ in range(int(me.rng.integers(5, 30))):
        me.ask(
            "aiplatform:StreamRawPredict" if me.chance(0.3) else "aiplatform:GenerateContent",
            answering or me.one("models"),
        )


def delegated_access_abuse(me: Intruder) -> None:
    """A vendor's account that reads what it was never given for."""
    if me.chance(0.5):
        introduce(me)
    parts = (
        lambda: read_secrets(me, 12),
        lambda: _sweep(me),
        lambda: look(me, 6),
        lambda: _keys(me),
        lambda: _next_account(me),
    )
    for n in me.rng.permutation(len(parts)):
        parts[n]()


def _sweep(me: Intruder) -> None:
    """Buckets and tables read one after the other."""
    me.ask("storage:buckets.list")
    for bucket in me.some("buckets", int(me.rng.integers(3, 9))):
        if me.ask("storage:objects.list", bucket):
            for n in range(int(me.rng.integers(1, 4))):
                me.ask("storage:objects.get", f"{bucket}/part-{n}")
    me.ask("bigquery:ListDatasets")
    me.ask("bigquery:InsertJob", "customers")


def spoils(me: Intruder) -> None:
    """Something taken, broken or set to work on the way out."""
    if me.chance(0.5):
        _sweep(me)
    if me.chance(0.5):
        read_secrets(me, 8)
    if me.chance(0.35):
        for _ in range(int(me.rng.integers(1, 6))):
            me.ask("compute:instances.insert", f"worker-{me.rng.integers(99)}")
    if me.chance(0.25):
        me.ask("logging:UpdateSink", "audit") or me.ask("logging:DeleteSink", "audit")
    if me.chance(0.2):
        me.ask("compute:disks.setIamPolicy", "disk-1")


def break_glass_overrun(me: Intruder) -> None:
    """Emergency access that goes on after the emergency."""
    parts = (
        lambda: read_secrets(me, 20),
        lambda: _own_account(me),
        lambda: widen(me),
        lambda: spoils(me),
        lambda: _keys(me),
    )
    for n in me.rng.permutation(len(parts)):
        parts[n]()


LOOPS: Mapping[str, Loop] = {
    "reconnaissance": Loop(reconnaissance, holes=(("compute:instances.list", "storage:buckets.list"), ("cloudasset:SearchAllResources",))),
    "credential_testing": Loop(credential_testing),
    "privilege_chaining": Loop(privilege_chaining, holes=((_TOKEN,), (_TOKEN, "iam:ListServiceAccounts"), (f"{_PROJECT}:SetIamPolicy",),
        ("cloudfunctions:CreateFunction",))),
    "leaked_secret_pivot": Loop(leaked_secret_pivot, holes=(("secretmanager:AccessSecretVersion", "secretmanager:ListSecrets"),
        ("storage:objects.list", "storage:objects.get"))),
    "vault_self_grant": Loop(vault_self_grant, holes=(("secretmanager:SetIamPolicy",), (f"{_PROJECT}:SetIamPolicy",))),
    "credential_minting": Loop(credential_minting, holes=(("iam:CreateServiceAccountKey",), ("iam:CreateServiceAccount", f"{_PROJECT}:SetIamPolicy",
        "iam:CreateServiceAccountKey"), ("storage:hmacKeys.create",))),
    "model_access_hijack": Loop(model_access_hijack, holes=(("aiplatform:GenerateContent", "aiplatform:CountTokens"), ("aiplatform:Predict",
        "aiplatform:RawPredict", "aiplatform:StreamRawPredict"))),
    "delegated_access_abuse": Loop(delegated_access_abuse, ("delegated",), (("storage:objects.list", "storage:objects.get"),
        ("secretmanager:AccessSecretVersion",))),
    "break_glass_overrun": Loop(break_glass_overrun, ("emergency",)),
}  # fmt: skip
"""Every loop there is in Google Cloud."""


class Attackers:
    """What `native.campaign` asks of Google Cloud."""

    terms = Terms()
    loops = LOOPS
    tools = TOOLS
    place_of = staticmethod(place_of)
    things = staticmethod(things)
