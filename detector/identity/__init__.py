"""Whose credential it is: rules that name the client family, the identity path and shared accounts."""
