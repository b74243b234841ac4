"""Who lives in a cluster: parts of the control plane, nodes, operators, pipelines, applications, vendors and people, as habits.

The log is written at the level commonly recommended for production (kubernetes.io, "Auditing"; Google Kubernetes Engine,
"Audit policy"): leases, node status and the watches of the control plane are left out. What each program asks for is read off
its published role (cluster roles of cert-manager, external-secrets, ingress-nginx, kube-state-metrics, Argo CD, Flux, GitLab
Runner, Velero, Kyverno, KEDA, Spark operator, Trivy operator); how often is an assumption.
"""

from typing import Any

from simulation.native.shape import HOUR_S, Habit, Kind

_RBAC = "rbac.authorization.k8s.io"
_AUTHZ = "authorization.k8s.io"
_NOT_OURS = "part of the cluster: its access is the provider's, no connector takes it away"
_OWN_SECRET = "core:secrets:get {home}/{stem}-db"  # noqa: S105 (a call)
_OWN_CONFIG = "core:configmaps:get {home}/{stem}-config"
_START = (_OWN_SECRET, _OWN_CONFIG)
_KUBECTL = "kubectl/v1.31.2 (linux/amd64) kubernetes/5864a46"

# What a roll-out may bring an application for good.
_APP_GROWTH = (
    Habit(
        ("coordination.k8s.io:leases:get {home}/{stem}", "coordination.k8s.io:leases:update {home}/{stem}"),
        every_s=1200,
    ),
    Habit(("core:pods:list {home}", "core:pods:watch {home}"), every_s=3600),
    Habit(("core:endpoints:get {home}/{stem}", "discovery.k8s.io:endpointslices:list {home}"), every_s=2400),
    Habit(("core:configmaps:list {home}", "core:configmaps:watch {home}"), every_s=3000),
    Habit(("core:secrets:get {home}/{stem}-tls", "core:secrets:watch {home}/{stem}-tls"), every_s=5400),
    Habit(
        ("batch:jobs:create {home}/{stem}-{n}", "batch:jobs:get {home}/{stem}-{n}", "batch:jobs:list {home}"),
        runs=(1, 4),
    ),
    Habit((f"{_AUTHZ}:selfsubjectaccessreviews:create", "core:events:create {home}"), runs=(1, 3)),
)
_OPERATOR_GROWTH = (
    Habit(
        ("apiextensions.k8s.io:customresourcedefinitions:list", "core:namespaces:list", "core:secrets:list *"),
        runs=(1, 2),
    ),
    Habit(("core:events:create {home}", "core:configmaps:update {home}/{stem}"), every_s=2400),
    Habit((f"{_AUTHZ}:selfsubjectaccessreviews:create", "core:nodes:list", "core:pods:list *"), runs=(1, 3)),
    Habit(("gateway.networking.k8s.io:httproutes:list", "gateway.networking.k8s.io:gateways:watch"), every_s=3600),
)


def _system(name: str, principal: str, agent: str, *habits: Habit, where: str = "control", weight: float = 0.1) -> Kind:
    return Kind(
        name,
        where,
        agent,
        habits,
        home="kube-system",
        principal=principal,
        weight=weight,
        counted=False,
        why_not=_NOT_OURS,
    )


CONTROL_PLANE = (
    _system(
        "node", "system:node:{stem}", "kubelet/v1.31.2 (linux/amd64) kubernetes/5864a46",
        Habit(("core:pods:get {home}/pod-{n}", "core:pods/status:patch {home}/pod-{n}", "core:events:create default"), every_s=500),
        Habit(("core:configmaps:get {home}/kube-root-ca.crt", "core:secrets:get {home}/pull-{n}"), every_s=1800),
        Habit(("core:serviceaccounts/token:create {home}/account-{n}",), every_s=1500),
        where="node", weight=1.2,
    ),
    _system(
        "controller-manager", "system:kube-controller-manager", "kube-controller-manager/v1.31.2 (linux/amd64) kubernetes/5864a46",
        Habit(("core:serviceaccounts/token:create kube-system/generic-garbage-collector", "core:namespaces:list"), every_s=1800),
    ),
    _system(
        "scheduler", "system:kube-scheduler", "kube-scheduler/v1.31.2 (linux/amd64) kubernetes/5864a46",
        Habit(("core:pods/binding:create {home}/pod-{n}", "core:events:create {home}"), every_s=700),
    ),
    _system(
        "replicaset-controller", "system:serviceaccount:kube-system:replicaset-controller",
        "kube-controller-manager/v1.31.2 (linux/amd64) kubernetes/5864a46/system:serviceaccount:kube-system:replicaset-controller",
        Habit(("core:pods:create {home}", "apps:replicasets/status:update {home}/web-{n}"), every_s=900),
        Habit(("core:pods:delete {home}/pod-{n}",), every_s=2700),
    ),
    _system(
        "job-controller", "system:serviceaccount:kube-system:job-controller",
        "kube-controller-manager/v1.31.2 (linux/amd64) kubernetes/5864a46/system:serviceaccount:kube-system:job-controller",
        Habit(("core:pods:create {home}", "batch:jobs/status:update {home}/job-{n}"), every_s=1200),
    ),
    _system(
        "coredns", "system:serviceaccount:kube-system:coredns", "coredns/1.11.3",
        Habit(("discovery.k8s.io:endpointslices:list", "core:services:list", "core:namespaces:list"), every_s=5400), where="pod",
    ),
)  # fmt: skip

