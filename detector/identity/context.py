"""What is known beside the log: exposed, planted and retired credentials, declared bindings, and what other parties' signals say."""

import ipaddress
from fnmatch import fnmatchcase

import msgspec

from detector.config import Binding
from detector.errors import ConfigError
from detector.event import Mark
from detector.identity.signals import Standings


def read_names(text: str) -> frozenset[str]:
    """Credentials or principals of a small file, one a line; ``#`` starts a comment.

    >>> sorted(read_names("AKIAEXAMPLE  # in a public repository"))
    ['AKIAEXAMPLE']
    """
    lines = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return frozenset(line for line in lines if line)


class ContextFeeds(msgspec.Struct, frozen=True):
    """The operator's files, read."""

    exposed: frozenset[str] = frozenset()
    canaries: frozenset[str] = frozenset()
    retired: frozenset[str] = frozenset()
    bindings: tuple[Binding, ...] = ()
    distrusted: frozenset[str] = frozenset()

    def joined(self, told: Standings) -> "ContextFeeds":
        """The same with what other parties say added: it never takes away what the operator's files say."""
        return msgspec.structs.replace(
            self,
            exposed=self.exposed | told.exposed,
            retired=self.retired | told.retired,
            distrusted=self.distrusted | told.distrusted,
        )

    def marks(self, credential: str, principal: str, address: str) -> int:
        """Marks of one use."""
        if not (self.canaries or self.exposed or self.retired or self.bindings or self.distrusted):
            return 0
        names = {credential, principal}
        marks = Mark.CANARY if names & self.canaries else 0
        marks |= Mark.EXPOSED if names & self.exposed else 0
        marks |= Mark.RETIRED if names & self.retired else 0
        marks |= Mark.DISTRUSTED if names & self.distrusted else 0
        return marks | (Mark.OUT_OF_BOUNDS if self._is_out_of_bounds(principal, address) else 0)

    def is_bound(self, principal: str) -> bool:
        """Whether a principal is declared bound to networks."""
        return any(fnmatchcase(principal, b.principal) for b in self.bindings)

    def _is_out_of_bounds(self, principal: str, address: str) -> bool:
        declared = [b for b in self.bindings if fnmatchcase(principal, b.principal)]
        if not declared:
            return False
        try:
            used_from = ipaddress.ip_address(address)
        except ValueError:
            return False
        return not any(used_from in _network(n) for b in declared for n in b.networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigError(f"[[context.bindings]] networks: {text!r}, wanted a network such as 192.0.2.0/24") from error
