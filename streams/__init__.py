"""The outside world: files, the replay runner, reports, the command line."""
