"""The policy, and the files it names: context and identity rules, relative to it. Loads no engine, so that looking at a policy takes no time."""

from pathlib import Path
from typing import Literal

from detector.config import Policy
from detector.errors import ConfigError
from detector.event import Provider
from detector.identity.context import ContextFeeds, read_names
from detector.identity.rules import IdentityRules, read_rules
from detector.identity.signals import Standings, read_facts, standings
from streams.config import read_settings
from streams.logs import logger

log = logger("context")
Source = Literal["cloudtrail", "okta", "keycloak", "kubernetes", "gcp", "entra", "github"]
SOURCES = {
    "cloudtrail": Provider.AWS,
    "okta": Provider.OKTA,
    "keycloak": Provider.KEYCLOAK,
    "kubernetes": Provider.KUBERNETES,
    "gcp": Provider.GCP,
    "entra": Provider.ENTRA,
    "github": Provider.GITHUB,
}
"""What settings and the command line call each provider's log."""


def load_policy(path: str | None) -> Policy:
    """The policy in a file, or the defaults. A file with settings of the live path beside it will do."""
    return read_settings(path)


def load_feeds(policy: Policy, beside: str | None) -> ContextFeeds:
    """The operator's credential files, relative to the policy file."""

    def names(path: str) -> frozenset[str]:
        return (
            read_names(_bytes_of(_beside(path, beside), "context file").decode("utf-8", "replace"))
            if path
            else frozenset()
        )

    context = policy.context
    feeds = ContextFeeds(names(context.exposed), names(context.canaries), names(context.retired), context.bindings)
    return feeds.joined(_told(_beside(context.signals, beside))) if context.signals else feeds


def feeds_stamp(policy: Policy, beside: str | None) -> tuple[tuple[int, int, int], ...]:
    """What changes when one of the context files does: inode, size and time of each, zeros where one is not there."""
    context = policy.context
    named = (context.exposed, context.canaries, context.retired, context.signals)
    return tuple(_stamp(_beside(path, beside)) for path in named if path)


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


def _told(path: str) -> Standings:
    """What received signals say; nothing where none was ever received."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return Standings()
    except OSError as error:
        raise ConfigError(f"context.signals {path}: {error.strerror or error}") from error
    facts, bad = read_facts(data)
    if bad:
        log.warning("lines of the signals file that say nothing", path=path, lines=bad)
    return standings(facts)


def load_rules(policy: Policy, beside: str | None) -> IdentityRules:
    """Identity rules, the operator's first."""
    path = policy.identity.rules
    return IdentityRules(read_rules(_bytes_of(_beside(path, beside), "identity rules"), path) if path else None)


def _bytes_of(path: str, what: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{what} {path}: {error.strerror or error}") from error


def _beside(path: str, beside: str | None) -> str:
    return str(Path(beside).parent / path) if beside and not Path(path).is_absolute() else path
