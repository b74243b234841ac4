"""OpenID Shared Signals Framework 1.0: a transmitter and a receiver of Security Event Tokens, usable without the rest of Outpace (``docs/signals.md``)."""
