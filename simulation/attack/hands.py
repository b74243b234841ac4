"""Where the intruder sits: how much of the victim's surroundings it has, call by call.

`plain` is its own network. What it shows there varies: its own tools, the victim's user agent copied onto a rented server,
a VPN exit near the victim, an anonymising network whose exit changes every few calls. `bind` works from the stolen
runtime: the victim's source and agent. `camo` is bind, and about half of all calls are the victim's own.
Source: Unit 42, "Leaked Environment Variables Allow Large-Scale Extortion Operation" (Tor to look, VPN to move, VPS to take).
"""

from dataclasses import dataclass, replace

import numpy as np

from simulation.cloudtrail import Session

MIMICRIES = ("plain", "bind", "camo")
VARIATIONS = ("own", "own", "copied_agent", "vpn", "anonymised")


@dataclass(frozen=True, slots=True)
class Hand:
    """Addresses in the order they are used, `stays` calls each; none for a hand inside the victim's runtime."""

    variation: str
    sources: tuple[str, ...] = ()
    agent: str = ""
    stays: int = 1_000_000

    def on(self, session: Session, number: int) -> Session:
        """The session as its `number`th call shows it."""
        if not self.sources:
            return session
        source = self.sources[number // self.stays % len(self.sources)]
        return replace(session, source=source, agent=self.agent or session.agent, from_console=False)


def hand(mimicry: str, agent: str, rng: np.random.Generator) -> Hand:
    """A hand of the kind; `agent` is its own tool's. ValueError for an unknown kind."""
    if mimicry not in MIMICRIES:
        raise ValueError(f"unknown {mimicry!r}: wanted one of {', '.join(MIMICRIES)}")
    if mimicry != "plain":
        return Hand(mimicry)
    variation = VARIATIONS[int(rng.integers(len(VARIATIONS)))]
    if variation == "anonymised":
        exits = tuple(_exit(rng) for _ in range(12))
        return Hand(variation, exits, agent, stays=int(rng.integers(2, 7)))
    source = _exit(rng) if variation == "vpn" else _server(rng)
    return Hand(variation, (source,), "" if variation == "copied_agent" else agent)


def _server(rng: np.random.Generator) -> str:
    if rng.random() < 0.25:
        return f"2001:db8:{rng.integers(1, 65_536):x}::{rng.integers(2, 4096):x}"
    return f"203.0.113.{rng.integers(1, 255)}"


def _exit(rng: np.random.Generator) -> str:
    return f"198.{rng.integers(18, 20)}.{rng.integers(256)}.{rng.integers(1, 255)}"
