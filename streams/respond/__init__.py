"""The responder: commands in, access taken away and proven gone, every step on record."""
