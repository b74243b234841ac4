"""The parsers with the operator's rules and files behind them, made the same way for ``replay``, ``ingest`` and ``watch``."""

from typing import Protocol

from detector.columns import Batch, Vocabulary
from detector.config import Policy
from detector.errors import Rejection
from detector.event import Provider
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.entra import EntraParser
from detector.sources.framing import Block
from detector.sources.gcp import GcpParser
from detector.sources.github import GitHubParser
from detector.sources.keycloak import KeycloakParser
from detector.sources.kubernetes import KubernetesParser
from detector.sources.okta import OktaParser
from detector.sources.timestamps import FOREVER_NS
from streams.merge import Parse
from streams.policy_files import load_feeds, load_rules

CLOCK_SKEW_NS = 86_400 * 10**9


class Parser(Protocol):
    """One provider's parser. ``not_after_ns``: the latest event time it believes; may be moved between two blocks."""

    not_after_ns: int

    def parse(self, block: Block) -> tuple[Batch | None, list[Rejection]]:
        """Rows of every usable record, and a rejection for every other one."""
        ...


def new_parsers(
    policy: Policy, policy_path: str | None, not_after_ns: int, vocabulary: Vocabulary | None = None
) -> dict[Provider, Parser]:
    """A parser for each provider; times after ``not_after_ns`` are refused. Raises ``ConfigError`` for a rule or context file."""
    vocabulary = vocabulary or Vocabulary()
    feeds, rules = load_feeds(policy, policy_path), load_rules(policy, policy_path)
    return {
        Provider.AWS: CloudTrailParser(vocabulary, rules, feeds, not_after_ns),
        Provider.OKTA: OktaParser(vocabulary, rules, feeds, not_after_ns),
        Provider.KEYCLOAK: KeycloakParser(vocabulary, rules, feeds, not_after_ns),
        Provider.KUBERNETES: KubernetesParser(vocabulary, rules, feeds, not_after_ns),
        Provider.GCP: GcpParser(vocabulary, rules, feeds, not_after_ns),
        Provider.ENTRA: EntraParser(vocabulary, rules, feeds, not_after_ns),
        Provider.GITHUB: GitHubParser(vocabulary, rules, feeds, not_after_ns),
    }


def parsers_of(
    policy: Policy, policy_path: str | None, not_after_ns: int, vocabulary: Vocabulary | None = None
) -> dict[Provider, Parse]:
    """The same parsers, where the latest time to believe stands still."""
    return {p: parser.parse for p, parser in new_parsers(policy, policy_path, not_after_ns, vocabulary).items()}


def believable_until_ns(now_ns: int) -> int:
    """The latest event time to believe of a captured log: a day ahead, for clocks that are wrong. Live input has ``ingest.most_ahead_s``."""
    return min(FOREVER_NS, now_ns + CLOCK_SKEW_NS)
