"""Short names of calls to what Google writes: the service, the method with package and interface, and which log it goes to.

Source: the services' audit log pages, cloud.google.com/logging/docs/audit/services; Workspace, cloud.google.com/logging/docs/audit/gsuite-audit-logging.
"""

from functools import cache

_INTERFACES = {
    "secretmanager": "google.cloud.secretmanager.v1.SecretManagerService",
    "cloudkms": "",
    "iam": "google.iam.admin.v1",
    "iamcredentials": "",
    "sts": "google.identity.sts.v1.SecurityTokenService",
    "cloudresourcemanager": "",
    "cloudasset": "google.cloud.asset.v1.AssetService",
    "aiplatform": "google.cloud.aiplatform.v1.PredictionService",
    "bigquery": "google.cloud.bigquery.v2.JobService",
    "pubsub": "google.pubsub.v1.Publisher",
    "container": "google.container.v1.ClusterManager",
    "logging": "google.logging.v2.ConfigServiceV2",
    "serviceusage": "google.api.serviceusage.v1.ServiceUsage",
    "orgpolicy": "google.cloud.orgpolicy.v2.OrgPolicy",
    "spanner": "google.spanner.v1.Spanner",
    "firestore": "google.firestore.v1.Firestore",
    "datastore": "google.datastore.v1.Datastore",
    "artifactregistry": "google.devtools.artifactregistry.v1.ArtifactRegistry",
    "run": "google.cloud.run.v1",
    "cloudtasks": "google.cloud.tasks.v2.CloudTasks",
    "monitoring": "google.monitoring.v3.MetricService",
    "dataflow": "google.dataflow.v1beta3.JobsV1Beta3",
    "cloudfunctions": "google.cloud.functions.v1.CloudFunctionsService",
    "cloudscheduler": "google.cloud.scheduler.v1.CloudScheduler",
    "cloudbilling": "google.cloud.billing.v1.CloudBilling",
    "recommender": "google.cloud.recommender.v1.Recommender",
    "apikeys": "google.api.apikeys.v2.ApiKeys",
    "compute": "v1.compute",
    "storage": "storage",
    "cloudsql": "cloudsql",
    "login": "google.login.LoginService",
    "oauth2": "google.identity.oauth2",
    "admin": "google.admin.AdminService",
}
_ADMIN_STARTS = (
    "Create",
    "Set",
    "Update",
    "Delete",
    "Enable",
    "Replace",
    "Destroy",
    "Add",
    "Disable",
    "insert",
    "set",
    "patch",
    "delete",
)
_DATA_SERVICES = (
    "storage",
    "bigquery",
    "pubsub",
    "spanner",
    "firestore",
    "datastore",
    "iamcredentials",
    "sts",
    "login",
    "oauth2",
)


@cache
def method_of(operation: str) -> tuple[str, str, str]:
    """(serviceName, methodName, activity or data_access) of a call.

    >>> method_of("secretmanager:AccessSecretVersion")[1]
    'google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion'
    """
    service, _, name = operation.partition(":")
    interface = _INTERFACES.get(service, f"google.cloud.{service}.v1")
    written = (
        {"SetIamPolicy": "SetIAMPolicy", "GetIamPolicy": "GetIAMPolicy"}.get(name, name) if service == "iam" else name
    )
    written = "loginSuccess" if operation == "login:login" else written
    is_admin = name.rpartition(".")[2].startswith(_ADMIN_STARTS) and service not in _DATA_SERVICES
    log = "activity" if is_admin or operation == "storage:setIamPermissions" else "data_access"
    return f"{service}.googleapis.com", f"{interface}.{written}" if interface else written, log