OPERATORS = (
    Kind(
        "cert-manager", "pod", "cert-manager-certificates-trigger/v1.16.1 (linux/amd64) cert-manager/0a1b2c3", (
            Habit(("cert-manager.io:certificates:list", "cert-manager.io:certificates/status:update {home}/tls-{n}",
                   "core:secrets:get {home}/tls-{n}", "core:events:create {home}"), every_s=900),
            Habit(("acme.cert-manager.io:orders:create {home}", "acme.cert-manager.io:challenges:create {home}", "core:pods:create {home}",
                   "core:services:create {home}", "core:secrets:update {home}/tls-{n}", "core:pods:delete {home}/acme-{n}"),
                  runs=(1, 3)),
        ), rights="wide", home="cert-manager", growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "external-secrets", "pod", "external-secrets/v0.10.5 (linux/amd64)", (
            Habit(("external-secrets.io:externalsecrets:list", "core:secrets:get {home}/synced-{n}", "core:secrets:update {home}/synced-{n}",
                   "external-secrets.io:externalsecrets/status:patch {home}/synced-{n}"), every_s=400),
            Habit(("core:serviceaccounts/token:create {home}/eso-{n}",), every_s=3000),
            Habit(("core:secrets:create {home}/synced-{n}",), runs=(0, 3)),
        ), rights="wide", home="external-secrets", growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "external-dns", "pod", "external-dns/v0.15.0", (
            Habit(("core:services:list", "networking.k8s.io:ingresses:list", "core:nodes:list", "core:pods:list *"), every_s=1800),
        ), home="external-dns", growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "ingress-nginx", "pod", "nginx-ingress-controller/v1.11.3 (linux/amd64)", (
            Habit(("networking.k8s.io:ingresses:list", "core:services:list", "core:secrets:get {home}/tls-{n}",
                   "networking.k8s.io:ingresses/status:update {home}/web-{n}", "core:events:create {home}"), every_s=1200),
        ), home="ingress-nginx", replicas=2, growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "prometheus", "pod", "Prometheus/2.55.0", (
            Habit(("core:nodes/metrics:get node-{n}", "url:/metrics:get", "core:pods:list *", "core:endpoints:list", "core:services:list"),
                  every_s=700),
        ), rights="reader", home="monitoring", growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "kube-state-metrics", "pod", "kube-state-metrics/v2.13.0 (linux/amd64)", (
            Habit(("core:pods:list *", "core:secrets:list *", "core:configmaps:list *", "apps:deployments:list *", "apps:daemonsets:list *",
                   "batch:jobs:list *", "batch:cronjobs:list *", "core:nodes:list", "core:namespaces:list",
                   "core:persistentvolumeclaims:list *", "networking.k8s.io:ingresses:list"), every_s=1500),
        ), rights="reader", home="monitoring", weight=0.3, growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "keda-operator", "pod", "keda/v2.16.0 (linux/amd64)", (
            Habit(("keda.sh:scaledobjects:list", "keda.sh:scaledobjects/status:patch {home}/scaler-{n}", "apps:deployments/scale:get {home}/web-{n}",
                   "apps:deployments/scale:update {home}/web-{n}", "core:secrets:get {home}/scaler-{n}"), every_s=1300),
        ), rights="wide", home="keda", growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "kyverno", "pod", "kyverno/v1.13.0 (linux/amd64)", (
            Habit(("kyverno.io:clusterpolicies:list", "core:namespaces:get {home}", "core:configmaps:list *",
                   f"{_AUTHZ}:subjectaccessreviews:create", "wgpolicyk8s.io:policyreports:update {home}/report-{n}"), every_s=800),
            Habit(("admissionregistration.k8s.io:validatingwebhookconfigurations:get",
                   "admissionregistration.k8s.io:validatingwebhookconfigurations:update",
                   "admissionregistration.k8s.io:mutatingwebhookconfigurations:update"), runs=(1, 4)),
        ), rights="wide", home="kyverno", growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "autoscaler", "pod", "cluster-autoscaler/v1.31.0 (linux/amd64)", (
            Habit(("core:nodes:list", "core:pods:list *", "core:configmaps:update kube-system/autoscaler-status",
                   "apps:daemonsets:list *", "policy:poddisruptionbudgets:list *"), every_s=900),
            Habit(("core:nodes:update node-{n}", "core:pods/eviction:create {home}/pod-{n}", "core:nodes:delete node-{n}"), runs=(0, 5)),
        ), rights="wide", home="kube-system", weight=0.2, growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "access-proxy", "pod", "kube-rbac-proxy/v0.18.1 (linux/amd64)", (
            Habit(("authentication.k8s.io:tokenreviews:create", f"{_AUTHZ}:subjectaccessreviews:create"), every_s=420),
        ), home="monitoring", growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "vault-auth", "pod", "vault/1.18.1 (linux/amd64)", (
            Habit(("authentication.k8s.io:tokenreviews:create", "core:serviceaccounts:get {home}/account-{n}"), every_s=600),
        ), home="vault", growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "spark-operator", "pod", "spark-operator/v2.0.2 (linux/amd64)", (
            Habit(("sparkoperator.k8s.io:sparkapplications:list", "core:pods:create data", "core:services:create data", "core:configmaps:create data",
                   "core:pods:get data/driver-{n}", "sparkoperator.k8s.io:sparkapplications/status:update data/app-{n}", "core:pods:delete data/driver-{n}"),
                  runs=(3, 9)),
        ), rights="wide", home="data", growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "backup", "pod", "velero-server/v1.15.0 (linux/amd64)", (
            Habit(("core:namespaces:list", "core:pods:list *", "core:secrets:list *", "core:configmaps:list *", "core:serviceaccounts:list *",
                   "core:persistentvolumes:list", "core:persistentvolumeclaims:list *", "apps:deployments:list *", f"{_RBAC}:clusterroles:list",
                   f"{_RBAC}:clusterrolebindings:list", f"{_RBAC}:rolebindings:list *", "core:pods/exec:create {home}/db-0",
                   "velero.io:backups:patch velero/daily", "velero.io:podvolumebackups:create velero"), runs=(1, 1), hours=(1, 3), gap_s=(0.2, 6)),
            Habit(("velero.io:schedules:list", "velero.io:backupstoragelocations:patch velero/default"), every_s=2400),
        ), rights="admin", home="velero", weight=0.4, growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "security-scanner", "pod", "trivy-operator/0.22.0 (linux/amd64)", (
            Habit(("core:pods:list *", "core:nodes:list", "core:configmaps:list *", "apps:deployments:list *", f"{_RBAC}:roles:list *",
                   f"{_RBAC}:clusterroles:list", f"{_RBAC}:clusterrolebindings:list", "core:services:list", "networking.k8s.io:networkpolicies:list",
                   "core:serviceaccounts:list *", "core:secrets:list *", "batch:jobs:create {home}", "core:pods/log:get {home}/scan-{n}"),
                  runs=(1, 2), hours=(4, 6), gap_s=(0.1, 3)),
            Habit(("batch:jobs:create {home}", "core:pods:list {home}", "core:pods/log:get {home}/scan-{n}", "batch:jobs:delete {home}/scan-{n}",
                   "aquasecurity.github.io:vulnerabilityreports:create {home}"), runs=(6, 20)),
        ), rights="reader", home="trivy-system", weight=0.4, growth=_OPERATOR_GROWTH,
    ),
)  # fmt: skip

