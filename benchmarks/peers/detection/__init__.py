"""What a user would otherwise run, on the same records: one detector a file, all behind :class:`Peer`."""
