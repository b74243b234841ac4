"""What every connector is: five methods, ``describe, check, revoke, prove, close``, and the records they give.

A connector takes ``RevocationCommand`` and nothing else. It holds no state of its own that a restart would miss: whatever it must remember between ``revoke`` and
``prove`` stands in the receipt. Doing a command twice must leave the provider as doing it once.
"""

from typing import Literal, Protocol, runtime_checkable

import msgspec

from detector.errors import OutpaceError
from detector.policy.guardrails import RevocationCommand

PROVIDERS = ("aws", "entra", "gcp", "github", "keycloak", "kubernetes", "oauth", "okta", "vault")
"""Whom a connector of ours serves: who may be named in a command, beside the providers whose records we read."""
Standing = Literal["inactive", "alive", "unknown"]
"""What a provider says of an access: gone, still usable, or it cannot say."""


class ConnectorError(OutpaceError):
    """A provider could not be made to do what was asked. ``code``: a short word from a closed set, for metrics."""

    code = "failed"


class RefusedError(ConnectorError):
    """The provider refuses and would refuse again: a missing permission (named), an object it does not know, a command it cannot carry out."""

    code = "refused"


class NotOfferedError(RefusedError):
    """The provider has no such deed for this kind of credential; a higher rung may be one."""

    code = "not_offered"


class UnavailableError(ConnectorError):
    """The provider cannot be reached, is overloaded or answers nonsense; later it may do. ``retry_after_s``: when it asked to be left alone for so long."""

    code = "unavailable"

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Permission(msgspec.Struct, frozen=True):
    """One permission at the provider, what it is needed for, and the page that says so."""

    name: str
    needed_for: str
    page: str = ""


class Deed(msgspec.Struct, frozen=True):
    """What one rung of the ladder does at this provider. ``residual_s``: how long the provider may leave the access usable after it accepted, as it says itself.

    ``undo``: what ``restore`` does about it; '' where it cannot be given back by machine.
    """

    action: str
    does: str
    residual_s: float
    page: str = ""
    undo: str = ""


class Lack(msgspec.Struct, frozen=True):
    """One rung of the ladder a provider has not, and why."""

    action: str
    why: str


class Description(msgspec.Struct, frozen=True):
    """A connector in words: made into its page in the documentation. ``providers``: whose commands it takes, as in ``RevocationCommand.provider``; ``lacks``: rungs it has not."""

    name: str
    title: str
    providers: tuple[str, ...]
    deeds: tuple[Deed, ...]
    permissions: tuple[Permission, ...]
    proof: str
    blind_to: str = ""
    lacks: tuple[Lack, ...] = ()

    def why_not(self, action: str) -> str:
        """Why this action is not offered here, as a sentence; '' where nobody said."""
        return next((lack.why for lack in self.lacks if lack.action == action), "")

    def deed(self, action: str) -> Deed | None:
        """What this action does here; None where the connector cannot do it."""
        return next((deed for deed in self.deeds if deed.action == action), None)


class Finding(msgspec.Struct, frozen=True):
    """One thing ``check`` looked at. ``text``: what was found, and what to do where it is not right."""

    name: str
    is_right: bool
    text: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The provider accepted. ``steps``: what was called, in order, in words without secrets. ``reference``: what ``prove`` needs to know again.

    ``residual_s``: how long the access may stay usable from ``accepted_ns`` (ns since 1970) on. ``stays_off``: of giving back, that the principal cannot be used all the same,
    since it was off before or somebody else's doing keeps it so. ``ends_all_sessions``: it ended every session the principal had, not only the one in question.
    """

    command_id: str
    connector: str
    action: str
    accepted_ns: int
    residual_s: float
    steps: tuple[str, ...]
    reference: dict[str, str] = msgspec.field(default_factory=dict)
    version: int = 1
    stays_off: bool = False
    ends_all_sessions: bool = False


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says of the access now. ``method``: how it was asked, such as ``introspection``.

    ``is_tried``: the access itself was tried. Else only the provider's object was read back, and what was issued before may work until the receipt's residual time is over.
    """

    command_id: str
    standing: Standing
    method: str
    text: str
    asked_ns: int
    version: int = 1
    is_tried: bool = False


class Connector(Protocol):
    """One provider's way of taking access away."""

    def describe(self) -> Description:
        """Who it serves, what each rung does, which permissions it needs."""

    async def check(self) -> tuple[Finding, ...]:
        """Looks, without changing anything, whether everything ``revoke`` and ``prove`` need is allowed; a missing permission is named."""

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Carries a command out. Raises ``RefusedError`` or ``UnavailableError``; never gives a receipt for what the provider did not accept."""

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        """Asks the provider whether the access is gone. Raises ``UnavailableError`` where it cannot be asked."""

    async def close(self) -> None:
        """Lets connections go. Closing twice is harmless."""


@runtime_checkable
class Restorer(Protocol):
    """What a connector may have besides: giving back what it took wrongly. Only ever begun by a person."""

    async def restore(self, command: RevocationCommand, receipt: Receipt) -> Receipt:
        """Undoes what the receipt says was done, and nothing else; twice is once. The receipt it gives tells the steps.

        Raises ``NotOfferedError`` for what cannot be given back, ``RefusedError`` or ``UnavailableError``.
        """
