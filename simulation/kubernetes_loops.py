"""What intruders with a stolen token do in a cluster, loop by loop, each step following from the answer to the one before.

Sources: MITRE ATT&CK matrix for containers; Stratus Red Team's Kubernetes techniques; Aqua, "First-ever attack leveraging Kubernetes RBAC to
backdoor clusters"; Peirates (github.com/inguardians/peirates); Kubernetes, "RBAC good practices" (the ways to widen one's own rights).
"""

import re
from collections.abc import Mapping

from simulation.kubernetes import issued_seat, token
from simulation.native.campaign import Loop
from simulation.native.digests import hashed_uuid
from simulation.native.estate import NativeEstate
from simulation.native.intruder import Intruder
from simulation.native.shape import Seat

_AUTHZ, _RBAC, _CERT = "authorization.k8s.io", "rbac.authorization.k8s.io", "certificates.k8s.io"
_MAY = f"{_AUTHZ}:selfsubjectaccessreviews:create"
_RULES = f"{_AUTHZ}:selfsubjectrulesreviews:create"
_WHO = "authentication.k8s.io:selfsubjectreviews:create"
_TOKEN = "core:serviceaccounts/token:create"  # noqa: S105 (an operation)
_SYSTEM = (
    "kube-system/clusterrole-aggregation-controller",
    "kube-system/daemon-set-controller",
    "kube-system/generic-garbage-collector",
)
_LISTS = (
    "core:pods:list", "core:secrets:list", "core:configmaps:list", "core:services:list", "core:serviceaccounts:list", "core:nodes:list",
    "core:namespaces:list", "apps:deployments:list", "apps:daemonsets:list", "batch:cronjobs:list", "core:endpoints:list",
    f"{_RBAC}:rolebindings:list", f"{_RBAC}:clusterrolebindings:list", f"{_RBAC}:clusterroles:list", "networking.k8s.io:ingresses:list",
    "core:persistentvolumeclaims:list", "core:events:list",
)  # fmt: skip
_OF_THE_CLUSTER = ("core:nodes", "core:namespaces", f"{_RBAC}:cluster", "core:persistentvolumes")

TOOLS = (
    "kubectl/v1.30.1 (linux/amd64) kubernetes/6911225", "kubectl/v1.29.4 (darwin/arm64) kubernetes/55019c8", "curl/8.5.0",
    "python-requests/2.32.3", "Go-http-client/1.1", "peirates/1.1.25 (linux/amd64)",
)  # fmt: skip


class Terms:
    """How a cluster's operations are told apart."""

    free = re.compile(rf"^({_AUTHZ}:self|authentication\.k8s\.io:self|url:/(api|apis|version|openapi|healthz):get$)")
    reads = re.compile(r":(get|list|watch)$")
    guarded = re.compile(
        rf"^(core:(secrets|serviceaccounts)|{re.escape(_RBAC)}|{re.escape(_CERT)}|admissionregistration|core:(pods/exec|nodes/proxy))"
    )


def place_of(operation: str, about: str) -> str:
    """The namespace a request is about; `*` for all of them."""
    if operation.startswith((*_OF_THE_CLUSTER, "url:", "authorization.k8s.io", "authentication.k8s.io")):
        return ""
    return about.partition("/")[0] or "*"


def things(estate: NativeEstate) -> dict[str, list[str]]:
    """Namespaces, accounts, secrets and pods of an estate."""
    members = [r for r in estate.identities if r.kind_of.where in ("pod", "runner")]
    homes = list(dict.fromkeys([*(r.home for r in members), "kube-system", "default"]))
    return {
        "namespaces": homes,
        "accounts": [*(f"{r.home}/{r.name}" for r in members), *_SYSTEM],
        "secrets": [f"{r.home}/{r.stem}-{tail}" for r in members for tail in ("db", "tls", "token")],
        "pods": [f"{r.home}/{r.name}-0" for r in members],
        "nodes": [f"node-{n}" for n in range(1, 13)],
    }


def introduce(me: Intruder) -> None:
    """Who am I, and what may I."""
    if me.chance(0.35):
        me.ask(_WHO)
    if me.chance(0.3):
        for step in ("url:/version:get", "url:/api:get", "url:/apis:get")[: 1 + int(me.rng.integers(3))]:
            me.ask(step)
    if me.chance(0.65):
        me.ask(_RULES)
    if me.chance(0.6):
        for _ in range(int(me.rng.integers(1, 6))):
            me.ask(_MAY)