PIPELINES = (
    Kind(
        "argocd-controller", "pod", "argocd-application-controller/v2.13.0 (linux/amd64) kubernetes/$Format", (
            Habit(("apps:deployments:list *", "core:services:list", "core:configmaps:list *", "core:secrets:list *",
                "argoproj.io:applications:patch argocd/app-{n}",
                   "core:events:create argocd", f"{_AUTHZ}:selfsubjectaccessreviews:create"), every_s=1100),
            Habit(("apps:deployments:get {home}/web-{n}", "apps:deployments:patch {home}/web-{n}", "core:services:patch {home}/web-{n}",
                   "core:configmaps:patch {home}/web-{n}", "batch:jobs:create {home}", "core:pods:delete {home}/old-{n}"),
                  runs=(3, 10), hours=(8, 19), part=0.8, is_office=True),
            Habit(("core:namespaces:create team-{n}", "core:serviceaccounts:create team-{n}/web", f"{_RBAC}:roles:create team-{{n}}/web",
                   f"{_RBAC}:rolebindings:create team-{{n}}/web", f"{_RBAC}:clusterroles:patch app-{{n}}", "core:secrets:create team-{n}/pull",
                   "apps:deployments:create team-{n}/web", "core:services:create team-{n}/web", "networking.k8s.io:ingresses:create team-{n}/web"),
                  runs=(1, 2), hours=(9, 17), part=0.8, is_office=True, chance=0.25),
        ), rights="admin", home="argocd", weight=0.3, growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "flux-helm", "pod", "helm-controller/v1.1.0 (linux/amd64)", (
            Habit(("helm.toolkit.fluxcd.io:helmreleases:list", "core:secrets:list {home}",
                "helm.toolkit.fluxcd.io:helmreleases/status:patch {home}/web"), every_s=1500),
            Habit(("core:secrets:list {home}", "core:secrets:create {home}/sh.helm.release.v1.web.v{n}", "apps:deployments:patch {home}/web",
                   "core:services:patch {home}/web", "core:secrets:update {home}/sh.helm.release.v1.web.v{n}",
                       "core:secrets:delete {home}/sh.helm.release.v1.web.v0"),
                  runs=(1, 5), hours=(8, 19), is_office=True, part=0.9),
        ), rights="admin", home="flux-system", growth=_OPERATOR_GROWTH,
    ),
    Kind(
        "ci-deployer", "runner", _KUBECTL, (
            Habit(("url:/version:get", "core:secrets:list {home}", "core:secrets:get {home}/sh.helm.release.v1.web.v{n}",
                "apps:deployments:get {home}/web-{n}",
                   "apps:deployments:patch {home}/web-{n}", "core:services:patch {home}/web-{n}", "core:secrets:create {home}/sh.helm.release.v1.web.v{n}",
                   "apps:deployments:watch {home}/web-{n}", "core:pods:list {home}", "core:events:list {home}"),
                  runs=(4, 12), hours=(7, 19), part=0.8, is_office=True, gap_s=(0.2, 6)),
            Habit(("core:namespaces:get {home}", "batch:jobs:create {home}/migrate-{n}", "batch:jobs:get {home}/migrate-{n}",
                "core:pods/log:get {home}/migrate-{n}"),
                  runs=(1, 3), hours=(8, 18), is_office=True, chance=0.5),
        ), rights="wide", home="shop",
        seldom=("core:configmaps:create {home}/flags", f"{_RBAC}:rolebindings:create {{home}}/web", "core:serviceaccounts:create {home}/web-{n}",
                "networking.k8s.io:ingresses:patch {home}/web", "core:pods/exec:create {home}/web-0", "batch:cronjobs:patch {home}/report"),
        seldom_chance=0.25, growth=_APP_GROWTH, weight=1.6,
    ),
    Kind(
        "gitlab-runner", "pod", "gitlab-runner/17.5.0 (17-5-stable; go1.22.8; linux/amd64)", (
            Habit(("core:secrets:create ci-jobs", "core:configmaps:create ci-jobs", "core:pods:create ci-jobs", "core:pods:get ci-jobs/runner-{n}",
                   "core:pods/attach:create ci-jobs/runner-{n}", "core:pods/exec:create ci-jobs/runner-{n}", "core:pods/log:get ci-jobs/runner-{n}",
                   "core:pods:delete ci-jobs/runner-{n}", "core:secrets:delete ci-jobs/runner-{n}", "core:configmaps:delete ci-jobs/runner-{n}"),
                  runs=(10, 40), hours=(6, 21), gap_s=(0.3, 8)),
        ), rights="wide", home="ci-jobs", seldom=(f"{_AUTHZ}:selfsubjectaccessreviews:create",), growth=_APP_GROWTH, weight=0.6,
    ),
    Kind(
        "tekton-controller", "pod", "controller/v0.65.0 (linux/amd64) knative.dev/pkg", (
            Habit(("tekton.dev:taskruns:list", "core:serviceaccounts:get ci-jobs/builder", "core:pods:create ci-jobs",
                "tekton.dev:taskruns/status:update ci-jobs/run-{n}",
                   "core:pods:patch ci-jobs/run-{n}", "core:events:create ci-jobs"), runs=(10, 30)),
        ), rights="wide", home="tekton-pipelines", growth=_OPERATOR_GROWTH, weight=0.4,
    ),
    Kind(
        "terraform", "cloud", "HashiCorp/1.0 Terraform/1.9.2", (
            Habit(("core:namespaces:get {home}", "core:serviceaccounts:get {home}/web", f"{_RBAC}:rolebindings:get {{home}}/web",
                f"{_RBAC}:clusterroles:get view-{{n}}",
                   "core:secrets:get {home}/registry", "core:configmaps:get {home}/settings", "core:resourcequotas:get {home}/quota"),
                  runs=(2, 6), hours=(8, 18), is_office=True, gap_s=(0.05, 1.0)),
            Habit(("core:namespaces:create team-{n}", "core:serviceaccounts:create team-{n}/ci", f"{_RBAC}:roles:create team-{{n}}/ci",
                f"{_RBAC}:rolebindings:create team-{{n}}/ci",
                   f"{_RBAC}:clusterrolebindings:create team-{{n}}", "core:secrets:create team-{n}/registry", "core:resourcequotas:create team-{n}/quota",
                   f"{_RBAC}:clusterroles:patch view-{{n}}", "networking.k8s.io:networkpolicies:create team-{n}/default"),
                  runs=(1, 3), hours=(9, 17), is_office=True, part=0.8, chance=0.4, gap_s=(0.05, 1.5)),
        ), rights="admin", principal="terraform-{stem}", weight=0.5,
    ),
)  # fmt: skip


