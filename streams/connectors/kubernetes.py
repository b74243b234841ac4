"""The connector of Kubernetes: token secrets, pods and service accounts deleted, and subjects taken out of role bindings.

A principal is a user name as audit events give it, ``system:serviceaccount:NAMESPACE:NAME`` for a service account (https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/).
A credential is ``secret:NAMESPACE/NAME`` for a token kept in a secret, ``pod:NAMESPACE/NAME[/UID]`` for one bound to a pod (audit events name it in
``authentication.kubernetes.io/pod-name`` and ``pod-uid``).

Blind to: rights given to a group the principal is in, such as ``system:serviceaccounts``, and what an authorizer other than RBAC allows.
"""

import time
from typing import Any, NamedTuple

import msgspec

from detector.policy.guardrails import RevocationCommand
from detector.sources.timestamps import parse_time_ns
from streams.connectors.base import (
    ConnectorError,
    Deed,
    Description,
    Finding,
    Lack,
    NotOfferedError,
    Permission,
    Proof,
    Receipt,
    RefusedError,
    UnavailableError,
)
from streams.connectors.kubernetes_api import RBAC, Api, Binding, Object
from streams.connectors.settings.kubernetes import KubernetesSettings
from streams.connectors.telling import proof_of, receipt_of, wanted_deed

BOUND_S = 60.0
"""A token bound to an object ends with it, at the latest this long after ``deletionTimestamp``."""
GRACE_S = 1
_TOKENS = "https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/"
_RBAC_PAGE = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/"
_ESCALATION = _RBAC_PAGE + "#restrictions-on-role-binding-creation-or-update"
_OWNER = "kubernetes.io/service-account.name"
_BINDINGS = "narrow, cut_delegation"

DESCRIPTION = Description(
    name="kubernetes",
    title="Kubernetes",
    providers=("kubernetes",),
    deeds=(
        Deed("narrow", "takes the principal out of every binding to `cluster-admin`, `admin` and `edit`, or what the settings name instead", 0.0, _RBAC_PAGE),
        Deed("revoke_session", "deletes the pod a token is bound to, and with it the token; its controller starts another", BOUND_S + GRACE_S, _TOKENS),
        Deed("disable_credential", "deletes the secret a long-lived token is kept in", 0.0, _TOKENS),
        Deed("quarantine_principal", "deletes the service account, and with it every token of it; pods that use it cannot start until it is made again", BOUND_S, _TOKENS),
        Deed("cut_delegation", "takes the principal out of every role binding and cluster role binding; the receipt keeps who was in them", 0.0, _RBAC_PAGE),
    ),
    permissions=(
        Permission("get secrets", "disable_credential: sees whose token it is, from metadata alone; and proof", _TOKENS),
        Permission("delete secrets", "disable_credential", _TOKENS),
        Permission("get pods", "revoke_session: sees whose pod it is; and proof", _TOKENS),
        Permission("delete pods", "revoke_session", _TOKENS),
        Permission("get serviceaccounts", "quarantine_principal; and to tell an account whose token is gone from one that never was", _TOKENS),
        Permission("delete serviceaccounts", "quarantine_principal", _TOKENS),
        Permission("list clusterrolebindings", f"{_BINDINGS}; and proof", _RBAC_PAGE),
        Permission("list rolebindings", f"{_BINDINGS}; and proof", _RBAC_PAGE),
        Permission("update clusterrolebindings", _BINDINGS, _RBAC_PAGE),
        Permission("update rolebindings", _BINDINGS, _RBAC_PAGE),
        Permission("bind clusterroles", f"{_BINDINGS}: a binding may be written only by who has its rights, or this", _ESCALATION),
        Permission("bind roles", "cut_delegation: the same for roles of a namespace", _ESCALATION),
    ),
    proof="reads back that the secret, pod or service account is gone, or that no binding names the principal",
    lacks=(Lack("step_up", "a service account is nobody who could sign in again, and people are not the API server's to ask"),),
    blind_to="rights given to a group the principal is in, client certificates, and authorizers other than RBAC",
)  # fmt: skip


class Account(NamedTuple):
    """A service account."""

    namespace: str
    name: str


