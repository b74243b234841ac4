"""The attacker language: what an intruder does next at a provider, how likely, and what it would prove.

One readable TOML file a provider (``detector/data/attackers``) lists operations known from public incidents and
research, each with its source. An operation's weight is (1 if seen in the wild, else 0.4) + incidents; one that is not
listed gets a small weight by its kind. Weights are normalised over the listed operations and an assumed number of
unlisted ones, so that A(operation) and A(class) are probabilities.

A class is family (6) × {catalogued, sensitive, other} × {read, write}: the grain at which a peer group is known to be
used to something it has not yet done.
"""

import re
from fnmatch import translate
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta, Struct

from detector.errors import ConfigError
from models.sequence import CLASS_COUNT

Signal = Literal["test", "recon", "secret", "assume", "mint", "grant", "model", "evade", "exfil", "impact", "execute"]

SIGNALS: tuple[Signal, ...] = get_args(Signal)
"""What an operation would prove; signal ``SIGNALS[k]`` is bit k of a mask."""

TIERS = ("catalogued", "sensitive", "other")
CATALOGUED, SENSITIVE, OTHER = range(3)
CLASSES_A_FAMILY = 2 * len(TIERS)
FAMILY_COUNT = CLASS_COUNT // CLASSES_A_FAMILY

_SEEN_WEIGHT, _RESEARCHED_WEIGHT = 1.0, 0.4

Patterns = tuple[str, ...]
Weight = Annotated[float, Meta(gt=0, le=1)]
AssumedCount = Annotated[int, Meta(ge=1)]


class LanguageError(ConfigError, ValueError):
    """An attacker language file does not say what it must; the message names the file and the path within."""


class Language(Struct, frozen=True, forbid_unknown_fields=True):
    """Which provider a file speaks of."""

    provider: str
    version: Literal[1]
    description: str


class Rules(Struct, frozen=True, forbid_unknown_fields=True):
    """Shell-style patterns: operations worth more to an intruder, and operations that only read."""

    sensitive: Patterns
    reads: Patterns


class Fallback(Struct, frozen=True, forbid_unknown_fields=True):
    """Weights of an operation that is not listed."""

    sensitive: Weight
    read: Weight
    other: Weight


class Unlisted(Struct, frozen=True, forbid_unknown_fields=True):
    """Assumed number of unlisted operations of a family; at least 1 each, so no class in use is empty."""

    sensitive_reads: AssumedCount = 1
    sensitive_writes: AssumedCount = 1
    other_reads: AssumedCount = 1
    other_writes: AssumedCount = 1


class Operation(Struct, frozen=True, forbid_unknown_fields=True):
    """One listed operation: public incidents that used it, ATT&CK technique ids, what it proves, a public page."""

    name: Annotated[str, Meta(pattern=r"^[^:\s]+:\S+$")]
    wild: bool
    incidents: Annotated[int, Meta(ge=0)]
    techniques: tuple[Annotated[str, Meta(pattern=r"^T\d{4}(\.\d{3})?$")], ...]
    signals: tuple[Signal, ...]
    source: Annotated[str, Meta(pattern=r"^https://")]

    @property
    def weight(self) -> float:
        """Weight before normalisation."""
        return (_SEEN_WEIGHT if self.wild else _RESEARCHED_WEIGHT) + self.incidents


class Operations(Struct, frozen=True, forbid_unknown_fields=True):
    """The catalogue."""

    listed: tuple[Operation, ...]


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """A language file as written. Families are tried in the order of the file; the last one takes whatever is left."""

    language: Language
    families: dict[str, Patterns]
    rules: Rules
    fallback: Fallback
    unlisted: dict[str, Unlisted]
    unlisted_signals: dict[Signal, Patterns]
    operations: Operations


class _Facts(NamedTuple):
    """What is known of one listed operation, ready to be looked up."""

    probability: float
    class_: int
    signals: int
    techniques: tuple[str, ...]
    source: str


