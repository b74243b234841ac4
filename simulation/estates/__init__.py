"""Estates made by other ideas of normal life than `simulation.estate`, behind the same front door.

`programs`: every identity is a small program that its owners keep changing. `heavy_tail`: every identity is a law of
chance with a heavy tail, and each seed another company. Neither knows how the other, or `simulation.estate`, thinks.
"""
