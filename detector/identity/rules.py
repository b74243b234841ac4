"""Identity rules read from a data file: client family, identity path, shared accounts.

Blind to: an identity whose name and agent say nothing of what it is; it counts as an SDK workload.
"""

import re
from fnmatch import translate
from functools import lru_cache
from importlib import resources

import msgspec

from detector.columns import FAMILIES
from detector.errors import ConfigError
from detector.event import Path

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


@lru_cache(maxsize=4096)
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(p) for p in patterns) or r"(?!)", re.IGNORECASE)


def _matches(patterns: tuple[str, ...], text: str) -> bool:
    return bool(patterns) and _pattern(patterns).match(text) is not None


class IdentityRules:
    """Answers what an identity is; the operator's rules come before the shipped ones.

    ``family(principal, agent)``, ``path(principal, family, default)`` and ``is_shared(principal)`` remember their latest answers.
    """

    def __init__(self, own: RuleFile | None = None) -> None:
        shipped = resources.files("detector").joinpath("data/identity.toml").read_bytes()
        files = [f for f in (own, read_rules(shipped, "detector/data/identity.toml")) if f is not None]
        self.families = [rule for f in files for rule in f.family]
        self.paths = [rule for f in files for rule in f.path]
        self.shared = tuple(p for f in files for rule in f.shared for p in rule.principals)
        self.family = lru_cache(maxsize=REMEMBERED)(self._family)
        self.path = lru_cache(maxsize=REMEMBERED)(self._path)
        self.is_shared = lru_cache(maxsize=REMEMBERED)(self._is_shared)

    def _family(self, principal: str, agent: str) -> str:
        """Client family of a use.

        >>> IdentityRules().family("arn:aws:iam::123456789012:role/web", "APN/1.0 HashiCorp/1.0 Terraform/1.9")
        'terraform'
        """
        for rule in self.families:
            if _matches(rule.agents, agent) or _matches(rule.principals, principal):
                return rule.name
        return "sdk"

    def _path(self, principal: str, family: str, default: Path) -> Path:
        """Identity path of a use; ``default`` when no rule speaks."""
        for rule in self.paths:
            if family in rule.families or _matches(rule.principals, principal):
                return Path[rule.path.upper()]
        return default

    def _is_shared(self, principal: str) -> bool:
        """Whether several programs use this account."""
        return _matches(self.shared, principal)
