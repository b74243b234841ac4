"""The decision record: what would be done to which credential, when, on what evidence. JSON field names are a contract."""

from hashlib import blake2b

import msgspec

ACTIONS = (
    "observe",
    "alert",
    "step_up",
    "narrow",
    "revoke_session",
    "disable_credential",
    "quarantine_principal",
    "cut_delegation",
)
"""The ladder, lowest rung first."""

GRANT_ENDED, LEASE_ENDED = "grant_ended", "lease_ended"
AGREED = (GRANT_ENDED, LEASE_ENDED)
"""Patterns of access that ends by agreement: nobody judged anybody, so no budget of mistakes is used."""

FIRST_REVOCATION = ACTIONS.index("revoke_session")


class Reason(msgspec.Struct, frozen=True):
    """One contribution, in bits, with a sentence a tired analyst understands."""

    signal: str
    bits: float
    event_id: str
    text: str


class Loop(msgspec.Struct, frozen=True):
    """The decision loop seen so far."""

    iterations: int
    per_minute: float
    seconds_per_decision: float


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One state change of one credential."""

    decision_id: str
    time: str
    event_id: str
    provider: str
    scope: str
    credential: str
    principal: str
    path: str
    action: str
    dry_run: bool
    evidence_bits: float
    threshold_bits: float
    pattern: str
    techniques: tuple[str, ...]
    frameworks: tuple[str, ...] = ()
    loop: Loop
    actions_before: int
    first_event_time: str
    reasons: tuple[Reason, ...]
    lineage: tuple[str, ...] = ()
    version: int = 1

    @property
    def is_revocation(self) -> bool:
        """Whether this takes access away, so that it counts against the false-revocation budget unless it was agreed on."""
        return ACTIONS.index(self.action) >= FIRST_REVOCATION

    @property
    def is_agreed(self) -> bool:
        """Whether this access ends by agreement, its lease or its grant being over."""
        return self.pattern in AGREED


def decision_id(credential: str, action: str, event_id: str, time_ns: int) -> str:
    """Stable id: the same credential, rung and evidence give the same id, so a repeated command is recognised."""
    text = "\x1f".join((credential, action, event_id, str(time_ns)))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
