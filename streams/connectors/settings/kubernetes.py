"""What an operator sets of the Kubernetes connector."""

import msgspec

from streams.connectors.settings.http import Http


class KubernetesSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cluster. ``token`` is read anew for every request, since a projected one changes. ``sensitive_roles``: cluster roles ``narrow`` takes away.

    ``cluster``: what commands call it in their scope; '' takes commands of any.
    """

    url: str = "https://kubernetes.default.svc"
    token: str = "file:/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - where it is kept
    cluster: str = ""
    sensitive_roles: tuple[str, ...] = ("cluster-admin", "admin", "edit")
    http: Http = Http(ca_file="/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
