"""What other parties' shared signals say about a credential or principal: facts, and what holds after all of them.

A party is an issuer somebody trusts (``streams/signals``); it may take back what it said, never what another said. Facts are told once and
counted as evidence beside the log; they decide nothing alone.

Blind to: whether a name means the same at the issuer as in our logs; the operator says how names map.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

Standing = Literal["exposed", "retired", "distrusted"]
"""Exposed: a stranger may know it. Retired: nobody should use it any more. Distrusted: device, posture or risk behind it is not as it should be."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One party's word on one name. ``holds`` False takes an earlier word back; ``time_ns``: when it became so, ns since 1970."""

    name: str
    standing: Standing
    holds: bool
    issuer: str
    time_ns: int
    event: str
    version: int = 1


class Standings(msgspec.Struct, frozen=True):
    """Names by what holds of them now."""

    exposed: frozenset[str] = frozenset()
    retired: frozenset[str] = frozenset()
    distrusted: frozenset[str] = frozenset()


def latest(facts: Iterable[Fact]) -> list[Fact]:
    """Each party's last word on each name and standing, by time; of two at the same time the careful one counts. Sorted, so that order of arrival does not show."""
    found: dict[tuple[str, str, str], Fact] = {}
    for fact in facts:
        key = fact.standing, fact.name, fact.issuer
        known = found.get(key)
        if known is None or (fact.time_ns, fact.holds, fact.event) > (known.time_ns, known.holds, known.event):
            found[key] = fact
    return [found[key] for key in sorted(found)]


def standings(facts: Iterable[Fact]) -> Standings:
    """What holds after all facts: a name stands so for as long as any party says it does.

    >>> said = Fact(name="AKIAEXAMPLE", standing="exposed", holds=True, issuer="https://tr.example.com", time_ns=1, event="credential_compromise")
    >>> standings([said]).exposed
    frozenset({'AKIAEXAMPLE'})
    """
    held = [fact for fact in latest(facts) if fact.holds]
    return Standings(
        *(frozenset(f.name for f in held if f.standing == name) for name in Standings.__struct_fields__),
    )


def read_facts(data: bytes) -> tuple[list[Fact], int]:
    """Facts of a file of JSON lines, and how many lines were none: one bad line takes no other with it."""
    facts, bad = [], 0
    for line in data.splitlines():
        if not line.strip():
            continue
        try:
            facts.append(msgspec.json.decode(line, type=Fact))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            bad += 1
    return facts, bad
