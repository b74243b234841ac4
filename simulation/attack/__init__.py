"""Adaptive attackers: a policy over a goal tree that asks a model of the victim's account and goes on from its answers.

Front door: `launch.attack` for one attack, `campaign.campaign` for many on distinct victims of an estate.
"""
