"""The policy: one TOML file decoded into frozen structs, unknown keys refused with their path.

Every default stands here. Files named in ``[context]`` hold one credential or principal a line; ``#`` starts a comment.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from detector.errors import ConfigError

PathName = Literal["human", "workload", "delegated", "emergency"]
Deed = Literal["step_up", "narrow", "revoke_session", "disable_credential", "quarantine_principal", "cut_delegation"]
"""Actions that change something at a provider."""
ToleranceClass = Literal["short_lived_tokens", "transitional", "brittle", "vendor_managed"]
Cost = Annotated[float, Meta(ge=0, le=1e9)]
Bits = Annotated[float, Meta(ge=0, le=200)]
Seconds = Annotated[float, Meta(ge=0, le=365 * 86_400)]


SHIPPED_OFFSETS_BITS = {
    "sdk": 5.7,
    "ci": 11.3,
    "terraform": 17.6,
    "scanner": 8.6,
    "vendor": 2.4,
    "cli": 8.6,
    "console": 22.0,
    "service": 11.3,
    "kubernetes/sdk": 9.0,
    "github/ci": 5.7,
}
"""Evidence each client family, or family at one provider, exceeds by itself on 2 of 1,000 identity-days, measured on simulated estates."""

SHIPPED_MARGINS_BITS = {"aws": 12.5, "okta": 5.0, "keycloak": 5.5, "entra": 5.5, "github": 4.0, "kubernetes": 12.5}
"""How far above its group's offset an identity goes at most on one day of 10,000, by provider, measured on simulated estates; ``models.budget.MARGIN_BITS`` elsewhere."""

SHIPPED_STEPS = {"okta": 1.55, "gcp": 1.55, "entra": 1.2, "github": 1.2, "keycloak": 1.2}
"""What one step (a first use, a denial of what is new) weighs at the gate, by provider; 1 elsewhere. These logs write down little of what an intruder
looks at: two steps there say as much as three in CloudTrail, in Entra's, GitHub's and Keycloak's two and a new thing."""


RevokeOneIn = Annotated[float, Meta(ge=10, le=1e9)]
AlertOneIn = Annotated[float, Meta(ge=1, le=1e9)]


class PathBudget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One path's own budget; what is unset is as the general one."""

    revoke_one_in_identity_days: RevokeOneIn | None = None
    alert_one_in_identity_days: AlertOneIn | None = None


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most one false revocation (alert) in so many identity-days, in general and by path."""

    revoke_one_in_identity_days: RevokeOneIn = 10_000.0
    alert_one_in_identity_days: AlertOneIn = 1_000.0
    human: PathBudget = PathBudget()
    workload: PathBudget = PathBudget()
    delegated: PathBudget = PathBudget()
    emergency: PathBudget = PathBudget()

    def revoke_one_in(self, path: str) -> float:
        """Identity-days one false revocation is allowed in on a path.

        >>> Budget(human=PathBudget(500.0)).revoke_one_in("human")
        500.0
        """
        own: PathBudget = getattr(self, path)
        general = self.revoke_one_in_identity_days
        return general if own.revoke_one_in_identity_days is None else own.revoke_one_in_identity_days

    def alert_one_in(self, path: str) -> float:
        """Identity-days one false alert is allowed in on a path."""
        own: PathBudget = getattr(self, path)
        general = self.alert_one_in_identity_days
        return general if own.alert_one_in_identity_days is None else own.alert_one_in_identity_days


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shipped offsets of client families in bits, and what a newborn principal needs."""

    offsets_bits: dict[str, Bits] = msgspec.field(default_factory=lambda: dict(SHIPPED_OFFSETS_BITS))
    margins_bits: dict[str, Bits] = msgspec.field(default_factory=lambda: dict(SHIPPED_MARGINS_BITS))
    steps: dict[str, Annotated[float, Meta(ge=0.0, le=10.0)]] = msgspec.field(
        default_factory=lambda: dict(SHIPPED_STEPS)
    )
    human_offset_bits: Bits = 22.0
    cold_alert_bits: Bits = 5.0
    cold_revoke_bits: Bits = 7.0
    hold_learning_s: Seconds = 86_400.0


