"""``AuditEvent``: one use of one credential, the same shape for every provider.

Times are nanoseconds since 1970 UTC. Secrets never appear: an access key id is an identifier, a bearer token only a keyed hash.
"""

from enum import IntEnum

import msgspec

from models.text_keys import text_key

FAMILIES = ("sdk", "ci", "terraform", "scanner", "vendor", "cli", "console", "service")
"""Client families a peer group is told apart by."""


class Outcome(IntEnum):
    """What the provider answered."""

    SUCCESS = 0
    DENIED = 1
    FAILED_AUTHENTICATION = 2
    THROTTLED = 3
    ERROR = 4


REFUSED = (Outcome.DENIED, Outcome.FAILED_AUTHENTICATION)
"""The answers that refuse a caller; being throttled and failing otherwise say nothing of what he may."""


class Path(IntEnum):
    """Who stands behind the use of a credential: each path has its own baselines, thresholds and budget."""

    HUMAN = 0
    WORKLOAD = 1
    DELEGATED = 2
    EMERGENCY = 3


class Provider(IntEnum):
    """Where the audit record came from."""

    AWS = 0
    OKTA = 1
    KEYCLOAK = 2
    KUBERNETES = 3
    GCP = 4
    ENTRA = 5
    GITHUB = 6


class Mark(IntEnum):
    """What the operator's files say about a credential or principal; bits of ``Actor.marks``. ``NOTICE`` marks a row, never an actor (``notices.py``)."""

    CANARY = 1
    EXPOSED = 2
    RETIRED = 4
    OUT_OF_BOUNDS = 8
    PROVIDER_OWNED = 16
    ANONYMOUS = 32
    TEMPORARY = 64
    UNATTRIBUTED = 128
    NOTICE = 256
    DISTRUSTED = 512


class Actor(msgspec.Struct, frozen=True, gc=False):
    """Who acted: resolved once for each distinct identity block and shared by all its events."""

    credential: str
    principal: str
    path: Path
    family: str
    agent: str
    scope: str
    issuer: str = ""
    consumer: str = ""
    claims: tuple[tuple[str, str], ...] = ()
    marks: int = 0

    @property
    def credential_key(self) -> int:
        """Stable 64-bit key of the credential."""
        return text_key(self.credential)

    @property
    def principal_key(self) -> int:
        """Stable 64-bit key of the principal; each consumer of a shared account is a principal of its own."""
        return text_key(f"{self.principal}#{self.consumer}" if self.consumer else self.principal)


class AuditEvent(msgspec.Struct, frozen=True, gc=False):
    """One use of one credential. ``minted`` names the credential this call issued, ``parent`` the one that minted ours."""

    time_ns: int
    provider: Provider
    event_id: str
    operation: str
    outcome: Outcome
    actor: Actor
    source: str
    resource: str = ""
    minted: str = ""
    parent: str = ""
    received_ns: int = 0
    error: str = ""

    @property
    def time_s(self) -> float:
        """Seconds since 1970 UTC."""
        return self.time_ns / 1e9
