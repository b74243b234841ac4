"""Models that lost: kept behind the same contract as the rest, so that each can be measured again.

All are off by default. In the ablation on the final seeds (six synthetic estates, 36,729 identity-days, thresholds
matched at about one false revocation per 10,000 identity-days):

* ``variable_order``: contexts of the last one to three operations earn nothing over order 0 and take half of the table.
* ``tempo``: adding the pace to the evidence earns nothing; everything in CI runs at machine speed.
* ``half_space_trees``: 31 of 145 attacks above the highest benign identity-day of 3,861; it cannot resolve 1e-4.
* ``conformal``: per-event p-values with a floor of 1/(n + 1) do not reach the tail where revocation is decided.
* ``drift``: not measured apart; its nearest relative, a CUSUM over surprisal, contained .11 to .14 of the attacks.

``CHALLENGERS`` gives, by name, a function from a seed to a fresh model. Importing this package imports none of them.

Blind to: whether an estate exists where one of them wins; measure, do not believe.
"""

from collections.abc import Callable
from random import Random

from models.base import OnlineModel


def _variable_order(seed: int) -> OnlineModel:
    from models.challengers.variable_order import VariableOrderModel

    return VariableOrderModel()


def _tempo(seed: int) -> OnlineModel:
    from models.challengers.tempo import TempoModel

    return TempoModel()


def _conformal(seed: int) -> OnlineModel:
    from models.challengers.conformal import ConformalModel

    return ConformalModel(_variable_order(seed), Random(seed))  # noqa: S311 - breaks ties, guards nothing


def _half_space_trees(seed: int) -> OnlineModel:
    from models.challengers.half_space_trees import HalfSpaceTreesModel

    return HalfSpaceTreesModel(seed)


def _drift(seed: int) -> OnlineModel:
    from models.challengers.drift import DriftModel

    return DriftModel(_variable_order(seed))


CHALLENGERS: dict[str, Callable[[int], OnlineModel]] = {
    "variable_order": _variable_order,
    "tempo": _tempo,
    "conformal": _conformal,
    "half_space_trees": _half_space_trees,
    "drift": _drift,
}
"""Fresh challengers by name. The seed drives whatever chance a model uses; variable_order, tempo and drift use none."""
