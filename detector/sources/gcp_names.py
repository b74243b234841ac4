"""What Google Cloud calls things: operations by service and method, service accounts and who owns them, programs without what changes with every call.

Methods: cloud.google.com, "Audit logs" page of each service ("methodName") and developers.google.com, Admin SDK "Reports" for Workspace. Accounts: IAM,
"Types of service accounts", "Service agents", "Principal identifiers".

Blind to: which version of an interface was called, and Google's own accounts that are named like a customer's.
"""

import re

from detector.event import Mark, Path

ACCOUNT = re.compile(r"[A-Za-z0-9][\w.-]*@[\w.:-]+\.gserviceaccount\.com", re.ASCII)
_VERSION = re.compile(r"^(v\d+\w*|alpha|beta)$")
_IAM = {"SetIAMPolicy": "SetIamPolicy", "GetIAMPolicy": "GetIamPolicy", "TestIAMPermissions": "TestIamPermissions"}
_GOOGLES_OWN = re.compile(
    r"^(service-[\w-]+@[\w.-]+\.iam\.gserviceaccount\.com|[\w-]+@(cloudservices|system|gcp-sa-[\w-]+\.iam|[\w-]+-system\.iam)\.gserviceaccount\.com"
    r"|[\w-]+@(container-engine-robot|cloud-ml|serverless-robot-prod|gae-api-prod|containerregistry|firebase-rules|dataflow-service-producer-prod|dataproc-accounts"
    r"|cloudcomposer-accounts|bigquery-data-connectors|bigquery-encryption|endpoints-portal|service-networking|gs-project-accounts)\.iam\.gserviceaccount\.com"
    r"|[\w.-]+@(system\.)?google\.com|cloud-logs@system\.gserviceaccount\.com)$",
    re.ASCII,
)
_EVERY_CALL = re.compile(
    r" (command|invocation-id|environment|environment-version|interactive|from-script|python|term|client-os-ver)/\S*"
)
_FRONT_END = re.compile(r",gzip\(gfe\)|,?gzip\(gfe\)")
_NO_AGENT = ("<redacted>", "<REDACTED>", "(redacted)")


def operation_of(service: str, method: str) -> str:
    """``SERVICE:METHOD``: the service without its domain, the method without package, version and interface.

    >>> operation_of("secretmanager.googleapis.com", "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion")
    'secretmanager:AccessSecretVersion'
    >>> operation_of("compute.googleapis.com", "beta.compute.instances.setMetadata")
    'compute:instances.setMetadata'
    >>> operation_of("login.googleapis.com", "google.login.LoginService.loginFailure")
    'login:login'
    """
    parts = [p for p in re.sub(r"[\s:/]", "_", method).split(".") if p]
    name = service.removesuffix(".googleapis.com") or _service_of(parts)
    last = _IAM.get(parts[-1], parts[-1]) if parts else ""
    if last[:1].isupper():
        return f"{name}:{last}"[:200]
    inner = [
        p for p in parts[:-1] if p not in ("google", "cloud", name) and not _VERSION.match(p) and not p[:1].isupper()
    ]
    if name == "login" and last in ("loginSuccess", "loginFailure"):
        last = "login"
    return f"{name}:{'.'.join([*inner[-2:], last])}"[:200]


def _service_of(parts: list[str]) -> str:
    """The service a method of no service is of, by its package."""
    named = [
        p for p in parts[:-1] if p not in ("google", "cloud", "type", "googleapis", "com") and not _VERSION.match(p)
    ]
    return named[0].lower() if named else "unknown"


def is_account(name: str) -> bool:
    """Whether a principal is a service account.

    >>> is_account("web@example.iam.gserviceaccount.com"), is_account("ann@example.com")
    (True, False)
    """
    return name.endswith(".gserviceaccount.com")


def account_in(text: str) -> str:
    """The service account a resource name or subject speaks of; '' where it names none.

    >>> account_in("projects/-/serviceAccounts/web@example.iam.gserviceaccount.com/keys/0123")
    'web@example.iam.gserviceaccount.com'
    """
    found = ACCOUNT.search(text)
    return found[0] if found else ""


def path_of(principal: str) -> Path:
    """Who stands behind a principal: people have addresses of their own domain, workloads accounts, pools of identities or clusters.

    >>> path_of("ann@example.com").name, path_of("principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/s").name
    ('HUMAN', 'WORKLOAD')
    """
    is_workload = is_account(principal) or "/workloadIdentityPools/" in principal or ".svc.id.goog" in principal
    return (
        Path.WORKLOAD if is_workload or ("@" not in principal and "/workforcePools/" not in principal) else Path.HUMAN
    )


def marks_of(principal: str) -> int:
    """Marks of a principal: service agents and Google's own accounts belong to the provider.

    >>> marks_of("service-1@compute-system.iam.gserviceaccount.com") == Mark.PROVIDER_OWNED, marks_of("1-compute@developer.gserviceaccount.com")
    (True, 0)
    """
    if principal in ("anonymous", "allUsers"):
        return int(Mark.ANONYMOUS)
    return int(Mark.PROVIDER_OWNED) if _GOOGLES_OWN.match(principal) else 0


def is_plumbing(giver: str) -> bool:
    """Whether an account reached through this one is only a workload's usual way to its account: federation, a cluster's identity pool, a service agent.

    >>> is_plumbing("example.svc.id.goog[shop/web]"), is_plumbing("ann@example.com")
    (True, False)
    """
    return ".svc.id.goog[" in giver or "/workloadIdentityPools/" in giver or bool(marks_of(giver))


def program(agent: str) -> str:
    """A user agent without what changes with every call: gcloud writes its command and an id of the call into it.

    >>> program("google-cloud-sdk gcloud/373.0.0 command/gcloud.projects.list invocation-id/b1c2 interactive/True (Linux),gzip(gfe)")
    'google-cloud-sdk gcloud/373.0.0 (Linux)'
    """
    return "" if agent in _NO_AGENT else _FRONT_END.sub("", _EVERY_CALL.sub("", agent)).strip()
