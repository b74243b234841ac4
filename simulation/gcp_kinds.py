"""Who lives in a Google Cloud organisation: service agents, builds and pipelines, data jobs, applications, vendors and people, as habits.

Data Access logs are on for every service but the chattiest (logging and monitoring writes). Methods are those of the services' audit log
pages (cloud.google.com/logging/docs/audit/services) and of the Workspace reports; how often is an assumption.
"""

from dataclasses import replace
from typing import Any

from simulation.native.shape import Habit, Kind

_NOT_OURS = "a service agent of Google's: it holds nothing a customer could take away"
_PYTHON = "gcloud-python/2.18.0 gl-python/3.12 grpc/1.66 gapic/2.18.0"
_GO = "google-api-go-client/0.5 grpc-go/1.67.0"
_JAVA = "gl-java/21 gapic/2.45.0 gax/2.54.0 grpc/1.67.1"
_NODE = "google-cloud-node gax/4.4.1 gl-node/20.15.1"
_GCLOUD = "google-cloud-sdk gcloud/497.0.0"
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
_TERRAFORM = (
    "HashiCorp Terraform/1.9.5 (+https://www.terraform.io) Terraform-Plugin-SDK/2.34.0 terraform-provider-google/6.9.0"
)
_ACCESS = "secretmanager:AccessSecretVersion {stem}-db"
_OBJECT = "storage:objects.get shop-{stem}/part-{n}"
_STORE = "storage:objects.create shop-{stem}/part-{n}"

_GROWTH = (
    Habit(("pubsub:Publish {stem}-events", "pubsub:CreateSubscription {stem}-{n}"), runs=(2, 8)),
    Habit(("storage:objects.list shop-{stem}", _OBJECT, "storage:buckets.get shop-{stem}"), every_s=2400),
    Habit(("secretmanager:AccessSecretVersion {stem}-api", "secretmanager:GetSecret {stem}-api"), runs=(1, 3)),
    Habit(
        ("bigquery:InsertJob reports", "bigquery:GetQueryResults reports", "bigquery:TableDataInsertAll events"),
        every_s=3600,
    ),
    Habit(("aiplatform:GenerateContent example-model", "aiplatform:CountTokens example-model"), every_s=3000),
    Habit(("cloudkms:Encrypt {stem}", "cloudkms:Decrypt {stem}"), every_s=3600),
    Habit(("firestore:RunQuery {stem}", "firestore:Commit {stem}"), every_s=1500),
    Habit(("cloudtasks:CreateTask {stem}", "run:GetService {stem}"), runs=(2, 9)),
)


def _agent(name: str, principal: str, *habits: Habit) -> Kind:
    return Kind(name, "google", "", habits, principal=principal, weight=0.12, counted=False, why_not=_NOT_OURS)


SERVICE_AGENTS = (
    _agent("logging-sink", "service-{number}@gcp-sa-logging.iam.gserviceaccount.com",
           Habit(("storage:objects.create logs/{n}", "bigquery:InsertJob logs"), every_s=1500)),
    _agent("gke-agent", "service-{number}@container-engine-robot.iam.gserviceaccount.com",
           Habit(("compute:instances.get node-{n}", "compute:instanceGroupManagers.get pool-{n}", "compute:instances.insert node-{n}"), every_s=2000)),
    _agent("build-agent", "service-{number}@gcp-sa-cloudbuild.iam.gserviceaccount.com",
           Habit(("storage:objects.create build-logs/{n}", "iamcredentials:GenerateAccessToken builder"), every_s=3000)),
    _agent("deployment-agent", "{number}@cloudservices.gserviceaccount.com",
           Habit(("compute:instances.insert vm-{n}", "compute:disks.insert disk-{n}", "compute:instances.delete vm-{n}"), every_s=4000)),
    _agent("pubsub-agent", "service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com", Habit(("bigquery:TableDataInsertAll events",
        "storage:objects.create events/{n}"), every_s=2500)),
)  # fmt: skip


def _job(name: str, where: str, agent: str, *habits: Habit, **changed: Any) -> Kind:
    return replace(Kind(name, where, agent, habits, growth=_GROWTH), **changed)


