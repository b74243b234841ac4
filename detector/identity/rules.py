"""Identity rules read from a data file: client family, identity path, shared accounts.

Blind to: an identity whose name and agent say nothing of what it is; it counts as an SDK workload.
"""

import re
from fnmatch import translate
from functools import lru_cache
from importlib import resources

import msgspec

from detector.errors import ConfigError
from detector.event import FAMILIES, Path

REMEMBERED = 1 << 16


class FamilyRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Agents or principals of one client family."""

    name: str
    agents: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()


class PathRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Principals or client families of one identity path."""

    path: str
    principals: tuple[str, ...] = ()
    families: tuple[str, ...] = ()


class SharedRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Principals several programs share."""

    principals: tuple[str, ...] = ()


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rules file."""

    family: tuple[FamilyRule, ...] = ()
    path: tuple[PathRule, ...] = ()
    shared: tuple[SharedRule, ...] = ()


def read_rules(text: bytes, origin: str) -> RuleFile:
    """A rules file, checked. Raises ``ConfigError`` naming the file and the place."""
    try:
        rules = msgspec.toml.decode(text, type=RuleFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"identity rules {origin}: {error}") from error
    for family in rules.family:
        if family.name not in FAMILIES:
            raise ConfigError(f"identity rules {origin}: family {family.name!r}, wanted one of {', '.join(FAMILIES)}")
    for rule in rules.path:
        if rule.path.upper() not in Path.__members__:
            raise ConfigError(
                f"identity rules {origin}: path {rule.path!r}, wanted human, workload, delegated or emergency"
            )
    return rules


class Patterns:
    """Shell-style patterns, matched without regard to case. ``*word*`` is by far the commonest and needs no regular expression."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        lowered = [p.lower() for p in patterns]
        self.words = tuple(p[1:-1] for p in lowered if _is_word(p))
        other = [translate(p) for p in lowered if not _is_word(p)]
        self.other = re.compile("|".join(other)) if other else None

    def match(self, text: str) -> bool:
        """Whether any pattern fits ``text``, given in lower case."""
        return any(word in text for word in self.words) or (
            self.other is not None and self.other.match(text) is not None
        )


def _is_word(pattern: str) -> bool:
    inner = pattern[1:-1]
    return len(pattern) > 2 and pattern[0] == pattern[-1] == "*" and not any(c in inner for c in "*?[")


class IdentityRules:
    """Answers what an identity is; the operator's rules come before the shipped ones.

    ``family(principal, agent)``, ``path(principal, family, default)`` and ``is_shared(principal)`` remember their latest answers.
    """

    def __init__(self, own: RuleFile | None = None) -> None:
        shipped = resources.files("detector").joinpath("data/identity.toml").read_bytes()
        files = [f for f in (own, read_rules(shipped, "detector/data/identity.toml")) if f is not None]
        self.families = [
            (rule.name, Patterns(rule.agents), Patterns(rule.principals)) for f in files for rule in f.family
        ]
        self.paths = [
            (Path[rule.path.upper()], rule.families, Patterns(rule.principals)) for f in files for rule in f.path
        ]
        self.shared = Patterns(tuple(p for f in files for rule in f.shared for p in rule.principals))
        self.family = lru_cache(maxsize=REMEMBERED)(self._family)
        self.path = lru_cache(maxsize=REMEMBERED)(self._path)
        self.is_shared = lru_cache(maxsize=REMEMBERED)(self._is_shared)

    def _family(self, principal: str, agent: str) -> str:
        """Client family of a use.

        >>> IdentityRules().family("arn:aws:iam::123456789012:role/web", "APN/1.0 HashiCorp/1.0 Terraform/1.9")
        'terraform'
        """
        agent, principal = agent.lower(), principal.lower()
        for name, agents, principals in self.families:
            if agents.match(agent) or principals.match(principal):
                return name
        return "sdk"

    def _path(self, principal: str, family: str, default: Path) -> Path:
        """Identity path of a use; ``default`` when no rule speaks."""
        principal = principal.lower()
        for path, families, principals in self.paths:
            if family in families or principals.match(principal):
                return path
        return default

    def _is_shared(self, principal: str) -> bool:
        """Whether several programs use this account."""
        return self.shared.match(principal.lower())
