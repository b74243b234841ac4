"""One parser a provider: bytes in; rows and events out, or a rejection that says where and why."""