PIPELINES = (
    _job("cloud-build", "metadata", "google-cloud-build worker/1.0 gcloud/497.0.0", Habit(
        ("storage:objects.get sources/{n}", "artifactregistry:GetRepository images", "secretmanager:AccessSecretVersion npm-token",
            "artifactregistry:UploadArtifact images/web-{n}",
         "run:ReplaceService web-{n}", "iam:ActAs web", "container:GetCluster main", "storage:objects.create build-logs/{n}"),
        runs=(4, 14), hours=(7, 20), is_office=True, part=0.85, gap_s=(0.5, 15)),
        rights="wide", principal="{number}@cloudbuild.gserviceaccount.com", weight=0.6,
        seldom=("cloudfunctions:UpdateFunction hook-{n}", "run:SetIamPolicy web", "artifactregistry:CreateRepository new-{n}",
            "cloudscheduler:CreateJob nightly-{n}")),
    _job("federated-deployer", "federated", "google-github-actions:auth/2.1.7 " + _GCLOUD, Habit(
        ("sts:ExchangeToken", "iamcredentials:GenerateAccessToken lent", ">artifactregistry:UploadArtifact images/web-{n}",
            ">run:ReplaceService web-{n}", ">run:GetService web-{n}",
         ">secretmanager:GetSecret web-api", ">cloudresourcemanager:GetProject"), runs=(3, 10), hours=(7, 20), is_office=True, part=1.0, gap_s=(0.5, 9)),
        rights="wide", lent="deploy", weight=0.8),
    _job("terraform-runner", "metadata", _TERRAFORM, Habit(
        ("iamcredentials:GenerateAccessToken lent", ">storage:objects.get state/default.tfstate", ">cloudresourcemanager:GetIamPolicy",
            ">iam:GetServiceAccount sa-{n}", ">iam:GetIamPolicy sa-{n}",
         ">compute:networks.get main", ">compute:subnetworks.get main", ">storage:buckets.get shop-{n}", ">storage:getIamPermissions shop-{n}",
             ">secretmanager:GetSecret db-{n}",
         ">serviceusage:ListServices", ">pubsub:GetTopic events-{n}", ">storage:objects.create state/default.tflock"), runs=(2, 6), hours=(8, 19),
             is_office=True, gap_s=(0.05, 1.5)),
        Habit(("iamcredentials:GenerateAccessToken lent", ">iam:CreateServiceAccount sa-{n}", ">cloudresourcemanager:SetIamPolicy",
            ">iam:SetIamPolicy sa-{n}", ">compute:firewalls.insert allow-{n}",
               ">storage:buckets.create shop-{n}", ">storage:setIamPermissions shop-{n}", ">secretmanager:CreateSecret db-{n}",
                   ">secretmanager:SetIamPolicy db-{n}", ">iam:CreateRole reader-{n}",
               ">serviceusage:EnableService run", ">pubsub:CreateTopic events-{n}", ">iam:CreateServiceAccountKey sa-{n}"), runs=(1, 3),
                   hours=(9, 17), is_office=True, part=0.75, chance=0.4, gap_s=(0.1, 2)),
        rights="narrow", lent="terraform", weight=0.5),
    _job("config-connector", "gke", "cnrm-controller-manager/1.125.0", Habit(
        ("cloudresourcemanager:GetIamPolicy", "iam:GetServiceAccount sa-{n}", "storage:buckets.get shop-{n}", "pubsub:GetTopic events-{n}",
            "iam:GetIamPolicy sa-{n}"), every_s=1300),
        Habit(("cloudresourcemanager:SetIamPolicy", "iam:SetIamPolicy sa-{n}", "pubsub:CreateTopic events-{n}"), runs=(0, 3), is_office=True),
            rights="admin", weight=0.3),
    _job("key-rotator", "metadata", _PYTHON, Habit(
        ("iam:ListServiceAccountKeys batch-{n}", "iam:CreateServiceAccountKey batch-{n}", "secretmanager:AddSecretVersion batch-{n}",
            "iam:DeleteServiceAccountKey batch-{n}", "secretmanager:DestroySecretVersion batch-{n}"),
        runs=(1, 1), hours=(2, 4), gap_s=(0.3, 4)), rights="wide", weight=0.4),
)  # fmt: skip

