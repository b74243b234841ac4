"""How far a stolen credential leads: the delegations that were walked, what can be reached along them, and the narrowest cut."""
