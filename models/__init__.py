"""Numbers only: online learners, likelihood ratios and sequential tests, in bits and probabilities.

Nothing here knows an identity, a provider, a clock or a file. The functions marked ``@njit`` are compiled once
(``cache=True``) and called from the one hot loop in ``detector/engine.py``.
"""