def look(me: Intruder, most: int) -> int:
    """Some listings, here and everywhere; how many were answered."""
    won = 0
    for operation in me.pick(_LISTS, most):
        is_wide = me.chance(0.5)
        about = "*" if is_wide else me.one("namespaces")
        if operation.startswith(_OF_THE_CLUSTER):
            about = ""
        if me.ask(operation, about):
            won += 1
            me.found |= {"namespaces"} if operation == "core:namespaces:list" else set()
        elif is_wide and not operation.startswith(_OF_THE_CLUSTER) and me.chance(0.5):
            won += me.ask(operation, me.victim.resident.home)
    return won


def reconnaissance(me: Intruder) -> None:
    """The whole cluster, namespace by namespace."""
    introduce(me)
    spaces = me.reveal("core:namespaces:list", "", "namespaces")
    look(me, 10)
    for space in spaces[: int(me.rng.integers(2, 7))]:
        for operation in me.pick(
            (
                "core:pods:list",
                "core:services:list",
                "core:secrets:list",
                "core:configmaps:list",
                f"{_RBAC}:rolebindings:list",
            ),
            3,
        ):
            me.ask(operation, space)
    if me.chance(0.5):
        me.ask("core:pods/log:get", me.one("pods"))


def credential_testing(me: Intruder) -> None:
    """One call after the other, to see what the token is good for."""
    introduce(me)
    tries = (
        ("core:secrets:list", "*"), ("core:pods:list", "*"), ("core:nodes:list", ""), ("core:namespaces:list", ""),
            ("core:pods:create", me.one("namespaces")),
        ("core:secrets:list", "kube-system"), (f"{_RBAC}:clusterrolebindings:list", ""), ("apps:deployments:list", "*"), ("core:configmaps:list",
            "kube-system"),
        ("core:serviceaccounts:list", "*"), ("core:pods/exec:create", me.one("pods")), ("core:nodes/proxy:get", me.one("nodes")),
            (_TOKEN, me.one("accounts")),
    )  # fmt: skip
    for n in me.rng.permutation(len(tries))[: int(me.rng.integers(5, 12))]:
        me.ask(*tries[n])
        if me.chance(0.2):
            me.ask(_MAY)


def vault_self_grant(me: Intruder) -> None:
    """A binding that lets it read secrets, then all of them."""
    introduce(me)
    granted = False
    for way in me.pick(("rolebinding", "clusterrolebinding", "role", "clusterrole"), 4):
        about = {"rolebinding": f"{me.one('namespaces')}/reader", "role": f"{me.one('namespaces')}/reader"}.get(
            way, "secret-reader"
        )
        if me.ask(f"{_RBAC}:{way}s:{'patch' if way.endswith('role') and me.chance(0.5) else 'create'}", about):
            me.rights.open(me.me, ("core:secrets:list", "core:secrets:get"))
            granted = True
            break
    read_secrets(me, 30 if granted else 8)


def read_secrets(me: Intruder, most: int) -> bool:
    """Lists of secrets and the secrets on them; whether one was had."""
    won = me.ask("core:secrets:list", "*")
    me.found |= {"secrets"} if won else set()
    for space in me.some("namespaces", int(me.rng.integers(1, 6))):
        won = me.ask("core:secrets:list", space) or won
    for secret in me.some("secrets", int(me.rng.integers(3, max(4, most)))):
        won = me.ask("core:secrets:get", secret) or won
    return won


def leaked_secret_pivot(me: Intruder) -> None:
    """A token tested, what it reads used: another account's token out of a secret or out of a container."""
    introduce(me)
    won = read_secrets(me, 8)
    if not won and me.chance(0.7):
        won = me.ask("core:pods/exec:create", me.one("pods"))
    if won and hop(me):
        introduce(me)
        look(me, 5)
        if me.chance(0.5):
            read_secrets(me, 6)


def hop(me: Intruder) -> bool:
    """Whether another workload's token could be taken: it is used from the intruder's own hand."""
    names = [name for name in me.others if name != me.me and name.startswith("system:serviceaccount:")]
    if not names:
        return False
    name = names[int(me.rng.integers(len(names)))]
    me.become(me.others[name])
    return True


