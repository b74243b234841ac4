"""The native estates there are, by name: what `outpace simulate --estate` takes beside CloudTrail's."""

from collections.abc import Mapping

from simulation.entra import Entra
from simulation.entra_loops import Attackers as EntraAttackers
from simulation.gcp import Gcp
from simulation.gcp_loops import Attackers as GcpAttackers
from simulation.github import GitHub
from simulation.github_loops import Attackers as GitHubAttackers
from simulation.keycloak import Keycloak
from simulation.keycloak_loops import Attackers as KeycloakAttackers
from simulation.kubernetes import Kubernetes
from simulation.kubernetes_loops import Attackers as KubernetesAttackers
from simulation.native.campaign import Attackable
from simulation.native.shape import Provider
from simulation.okta import Okta
from simulation.okta_loops import Attackers as OktaAttackers

NATIVE: Mapping[str, tuple[Provider, Attackable]] = {
    "kubernetes": (Kubernetes(), KubernetesAttackers()),
    "gcp": (Gcp(), GcpAttackers()),
    "okta": (Okta(), OktaAttackers()),
    "github": (GitHub(), GitHubAttackers()),
    "entra": (Entra(), EntraAttackers()),
    "keycloak": (Keycloak(), KeycloakAttackers()),
}
"""A provider and what its attackers know, by the name of the estate."""
