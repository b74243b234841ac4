"""Whose tools they are: the order of enumeration, what is wasted on the way, and the agent the provider writes down.

Styles: typing into a command line, a home-made script, a framework (Pacu, CloudFox and key checkers enumerate in a fixed
order and do not care about denials), and a language-model agent that explores, makes calls which cannot work (a wrong
parameter, a resource it made up) and looks again at what it has just done.
Sources: github.com/RhinoSecurityLabs/pacu (modules iam__enum_permissions, iam__bruteforce_permissions, aws__enum_account);
github.com/BishopFox/cloudfox; agents named in imtr.net's "From stolen cloud key to persistence as a service".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulation.attack.catalogue import TOPICS

_PLATFORMS = (
    "os/linux#6.8.0-31-generic md/arch#x86_64",
    "os/linux#6.6.15-amd64 md/arch#x86_64",
    "os/macos#23.5.0 md/arch#arm64",
    "os/windows#10 md/arch#amd64",
)


@dataclass(frozen=True, slots=True)
class Style:
    """`asks_first`: chance that the first call is sts:GetCallerIdentity; `waste`: chance of a call that cannot work before
    a useful one; `checks`: chance of looking again after a change; `gives_up_after` denials in one topic."""

    name: str
    agents: tuple[str, ...]
    asks_first: float
    waste: float
    checks: float
    gives_up_after: int

    def agent(self, rng: np.random.Generator) -> str:
        """One agent string of this style."""
        template = self.agents[int(rng.integers(len(self.agents)))]
        patch, platform = int(rng.integers(5, 98)), _PLATFORMS[int(rng.integers(len(_PLATFORMS)))]
        return template.format(patch=patch, platform=platform)

    def tour(self, topics: Sequence[str], rng: np.random.Generator) -> list[tuple[str, tuple[str, ...]]]:
        """Topics in the order this style visits them, each with its operations in the order it tries them."""
        if self.name == "framework":
            return [(topic, TOPICS[topic]) for topic in topics]
        chosen = [topics[number] for number in rng.permutation(len(topics))]
        return [(topic, self._order(TOPICS[topic], rng)) for topic in chosen]

    def _order(self, behind: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
        kept = 0.45 if self.name == "hands" else 0.6
        door = behind[int(rng.integers(2))] if len(behind) > 1 else behind[0]
        rest = [operation for operation in behind if operation != door and rng.random() < kept]
        return (door, *(rest[number] for number in rng.permutation(len(rest))))


STYLES: Mapping[str, Style] = {
    "hands": Style(
        "hands",
        (
            "aws-cli/2.22.{patch} md/awscrt#0.22.0 ua/2.0 {platform} lang/python#3.12.6 md/pyimpl#CPython",
            "aws-cli/2.15.{patch} Python/3.11.8 Linux/5.15.0 exe/x86_64.ubuntu.22 prompt/off command/sts.get-caller-identity",
            "S3 Browser/11.7.{patch} (https://s3browser.com)",
        ),
        asks_first=0.75,
        waste=0.05,
        checks=0.35,
        gives_up_after=2,
    ),
    "script": Style(
        "script",
        (
            "Boto3/1.35.{patch} md/Botocore#1.35.{patch} ua/2.0 {platform} lang/python#3.11.9 md/pyimpl#CPython",
            "Boto3/1.26.{patch} Python/3.9.2 Linux/5.10.0 Botocore/1.29.{patch}",
            "aws-sdk-go/1.44.{patch} (go1.19; linux; amd64)",
            "python-requests/2.31.{patch}",
        ),
        asks_first=0.6,
        waste=0.0,
        checks=0.05,
        gives_up_after=4,
    ),
    "framework": Style(
        "framework",
        (
            "Boto3/1.34.{patch} md/Botocore#1.34.{patch} ua/2.0 {platform} lang/python#3.11.8",
            "aws-sdk-go-v2/1.30.{patch} os/linux lang/go#1.22.4 md/GOOS#linux md/GOARCH#amd64",
            "TruffleHog",
        ),
        asks_first=0.9,
        waste=0.0,
        checks=0.0,
        gives_up_after=99,
    ),
    "model": Style(
        "model",
        (
            "aws-cli/2.27.{patch} md/awscrt#0.26.1 ua/2.1 {platform} md/pyimpl#CPython m/E,b,Z cfg/retry-mode#standard",
            "Boto3/1.38.{patch} md/Botocore#1.38.{patch} ua/2.1 {platform} lang/python#3.12.10 cfg/retry-mode#legacy",
        ),
        asks_first=0.9,
        waste=0.16,
        checks=0.5,
        gives_up_after=3,
    ),
}


def style_for(pace: str, rng: np.random.Generator) -> Style:
    """A style that goes with the pace: no human types twice a second, no script takes coffee breaks."""
    fitting = {
        "machine": ("script", "framework", "framework", "model"),
        "agent": ("model", "model", "model", "script"),
        "human": ("hands", "hands", "framework", "model"),
        "slow": ("hands", "script", "model"),
    }[pace]
    return STYLES[fitting[int(rng.integers(len(fitting)))]]