DATA_JOBS = (
    _job("composer", "gke", "apache-airflow/2.9.3 " + _PYTHON, Habit(
        ("storage:objects.list dags", "storage:objects.get dags/job-{n}", "bigquery:InsertJob reports", "bigquery:GetQueryResults reports",
            "dataflow:CreateJob load-{n}", "pubsub:Publish jobs"),
        runs=(10, 30), part=0.8), Habit(("secretmanager:AccessSecretVersion airflow-connections-{n}",), runs=(4, 12)), rights="wide", weight=0.7),
    _job("dataflow", "metadata", "Apache_Beam_SDK_for_Java/2.60.0 " + _JAVA, Habit((_OBJECT, _STORE, "bigquery:InsertJob events",
        "bigquery:TableDataInsertAll events", "pubsub:Acknowledge {stem}"), every_s=900)),
    _job("dataproc", "metadata", "hadoop-connector/3.0 " + _JAVA, Habit(("storage:objects.list lake", "storage:objects.get lake/{n}",
        "storage:objects.create lake/{n}", "bigquery:InsertJob lake", "bigquery:CreateReadSession lake"),
        runs=(1, 3), hours=(1, 6)), Habit(("storage:objects.get lake/{n}",), every_s=2400)),
    _job("onprem-batch", "key", "google-api-python-client/2.147.0", Habit((_STORE, "storage:objects.list shop-{stem}", _OBJECT), runs=(1, 4),
        hours=(0, 6), gap_s=(0.5, 9)), weight=1.2),
    _job("bi-tool", "key", "looker/24.18 " + _JAVA, Habit(("bigquery:InsertJob reports", "bigquery:GetQueryResults reports",
        "bigquery:GetTable reports"), every_s=1100), weight=0.7),
    _job("backup", "metadata", _GO, Habit(("compute:disks.list", "compute:disks.createSnapshot disk-{n}", "compute:snapshots.insert snap-{n}",
        "cloudsql:instances.export main", "storage:objects.list shop-{n}",
        "storage:objects.rewrite shop-{n}/a", "compute:snapshots.delete snap-{n}"), runs=(1, 2), hours=(1, 4), gap_s=(0.5, 12)), rights="wide", weight=0.4),
    _job("training", "metadata", "google-cloud-aiplatform/1.71.0 " + _PYTHON, Habit(("aiplatform:CreateCustomJob train-{n}",
        "aiplatform:GetCustomJob train-{n}", "storage:objects.get models/{n}", "aiplatform:UploadModel model-{n}",
        "aiplatform:DeployModel endpoint-{n}", "aiplatform:ListModels"), runs=(1, 4)), Habit(("aiplatform:Predict endpoint-{n}",), every_s=1800),
            rights="wide", weight=0.5),
)  # fmt: skip


def _application(name: str, where: str, agent: str, *habits: Habit, **changed: Any) -> Kind:
    start = Habit((_ACCESS,), runs=(1, 4), chance=0.9)
    seldom = (
        "storage:buckets.get shop-{stem}",
        "pubsub:GetTopic {stem}-events",
        "cloudresourcemanager:GetProject",
        "monitoring:ListTimeSeries",
        "logging:ListLogEntries",
    )
    return _job(name, where, agent, start, *habits, replicas=3, seldom=seldom, weight=2.2, **changed)


APPLICATIONS = (
    _application("web", "gke", _GO, Habit(("pubsub:Publish {stem}-events", _OBJECT, _STORE), every_s=800)),
    _application("orders", "gke", _JAVA, Habit(("spanner:ExecuteSql orders", "spanner:Commit orders", "pubsub:Publish {stem}-events"), every_s=700)),
    _application("thumbnails", "metadata", _NODE, Habit((_OBJECT, _STORE), every_s=900)),
    _application("cloud-run", "metadata", _NODE, Habit(("firestore:RunQuery {stem}", "firestore:Commit {stem}", "cloudtasks:CreateTask {stem}"),
        every_s=900)),
    _application("app-engine", "metadata", "AppEngine-Google urlfetch", Habit(("datastore:Lookup {stem}", "datastore:Commit {stem}", _OBJECT),
        every_s=1200), principal="{stem}@appspot.gserviceaccount.com"),
    _application("vault-user", "gke", _GO, Habit(("cloudkms:Decrypt {stem}", "cloudkms:Encrypt {stem}", _ACCESS), every_s=1200)),
    _application("assistant", "gke", "google-genai-sdk/1.2.0 gl-python/3.12", Habit(("aiplatform:GenerateContent example-model",
        "aiplatform:CountTokens example-model"), every_s=600)),
    _application("legacy-vm", "metadata", "google-api-java-client/1.35.2", Habit((_OBJECT, _STORE, "compute:instances.get {stem}"), every_s=1500),
        principal="{number}{stem}-compute@developer.gserviceaccount.com"),
    _application("nightly", "metadata", _PYTHON, Habit((_ACCESS, "storage:objects.list shop-{stem}", _OBJECT, "bigquery:InsertJob reports", _STORE),
        runs=(1, 1), hours=(2, 3))),
    _application("monitor", "metadata", "grafana/11.3.0 " + _GO, Habit(("monitoring:ListTimeSeries", "compute:instances.aggregatedList",
        "monitoring:ListMetricDescriptors"), every_s=900), rights="reader"),
    _application("function", "metadata", "functions-framework/3.8 " + _PYTHON, Habit(("pubsub:Publish {stem}-done", "storage:objects.get inbox/{n}",
        "storage:objects.delete inbox/{n}"), every_s=1300)),
)  # fmt: skip

