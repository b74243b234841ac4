"""How an estate of any size is cast: the twenty-five of the demonstration, then more of the same kinds.

Base rates of change in a large estate (roll-outs, agent upgrades, network moves, births) are assumptions: see `_fate`
and `_BIRTH_RATE`.
"""

from dataclasses import replace

import numpy as np

from simulation import repertoire
from simulation.identities import NAMED, Change, Identity, service

_THEMES = tuple(repertoire.THEMES)
_MONTH_DAYS = 30
_BIRTH_RATE = 0.12  # of identities, a month
_SERVICE_SHARE = 0.4  # of the grown estate, beside the services among the copied kinds


def cast(seed: int, identities: int, days: int) -> tuple[Identity, ...]:
    """The estate's members in a fixed order; a larger estate begins with the members of a smaller one.

    ValueError for an estate of nobody or of no days.
    """
    if identities < 1 or days < 1:
        raise ValueError(f"an estate needs at least one identity and one day, got identities={identities}, days={days}")
    grown = [_grown(number, seed, days) for number in range(len(NAMED), identities)]
    return (*NAMED, *grown)[:identities]


def _grown(number: int, seed: int, days: int) -> Identity:
    rng = np.random.default_rng([seed, number, 1])
    model = NAMED[int(rng.integers(len(NAMED)))]
    if model.kind in ("linked", "break_glass") or rng.random() < _SERVICE_SHARE:
        theme = _THEMES[int(rng.integers(len(_THEMES)))]
        model = replace(
            service(f"svc-{theme}", theme, number, int(rng.integers(40, 160))), operations=_mixed(theme, rng)
        )
    client = replace(model.client, source=_moved(model.client.source, rng)) if model.client.source else model.client
    stem = f"user{number}@example.com" if model.path == "human" else f"{model.stem}-{number}"
    name = f"{model.name}{number:04x}" if model.path == "human" else f"{model.name}-{number}"
    born = int(rng.integers(2, days + 1)) if days > 1 and rng.random() < _BIRTH_RATE * days / _MONTH_DAYS else 1
    return replace(model, name=name, stem=stem, client=client, born_day=born, changes=_fate(rng, days, model.path))


def _mixed(theme: str, rng: np.random.Generator) -> tuple[str, ...]:
    other = repertoire.THEMES[_THEMES[int(rng.integers(len(_THEMES)))]]
    borrowed = [operation for operation in other if rng.random() < 0.25]
    return tuple(dict.fromkeys([*repertoire.THEMES[theme], *borrowed]))


def _moved(source: str, rng: np.random.Generator) -> str:
    if source.startswith("10."):
        return f"10.{rng.integers(20, 60)}.{rng.integers(256)}.{rng.integers(1, 255)}"
    return f"{source.rpartition('.')[0]}.{rng.integers(1, 255)}"


def _fate(rng: np.random.Generator, days: int, path: str) -> tuple[Change, ...]:
    monthly = {"rollout": 0.25, "upgrade": 0.35, "move": 0.08, "policy": 0.15, "throttle": 0.3}
    if path != "workload":
        return ()
    return tuple(
        Change(kind, int(rng.integers(1, days + 1)))
        for kind, rate in monthly.items()
        if rng.random() < rate * days / _MONTH_DAYS
    )
