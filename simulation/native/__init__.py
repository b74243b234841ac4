"""Estates whose records are not CloudTrail's: kinds of members as tables of habits, a day made from them, attackers, and the case.

A provider (`simulation.kubernetes`, `simulation.gcp`) brings its kinds, the seats its members act from, its records and its
loops; everything else is here. Front door: `estate.NativeEstate` and `writing.write`.
"""
