"""What an operator sets of the Vault connector."""

import msgspec

from streams.connectors.settings.http import Http


class VaultSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Vault. ``namespace``: of Vault Enterprise. ``prefix_depth``: how many parts a lease prefix needs at least, so that none revokes a whole engine."""

    url: str
    token: str
    namespace: str = ""
    prefix_depth: int = 3
    http: Http = Http()
