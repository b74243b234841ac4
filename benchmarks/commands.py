"""The commands the live path consists of, said once: live tests and benchmarks start them, and docker-compose.yml must."""

import sys

SETTINGS = "/etc/outpace/settings.toml"
TOPICS, INGEST, WORKER, RESPOND, SIGNALS = "topics", "ingest", "worker", "respond", "signals serve"
SERVICES = {"topics": TOPICS, "ingest": INGEST, "worker-1": WORKER, "worker-2": WORKER, "responder": RESPOND}
"""Which command each service of docker-compose.yml runs."""


def command(name: str, settings: str = SETTINGS) -> list[str]:
    """The command line, with the program in front.

    >>> command(WORKER)
    ['outpace', 'worker', '--settings', '/etc/outpace/settings.toml']
    """
    return ["outpace", *name.split(), "--settings", settings]


def from_source(name: str, settings: str) -> list[str]:
    """The same command line, run by this Python from where the source lies."""
    return [sys.executable, "-m", "streams.cli", *command(name, settings)[1:]]