class Kubernetes:
    """The connector of one cluster. Raises ``ConfigError`` for settings that cannot work."""

    def __init__(self, settings: KubernetesSettings) -> None:
        self.settings, self._api = settings, Api(settings)
        self._deeds = {
            "narrow": (self._narrow, self._look_narrow),
            "revoke_session": (self._end_pod, self._look_pod),
            "disable_credential": (self._drop_secret, self._look_secret),
            "quarantine_principal": (self._drop_account, self._look_account),
            "cut_delegation": (self._cut, self._look_cut),
        }

    def describe(self) -> Description:
        """Always the same."""
        return DESCRIPTION

    async def check(self) -> tuple[Finding, ...]:
        """Asks the API server for each permission whether we have it in every namespace."""
        found: list[Finding] = []
        for permission in DESCRIPTION.permissions:
            verb, resource = permission.name.split()
            group = RBAC if resource.endswith(("bindings", "roles")) else ""
            try:
                is_right = await self._api.may(verb, group, resource)
            except ConnectorError as error:
                return (*found, Finding(permission.name, False, f"{permission.name}: {error}"))
            text = "allowed" if is_right else "missing, allow it in a ClusterRole"
            found.append(Finding(permission.name, is_right, f"{permission.name}: {text}"))
        return tuple(found)

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Carries a command out. Raises ``RefusedError`` or ``UnavailableError``."""
        wanted_deed(DESCRIPTION, command)
        if self.settings.cluster not in ("", command.scope):
            raise RefusedError(f"cluster {command.scope[:80]!r} is not ours, wanted {self.settings.cluster!r}")
        steps, reference = await self._deeds[command.action][0](command)
        return receipt_of(DESCRIPTION, command, steps, reference)

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        """Reads back what is left. Raises ``RefusedError`` or ``UnavailableError`` where it cannot be read."""
        wanted_deed(DESCRIPTION, command)
        alive = await self._deeds[command.action][1](command)
        return proof_of(
            command,
            "alive" if alive else "inactive",
            "read back from the API server",
            alive or f"gone: {'; '.join(receipt.steps)}",
        )

    async def close(self) -> None:
        """Lets connections go."""
        await self._api.http.close()

    async def _narrow(self, command: RevocationCommand) -> "_Done":
        return await self._unbind(command, self._sensitive(await self._naming(command)))

    async def _look_narrow(self, command: RevocationCommand) -> str:
        return _still_named(self._sensitive(await self._naming(command)))

    async def _cut(self, command: RevocationCommand) -> "_Done":
        return await self._unbind(command, await self._naming(command))

    async def _look_cut(self, command: RevocationCommand) -> str:
        return _still_named(await self._naming(command))

    def _sensitive(self, bindings: list[Binding]) -> list[Binding]:
        return [b for b in bindings if b.role[0] == "ClusterRole" and b.role[1] in self.settings.sensitive_roles]

    async def _naming(self, command: RevocationCommand) -> list[Binding]:
        return [b for b in await self._api.bindings() if any(_is(command.principal, subject) for subject in b.subjects)]

    async def _unbind(self, command: RevocationCommand, bindings: list[Binding]) -> "_Done":
        if not bindings:
            await self._check_known(command.principal)
            return ("no such binding names the principal",), {}
        steps, reference = [], {}
        for binding in bindings:
            reference[f"subjects of {binding.label}"] = msgspec.json.encode(binding.subjects).decode()
            await self._api.write(binding, [s for s in binding.subjects if not _is(command.principal, s)])
            steps.append(f"update {binding.label}: the principal is taken out")
        return tuple(steps), reference

    async def _end_pod(self, command: RevocationCommand) -> "_Done":
        account, (namespace, name, uid) = _account(command.principal), _named("pod", command.credential)
        found = await self._api.get("pods", namespace, name)
        if found is None or uid not in ("", found.metadata.uid):
            await self._check_known(command.principal)
            return ("the pod is gone already",), {}
        if account != (namespace, found.spec.service_account_name):
            raise RefusedError(
                f"pod {namespace}/{name} runs as {found.spec.service_account_name}, not as {account.name}"
            )
        await self._api.delete("pods", found, GRACE_S)
        return (f"delete pods {namespace}/{name}",), {}

    async def _look_pod(self, command: RevocationCommand) -> str:
        namespace, name, uid = _named("pod", command.credential)
        found = await self._api.get("pods", namespace, name)
        return "" if found is None or uid not in ("", found.metadata.uid) else _left(found, f"pod {namespace}/{name}")

    async def _drop_secret(self, command: RevocationCommand) -> "_Done":
        account, (namespace, name, _uid) = _account(command.principal), _named("secret", command.credential)
        found = await self._api.get("secrets", namespace, name)
        if found is None:
            await self._check_known(command.principal)
            return ("the secret is gone already",), {}
        if account != (namespace, found.metadata.annotations.get(_OWNER)):
            raise RefusedError(
                f"secret {namespace}/{name} is no token of service account {account.namespace}/{account.name}"
            )
        await self._api.delete("secrets", found)
        return (f"delete secrets {namespace}/{name}",), {}

    async def _look_secret(self, command: RevocationCommand) -> str:
        namespace, name, _uid = _named("secret", command.credential)
        found = await self._api.get("secrets", namespace, name)
        return "" if found is None else f"secret {namespace}/{name} is still there"

    async def _drop_account(self, command: RevocationCommand) -> "_Done":
        account = _account(command.principal)
        found = await self._api.get("serviceaccounts", *account)
        if found is None:
            return ("the service account is gone already",), {}
        await self._api.delete("serviceaccounts", found)
        return (f"delete serviceaccounts {account.namespace}/{account.name}",), {"uid": found.metadata.uid}

    async def _look_account(self, command: RevocationCommand) -> str:
        account = _account(command.principal)
        found = await self._api.get("serviceaccounts", *account)
        return "" if found is None else _left(found, f"service account {account.namespace}/{account.name}")

    async def _check_known(self, principal: str) -> None:
        """Raises ``RefusedError`` for a service account that does not exist. Users have no object of their own: any name may be one."""
        if principal.startswith("system:serviceaccount:"):
            account = _account(principal)
            if await self._api.get("serviceaccounts", *account) is None:
                raise RefusedError(
                    f"service account {account.namespace}/{account.name} does not exist, and nothing names it"
                )


_Done = tuple[tuple[str, ...], dict[str, str]]


def _account(principal: str) -> Account:
    kind, _, rest = principal.rpartition("system:serviceaccount:")
    namespace, _, name = rest.partition(":")
    if kind or not principal.startswith("system:serviceaccount:") or not namespace or not name:
        raise RefusedError(
            f"principal {principal[:120]!r} is no service account; narrow and cut_delegation take away what bindings give to a user"
        )
    return Account(namespace, name)


def _named(kind: str, credential: str) -> tuple[str, str, str]:
    """Namespace, name and uid of the object a token is kept in or bound to. Raises ``RefusedError``."""
    found, _, rest = credential.partition(":")
    namespace, _, tail = rest.partition("/")
    name, _, uid = tail.partition("/")
    if found != kind or not namespace or not name:
        raise NotOfferedError(
            f"credential of kind {found[:20]!r}, wanted {kind}:NAMESPACE/NAME; quarantine_principal ends every token of a service account"
        )
    return namespace, name, uid


def _is(principal: str, subject: dict[str, Any]) -> bool:
    """Whether a binding's subject is this principal, under either of a service account's names."""
    if subject.get("kind") == "User":
        return bool(subject.get("name") == principal)
    whole = f"system:serviceaccount:{subject.get('namespace')}:{subject.get('name')}"
    return subject.get("kind") == "ServiceAccount" and whole == principal


def _still_named(bindings: list[Binding]) -> str:
    return f"{bindings[0].label} names the principal" if bindings else ""


def _left(found: Object, what: str) -> str:
    """Why its tokens may still be taken; '' where it has been going for so long that they are not."""
    if not found.metadata.deletion_timestamp:
        return f"{what} is there"
    try:
        ends_ns = parse_time_ns(found.metadata.deletion_timestamp) + int(BOUND_S * 10**9)
    except ValueError as error:
        raise UnavailableError(f"Kubernetes: {what}: deletionTimestamp is no time") from error
    return f"{what} is being deleted, its tokens end by {BOUND_S:g} s after that" if time.time_ns() < ends_ns else ""