def privilege_chaining(me: Intruder) -> None:
    """More rights by whatever way is open, and then what they are good for."""
    introduce(me)
    ways = (_bind, _patch_role, _ask_for_token, _pod_of_its_own, _into_a_container, _through_a_node)
    for n in me.rng.permutation(len(ways)):
        if ways[n](me):
            introduce(me)
            look(me, 4)
            if me.chance(0.6):
                break
    spoils(me)


def _bind(me: Intruder) -> bool:
    if me.ask(f"{_RBAC}:clusterrolebindings:create", "system-support") or me.ask(
        f"{_RBAC}:rolebindings:create", f"{me.one('namespaces')}/support"
    ):
        me.rights.admins.add(me.me)
        return True
    return False


def _patch_role(me: Intruder) -> bool:
    if me.ask(f"{_RBAC}:clusterroles:patch", "edit") or me.ask(
        f"{_RBAC}:roles:patch", f"{me.victim.resident.home}/app"
    ):
        me.rights.admins.add(me.me)
        return True
    return False


def _ask_for_token(me: Intruder) -> bool:
    me.ask("core:serviceaccounts:list", me.one("namespaces"))
    for account in me.some("accounts", int(me.rng.integers(1, 4))):
        number = hashed_uuid("asked", me.at_s, account)
        if me.ask(_TOKEN, account, number):
            space, _, name = account.partition("/")
            me.become(issued_seat(f"system:serviceaccount:{space}:{name}", number, me.seat))
            if space == "kube-system":
                me.rights.admins.add(me.me)
            return True
    return False


def _pod_of_its_own(me: Intruder) -> bool:
    """A privileged pod, or one that runs as somebody else, and a command in it."""
    space = me.one("namespaces")
    kind = me.pick(("core:pods", "apps:daemonsets", "apps:deployments", "batch:jobs", "batch:cronjobs"), 1)[0]
    if not (
        me.ask(f"{kind}:create", f"{space}/debug") or me.ask("core:pods:create", f"{me.victim.resident.home}/debug")
    ):
        return False
    me.ask("core:pods:get", f"{space}/debug")
    return me.ask("core:pods/exec:create", f"{space}/debug") and me.chance(0.6) and hop(me)


def _into_a_container(me: Intruder) -> bool:
    me.ask("core:pods:list", me.one("namespaces"))
    for pod in me.some("pods", int(me.rng.integers(1, 4))):
        if me.ask("core:pods/exec:create", pod):
            return hop(me)
    return False


def _through_a_node(me: Intruder) -> bool:
    me.ask("core:nodes:list", "")
    answered = [me.ask("core:nodes/proxy:get", node) for node in me.some("nodes", 2)]
    return any(answered) and hop(me)


def spoils(me: Intruder) -> None:
    """Something taken, broken or set to work on the way out."""
    if me.chance(0.6):
        read_secrets(me, 10)
    if me.chance(0.4):
        me.ask("apps:daemonsets:create", "kube-system/node-helper")
        me.ask("batch:cronjobs:create", f"{me.one('namespaces')}/sync")
    if me.chance(0.25):
        me.ask("core:events:deletecollection", me.one("namespaces"))
        me.ask("apps:deployments:delete", f"{me.one('namespaces')}/scanner")


def credential_minting(me: Intruder) -> None:
    """Ways back in: tokens of other accounts, an account of its own, a token kept in a secret, a certificate."""
    introduce(me)
    ways = (_tokens, _account, _kept_token, _certificate)
    won = 0
    for n in me.rng.permutation(len(ways)):
        won += ways[n](me)
        if won >= 2 and me.chance(0.5):
            break
    if me.chance(0.5):
        look(me, 3)


def _tokens(me: Intruder) -> bool:
    asked = [
        me.ask(_TOKEN, account, hashed_uuid("kept", me.at_s, account))
        for account in me.some("accounts", int(me.rng.integers(1, 5)))
    ]
    return any(asked)


