"""The topics, by name, and how each is laid out."""

from typing import NamedTuple

from streams.config import Kafka


class Topic(NamedTuple):
    """One topic as it should be. ``is_keyed`` ones have as many partitions as there are shards."""

    name: str
    partitions: int
    settings: dict[str, str]


class Topics(NamedTuple):
    """Names of every topic under one prefix."""

    events: str
    decisions: str
    revocations: str
    outcomes: str
    rejected: str
    links: str
    shared: str
    raw: str
    sightings: str

    @classmethod
    def under(cls, prefix: str) -> "Topics":
        """Names under a prefix.

        >>> Topics.under("outpace").events
        'outpace.events'
        """
        return cls(*(f"{prefix}.{name}" for name in cls._fields))


def written_by_workers(prefix: str) -> tuple[str, ...]:
    """Names of the topics a worker writes to, its snapshots' apart."""
    names = Topics.under(prefix)
    return names.decisions, names.revocations, names.rejected, names.links, names.shared, names.sightings


def worker_group(kafka: Kafka) -> str:
    """The workers' consumer group, and their Faust app's id.

    >>> worker_group(Kafka())
    'outpace-worker'
    """
    return f"{kafka.prefix}-worker"


def snapshots_changelog(kafka: Kafka) -> str:
    """The topic Faust makes for the workers' snapshots.

    >>> snapshots_changelog(Kafka())
    'outpace-worker-snapshots-changelog'
    """
    return f"{worker_group(kafka)}-snapshots-changelog"


def layout(kafka: Kafka) -> list[Topic]:
    """Every topic Outpace writes, and the one others may write raw records to, as they should be."""
    names = Topics.under(kafka.prefix)
    kept = {"retention.ms": str(kafka.retention_hours * 3_600_000), "max.message.bytes": str(kafka.max_message_bytes)}
    keyed = [Topic(name, kafka.partitions, dict(kept)) for name in (names.events, names.raw)]
    told = (names.decisions, names.revocations, names.outcomes, names.rejected, names.sightings)
    single = (names.links, names.shared, *told)
    return keyed + [Topic(name, 1, dict(kept)) for name in single]
