"""What a stolen credential reaches: the credentials the thief holds, the principals these speak for, and everybody those have been seen delegating to.

A delegation nobody walked for ``Ages.delegation_s`` is taken as gone, a temporary credential after ``session_s`` without use, a long-lived one after ``credential_s``.
"""

from collections import deque

import msgspec

from detector.blast.lineage import Credential, Delegation, Lineage, Principal
from detector.errors import InputError

DAY_S = 86_400.0
MOST_PRINCIPALS = 5_000
"""Past so many the walk stops and says so."""


class Ages(msgspec.Struct, frozen=True):
    """After how many seconds without use something is taken as gone. AWS role sessions last at most 12 h (AWS IAM user guide, "Methods to assume a role")."""

    session_s: float = 12 * 3600.0
    credential_s: float = 90 * DAY_S
    delegation_s: float = 90 * DAY_S


class Reached(msgspec.Struct, frozen=True):
    """One principal in reach. ``hops``: delegations away; ``giver``: whom the thief comes from, '' for the stolen credential's own principal.

    ``is_held``: whether the thief holds a live credential of it already. ``walks``, ``thief_walks``, ``last_ns``: of the delegation from ``giver``;
    ``uses``: legitimate ones of the principal; ``thief``: the thief's.
    """

    principal: str
    hops: int
    giver: str
    is_held: bool
    scopes: tuple[str, ...]
    walks: int
    thief_walks: int
    last_ns: int
    uses: int
    thief: int


class Held(msgspec.Struct, frozen=True):
    """One live credential in the thief's hands. ``parent``: what minted it."""

    credential: str
    principal: str
    parent: str
    is_temporary: bool
    minted_ns: int
    last_ns: int
    uses: int
    thief: int


class Reach(msgspec.Struct, frozen=True):
    """How far it goes, as of ``now_ns``. ``is_whole``: whether the walk came to its end, and nothing had been dropped."""

    stolen: str
    now_ns: int
    held: tuple[Held, ...]
    principals: tuple[Reached, ...]
    scopes: tuple[str, ...]
    is_whole: bool


class Map(msgspec.Struct, frozen=True):
    """The part of the lineage in reach, as the cut needs it. ``live``: every live credential of a principal, the thief's and everybody's."""

    held: tuple[Credential, ...]
    principals: tuple[Principal, ...]
    delegations: tuple[Delegation, ...]
    live: dict[str, tuple[Credential, ...]]
    reach: Reach


def map_of(lineage: Lineage, ages: Ages | None = None) -> Map:
    """What the lineage's stolen credential reaches. Raises ``InputError`` where it was never seen."""
    ages = ages or Ages()
    stolen = lineage.credentials.get(lineage.stolen)
    if stolen is None or not stolen.principal:
        raise InputError(f"credential {lineage.stolen[:200]!r} is used nowhere in these logs")
    live = [
        c
        for c in map(_named, lineage.credentials.values())
        if c.name == stolen.name or _is_live(c, ages, lineage.now_ns)
    ]
    held = tuple(sorted((c for c in live if c.is_held), key=lambda c: (c.name != stolen.name, c.minted_ns, c.name)))
    walked, is_whole = _walk(lineage, held, ages)
    names = {reached.principal for reached in walked}
    inside = [d for d in _fresh(lineage, ages) if d.giver in names and d.taker in names]
    by_principal: dict[str, list[Credential]] = {}
    for credential in live:
        if credential.principal in names:
            by_principal.setdefault(credential.principal, []).append(credential)
    reach = Reach(
        lineage.stolen,
        lineage.now_ns,
        tuple(_held(c) for c in held),
        tuple(walked),
        tuple(sorted({scope for reached in walked for scope in reached.scopes})),
        is_whole and not lineage.dropped,
    )
    return Map(
        held,
        tuple(_who(lineage, reached.principal) for reached in walked),
        tuple(sorted(inside, key=lambda d: (d.giver, d.taker))),
        {name: tuple(found) for name, found in by_principal.items()},
        reach,
    )


def _named(credential: Credential) -> Credential:
    """A credential that was minted and not used yet, for whom nobody said, has a principal of its own."""
    if credential.principal:
        return credential
    return msgspec.structs.replace(credential, principal=f"unattributed:{credential.name}")


def _who(lineage: Lineage, name: str) -> Principal:
    return lineage.principals.get(name) or Principal(name)


def _held(c: Credential) -> Held:
    return Held(c.name, c.principal, c.parent, c.is_temporary, c.minted_ns, c.last_ns, c.uses, c.thief)


def _is_live(credential: Credential, ages: Ages, now_ns: int) -> bool:
    limit = ages.session_s if credential.is_temporary else ages.credential_s
    return now_ns - credential.last_ns <= limit * 1e9


def _fresh(lineage: Lineage, ages: Ages) -> list[Delegation]:
    return [d for d in lineage.delegations.values() if lineage.now_ns - d.last_ns <= ages.delegation_s * 1e9]


def _walk(lineage: Lineage, held: tuple[Credential, ...], ages: Ages) -> tuple[list[Reached], bool]:
    """Principals by how many delegations away they are, those the thief holds a credential of first."""
    onward: dict[str, list[Delegation]] = {}
    for delegation in sorted(_fresh(lineage, ages), key=lambda d: (-d.thief, -d.walks, d.taker)):
        onward.setdefault(delegation.giver, []).append(delegation)
    found = _starts(lineage, held)
    waiting = deque(found)
    while waiting:
        giver = waiting.popleft()
        for delegation in onward.get(giver, ()):
            if delegation.taker in found:
                continue
            if len(found) >= MOST_PRINCIPALS:
                return list(found.values()), False
            found[delegation.taker] = _reached(lineage, delegation.taker, found[giver].hops + 1, giver, False)
            waiting.append(delegation.taker)
    return list(found.values()), True


def _starts(lineage: Lineage, held: tuple[Credential, ...]) -> dict[str, Reached]:
    """The principals of what the thief holds, each below the one that minted it."""
    owners = {c.name: c.principal for c in held}
    found: dict[str, Reached] = {}
    for credential in held:
        if credential.principal not in found:
            giver = owners.get(credential.parent, "")
            giver = giver if giver in found else ""
            hops = found[giver].hops + 1 if giver else 0
            found[credential.principal] = _reached(lineage, credential.principal, hops, giver, True)
    return found


def _reached(lineage: Lineage, name: str, hops: int, giver: str, is_held: bool) -> Reached:
    who, by = _who(lineage, name), lineage.delegations.get((giver, name)) or Delegation(giver, name)
    return Reached(name, hops, giver, is_held, who.scopes, by.walks, by.thief, by.last_ns, who.uses, who.thief)
