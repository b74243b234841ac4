"""A provider without a network: it keeps what was taken away, counts every change, and fails as told."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import msgspec

from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import (
    Deed,
    Description,
    Finding,
    NotOfferedError,
    Proof,
    Receipt,
    RefusedError,
    UnavailableError,
)

DEEDS = ("narrow", "revoke_session", "disable_credential", "quarantine_principal", "cut_delegation")


@dataclass
class FakeConnector:
    """Takes Keycloak's commands. ``says_done_only``: the next so many changes are not made. ``loses_answers``: so many are made and the answer lost.

    ``is_tried``: it tries the access itself for a proof.
    """

    residual_s: float = 0.0
    says_done_only: int = 0
    loses_answers: int = 0
    down_for: int = 0
    refuses: bool = False
    cannot_prove: bool = False
    is_tried: bool = True
    slow_s: float = 0.0
    gives_nothing_back: bool = False
    stays_off: bool = False
    ends_all_sessions: bool = False
    offers: tuple[str, ...] = DEEDS
    gone: set[str] = field(default_factory=set)
    changes: Counter[str] = field(default_factory=Counter)
    asked: list[str] = field(default_factory=list)

    def describe(self) -> Description:
        deeds = tuple(Deed(action, "takes it away", self.residual_s) for action in self.offers)
        return Description("fake", "Fake", ("keycloak",), deeds, (), "read back")

    async def check(self) -> tuple[Finding, ...]:
        return (Finding("fake", True, "here"),)

    async def revoke(self, command: RevocationCommand) -> Receipt:
        self.asked.append(f"revoke {command.action}")
        await asyncio.sleep(self.slow_s)
        if self.refuses:
            raise RefusedError("no permission: manage-clients is missing")
        if self.down_for:
            self.down_for -= 1
            raise UnavailableError("status 503")
        if self.says_done_only:
            self.says_done_only -= 1
        else:
            self.changes[command.command_id] += 1
            self.gone.add(command.command_id)
        if self.loses_answers:
            self.loses_answers -= 1
            raise UnavailableError("no answer")
        return self.receipt(command)

    def receipt(self, command: RevocationCommand, accepted_ns: int = 1) -> Receipt:
        return Receipt(
            command_id=command.command_id,
            connector="fake",
            action=command.action,
            accepted_ns=accepted_ns,
            residual_s=self.residual_s,
            steps=("taken away",),
            ends_all_sessions=self.ends_all_sessions,
        )

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        self.asked.append(f"prove {command.action}")
        if self.cannot_prove:
            standing = "unknown"
        else:
            standing = "inactive" if command.command_id in self.gone else "alive"
        return Proof(
            command_id=command.command_id,
            standing=standing,
            method="fake",
            text=standing,
            asked_ns=1,
            is_tried=self.is_tried,
        )

    async def restore(self, command: RevocationCommand, _receipt: Receipt) -> Receipt:
        self.asked.append(f"restore {command.action}")
        await asyncio.sleep(self.slow_s)
        if self.gives_nothing_back:
            raise NotOfferedError("Fake: what was ended stays ended")
        if self.down_for:
            self.down_for -= 1
            raise UnavailableError("status 503")
        self.gone.discard(command.command_id)
        return msgspec.structs.replace(self.receipt(command), steps=("given back",), stays_off=self.stays_off)

    async def close(self) -> None:
        return None
