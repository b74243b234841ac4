"""The estates whose log is CloudTrail's, by name; `native.registry` has the others."""

from collections.abc import Callable, Mapping

from simulation.case import Inhabited
from simulation.estate import Estate
from simulation.estates.heavy_tail import HeavyTailEstate
from simulation.estates.programs import ProgramEstate
from simulation.native.registry import NATIVE

Founding = Callable[[int, int, int], Inhabited]  # seed, identities, days

ESTATES: Mapping[str, Founding] = {
    "shop": lambda seed, identities, days: Estate(seed, identities, days),
    "programs": ProgramEstate,
    "heavy_tail": HeavyTailEstate,
}


def founded(name: str, seed: int, identities: int, days: int) -> Inhabited:
    """The named estate. ValueError for a name there is none of, and for an estate of nobody or of no days."""
    if name not in ESTATES:
        raise ValueError(f"unknown estate {name!r}: wanted one of {', '.join([*ESTATES, *NATIVE])}")
    return ESTATES[name](seed, identities, days)