class Lease(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long and how much an emergency principal may act once it is taken out of the safe, and what is done when that is over: who declares a lease wants its end held."""

    principal: str = "*"
    minutes: Annotated[float, Meta(gt=0)] = 60.0
    actions: Annotated[int, Meta(ge=1)] = 200
    idle_minutes: Annotated[float, Meta(gt=0)] = 240.0
    at_end: Literal["nothing", "report", "revoke"] = "revoke"


UNDECLARED = Lease(at_end="report")
"""The lease of emergency access nobody declared one for: nothing is taken from whoever is known by a name alone."""


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Access for one task only: how long it lasts, which claim names the task, and which operations end it."""

    principal: str
    minutes: Annotated[float, Meta(gt=0)] = 60.0
    task_claim: str = ""
    ends_on: tuple[str, ...] = ()


class Binding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A principal declared bound to networks: used anywhere else its token is stolen, no further evidence needed."""

    principal: str
    networks: tuple[str, ...]


class Context(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files of credentials known to be exposed, planted as canaries, or retired; declared bindings; what ``outpace signals serve`` received."""

    exposed: str = ""
    canaries: str = ""
    retired: str = ""
    bindings: tuple[Binding, ...] = ()
    signals: str = ""


class Guards(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is never revoked, what is narrowed at most (brittle), which rungs two people must agree to, and how old a command may be."""

    never_revoke: tuple[str, ...] = ()
    brittle: tuple[str, ...] = ()
    two_person: tuple[Deed, ...] = ("cut_delegation",)
    command_expires_s: Annotated[float, Meta(gt=0, le=30 * 86_400)] = 3600.0


class Tolerance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"class_": "class"}):
    """How well a principal or credential bears being taken away, what an hour-long outage of it costs, and whose it is."""

    principal: str
    class_: ToleranceClass = "transitional"
    outage_cost: Cost | None = None
    owner: str = ""


class Loss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an attacker left alone costs, in the units of ``Tolerance.outage_cost``, and how often there is one."""

    per_use: Cost = 1.0
    uses_left: Cost = 1000.0
    attack_one_in_identity_days: Annotated[float, Meta(ge=1, le=1e9)] = 10_000.0


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Commands that wait for people, and what happens when none answers in time. An empty list means all."""

    actions: tuple[Deed, ...] = ()
    paths: tuple[PathName, ...] = ()
    principals: tuple[str, ...] = ()
    people: Annotated[int, Meta(ge=1, le=10)] = 1
    deadline_s: Annotated[float, Meta(gt=0, le=7 * 86_400)] = 900.0
    fallback: Literal["alert", "narrow", "execute"] = "alert"


class Approver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person who may approve, and how one is known: ``login``: the user of the operating system; ``signing_secret``: ``env:NAME`` or ``file:PATH`` of what signs their webhooks."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    login: str = ""
    signing_secret: str = ""

    def __post_init__(self) -> None:
        if not name_key(self.name) or not (self.login or self.signing_secret):
            raise ValueError(
                f"approver {self.name!r} can never approve, wanted a name, and a login or a signing_secret"
            )


def name_key(name: str) -> str:
    """What a person's name is compared by: case and blanks do not make two people.

    >>> name_key("  Maria  Example ")
    'maria example'
    """
    return " ".join(name.split()).casefold()


class Breaker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much may be taken away by machine: commands a minute, overall and by path; principals, as a share of the fleet, in a window.

    ``fleet_size`` 0: what workers count; then ``least_principals`` at least, since one attack walks over several principals of a small fleet.
    """

    per_minute: Annotated[int, Meta(ge=0)] = 10
    per_minute_by_path: dict[PathName, Annotated[int, Meta(ge=0)]] = msgspec.field(default_factory=dict)
    share_of_fleet: Annotated[float, Meta(ge=0, le=1)] = 0.05
    window_s: Annotated[float, Meta(gt=0, le=7 * 86_400)] = 3600.0
    fleet_size: Annotated[int, Meta(ge=0)] = 0
    open_s: Annotated[float, Meta(gt=0, le=7 * 86_400)] = 900.0
    least_principals: Annotated[int, Meta(ge=1)] = 3


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The operator's own identity rules, read before the shipped ones."""

    rules: str = ""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything an operator may set."""

    budget: Budget = Budget()
    evidence: Evidence = Evidence()
    leases: tuple[Lease, ...] = (UNDECLARED,)
    grants: tuple[Grant, ...] = ()
    context: Context = Context()
    guards: Guards = Guards()
    tolerance: tuple[Tolerance, ...] = ()
    loss: Loss = Loss()
    approval: tuple[Approval, ...] = ()
    breaker: Breaker = Breaker()
    identity: Identity = Identity()
    lateness_s: Seconds = 900.0
    cold_start_acts: bool = False
    armed: bool = False
    challengers: tuple[Literal["variable_order", "tempo", "conformal", "half_space_trees", "drift"], ...] = ()
    approvers: tuple[Approver, ...] = ()

    def __post_init__(self) -> None:
        told = (
            ("name", [name_key(a.name) for a in self.approvers]),
            ("login", [a.login for a in self.approvers if a.login]),
            ("signing_secret", [a.signing_secret for a in self.approvers if a.signing_secret]),
        )
        for what, values in told:
            if len(set(values)) < len(values):
                raise ValueError(f"two approvers with one {what}: a person has one name, a name one person")


def read_policy(text: bytes, origin: str) -> Policy:
    """A policy from TOML. Raises ``ConfigError`` with the file and the path of what is wrong.

    >>> read_policy(b"lateness_s = 60.0", "p.toml").lateness_s
    60.0
    """
    try:
        return msgspec.toml.decode(text, type=Policy)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"policy {origin}: {error}") from error