OUTSIDERS = (
    _job("vendor-posture", "key", "vendor-posture-scanner/4.2 " + _PYTHON, Habit(
        ("cloudresourcemanager:ListProjects", "cloudasset:SearchAllResources", "cloudasset:SearchAllIamPolicies",
            "cloudresourcemanager:GetIamPolicy", "iam:ListServiceAccounts", "iam:ListServiceAccountKeys sa-{n}",
         "iam:ListRoles", "compute:instances.aggregatedList", "compute:firewalls.list", "storage:buckets.list",
             "storage:getIamPermissions shop-{n}", "bigquery:ListDatasets", "container:ListClusters",
         "cloudkms:ListCryptoKeys ring", "logging:ListSinks", "serviceusage:ListServices", "secretmanager:ListSecrets"), runs=(1, 3), hours=(3, 6),
             gap_s=(0.1, 3)),
        path="delegated", rights="reader", weight=0.4),
    _job("vendor-sync", "key", "partner-sync/2.0 " + _JAVA, Habit(("bigquery:InsertJob partner", "bigquery:TableDataInsertAll partner",
        "storage:objects.create partner/{n}"), every_s=1700), path="delegated", weight=0.7),
    _job("vendor-billing", "key", "cost-insight/1.9 " + _GO, Habit(("cloudbilling:ListBillingAccounts", "bigquery:InsertJob billing",
        "bigquery:GetQueryResults billing", "recommender:ListRecommendations"), runs=(4, 8)),
        path="delegated", rights="reader", weight=0.4),
)  # fmt: skip

PEOPLE = (
    Kind("analyst", "office", _BROWSER, (
        Habit(("bigquery:ListDatasets", "bigquery:GetTable reports", "bigquery:InsertJob reports", "bigquery:GetQueryResults reports",
            "storage:objects.list exports", "storage:objects.get exports/{n}"),
              runs=(2, 10), hours=(8, 18), is_office=True, gap_s=(2, 90), part=0.7),
        Habit(("login:login", "oauth2:GetToken bi-tool"), runs=(1, 2), hours=(7, 10), is_office=True),
    ), path="human", rights="reader", principal="{stem}@example.com", weight=1.5),
    Kind("developer", "office", _GCLOUD + " command/gcloud.run invocation-id/{call} interactive/True (Linux 6.8.0)", (
        Habit(("cloudresourcemanager:GetProject", "run:GetService web-{n}", "logging:ListLogEntries", "compute:instances.list",
            "container:GetCluster main", "secretmanager:ListSecrets", "storage:objects.list shop-{n}"),
              runs=(2, 9), hours=(8, 18), is_office=True, gap_s=(1, 60), part=0.6),
        Habit(("iam:ListServiceAccounts", "cloudresourcemanager:GetIamPolicy", "secretmanager:AccessSecretVersion web-db",
            "compute:instances.setMetadata vm-{n}"), runs=(1, 2), hours=(9, 17), is_office=True, part=0.5, chance=0.4),
    ), path="human", rights="wide", principal="{stem}@example.com", weight=1.8),
    Kind("administrator", "office", _BROWSER, (
        Habit(("cloudresourcemanager:GetIamPolicy", "cloudresourcemanager:SetIamPolicy", "iam:ListServiceAccounts",
            "iam:CreateServiceAccount sa-{n}", "admin:addGroupMember", "compute:firewalls.patch allow-{n}",
               "orgpolicy:GetPolicy", "serviceusage:EnableService api-{n}"), runs=(1, 5), hours=(8, 18), is_office=True, gap_s=(3, 90), part=0.5),
        Habit(("login:login",), runs=(1, 1), hours=(7, 10), is_office=True),
    ), path="human", rights="admin", principal="{stem}@example.com", weight=0.5),
    Kind("staff", "office", "", (
        Habit(("login:login", "oauth2:Authorize app-{n}", "oauth2:GetToken app-{n}"), runs=(1, 3), hours=(7, 18), is_office=True, gap_s=(10, 600), part=0.7),
    ), path="human", rights="none", principal="{stem}@example.com", weight=1.0),
    Kind("break-glass", "office", _GCLOUD, (
        Habit(("cloudresourcemanager:GetIamPolicy", "compute:instances.list", "compute:instances.reset vm-{n}", "logging:ListLogEntries",
            "cloudresourcemanager:SetIamPolicy"), runs=(1, 1), hours=(9, 18), gap_s=(10, 90), chance=0.06),
    ), path="emergency", rights="admin", principal="break-glass-{stem}@example.com", weight=0.2),
)  # fmt: skip

KINDS = (*SERVICE_AGENTS, *PIPELINES, *DATA_JOBS, *APPLICATIONS, *OUTSIDERS, *PEOPLE)
"""Every kind, in the order in which an estate is filled."""
