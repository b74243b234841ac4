"""The ledger in SQLite, and the commands that look at it."""