def _application(name: str, agent: str, *habits: Habit, **changed: Any) -> Kind:
    start = Habit(_START, runs=(1, 4), chance=0.9)
    seldom = (
        "core:pods:get {home}/{stem}-0",
        "core:configmaps:get {home}/flags",
        "core:services:get {home}/{stem}",
        "core:endpoints:get {home}/{stem}",
    )
    return Kind(
        name, "pod", agent, (start, *habits), replicas=3, seldom=seldom, growth=_APP_GROWTH, weight=2.5, **changed
    )


APPLICATIONS = (
    _application("web", "web/v1.4.0 (linux/amd64)", Habit((_OWN_CONFIG, _OWN_SECRET), every_s=2400)),
    _application("leader", "okhttp/4.12.0", Habit(("coordination.k8s.io:leases:get {home}/{stem}",
        "coordination.k8s.io:leases:update {home}/{stem}"), every_s=700)),
    _application("config-reader", "kubernetes-client-python/31.0.0", Habit(("core:configmaps:list {home}", "core:configmaps:watch {home}"), every_s=900)),
    _application("session-store", "fabric8-kubernetes-client/6.13", Habit(("core:pods:list {home}", "core:endpoints:get {home}/{stem}"), every_s=1200)),
    _application("secret-reader", "kubernetes-client-go/v1.0.3 (linux/amd64)", Habit((_OWN_SECRET, "core:secrets:watch {home}/{stem}-db"), every_s=1100)),
    _application(
        "job-launcher", "airflow/2.10.2 kubernetes-client/31.0.0",
        Habit(("core:pods:create {home}", "core:pods:get {home}/task-{n}", "core:pods:watch {home}", "core:pods/log:get {home}/task-{n}",
            "core:pods:delete {home}/task-{n}"),
              runs=(8, 30), gap_s=(0.5, 20)), rights="wide",
    ),
    _application(
        "test-environments", "preview-manager/v0.9.1 (linux/amd64)",
        Habit(("core:namespaces:create preview-{n}", "core:secrets:create preview-{n}/db", "apps:deployments:create preview-{n}/web",
            "core:services:create preview-{n}/web",
               "networking.k8s.io:ingresses:create preview-{n}/web", "core:namespaces:delete preview-{n}"), runs=(1, 6), hours=(8, 19),
                   is_office=True), rights="wide",
    ),
    _application("portal", "backstage/1.32 node-fetch", Habit(("core:pods:list *", "apps:deployments:list *", "batch:cronjobs:list *",
        "networking.k8s.io:ingresses:list"), every_s=1500), rights="reader"),
    _application("nightly", "python-kubernetes/30.1.0",
                 Habit((_OWN_SECRET, "core:pods:list {home}", "batch:jobs:create {home}/{stem}-{n}", "batch:jobs:get {home}/{stem}-{n}"),
                     runs=(1, 1), hours=(2, 3))),
)  # fmt: skip