class AttackerLanguage:
    """Answers about any operation name, listed or not; immutable, and each answer a constant worth keeping.

    >>> language = load("aws")
    >>> language.class_name(language.operation_class("iam:CreateAccessKey"))
    'identity/catalogued/write'
    >>> language.weight("iam:CreateAccessKey") > 100 * language.weight("sqs:SendMessage")
    True

    Blind to: arguments and resources (reading any secret or the one that matters), order, and whatever no report names.
    """

    def __init__(self, document: Document) -> None:
        self.provider = document.language.provider
        self.families = tuple(document.families)
        self._fallback = document.fallback
        self._family_patterns = tuple(_any_of(patterns) for patterns in document.families.values())
        self._sensitive = _any_of(document.rules.sensitive)
        self._reads = _any_of(document.rules.reads)
        self._signal_patterns = tuple((s, _any_of(p)) for s, p in document.unlisted_signals.items())
        masses = self._masses(document)
        self._total = sum(masses)
        self._class_mass = tuple(mass / self._total for mass in masses)
        self._listed = {o.name: self._facts(o) for o in document.operations.listed}

    @property
    def operations(self) -> tuple[str, ...]:
        """Names of the listed operations, in the order of the file."""
        return tuple(self._listed)

    def weight(self, operation: str) -> float:
        """A(operation): probability that an intruder's next new operation is this one."""
        facts = self._listed.get(operation)
        return facts.probability if facts else self._unlisted_weight(operation) / self._total

    def operation_class(self, operation: str) -> int:
        """Class of an operation, 0..35: family, then tier, then read before write."""
        facts = self._listed.get(operation)
        return facts.class_ if facts else self._class_of(operation, self._tier(operation))

    def class_mass(self, class_: int) -> float:
        """A(class): probability that an intruder's next new operation falls into this class; all classes sum to 1."""
        return self._class_mass[class_]

    def class_name(self, class_: int) -> str:
        """Readable name of a class, such as ``secrets/sensitive/read``."""
        family, rest = divmod(class_, CLASSES_A_FAMILY)
        tier, writes = divmod(rest, 2)
        return f"{self.families[family]}/{TIERS[tier]}/{'write' if writes else 'read'}"

    def signals(self, operation: str) -> int:
        """What the operation would prove, as a mask over ``SIGNALS``; of an unlisted one, what its name tells."""
        facts = self._listed.get(operation)
        if facts:
            return facts.signals
        return signal_mask(tuple(s for s, pattern in self._signal_patterns if pattern.match(operation)))

    def techniques(self, operation: str) -> tuple[str, ...]:
        """ATT&CK technique ids of a listed operation, none of any other."""
        facts = self._listed.get(operation)
        return facts.techniques if facts else ()

    def source(self, operation: str) -> str | None:
        """The public page that tells of a listed operation."""
        facts = self._listed.get(operation)
        return facts.source if facts else None

    def _facts(self, listed: Operation) -> _Facts:
        class_ = self._class_of(listed.name, CATALOGUED)
        mask = signal_mask(listed.signals)
        return _Facts(listed.weight / self._total, class_, mask, listed.techniques, listed.source)

    def _masses(self, document: Document) -> list[float]:
        """Weight of every class before normalisation: its listed operations, or its assumed unlisted ones."""
        masses = [0.0] * CLASS_COUNT
        for operation in document.operations.listed:
            masses[self._class_of(operation.name, CATALOGUED)] += operation.weight
        for family, name in enumerate(self.families):
            assumed = document.unlisted[name]
            masses[_class(family, SENSITIVE, 0)] = assumed.sensitive_reads * self._fallback.sensitive
            masses[_class(family, SENSITIVE, 1)] = assumed.sensitive_writes * self._fallback.sensitive
            masses[_class(family, OTHER, 0)] = assumed.other_reads * self._fallback.read
            masses[_class(family, OTHER, 1)] = assumed.other_writes * self._fallback.other
        return masses

    def _class_of(self, operation: str, tier: int) -> int:
        return _class(self._family(operation), tier, 0 if self._reads.match(operation) else 1)

    def _family(self, operation: str) -> int:
        last = FAMILY_COUNT - 1
        return next((k for k in range(last) if self._family_patterns[k].match(operation)), last)

    def _tier(self, operation: str) -> int:
        return SENSITIVE if self._sensitive.match(operation) else OTHER

    def _unlisted_weight(self, operation: str) -> float:
        if self._sensitive.match(operation):
            return self._fallback.sensitive
        return self._fallback.read if self._reads.match(operation) else self._fallback.other


def signal_mask(names: tuple[Signal, ...]) -> int:
    """Signals as a bit mask.

    >>> signal_mask(("test", "secret"))
    5
    """
    return sum(1 << SIGNALS.index(name) for name in set(names))


@cache
def load(provider: str) -> AttackerLanguage:
    """The language shipped for a provider, such as ``aws`` or ``okta``; read once a process.

    Raises ``LanguageError`` where none is shipped.
    """
    shipped = _shipped()
    if provider not in shipped:
        raise LanguageError(f"no attacker language for provider {provider!r}; there are {', '.join(sorted(shipped))}")
    return parse(shipped[provider].read_bytes(), f"{provider}.toml")


def parse(text: bytes, origin: str) -> AttackerLanguage:
    """The language a TOML text describes. Raises ``LanguageError`` naming ``origin`` and the path at fault.

    Blind to: whether a source says what the entry claims.
    """
    try:
        document = msgspec.toml.decode(text, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LanguageError(f"{origin}: {error}") from error
    _check(document, origin)
    return AttackerLanguage(document)


def _check(document: Document, origin: str) -> None:
    families = tuple(document.families)
    if len(families) != FAMILY_COUNT:
        raise LanguageError(f"{origin}: {len(families)} families, wanted {FAMILY_COUNT} - at `$.families`")
    if set(document.unlisted) != set(families):
        raise LanguageError(f"{origin}: wanted one row for each of {', '.join(families)} - at `$.unlisted`")
    seen: set[str] = set()
    for k, operation in enumerate(document.operations.listed):
        if operation.name in seen:
            raise LanguageError(f"{origin}: {operation.name!r} is listed twice - at `$.operations.listed[{k}].name`")
        seen.add(operation.name)


def _class(family: int, tier: int, writes: int) -> int:
    return (family * len(TIERS) + tier) * 2 + writes


def _any_of(patterns: Patterns) -> re.Pattern[str]:
    """One expression for shell-style patterns; no patterns match nothing."""
    return re.compile("|".join(translate(p) for p in patterns) or r"(?!)")


def _shipped() -> dict[str, Traversable]:
    folder = files("detector").joinpath("data", "attackers")
    return {file.name.removesuffix(".toml"): file for file in folder.iterdir() if file.name.endswith(".toml")}
