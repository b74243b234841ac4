"""The narrowest cut: what to take away so that nothing is left of a thief's reach, at the least loss of legitimate use.

The thief's power runs from the credentials it holds to their principals, and along delegations to others; each step can be cut by one action of the ladder:

- a long-lived credential: ``disable_credential``; a session: ``revoke_session``. AWS cannot end one session, only all a role has (a policy that denies tokens
  issued before now, AWS IAM user guide, "Revoke IAM role temporary security credentials"): there the sessions of a role are one thing to cut;
- a principal: ``quarantine_principal``;
- a delegation: ``cut_delegation``.

Each costs the legitimate uses that hang on it, and among cuts of the same cost the one of fewest actions is taken. That is a minimum cut, found as a
maximum flow. Dominators would not do: they know the one step everything runs through, not what each step costs, and most estates have two ways to a
role. Delegations may run in circles; a cut does not mind. Where guards forbid every cut before a principal, it is left to the thief and
said so, and the cut is made behind it.
"""

from collections.abc import Callable

import msgspec

from detector.blast.lineage import Credential
from detector.blast.reach import Map
from detector.event import Provider
from models.flow import Edge, min_cut


class Snip(msgspec.Struct, frozen=True):
    """One thing to take away. ``on``: a credential, a principal, or a delegation's giver; ``taker``: who the delegation leads to, else ''. ``uses``: what it costs."""

    action: str
    on: str
    taker: str
    uses: int
    text: str


class Cut(msgspec.Struct, frozen=True):
    """What to take away, what it costs in legitimate uses, and the principals the guards leave to the thief."""

    snips: tuple[Snip, ...]
    uses: int
    left: tuple[str, ...] = ()


class _Drawing:
    """The map as a network. A step without a snip cannot be cut."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, str], int] = {}
        self.steps: list[tuple[int, int, Snip | None]] = []

    def node(self, kind: str, name: str = "") -> int:
        return self.numbers.setdefault((kind, name), len(self.numbers))

    def step(self, start: int, end: int, snip: Snip | None = None) -> None:
        self.steps.append((start, end, snip))

    def edges(self) -> list[Edge]:
        """Capacities: uses first, then one an action; no cut of what can be cut costs as much as one step that cannot."""
        one_use = 1 + sum(snip is not None for _, _, snip in self.steps)
        costs = [snip.uses * one_use + 1 if snip else 0 for _, _, snip in self.steps]
        never = sum(costs) + 1
        return [(start, end, cost or never) for (start, end, _), cost in zip(self.steps, costs, strict=True)]

    def given(self, source: int) -> set[int]:
        """Nodes that no cut can part from the source."""
        onward: dict[int, list[int]] = {}
        for start, end, snip in self.steps:
            if snip is None:
                onward.setdefault(start, []).append(end)
        found, waiting = {source}, [source]
        while waiting:
            fresh = [node for node in onward.get(waiting.pop(), ()) if node not in found]
            found.update(fresh)
            waiting += fresh
        return found


def narrowest_cut(found: Map, is_spared: Callable[[str], bool] = lambda _name: False) -> Cut:
    """The cut. ``is_spared``: whether the guards forbid touching a credential or principal of this name."""
    drawing = _drawn(found, is_spared)
    thief, everything = drawing.node("thief"), drawing.node("everything")
    given = drawing.given(thief)
    left = []
    for principal in found.principals:
        node = drawing.node("acts", principal.name)
        if node in given:
            left.append(principal.name)
        else:
            drawing.step(node, everything)
    _, places = min_cut(len(drawing.numbers), drawing.edges(), thief, everything)
    snips = tuple(snip for place in places if (snip := drawing.steps[place][2]))
    return Cut(snips, sum(snip.uses for snip in snips), tuple(left))


def _drawn(found: Map, is_spared: Callable[[str], bool]) -> _Drawing:
    """The thief's ways: to its credentials, their principals, what these do, and on to others."""
    drawing = _Drawing()
    thief = drawing.node("thief")
    for credential in found.held:
        _draw_credential(drawing, thief, credential, found, is_spared)
    for principal in found.principals:
        name = principal.name
        is_fixed = is_spared(name) or any(is_spared(c.name) for c in found.live.get(name, ()))
        text = f"quarantine {name}: {_uses(principal.uses)}"
        snip = None if is_fixed else Snip("quarantine_principal", name, "", principal.uses, text)
        drawing.step(drawing.node("principal", name), drawing.node("acts", name), snip)
    for way in found.delegations:
        cost = way.uses + way.walks - way.thief
        text = f"cut the delegation from {way.giver} to {way.taker}: {_uses(cost)}"
        snip = None if is_spared(way.taker) else Snip("cut_delegation", way.giver, way.taker, cost, text)
        drawing.step(drawing.node("acts", way.giver), drawing.node("principal", way.taker), snip)
    return drawing


def _draw_credential(
    drawing: _Drawing, thief: int, credential: Credential, found: Map, is_spared: Callable[[str], bool]
) -> None:
    name = credential.name
    principal = drawing.node("principal", credential.principal)
    held = drawing.node("credential", name)
    drawing.step(thief, held)
    if credential.is_temporary and credential.provider is Provider.AWS:
        is_drawn = ("sessions", credential.principal) in drawing.numbers
        sessions = drawing.node("sessions", credential.principal)
        if not is_drawn:
            drawing.step(sessions, principal, _sessions(credential.principal, found, is_spared))
        drawing.step(held, sessions)
        return
    is_fixed = is_spared(name) or is_spared(credential.principal)
    action, verb = ("revoke_session", "revoke") if credential.is_temporary else ("disable_credential", "disable")
    snip = Snip(action, name, "", credential.uses, f"{verb} {name} of {credential.principal}: {_uses(credential.uses)}")
    drawing.step(held, principal, None if is_fixed else snip)


def _sessions(principal: str, found: Map, is_spared: Callable[[str], bool]) -> Snip | None:
    """All sessions of a role; None where one of them is spared."""
    live = [c for c in found.live.get(principal, ()) if c.is_temporary]
    if is_spared(principal) or any(is_spared(c.name) for c in live):
        return None
    uses, stolen = sum(c.uses for c in live), sum(c.is_held for c in live)
    which = (
        f"all {len(live)} sessions of {principal}, {stolen} of them the thief's"
        if len(live) > 1
        else f"the one session of {principal}"
    )
    return Snip("revoke_session", principal, "", uses, f"revoke {which}: {_uses(uses)}")


def _uses(count: int) -> str:
    return f"{count} legitimate use{'' if count == 1 else 's'}" if count else "no legitimate use"
