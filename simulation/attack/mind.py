"""What an intruder has in mind: the names a listing gave it away, and guesses for the rest."""

from collections.abc import Mapping, Sequence

import numpy as np

from simulation.attack.catalogue import GUESSES, REVEALS


class Mind:
    """Names by kind, as far as they are known."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.known: dict[str, list[str]] = {}

    def learn(self, operation: str, things: Mapping[str, Sequence[str]]) -> None:
        """Remember what a successful call of the operation told, out of the things there are."""
        for kind in REVEALS.get(operation, ()):
            self.known[kind] = list(things[kind])

    def some(self, operation: str, kind: str = "") -> str:
        """Something to name in the operation: what was found, or else a guess; '' where it takes nothing."""
        named = self.names(kind or _kind_named(operation), 1)
        return named[0] if named else ""

    def names(self, kind: str, most: int) -> list[str]:
        """Up to `most` things of a kind in random order: those found, or else guesses."""
        pool = self.known.get(kind) or GUESSES.get(kind, ())
        return [pool[number] for number in self.rng.permutation(len(pool))[:most]]

    def made_up(self, operation: str) -> str:
        """A name of something that is not there."""
        kind = _kind_named(operation)
        pool = GUESSES.get(kind, ()) or ("default",)
        return f"{pool[int(self.rng.integers(len(pool)))]}-{self.rng.integers(2, 99)}"


_NAMED = (
    ("secretsmanager:", "secrets"), ("ssm:GetParameter", "parameters"), ("s3:", "buckets"), ("dynamodb:D", "tables"),
    ("dynamodb:Scan", "tables"), ("lambda:GetFunction", "functions"), ("iam:ListRolePol", "roles"), ("iam:GetRole", "roles"),
    ("iam:ListAttachedRole", "roles"), ("iam:ListAccessKeys", "users"), ("ec2:DescribeInstanceAttribute", "instances"),
    ("cloudtrail:Get", "trails"), ("guardduty:Get", "detectors"), ("bedrock:Get", "models"), ("bedrock:Inv", "models"),
)  # fmt: skip
_NAMELESS = frozenset(
    {"s3:ListBuckets", "secretsmanager:ListSecrets", "bedrock:GetModelInvocationLoggingConfiguration"}
)


def _kind_named(operation: str) -> str:
    if operation in _NAMELESS:
        return ""
    return next((kind for start, kind in _NAMED if operation.startswith(start)), "")
