"""Estates and attackers that emit provider-native records, blind to the detector by construction."""
