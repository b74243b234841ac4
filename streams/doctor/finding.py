"""What one check found."""

import asyncio
from collections.abc import Awaitable
from typing import Literal

import msgspec

from detector.errors import OutpaceError

CHECK_S = 20.0
"""Longest a check that talks to somebody may take; what it talks to has shorter limits of its own."""


class Finding(msgspec.Struct, frozen=True):
    """One line of the report. ``todo`` says what to do about a fault."""

    check: str
    state: Literal["ok", "fault", "skipped"]
    text: str
    todo: str = ""


def ok(check: str, text: str) -> Finding:
    """It works."""
    return Finding(check, "ok", text)


def fault(check: str, text: str, todo: str = "") -> Finding:
    """It does not work."""
    return Finding(check, "fault", text, todo)


def skipped(check: str, text: str) -> Finding:
    """Nobody can know; ``text`` says why."""
    return Finding(check, "skipped", text)


async def within_limit(check: str, findings: Awaitable[list[Finding]]) -> list[Finding]:
    """What a check found; one that runs out of time, or out of luck, is a fault like any other."""
    try:
        async with asyncio.timeout(CHECK_S):
            return await findings
    except TimeoutError:
        return [fault(check, f"no result within {CHECK_S:g} s", "try again; is the other side overloaded?")]
    except OutpaceError as error:
        return [fault(check, str(error))]
