"""Connectors: how a revocation command is carried out at each provider, and how its effect is proven."""