def _account(me: Intruder) -> bool:
    space = me.pick(("kube-system", "default", me.one("namespaces")), 1)[0]
    if not me.ask("core:serviceaccounts:create", f"{space}/kube-controller"):
        return False
    me.ask(f"{_RBAC}:clusterroles:create", "kube-controller")
    if not me.ask(f"{_RBAC}:clusterrolebindings:create", "kube-controller"):
        return False
    number = hashed_uuid("own", me.at_s)
    if me.ask(_TOKEN, f"{space}/kube-controller", number) and me.chance(0.5):
        back = me.seat
        me.rights.admins.add(f"system:serviceaccount:{space}:kube-controller")
        me.become(issued_seat(f"system:serviceaccount:{space}:kube-controller", number, me.seat))
        introduce(me)
        look(me, 3)
        me.become(back)
    return True


def _kept_token(me: Intruder) -> bool:
    account = me.one("accounts")
    space, _, name = account.partition("/")
    if not me.ask("core:secrets:create", f"{space}/{name}-backup") or not me.ask(
        "core:secrets:get", f"{space}/{name}-backup"
    ):
        return False
    if me.chance(0.5):
        who = f"system:serviceaccount:{space}:{name}"
        me.become(Seat(who, f"secret:{space}/{name}-backup", me.seat.source, me.seat.agent, token(who, {}), True))
        look(me, 2)
    return True


def _certificate(me: Intruder) -> bool:
    if not me.ask(f"{_CERT}:certificatesigningrequests:create", "support"):
        return False
    return me.ask(f"{_CERT}:certificatesigningrequests/approval:update", "support") and me.ask(
        f"{_CERT}:certificatesigningrequests:get", "support"
    )


def delegated_access_abuse(me: Intruder) -> None:
    """A vendor's agent that reads what it was never installed for."""
    if me.chance(0.5):
        introduce(me)
    parts = (
        lambda: read_secrets(me, 12),
        lambda: _into_a_container(me),
        lambda: _through_a_node(me),
        lambda: look(me, 6),
        lambda: _pod_of_its_own(me),
    )
    for n in me.rng.permutation(len(parts)):
        parts[n]()


def break_glass_overrun(me: Intruder) -> None:
    """Emergency access that goes on after the emergency."""
    parts = (
        lambda: read_secrets(me, 20),
        lambda: _account(me),
        lambda: _bind(me),
        lambda: _into_a_container(me),
        lambda: spoils(me),
    )
    for n in me.rng.permutation(len(parts)):
        parts[n]()


LOOPS: Mapping[str, Loop] = {
    "reconnaissance": Loop(reconnaissance, holes=(("core:pods:list", "core:namespaces:list"), ("core:services:list",))),
    "credential_testing": Loop(credential_testing),
    "vault_self_grant": Loop(vault_self_grant, holes=((f"{_RBAC}:rolebindings:create",), (f"{_RBAC}:clusterroles:patch",),
        (f"{_RBAC}:clusterrolebindings:create",))),
    "leaked_secret_pivot": Loop(leaked_secret_pivot, holes=(("core:secrets:list", "core:secrets:get"), ("core:pods/exec:create",))),
    "privilege_chaining": Loop(
        privilege_chaining,
        holes=((_TOKEN,), ("core:pods:create", "core:pods/exec:create"), (f"{_RBAC}:clusterrolebindings:create",), ("core:nodes/proxy:get",),
            (f"{_RBAC}:clusterroles:patch",)),
    ),
    "credential_minting": Loop(
        credential_minting,
        holes=((_TOKEN,), ("core:secrets:create", "core:secrets:get"), ("core:serviceaccounts:create", f"{_RBAC}:clusterrolebindings:create", _TOKEN),
               (f"{_CERT}:certificatesigningrequests:create", f"{_CERT}:certificatesigningrequests/approval:update")),
    ),
    "delegated_access_abuse": Loop(delegated_access_abuse, ("delegated",), (("core:secrets:list", "core:secrets:get"), ("core:pods/exec:create",))),
    "break_glass_overrun": Loop(break_glass_overrun, ("emergency",)),
}  # fmt: skip
"""Every loop there is in a cluster; models are no business of the API server's."""


class Attackers:
    """What `native.campaign` asks of a cluster."""

    terms = Terms()
    loops = LOOPS
    tools = TOOLS
    place_of = staticmethod(place_of)
    things = staticmethod(things)