OUTSIDERS = (
    Kind(
        "vendor-agent", "pod", "vendor-monitor-agent/7.58.0", (
            Habit(("core:nodes/proxy:get node-{n}", "core:nodes/metrics:get node-{n}", "core:pods:list *", "core:events:list *",
                "core:services:list", "url:/metrics:get"), every_s=1000),
        ), path="delegated", rights="reader", home="vendor-monitoring", weight=0.6,
    ),
    Kind(
        "vendor-deployer", "runner", "vendor-updater/3.2 (linux/amd64)", (
            Habit(("apps:deployments:get vendor-app/agent", "apps:deployments:patch vendor-app/agent", "core:configmaps:patch vendor-app/agent",
                "core:pods:list vendor-app"),
                  runs=(1, 3)),
        ), path="delegated", rights="wide", home="vendor-app", weight=0.4,
    ),
)  # fmt: skip

_LOOKS = (
    "url:/api:get",
    "url:/apis:get",
    "core:pods:list {home}",
    "core:pods:get {home}/web-{n}",
    "core:events:list {home}",
    "core:pods/log:get {home}/web-{n}",
)
PEOPLE = (
    Kind("developer", "office", _KUBECTL, (
        Habit(_LOOKS, runs=(3, 14), hours=(8, 18), is_office=True, gap_s=(1, 60), part=0.7),
        Habit(("core:pods/exec:create {home}/web-{n}", "core:pods/portforward:create {home}/db-0", "core:configmaps:get {home}/settings",
            "core:secrets:get {home}/web-db"),
              runs=(1, 2), hours=(9, 18), is_office=True, gap_s=(5, 120), part=0.5, chance=0.4),
    ), path="human", rights="wide", principal="{stem}@example.com", weight=2.0),
    Kind("platform-engineer", "office", _KUBECTL, (
        Habit((*_LOOKS, "core:nodes:list", "core:namespaces:list", "apps:deployments:list *", "core:secrets:list *"), runs=(3, 9), hours=(8, 18),
            is_office=True, gap_s=(1, 60), part=0.6),
        Habit((f"{_RBAC}:rolebindings:create {{home}}/team-{{n}}", f"{_RBAC}:clusterroles:patch view-{{n}}", "core:nodes:patch node-{n}",
            "core:pods/eviction:create {home}/pod-{n}"),
              runs=(1, 3), hours=(9, 18), is_office=True, gap_s=(3, 90), part=0.5, chance=0.5),
    ), path="human", rights="admin", principal="{stem}@example.com", weight=0.7),
    Kind("dashboard-user", "office", "Mozilla/5.0 (X11; Linux x86_64) Lens/2024.11", (
        Habit((f"{_AUTHZ}:selfsubjectaccessreviews:create", f"{_AUTHZ}:selfsubjectrulesreviews:create", "core:namespaces:list", "core:pods:list *",
            "apps:deployments:list *",
               "core:services:list", "core:configmaps:list *", "core:secrets:list *", "core:events:list *", "core:nodes:list"), runs=(1, 5),
                   hours=(8, 18), is_office=True, gap_s=(0.02, 0.4)),
    ), path="human", rights="reader", principal="{stem}@example.com", weight=0.8),
    Kind("break-glass", "office", _KUBECTL, (
        Habit(("core:pods:list *", "core:nodes:list", "core:pods:delete {home}/web-{n}", "apps:deployments:patch {home}/web",
            "core:pods/exec:create {home}/db-0", f"{_RBAC}:rolebindings:patch {{home}}/web"),
              runs=(1, 1), hours=(9, 18), gap_s=(10, 90), chance=0.06),
    ), path="emergency", rights="admin", principal="break-glass-{stem}@example.com", weight=0.2),
)  # fmt: skip

KINDS = (*CONTROL_PLANE, *OPERATORS, *PIPELINES, *APPLICATIONS, *OUTSIDERS, *PEOPLE)
"""Every kind, in the order in which an estate is filled."""

TOKEN_LIFE_S = HOUR_S
