"""What Kubernetes calls things: operations by group, resource and verb, principals by user name, resources by namespace.

Names: Kubernetes API concepts, "Resource URIs" and "API verbs"; authenticating, "Service account tokens"; node authorization (kubernetes.io/docs/reference).
GKE writes the same request as a method such as ``io.k8s.core.v1.pods.exec.create`` (cloud.google.com/kubernetes-engine/docs/how-to/audit-logging).

Blind to: custom resources that mean something only to their operator, and a service account of the same namespace and name in another cluster.
"""

import re
from typing import NamedTuple

from detector.event import Mark, Path

SERVICE_ACCOUNT = "system:serviceaccount:"
NODE = "system:node:"
ANONYMOUS = "system:anonymous"
_HANDS_ON = ("exec", "attach", "portforward")
_GROUP_IN_PATH = re.compile(r"^/apis/([^/?]+)/")
_FIRST_SEGMENT = re.compile(r"^/+([^/?#]*)")
_VERSION = re.compile(r"^v\d+((alpha|beta)\d+)?$")
_PLAIN_GROUPS = ("core", "apps", "batch", "autoscaling", "policy", "extensions")
_CONTROL_PLANE = re.compile(
    r"^(system:(apiserver|kube-controller-manager|kube-scheduler|cloud-controller-manager|konnectivity-server|gke-.*|gcp-.*)"
    r"|system:serviceaccount:kube-system:[a-z-]+(-controller|-collector|-autoscaler)|eks:.*|aksService)$"
)
_ANYBODYS_PROGRAM = re.compile(r"^(kubectl|oc|k9s|helm|lens|mozilla|curl|wget|python|go-http-client)|^$", re.IGNORECASE)
_COMMIT = re.compile(r" (?:kubernetes/(?:[0-9a-f]{7,}|\$Format)|[0-9a-f]{7,40})(?= |$)")
_PERSONS_PROGRAM = re.compile(r"^(kubectl|oc|k9s|helm|lens|openlens|freelens|mozilla)([/. ]|$)|^$", re.IGNORECASE)


class Target(NamedTuple):
    """What a request is about; '' for what it has none of. ``path``: of the request, without its host."""

    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    path: str = ""

    @property
    def label(self) -> str:
        """``NAMESPACE/RESOURCE/NAME``; ``*`` stands for all of them."""
        if not self.resource:
            return self.path.partition("?")[0]
        return f"{self.namespace or '*'}/{self.resource}/{self.name or '*'}"


def operation_of(target: Target, verb: str) -> str:
    """``GROUP:RESOURCE[/SUBRESOURCE]:VERB``, or ``url:/SEGMENT:VERB`` where no object is asked for.

    Running a command in a container is one operation, whether it came as a POST or, through a web socket, as a GET.

    >>> operation_of(Target("", "pods", "exec", "shop", "web-0"), "get")
    'core:pods/exec:create'
    """
    verb = verb.lower()
    if not target.resource:
        found = _FIRST_SEGMENT.match(target.path)
        return f"url:/{found[1] if found else ''}:{verb}"[:200]
    if target.subresource in _HANDS_ON and verb == "get":
        verb = "create"
    what = f"{target.resource}/{target.subresource}" if target.subresource else target.resource
    return re.sub(r"\s", "_", f"{target.group or 'core'}:{what}:{verb}")[:200]


def group_of(group: str, version: str, path: str) -> str:
    """The API group: named, or in front of the version, or in the path; '' for the core group.

    >>> group_of("", "v1", "/apis/rbac.authorization.k8s.io/v1/clusterroles")
    'rbac.authorization.k8s.io'
    """
    if group or "/" in version:
        return group or version.partition("/")[0]
    found = _GROUP_IN_PATH.match(path)
    return found[1] if found else ""


def target_of_method(method: str, resource_name: str) -> tuple[Target, str]:
    """(target, verb) of a GKE method and resource name.

    >>> target_of_method("io.k8s.authorization.rbac.v1.rolebindings.create", "rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings/a")[0].group
    'rbac.authorization.k8s.io'
    """
    parts = method.split(".")
    at = next((i for i, part in enumerate(parts) if _VERSION.match(part)), len(parts))
    group = ".".join(reversed(parts[:at])).removesuffix(".k8s.io") if at < len(parts) else ""
    is_plain = group in _PLAIN_GROUPS or parts[:2] != ["io", "k8s"]
    group = group if is_plain else f"{group}.k8s.io"
    kinds, verb = parts[at + 1 : -1], parts[-1]
    pieces = resource_name.split("/")
    namespace = pieces[pieces.index("namespaces") + 1] if "namespaces" in pieces[:-1] else ""
    resource, subresource = (kinds[0] if kinds else ""), (kinds[1] if len(kinds) > 1 else "")
    after = pieces[pieces.index(resource) + 1 :] if resource in pieces else []
    name = after[0] if after else ""
    return Target("" if group == "core" else group, resource, subresource, namespace, name, f"/{resource_name}"), verb


def account_of(user: str) -> tuple[str, str]:
    """Namespace and name of a service account; two '' for anybody else.

    >>> account_of("system:serviceaccount:shop:web")
    ('shop', 'web')
    """
    namespace, _, name = (
        user.removeprefix(SERVICE_ACCOUNT).partition(":") if user.startswith(SERVICE_ACCOUNT) else ("", "", "")
    )
    return (namespace, name) if namespace and name else ("", "")


def path_of(user: str, agent: str) -> Path:
    """Who stands behind a user name. A name without ``@`` is a person's only where a person's program is at work.

    >>> path_of("kubernetes-admin", "kubectl/v1.31.0").name, path_of("ci", "Go-http-client/2.0").name
    ('HUMAN', 'WORKLOAD')
    """
    if user.startswith("system:") or user.endswith(".gserviceaccount.com"):
        return Path.WORKLOAD
    return Path.HUMAN if "@" in user or _PERSONS_PROGRAM.match(agent) else Path.WORKLOAD


def marks_of(user: str, agent: str) -> int:
    """Marks of a user name: parts of the control plane are the provider's own, nobody is anonymous.

    A part of the control plane that shows a person's or an attacker's program is not believed: its name can be had in a certificate.

    >>> marks_of("system:kube-scheduler", "kube-scheduler/v1.31.0") == Mark.PROVIDER_OWNED, marks_of("system:kube-scheduler", "kubectl/v1.31.0")
    (True, 0)
    """
    if user == ANONYMOUS:
        return int(Mark.ANONYMOUS)
    is_itself = _CONTROL_PLANE.match(user) and not _ANYBODYS_PROGRAM.match(agent)
    return int(Mark.PROVIDER_OWNED) if is_itself else 0


def program(agent: str) -> str:
    """A user agent without the commit it was built from, which every upgrade changes.

    >>> program("kubectl/v1.31.0 (linux/amd64) kubernetes/9edcffc")
    'kubectl/v1.31.0 (linux/amd64)'
    """
    return _COMMIT.sub("", agent)
